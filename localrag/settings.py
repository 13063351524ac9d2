"""Every setting with its bounds and meaning, and the one place that reads them: flags, environment, applied, file, defaults."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from localrag.errors import SettingsError

ENV_PREFIX = "LOCALRAG_"
APPLIED_FILE = "settings.json"
TOML_FILE = "localrag.toml"
DEFAULT_COLLECTION = "default"
GUIDE_COLLECTION = "LocalRAG guide"


class Group(BaseModel):
    """A frozen group of settings. Field names are unique over all groups, so a flat name finds its field."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ModelSettings(Group):
    """What takes effect when the model is loaded."""

    llm: Literal["llamacpp", "fake"] = Field("llamacpp", description="What runs the chat model")
    model_path: Path | None = Field(None, description="The chat model, a GGUF file; the starter model when empty")
    n_gpu_layers: int = Field(0, ge=-1, le=1000, description="Layers on the GPU; -1 all, 0 CPU only")
    n_batch: int = Field(
        512, ge=1, le=8192, description="Prompt tokens evaluated per step; more is faster until memory runs out"
    )
    n_ctx: int = Field(4096, ge=0, le=1_048_576, description="Context window in tokens; 0 takes the model's own")
    n_threads: int = Field(0, ge=0, le=256, description="Threads; 0 takes every core this process may use")
    flash_attn: bool = Field(True, description="Flash attention: faster prompts, less memory; on a CPU, slower answers")


class AnswerSettings(Group):
    """What takes effect with the next answer."""

    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0 always takes the likeliest word; higher varies more")
    top_p: float = Field(0.95, gt=0.0, le=1.0, description="Choose only among the likeliest words that make up this share")
    top_k: int = Field(40, ge=0, le=1000, description="Choose only among this many likeliest words; 0 is no limit")
    min_p: float = Field(0.05, ge=0.0, le=1.0, description="Leave out words less likely than this share of the likeliest")
    repeat_penalty: float = Field(1.1, ge=1.0, le=2.0, description="Makes words of the last 64 tokens less likely; 1 is off")
    max_tokens: int = Field(256, ge=1, le=65_536, description="Longest answer in tokens; this room is kept free in the window")
    seed: int = Field(
        -1, ge=-1, le=2**31 - 1, description="The same seed repeats the same answer; -1 takes a new one each time"
    )
    prompt: Literal["chat", "rlm/rag-prompt", "rlm/rag-prompt-llama"] = Field(
        "chat", description="How the question is put: the model's own chat template, or a LangChain Hub prompt"
    )


class DocumentSettings(Group):
    """How documents are read, split and embedded."""

    embeddings: Literal["llamacpp", "gpt4all", "server", "fake"] = Field(
        "llamacpp", description="What runs the embedding model"
    )
    embedding_path: Path | None = Field(None, description="The embedding model, a GGUF file; the starter model when empty")
    embedding_workers: int = Field(0, ge=0, le=64, description="Embedding threads while documents go in; 0 takes every core")
    embedding_server: str = Field(
        "", description="Address of an OpenAI-compatible server that embeds, e.g. http://127.0.0.1:8080/v1; it reads every text"
    )
    embedding_model: str = Field("", description="The server's name of its embedding model; the first it lists when empty")
    embedding_api_key: SecretStr | None = Field(
        None, description="Key for the embedding server; best as a variable, the app never writes it down"
    )
    embedding_timeout_s: float = Field(
        60.0, gt=0.0, le=3600.0, description="Seconds one request to the embedding server may take, new attempts included"
    )
    chunk_chars: int = Field(500, ge=50, le=20_000, description="Longest chunk in characters")
    chunk_overlap: int = Field(0, ge=0, le=5_000, description="Characters a chunk repeats of the one before")
    max_document_mb: int = Field(200, ge=1, le=4096, description="Largest file that is read, in MB")
    reader_timeout_s: float = Field(180.0, gt=0.0, le=86_400.0, description="Seconds one document may take to be read")
    reader_memory_mb: int = Field(3000, ge=500, le=1_000_000, description="Memory one document may take to be read, in MB")


class VectorSettings(Group):
    """Where vectors are kept: in the data directory, or on a Chroma server."""

    chroma_url: str = Field(
        "",
        description="Address of a Chroma server for the vectors, e.g. http://127.0.0.1:8000; the data directory when empty",
    )
    chroma_token: SecretStr | None = Field(
        None, description="Token for the Chroma server; best as a variable, the app never writes it down"
    )
    chroma_tenant: str = Field("default_tenant", min_length=3, description="Tenant on the Chroma server; made when missing")
    chroma_database: str = Field("default_database", min_length=3, description="Database of the tenant; made when missing")
    chroma_timeout_s: float = Field(
        60.0, gt=0.0, le=3600.0, description="Seconds one request to the Chroma server may take, new attempts included"
    )

    @field_validator("chroma_url")
    @classmethod
    def _usable(cls, url: str) -> str:
        url = url.strip().rstrip("/")
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("should be an http or https address")
        if parts.username or parts.password:
            raise ValueError("should hold no user or password: there is chroma_token")
        return url


class RetrievalSettings(Group):
    """What is put in front of the model."""

    k: int = Field(4, ge=1, le=50, description="Most passages given to the model")
    least_share: float = Field(
        0.75, ge=0.0, le=1.0, description="Leave out passages that score less than this share of the best one; 0 keeps all"
    )
    vector_weight: float = Field(
        0.4, ge=0.0, le=1.0, description="Weight of meaning (vectors) beside words (BM25) in a search; 1 goes by vectors alone"
    )


class WebSettings(Group):
    """Fetching a web address: only when asked. Beside it, only texts for an embedding server ever leave this process."""

    allow_private_addresses: bool = Field(False, description="Also fetch from this machine and the local network")
    fetch_timeout_s: float = Field(30.0, gt=0.0, le=600.0, description="Seconds one address may take, redirects included")
    fetch_max_mb: float = Field(20.0, gt=0.0, le=1024.0, description="Largest page that is fetched, in MB")


class PlaceSettings(Group):
    """Where data live and where the app answers."""

    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("localrag", appauthor=False)),
        description="Everything LocalRAG keeps",
    )
    models_dir: Path | None = Field(None, description="Folder of GGUF files; models/ in the data directory when empty")
    host: str = Field("127.0.0.1", description="Address the app answers on")
    port: int = Field(8501, ge=1, le=65_535, description="Port the app answers on")


class Settings(Group):
    """All settings. Build with `load_settings`; change with `with_values`."""

    model: ModelSettings = ModelSettings()
    answer: AnswerSettings = AnswerSettings()
    documents: DocumentSettings = DocumentSettings()
    vectors: VectorSettings = VectorSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    web: WebSettings = WebSettings()
    place: PlaceSettings = Field(default_factory=PlaceSettings)

    GROUPS: ClassVar[tuple[str, ...]] = ("model", "answer", "documents", "vectors", "retrieval", "web", "place")

    @property
    def data_dir(self) -> Path:
        return self.place.data_dir

    @property
    def models_dir(self) -> Path:
        return self.place.models_dir or self.place.data_dir / "models"

    def flat(self) -> dict[str, Any]:
        """Every setting under its flat name."""
        return {name: value for group in self.GROUPS for name, value in getattr(self, group).model_dump().items()}

    def with_values(self, values: Mapping[str, Any], origin: str = "settings") -> Settings:
        """A copy with some settings changed, by flat name.

        Raises:
            SettingsError: a name is unknown or a value out of bounds; `origin` says where it came from.
        """
        merged: dict[str, dict[str, Any]] = {group: getattr(self, group).model_dump() for group in self.GROUPS}
        for name, value in values.items():
            group = FIELD_GROUP.get(name)
            if group is None:
                raise SettingsError(f"Unknown setting in {origin}: {name}. The README lists the settings.")
            merged[group][name] = value
        try:
            return Settings.model_validate(merged)
        except ValidationError as exc:
            raise SettingsError(_sentence(exc, origin)) from exc


GROUP_CLASSES: dict[str, type[Group]] = {
    "model": ModelSettings,
    "answer": AnswerSettings,
    "documents": DocumentSettings,
    "vectors": VectorSettings,
    "retrieval": RetrievalSettings,
    "web": WebSettings,
    "place": PlaceSettings,
}
FIELD_GROUP: dict[str, str] = {name: group for group, cls in GROUP_CLASSES.items() for name in cls.model_fields}
SECRETS = frozenset({"embedding_api_key", "chroma_token"})
"""Never written to the applied settings, never read from them, never shown."""


def field_info(name: str) -> Any:
    """The pydantic field of a flat name: its default, bounds (`metadata`) and description."""
    return GROUP_CLASSES[FIELD_GROUP[name]].model_fields[name]


def bounds(name: str) -> tuple[float | None, float | None]:
    """Lowest and highest value of a numeric setting; None where it has no bound."""
    low = high = None
    for rule in field_info(name).metadata:
        low = getattr(rule, "ge", getattr(rule, "gt", low))
        high = getattr(rule, "le", getattr(rule, "lt", high))
    return low, high


def load_settings(
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    working_dir: Path | None = None,
) -> Settings:
    """Merge flags over LOCALRAG_* variables over applied settings over localrag.toml over defaults.

    `localrag.toml` is looked for in `working_dir` (default: the current folder). The applied settings lie in the
    data directory, which flags, variables or the file may name.
    Raises:
        SettingsError: a value is unusable; the message names where it stands.
    """
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    variables = {
        key[len(ENV_PREFIX) :].lower(): value
        for key, value in environ.items()
        if key.startswith(ENV_PREFIX) and key[len(ENV_PREFIX) :].lower() in FIELD_GROUP and value != ""
    }
    toml_path = (working_dir or Path.cwd()) / TOML_FILE
    settings = Settings().with_values(_read_toml(toml_path), str(toml_path))
    placed = settings.with_values(variables, "the environment").with_values(given, "the command line")
    applied = applied_values(placed.data_dir)
    for values, origin in (
        (applied, str(placed.data_dir / APPLIED_FILE)),
        (variables, "the environment"),
        (given, "the command line"),
    ):
        settings = settings.with_values(values, origin)
    return settings


def applied_values(data_dir: Path) -> dict[str, Any]:
    """Settings that were applied in the app, by flat name; empty when there are none."""
    path = data_dir / APPLIED_FILE
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as exc:
        raise SettingsError(f"The applied settings cannot be read: {path} ({exc}). Delete the file to start afresh.") from exc
    if not isinstance(values, dict):
        raise SettingsError(f"The applied settings cannot be read: {path} holds no object. Delete the file to start afresh.")
    return {name: value for name, value in values.items() if name in FIELD_GROUP and name not in SECRETS}


def save_applied(data_dir: Path, values: Mapping[str, Any]) -> None:
    """Add settings to the applied ones, for this process and the next. Written whole or not at all, without the secrets."""
    data_dir.mkdir(parents=True, exist_ok=True)
    open_values = {name: value for name, value in values.items() if name not in SECRETS}
    merged = applied_values(data_dir) | {n: str(v) if isinstance(v, Path) else v for n, v in open_values.items()}
    path = data_dir / APPLIED_FILE
    scratch = path.with_suffix(".tmp")
    try:
        scratch.write_text(json.dumps(merged, indent=2, sort_keys=True), "utf-8")
        scratch.replace(path)
    except OSError as exc:
        scratch.unlink(missing_ok=True)
        raise SettingsError(
            f"The settings could not be kept in {path}: {exc.strerror}. They apply until the app stops."
        ) from exc


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise SettingsError(f"The settings file cannot be read: {path} ({exc}). Correct or remove it.") from exc
    return {
        name: value
        for key, item in values.items()
        for name, value in (item.items() if isinstance(item, dict) else [(key, item)])
    }


def _sentence(exc: ValidationError, origin: str) -> str:
    first = exc.errors()[0]
    name = str(first["loc"][-1]) if first["loc"] else "value"
    reason = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    value = "(hidden)" if SECRETS & {str(part) for part in first["loc"]} else repr(first["input"])
    return f"{name} = {value} ({origin}) {reason}. Choose another value."
