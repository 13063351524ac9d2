"""The README cannot go stale: its table is generated, its commands and files exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.tools.settings_table import README, with_table

ROOT = README.parent


def test_the_table_of_settings_is_the_generated_one() -> None:
    text = README.read_text("utf-8")
    assert with_table(text) == text, "run `python -m tests.tools.settings_table`"


def test_the_two_commands_stand_within_the_first_thirty_lines() -> None:
    head = "\n".join(README.read_text("utf-8").splitlines()[:30])
    assert "make run" in head
    assert "make test" in head


def test_every_file_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\(((?!http)[^)]+)\)", README.read_text("utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_command_the_readme_names_is_one() -> None:
    named = set(re.findall(r"python -m localrag (\w+)", README.read_text("utf-8")))
    listed = subprocess.run(
        [sys.executable, "-m", "localrag", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert {"setup", "serve", "ingest", "search", "ask"} <= named
    assert [name for name in named if name not in listed] == []


def test_the_guide_explains_every_page() -> None:
    guide = (ROOT / "docs" / "guide.md").read_text("utf-8")
    pages = [path.stem.capitalize() for path in Path(ROOT / "pages").glob("*.py")]
    assert [page for page in pages if f"## {page}" not in guide] == []
