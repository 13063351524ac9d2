"""The process that opens Chroma to see whether it is sound: what is damaged may end it by a signal instead of an error.

`python -m localrag.retrieval.check FOLDER still|busy [INDEX ...]`: a JSON line when it is open, then one before and one after
each index; indexes that are named are passed over. `busy`: somebody may be writing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from localrag.errors import StoreError
from localrag.retrieval.segments import half_written, index_folders
from localrag.retrieval.vectors import VectorIndex

PART = 500


def main(arguments: list[str]) -> int:
    """Look at every index of the folder."""
    path, still, passed = Path(arguments[0]), arguments[1] == "still", set(arguments[2:])
    folders = index_folders(path)  # before Chroma opens and writes to them
    torn = {name for name, folder in folders.items() if still and half_written(folder)}
    try:
        index = VectorIndex(path)
        names = sorted(index.names() - passed)
    except StoreError as exc:
        _say({"error": str(exc.__cause__ or exc)})
        return 1
    _say({"opened": names})
    for name in names:
        _say({"begin": name})
        try:
            if name in torn:
                raise StoreError("a write of its files did not end")
            _say({"index": name, "ids": sorted(_sound_ids(index, name))})
        except StoreError as exc:
            _say({"index": name, "error": str(exc.__cause__ or exc)})
    return 0


def _sound_ids(index: VectorIndex, name: str) -> set[str]:
    """All ids, after every vector was read and some were looked for."""
    ids = index.ids(name)
    ordered = sorted(ids)
    for at in range(0, len(ordered), PART):
        vectors = index.vectors(name, ordered[at : at + PART])
        if len(vectors) != len(ordered[at : at + PART]):
            raise StoreError("some of its vectors cannot be read")
        if not all(np.isfinite(row).all() for row in vectors.values()):
            raise StoreError("some of its vectors are no usable numbers")
        some = next(iter(vectors.values()))
        if some.any() and not index.finds(name, some):
            raise StoreError("a vector is not found by itself")
    return ids


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
