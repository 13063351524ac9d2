"""Sets of settings under a name: what the sliders of the Model page say, kept, exported and imported."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localrag.errors import SettingsError
from localrag.settings import SECRETS, AnswerSettings, ModelSettings, Settings

FILE = "presets.json"
LONGEST_NAME = 60
MOST_PRESETS = 200
MOST_BYTES = 1_000_000
_ELSEWHERE = frozenset({"llm", "model_path", "chat_server", "chat_model", "gpt4all_device", "template", "prompt"}) | SECRETS
"""What is a path, an address or a name on this machine alone is no part of a preset."""
_MODEL_FIELDS = (name for group in (ModelSettings, AnswerSettings) for name in group.model_fields)
PRESET_FIELDS = (*(name for name in _MODEL_FIELDS if name not in _ELSEWHERE), "evidence_tokens")


class Presets:
    """The presets of one data directory. Every method may be called from any thread."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """The names, sorted.

        Raises:
            SettingsError: the file cannot be read, as in every method.
        """
        with self._lock:
            return sorted(self._load(), key=str.casefold)

    def get(self, name: str) -> dict[str, Any]:
        """The values of a preset, by flat name; SettingsError when there is none of that name."""
        with self._lock:
            presets = self._load()
        if name not in presets:
            raise SettingsError(f"There is no preset “{name}”. Choose one of the list.")
        return presets[name]

    def save(self, name: str, values: Mapping[str, Any]) -> None:
        """Keep values under a name, in place of those before.

        Raises:
            SettingsError: the name or a value is unusable; nothing was kept.
        """
        self._add({name: values}, "this preset")

    def delete(self, name: str) -> None:
        """Forget a preset; nothing happens when there is none of that name."""
        with self._lock:
            presets = self._load()
            if presets.pop(name, None) is not None:
                self._write(presets)

    def exported(self, name: str) -> str:
        """A preset as a text that `import_text` takes, on any machine."""
        return json.dumps({"localrag_presets": {name: self.get(name)}}, indent=2, ensure_ascii=False)

    def import_text(self, text: str) -> list[str]:
        """Take in the presets of an exported text; returns their names.

        Raises:
            SettingsError: it is no such text, or a value is unusable; nothing was kept.
        """
        if len(text) > MOST_BYTES:
            raise SettingsError(f"A file of {len(text):,} characters holds no presets. Choose one that was exported here.")
        try:
            data = json.loads(text)
            json.dumps(data, ensure_ascii=False).encode()  # no half of a character: no file takes one
            found = {str(name): dict(values) for name, values in data["localrag_presets"].items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
            raise SettingsError("This file holds no presets. Choose one that was exported from the Model page.") from exc
        return self._add(found, "the imported preset")

    def _add(self, new: Mapping[str, Mapping[str, Any]], origin: str) -> list[str]:
        checked = {_name(name): _checked(values, origin) for name, values in new.items()}
        if len(checked) < len(new):
            raise SettingsError("Two presets of this file have the same name but for spaces. Rename one and import it again.")
        with self._lock:
            presets = self._load() | checked
            if len(presets) > MOST_PRESETS:
                raise SettingsError(f"There are {MOST_PRESETS} presets already. Delete one first.")
            self._write(presets)
        return sorted(checked)

    def _load(self) -> dict[str, dict[str, Any]]:
        try:
            data = json.loads(self._path.read_text("utf-8"))
            return {str(name): dict(values) for name, values in data.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as exc:
            raise SettingsError(f"The presets cannot be read: {self._path} ({exc}). Delete the file to start afresh.") from exc

    def _write(self, presets: Mapping[str, Mapping[str, Any]]) -> None:
        scratch = self._path.with_suffix(".tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(json.dumps(presets, indent=2, sort_keys=True, ensure_ascii=False), "utf-8")
            scratch.replace(self._path)
        except OSError as exc:
            scratch.unlink(missing_ok=True)
            raise SettingsError(
                f"The presets could not be kept in {self._path}: {exc.strerror}. Make room and try again."
            ) from exc


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise SettingsError(f"A preset cannot be named “{name[:80]}”. Take a name of 1 to {LONGEST_NAME} characters.")
    return name


def _checked(values: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The values as they are after the settings' own checks: `"0.5"` becomes 0.5."""
    foreign = sorted(set(values) - set(PRESET_FIELDS))
    if foreign:
        raise SettingsError(f"{foreign[0]} is no setting of a preset ({origin}). Remove it from the file and import it again.")
    flat = Settings().with_values(values, origin).flat()
    return {name: list(flat[name]) if isinstance(flat[name], tuple) else flat[name] for name in values}
