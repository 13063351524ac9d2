"""All settings, and the one place that reads them: flags, environment, applied, file, defaults."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, ValidationError

from localrag.errors import SettingsError
from localrag.setting_groups import (
    AnswerSettings,
    DocumentSettings,
    Group,
    ModelSettings,
    PlaceSettings,
    RetrievalSettings,
    VectorSettings,
    WebSettings,
)

__all__ = [
    "AnswerSettings",
    "DocumentSettings",
    "Group",
    "ModelSettings",
    "PlaceSettings",
    "RetrievalSettings",
    "Settings",
    "VectorSettings",
    "WebSettings",
    "hub_token",
    "load_settings",
    "save_applied",
]

ENV_PREFIX = "LOCALRAG_"
APPLIED_FILE = "settings.json"
CONVERSATIONS_FILE = "conversations.sqlite"
TOML_FILE = "localrag.toml"
DEFAULT_COLLECTION = "default"
GUIDE_COLLECTION = "LocalRAG guide"


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


SHOWN_CHARS = 60
"""Of a value that is refused."""
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
SECRETS = frozenset({"embedding_api_key", "chroma_token", "chat_api_key"})
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


def hub_token(environ: Mapping[str, str] | None = None) -> str:
    """The token for models of Hugging Face that want one, by that hub's own variable; empty when there is none to send."""
    token = (os.environ if environ is None else environ).get("HF_TOKEN", "").strip()
    return token if token.isascii() and token.isprintable() else ""


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
    if name in GROUP_CLASSES:  # two settings of a group that do not go together; the reason names them
        return f"{reason} ({origin})."
    value = "(hidden)" if SECRETS & {str(part) for part in first["loc"]} else _shown(first["input"])
    return f"{name} = {value} ({origin}) {reason}. Choose another value."


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"
