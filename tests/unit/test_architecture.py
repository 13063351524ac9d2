"""The rules of the house that a program can check: who imports whom, how long things are, what an import loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "localrag"
LAYERS = (
    {"__init__", "setting_groups", "settings", "document_types", "types", "errors", "privacy", "wording", "server_session"},
    {"models", "embeddings", "llms", "documents", "retrieval", "prompts"},
    {"chat", "evaluation"},
    {"stores", "tuning"},
    {"library"},
    {"removal", "rereading", "bundles", "sync", "collection_map", "evaluating", "presets", "comparing", "asking"},
    {"intake", "watching", "doctor"},
    {"conversations", "attachments"},
    {"engine"},
    {"commands", "ui"},
    {"__main__"},
)
BOTTOM, MIDDLE = LAYERS[:2]
MAX_FILE, MAX_PAGE, MAX_FUNCTION = 300, 120, 60


def core_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def page_files() -> list[Path]:
    return sorted(path for path in [ROOT / "app.py", *(ROOT / "pages").glob("*.py")] if path.exists())


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def nodes(node: ast.AST, with_types: bool) -> Iterator[ast.AST]:
    """All nodes below; without those only a type checker sees unless `with_types`."""
    for child in ast.iter_child_nodes(node):
        if only_for_types(child) and not with_types:
            continue
        yield child
        yield from nodes(child, with_types)


def imports(path: Path, with_types: bool = True) -> set[str]:
    """Every module a file imports, inside functions too, as dotted names."""
    found: set[str] = set()
    for node in nodes(tree(path), with_types):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def room(path: Path) -> str:
    """The room a file of localrag belongs to: the folder, or the file's own name at the top."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def rooms_imported(path: Path, with_types: bool = True) -> set[str]:
    names = {name.split(".")[1] for name in imports(path, with_types) if name.startswith("localrag.") and name.count(".")}
    return {name for name in names if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()}


def layer(name: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if name in rooms)


def importers(package: str) -> set[str]:
    files = [*core_files(), *page_files()]
    return {path.relative_to(ROOT).as_posix() for path in files if package in roots(path)}


def test_every_room_has_a_layer() -> None:
    assert {room(path) for path in core_files()} <= set().union(*LAYERS)


@pytest.mark.parametrize("path", core_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_downwards(path: Path) -> None:
    own = room(path)
    upwards = {name for name in rooms_imported(path) - {own} if layer(name) > layer(own)}
    assert not upwards, f"{own} imports {upwards}"
    sideways = {name for name in rooms_imported(path) - {own} if layer(name) == layer(own)}
    assert own in BOTTOM | MIDDLE or not sideways, f"{own} imports {sideways} beside it"


def test_pages_import_the_interface_and_nothing_private() -> None:
    for path in page_files():
        assert rooms_imported(path) <= {
            "ui",
            "engine",
            "settings",
            "types",
            "errors",
            "chat",
            "documents",
            "models",
            "evaluation",
        }


def test_no_rooms_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in BOTTOM | MIDDLE}
    for path in core_files():
        if room(path) in graph:
            graph[room(path)] |= (rooms_imported(path) & graph.keys()) - {room(path)}
    left = dict(graph)
    while left:
        free = [name for name, needs in left.items() if not needs & left.keys()]
        assert free, f"a circle among {sorted(left)}: {left}"
        for name in free:
            del left[name]


def test_only_the_interface_imports_streamlit() -> None:
    allowed = ("localrag/ui/", "pages/", "app.py")
    assert all(path.startswith(allowed) for path in importers("streamlit"))


def test_only_two_files_import_chromadb() -> None:
    assert importers("chromadb") == {"localrag/retrieval/vectors.py", "localrag/retrieval/server.py"}
    assert importers("langchain_chroma") <= {"localrag/evaluation/notebook.py"}  # LangChain's notebook, to measure it


def test_sql_is_spoken_in_few_places() -> None:
    allowed = {
        "localrag/documents/database.py",
        "localrag/documents/ledger.py",
        "localrag/chat/database.py",
        "localrag/retrieval/lexical.py",
        "localrag/retrieval/segments.py",  # looks which folder is whose in a Chroma that may be damaged
        "localrag/retrieval/vectors.py",  # catches what Chroma lets through, speaks no SQL
    }
    assert importers("sqlite3") <= allowed
    assert not any(
        isinstance(node, ast.Attribute) and node.attr in ("execute", "executemany", "executescript")
        for node in ast.walk(tree(PACKAGE / "retrieval" / "vectors.py"))
    )


def test_each_backend_library_is_imported_by_its_own_files_only() -> None:
    assert importers("llama_cpp") <= {f"localrag/models/{name}.py" for name in ("llama_library", "quantise", "devices")}
    answering = {f"localrag/llms/server_{name}.py" for name in ("chat", "wire")}
    assert importers("openai") | importers("langchain_openai") <= answering
    assert importers("gpt4all") <= {"localrag/embeddings/gpt4all.py", "localrag/llms/gpt4all_session.py"}


@pytest.mark.parametrize("module", ["localrag", "localrag.engine", "localrag.__main__"])
def test_importing_loads_no_model_library(module: str) -> None:
    heavy = ("chromadb", "langchain_chroma", "langchain_openai", "llama_cpp", "gpt4all", "openai", "streamlit")
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_environment_is_read_in_one_place() -> None:
    def reads(path: Path) -> bool:
        return any(
            isinstance(node, ast.Attribute)
            and node.attr in ("environ", "getenv", "putenv")
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
            for node in ast.walk(tree(path))
        )

    found = {path.relative_to(PACKAGE).as_posix() for path in core_files() if reads(path)}
    allowed = {
        "settings.py",
        "commands/serve.py",  # hands it on to the app
        "privacy.py",  # switches telemetry off; reads no setting
        "llms/trial_child.py",  # tells ggml to start no debugger; reads no setting
        "models/waiting_threads.py",  # tells OpenMP how to wait; reads no setting
    }
    assert found <= allowed
    assert not any(reads(path) for path in page_files())


@pytest.mark.parametrize("path", [*core_files(), *page_files()], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_and_functions_stay_short(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= (MAX_FILE if path.is_relative_to(PACKAGE) else MAX_PAGE)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", core_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_swallows_every_exception(path: Path) -> None:
    """`except:` and an `except BaseException` that does not raise again would eat Streamlit's stop and rerun."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.id if isinstance(node.type, ast.Name) else ""
            raises = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
            assert node.type is not None, f"a bare except in line {node.lineno}"
            assert caught != "BaseException" or raises, f"line {node.lineno} swallows BaseException"
