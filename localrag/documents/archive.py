"""ZIP archives of documents: which files are in them, and their bytes."""

from __future__ import annotations

from localrag.documents.raw import RawDocument
from localrag.documents.zip_package import ZipPackage, is_zip, member_names

MAX_DEPTH = 3
"""Archives in archives deeper than this are made to exhaust the reader."""
_DOCUMENT_PARTS = ("[Content_Types].xml", "META-INF/container.xml", "mimetype", "META-INF/manifest.xml")
_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")


def is_archive(raw: RawDocument) -> bool:
    """Whether it is a readable ZIP archive, and not one document made of parts."""
    return is_zip(raw) and bool(names := member_names(raw)) and names.isdisjoint(_DOCUMENT_PARTS)


class Archive:
    """The files in an archive, hidden ones and a system's own left out; DocumentError when they cannot be read."""

    def __init__(self, raw: RawDocument) -> None:
        self._package = ZipPackage(raw)
        self.members = sorted(name for name in self._package.names if _is_wanted(name))

    def read(self, name: str) -> bytes:
        """The bytes of one file; DocumentError when it is protected, damaged or unpacks to too much."""
        return self._package.read(name)


def _is_wanted(name: str) -> bool:
    return not any(part.startswith(".") or part in _JUNK for part in name.split("/"))
