"""Something to take in, and what a person means by a place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localrag.documents.sources import find_files, is_address, printable
from localrag.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Source:
    """A file by path, a page by address, or bytes that were uploaded under a name.

    `stored` is where uploaded bytes lie until they are in. `member` names a file inside the archive that the rest leads to,
    its folders separated by "/"; an archive in an archive takes one name each.
    """

    name: str
    path: Path | None = None
    address: str | None = None
    data: bytes | None = None
    stored: Path | None = None
    member: tuple[str, ...] = ()

    @property
    def container(self) -> str:
        """What the ledger calls the archive it lies in; "" when it lies in none."""
        return Source(self.name, self.path, self.address).identity if self.member else ""

    @property
    def identity(self) -> str:
        """What the ledger calls it: the absolute path, the address, or the uploaded name, and then the way into archives."""
        place = str(self.path) if self.path else self.address or self.name
        return printable("/".join((place, *self.member)))

    @property
    def title(self) -> str:
        """The name of the very file, without folders."""
        return printable(self.member[-1].rsplit("/", 1)[-1] if self.member else self.name)


def sources_at(place: str, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[Source]:
    """What a person means by a place: a web address, a file, or every file in a folder.

    `include` and `exclude` choose among a folder's files: see `find_files`.
    Raises:
        DocumentError: nothing was named, there is nothing there, or the folder holds no such files.
    """
    place = place.strip()
    if not place:
        raise DocumentError("No file, folder or address was named. Name one and try again.")
    if is_address(place):
        return [Source(place, address=place)]
    path = Path(os.path.expanduser(place))
    if os.path.isdir(path):  # unlike Path.is_dir(), says no to a name no file can have
        found = [Source(file.name, path=file) for file in find_files(path, include, exclude)]
        if not found:
            such = " that the patterns let in" if include or exclude else ""
            raise DocumentError(f"The folder {place} holds no files{such}. Choose another one.")
        return found
    if not os.path.lexists(path):
        raise DocumentError(f"There is nothing at {place:.300}. Give a web address that begins with http, a file, or a folder.")
    return [Source(path.name, path=Path(os.path.abspath(path)))]
