"""Documents read again from where they came, also when nothing there has changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from localrag.documents.source import Source
from localrag.documents.sources import is_address
from localrag.library import Library
from localrag.types import DocumentRecord


def ask_anew(library: Library, collection: str, records: Sequence[DocumentRecord]) -> tuple[list[Source], list[DocumentRecord]]:
    """What to take in so that documents are read again, and those that cannot be: uploaded ones, whose files are not kept.

    Until it is taken in the documents stay as they are. An archive is one source, whichever of its files are meant.
    Raises:
        StoreError: there is no such collection, or the ledger cannot be written.
    """
    home = library.collection(collection)
    containers = {record.source: record.container for record in library.ledger.sources(home.id)}
    places: dict[str, None] = {}
    kept: list[DocumentRecord] = []
    lost: list[DocumentRecord] = []
    for record in records:
        found = [containers.get(source) or source for source in (record.source, *record.also)]
        found = [place for place in found if leads_back(place)]
        if found:  # one source is enough: the others hold the same
            kept.append(record)
            places[next((place for place in found if is_address(place) or os.path.lexists(place)), found[0])] = None
        else:
            lost.append(record)
    library.ledger.ask_anew([record.id for record in kept if record.status != "failed"])
    return [_source(place) for place in places], lost


def leads_back(source: str) -> bool:
    """Whether a source is an address or a path, and not only the name of something that was uploaded."""
    return is_address(source) or Path(source).is_absolute()


def _source(place: str) -> Source:
    return Source(place, address=place) if is_address(place) else Source(Path(place).name, path=Path(place))
