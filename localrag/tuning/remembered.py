"""What tuning found, kept per model file and machine in the data directory."""

from __future__ import annotations

import importlib.metadata
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localrag.errors import ModelFileError, SettingsError
from localrag.evaluation.machine import cpu_name
from localrag.models.devices import cpu_threads
from localrag.models.identity import fingerprint
from localrag.tuning.points import Measured, Point

logger = logging.getLogger(__name__)
FILE = "tuning.json"
KEPT = 100
"""Results that are kept: of models and machines long gone they are of no use."""


@dataclass(frozen=True, slots=True)
class TunedChoice:
    """The settings to use. `copy` is the requantised file, None for the file itself."""

    point: Point
    copy: Path | None = None

    def values(self, path: Path) -> dict[str, Any]:
        """Settings by flat name, as `Engine.apply` takes them, for the model file `path`."""
        point = self.point
        return {
            "model_path": self.copy or path,
            "n_threads": 0 if point.n_threads == cpu_threads() else point.n_threads,  # 0 stays "every core"
            "n_batch": point.n_batch,
            "n_ubatch": point.n_ubatch,
            "flash_attn": point.flash_attn,
            "cache_type": point.cache_type,
        }


@dataclass(frozen=True, slots=True)
class TuneResult:
    """A finished sweep. `tried` holds every point in its order, errors too; `warning` says that other programs were at work."""

    file: str
    choice: TunedChoice
    before: Measured
    after: Measured
    notebook: Measured | None
    tried: tuple[Measured, ...]
    machine: str
    finished: str
    """ISO 8601, UTC."""
    warning: str = ""
    load: dict[str, Any] = field(default_factory=dict)

    @property
    def prefill_ratio(self) -> float:
        """How many times as fast prompts are evaluated as before."""
        return self.after.prefill_rate / self.before.prefill_rate if self.before.prefill_rate else 0.0

    @property
    def notebook_ratio(self) -> float | None:
        """How many times as fast prompts are evaluated as with the notebook's settings; None when these could not be run."""
        rate = self.notebook.prefill_rate if self.notebook else 0.0
        return self.after.prefill_rate / rate if rate else None

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "copy": str(self.choice.copy) if self.choice.copy else None,
            "before": self.before.as_json(),
            "after": self.after.as_json(),
            "notebook": self.notebook.as_json() if self.notebook else None,
            "tried": [one.as_json() for one in self.tried],
            "machine": self.machine,
            "finished": self.finished,
            "warning": self.warning,
            "load": self.load,
        }

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> TuneResult:
        """Raises KeyError, TypeError or ValueError when it is none."""
        after, copy, notebook = Measured.of_json(value["after"]), value["copy"], value["notebook"]
        return cls(
            str(value["file"]),
            TunedChoice(after.point, Path(copy) if copy else None),
            Measured.of_json(value["before"]),
            after,
            Measured.of_json(notebook) if notebook else None,
            tuple(Measured.of_json(one) for one in value["tried"]),
            str(value["machine"]),
            str(value["finished"]),
            str(value["warning"]),
            dict(value["load"]),
        )


def machine_id() -> str:
    """What figures depend on beside the model: the processor, the cores this process may use, the build of llama.cpp."""
    try:
        version = importlib.metadata.version("llama-cpp-python")
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    return f"{cpu_name() or 'unknown processor'} · {cpu_threads()} cores · llama-cpp-python {version}"


def remember(data_dir: Path, path: Path, result: TuneResult) -> None:
    """Keep a result for a model file, and for the copy that was chosen. The one before is replaced.

    Raises:
        ModelFileError: the model file is gone.
        SettingsError: it cannot be written.
    """
    entries = _read(data_dir)
    own = {fingerprint(path)} | ({fingerprint(result.choice.copy)} if result.choice.copy else set())
    for model in own:
        entries.pop(f"{model} {result.machine}", None)
        entries[f"{model} {result.machine}"] = {"path": str(path), **result.as_json()}
    kept = dict(list(entries.items())[-KEPT:])
    target = data_dir / FILE
    scratch = target.with_suffix(".tmp")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps(kept, indent=1), "utf-8")
        scratch.replace(target)
    except OSError as exc:
        scratch.unlink(missing_ok=True)
        raise SettingsError(f"The tuning could not be kept in {target}: {exc.strerror}. Make room and tune again.") from exc


def remembered(data_dir: Path, path: Path) -> TuneResult | None:
    """The last result for this very file, or the file it is a copy of, on this machine; None when there is none."""
    try:
        entry = _read(data_dir).get(f"{fingerprint(path)} {machine_id()}")
        return None if entry is None else TuneResult.of_json(entry)
    except (ModelFileError, KeyError, TypeError, ValueError, AttributeError):
        return None


def best(data_dir: Path, path: Path) -> TunedChoice | None:
    """The settings tuning chose for a model file on this machine; None when it was not tuned, or its copy is gone."""
    result = remembered(data_dir, path)
    if result is None or (result.choice.copy is not None and not result.choice.copy.is_file()):
        return None
    return result.choice


def _read(data_dir: Path) -> dict[str, Any]:
    """What is kept; a file that cannot be read counts as empty: tuning again writes it anew."""
    try:
        entries = json.loads((data_dir / FILE).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as exc:
        logger.warning("the tuning in %s cannot be read: %s", data_dir, exc)
        return {}
    return entries if isinstance(entries, dict) else {}
