"""Kinds of files that are recognised by their content and not read, each with what to do instead."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """What a file is, such as "a PNG image", and a sentence on what to do about it."""

    name: str
    advice: str


_IMAGE = "Reading its text needs OCR: run an OCR program on it and add the text or PDF it makes."
_RECORDING = "Add a transcript of it as text."
_ARCHIVE = "Unpack it and add the files in it."
_PROGRAM = "It is no document; leave it out."
_DATA = "Export what matters from it as CSV or text and add that."
_AS_PDF = "Save it as PDF and add that."
_AS_DOCX = "Open it in an office program, save it as DOCX and add that."
_AS_PPTX = "Open it in an office program, save it as PPTX and add that."
_AS_XLSX = "Open it in an office program, save it as XLSX and add that."
_AGAIN = "Copy or download it again and add it."
_PASSWORD = Kind("protected by a password", "Remove the password and add it again.")

# First bytes of each kind: the `file` command's magic database and the "List of file signatures".
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"{\\rtf", Kind("an RTF document", _AS_DOCX)),
    (b"%!PS", Kind("a PostScript file", "Convert it to PDF and add that.")),
    (b"\x89PNG\r\n\x1a\n", Kind("a PNG image", _IMAGE)),
    (b"\xff\xd8\xff", Kind("a JPEG image", _IMAGE)),
    (b"GIF87a", Kind("a GIF image", _IMAGE)),
    (b"GIF89a", Kind("a GIF image", _IMAGE)),
    (b"II*\0", Kind("a TIFF image", _IMAGE)),
    (b"MM\0*", Kind("a TIFF image", _IMAGE)),
    (b"8BPS\0", Kind("a Photoshop image", _IMAGE)),
    (b"\0\0\1\0", Kind("an icon image", _IMAGE)),
    (b"\x7fELF", Kind("a program", _PROGRAM)),
    (b"\xcf\xfa\xed\xfe", Kind("a program", _PROGRAM)),
    (b"\xca\xfe\xba\xbe", Kind("a program", _PROGRAM)),
    (b"\0asm", Kind("a program", _PROGRAM)),
    (b"\x1f\x8b", Kind("a gzip archive", _ARCHIVE)),
    (b"BZh", Kind("a bzip2 archive", _ARCHIVE)),
    (b"\xfd7zXZ\0", Kind("an xz archive", _ARCHIVE)),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7-Zip archive", _ARCHIVE)),
    (b"Rar!\x1a\x07", Kind("a RAR archive", _ARCHIVE)),
    (b"\x28\xb5\x2f\xfd", Kind("a Zstandard archive", _ARCHIVE)),
    (b"SQLite format 3\0", Kind("an SQLite database", _DATA)),
    (b"GGUF", Kind("a GGUF model file", "Choose it as a model instead; it holds no text.")),
    (b"PAR1", Kind("a Parquet table", _DATA)),
    (b"\x93NUMPY", Kind("a NumPy array", _DATA)),
    (b"ID3", Kind("an MP3 recording", _RECORDING)),
    (b"fLaC", Kind("a FLAC recording", _RECORDING)),
    (b"OggS", Kind("an Ogg recording", _RECORDING)),
    (b"\x1aE\xdf\xa3", Kind("a Matroska video", _RECORDING)),
    (b"wOFF", Kind("a font", _PROGRAM)),
    (b"wOF2", Kind("a font", _PROGRAM)),
    (b"\0\1\0\0\0", Kind("a font", _PROGRAM)),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ZIP_END = b"PK\x05\x06"
# The names of parts stand in the bytes as they are; so does what an uncompressed first part says.
_ZIP_MEMBERS: tuple[tuple[bytes, Kind], ...] = (
    (b"xl/workbook.bin", Kind("an Excel binary workbook (XLSB)", _AS_XLSX)),
    (b"application/vnd.oasis.opendocument.text", Kind("an OpenDocument text (ODT)", _AS_DOCX)),
    (b"application/vnd.oasis.opendocument.spreadsheet", Kind("an OpenDocument spreadsheet (ODS)", _AS_XLSX)),
    (b"application/vnd.oasis.opendocument.presentation", Kind("an OpenDocument presentation (ODP)", _AS_PPTX)),
    (b"application/vnd.oasis.opendocument", Kind("an OpenDocument file", _AS_PDF)),
    (b"application/hwp+zip", Kind("an HWPX document", _AS_DOCX)),
    (b"visio/document", Kind("a Visio drawing", _AS_PDF)),
    (b"Index/Document.iwa", Kind("a Pages, Numbers or Keynote document", "Export it as DOCX, XLSX, PPTX or PDF and add that.")),
    (b"META-INF/MANIFEST.MF", Kind("a Java program", _PROGRAM)),
)
# These have readers, so they come here only when those cannot even find their way in them.
_DAMAGED_MEMBERS: tuple[tuple[bytes, str], ...] = (
    (b"application/epub+zip", "a damaged EPUB book"),
    (b"word/document", "a damaged Word document (DOCX)"),
    (b"ppt/presentation", "a damaged PowerPoint presentation (PPTX)"),
    (b"xl/workbook", "a damaged Excel workbook (XLSX)"),
)
_DAMAGED_SUFFIXES = (
    (("docx", "docm", "dotx", "dotm"), _DAMAGED_MEMBERS[1][1]),
    (("pptx", "pptm", "ppsx", "potx"), _DAMAGED_MEMBERS[2][1]),
    (("xlsx", "xlsm", "xltx", "xltm"), _DAMAGED_MEMBERS[3][1]),
    (("epub",), _DAMAGED_MEMBERS[0][1]),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# An entry of an OLE directory has 128 bytes, and its sectors begin after a header of 512.
_OLE_ENTRY_BYTES = 128
_OLE_STREAMS: tuple[tuple[str, Kind], ...] = (
    ("EncryptedPackage", _PASSWORD),
    ("WordDocument", Kind("a Word document of the old format (DOC)", _AS_DOCX)),
    ("PowerPoint Document", Kind("a PowerPoint presentation of the old format (PPT)", _AS_PPTX)),
    ("Workbook", Kind("an Excel workbook of the old format (XLS)", _AS_XLSX)),
    ("Book", Kind("an Excel workbook of the old format (XLS)", _AS_XLSX)),
    ("\x05HwpSummaryInformation", Kind("an HWP document", _AS_DOCX)),
    ("__properties_version1.0", Kind("an Outlook message (MSG)", "Save it as EML or text and add that.")),
    ("VisioDocument", Kind("a Visio drawing", _AS_PDF)),
)
_OLD_OFFICE = Kind("a document of an old Office version", "Save it as DOCX, XLSX, PPTX or PDF and add that.")
_RIFF = {
    b"WAVE": Kind("a WAV recording", _RECORDING),
    b"AVI ": Kind("an AVI video", _RECORDING),
    b"WEBP": Kind("a WebP image", _IMAGE),
}


def unreadable_kind(data: bytes, suffix: str = "") -> Kind | None:
    """What the bytes are when no reader takes that kind, None when they may be text.

    It is asked after the readers of binary formats, so what is left of theirs is damaged. `suffix` only names what a
    damaged ZIP archive was meant to be.
    """
    if data.startswith(_ZIP):
        return _zip_kind(data, suffix)
    if data.startswith(_OLE):
        return next((kind for name, kind in _OLE_STREAMS if _has_stream(data, name)), _OLD_OFFICE)
    if data.startswith(b"RIFF") and data[8:12] in _RIFF:
        return _RIFF[data[8:12]]
    if data[4:8] == b"ftyp" and data[:1] == b"\0":
        return Kind(
            "a video or HEIF image", "Add a transcript of the video, or run an OCR program on the image and add its text."
        )
    # Two letters begin words too, so these need a second sign: the header fields that follow.
    if data.startswith(b"MZ") and b"\0\0" in data[:128]:
        return Kind("a program", _PROGRAM)
    if data.startswith(b"BM") and data[6:10] == b"\0\0\0\0":
        return Kind("a BMP image", _IMAGE)
    if data[:2] in {b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"}:
        return Kind("an MP3 recording", _RECORDING)
    if data[257:262] == b"ustar":
        return Kind("a TAR archive", _ARCHIVE)
    return next((kind for magic, kind in _MAGIC if data.startswith(magic) and _surely(magic, data)), None)


def _zip_kind(data: bytes, suffix: str) -> Kind:
    if kind := next((kind for member, kind in _ZIP_MEMBERS if member in data), None):
        return kind
    meant = next((name for suffixes, name in _DAMAGED_SUFFIXES if suffix.lstrip(".") in suffixes), "")
    found = meant or next((name for member, name in _DAMAGED_MEMBERS if member in data), "")
    if found:
        return Kind(found, _AGAIN)
    if data.startswith(_ZIP_END):
        return Kind("an empty ZIP archive", "There is nothing in it to add; leave it out.")
    # The end of the directory stands in the last 64 KiB of a whole archive.
    return Kind("a ZIP archive", _ARCHIVE) if _ZIP_END in data[-66_000:] else Kind("a damaged ZIP archive", _AGAIN)


def _has_stream(data: bytes, name: str) -> bool:
    """Whether the OLE directory has an entry of this name; the same words in the text of a document are none."""
    wanted = name.encode("utf-16-le") + b"\0\0"
    at = data.find(wanted)
    while at >= 0 and at % _OLE_ENTRY_BYTES:
        at = data.find(wanted, at + 1)
    return at >= 0


def _surely(magic: bytes, data: bytes) -> bool:
    """A signature of letters only could begin a text; then some byte no text holds must follow."""
    return not magic.isalnum() or any(byte < 9 for byte in data[:512])
