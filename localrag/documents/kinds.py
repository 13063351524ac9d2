"""Kinds of files that are recognised by their content and not read, each with what to say about it."""

from __future__ import annotations

# First bytes of each kind: the `file` command's magic database and the "List of file signatures".
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript file"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"8BPS\0", "a Photoshop image"),
    (b"\0\0\1\0", "an icon image"),
    (b"\x7fELF", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\0asm", "a program"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"GGUF", "a GGUF model file"),
    (b"PAR1", "a Parquet table"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"ID3", "an MP3 recording"),
    (b"fLaC", "a FLAC recording"),
    (b"OggS", "an Ogg recording"),
    (b"\x1aE\xdf\xa3", "a Matroska video"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
    (b"\0\1\0\0\0", "a font"),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ZIP_MEMBERS: tuple[tuple[bytes, str], ...] = (
    (b"application/vnd.oasis.opendocument", "an OpenDocument file"),
    (b"application/hwp+zip", "an HWPX document"),
    (b"word/document", "a Word document (DOCX)"),
    (b"ppt/presentation", "a PowerPoint presentation (PPTX)"),
    (b"xl/workbook", "an Excel workbook (XLSX)"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS: tuple[tuple[str, str], ...] = (
    ("EncryptedPackage", "an Office document protected by a password"),
    ("WordDocument", "a Word document (DOC)"),
    ("PowerPoint Document", "a PowerPoint presentation (PPT)"),
    ("Workbook", "an Excel workbook (XLS)"),
    ("HwpSummaryInformation", "an HWP document"),
    ("__substg1.0_", "an Outlook message"),
)
_RIFF = {b"WAVE": "a WAV recording", b"AVI ": "an AVI video", b"WEBP": "a WebP image"}


def unreadable_kind(data: bytes) -> str:
    """What the bytes are, such as "a PNG image", when no reader takes that kind; "" when they may be text."""
    if data.startswith(_ZIP):
        return next((kind for member, kind in _ZIP_MEMBERS if member in data), "a ZIP archive")
    if data.startswith(_OLE):
        streams = ((name.encode("utf-16-le"), kind) for name, kind in _OLE_STREAMS)
        return next((kind for name, kind in streams if name in data), "a document of an old Office version")
    if data.startswith(b"RIFF") and data[8:12] in _RIFF:
        return _RIFF[data[8:12]]
    if data[4:8] == b"ftyp" and data[:1] == b"\0":
        return "a video or HEIF image"
    # Two letters begin words too, so these need a second sign: the header fields that follow.
    if data.startswith(b"MZ") and b"\0\0" in data[:128]:
        return "a program"
    if data.startswith(b"BM") and data[6:10] == b"\0\0\0\0":
        return "a BMP image"
    if data[:2] in {b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"}:
        return "an MP3 recording"
    if data[257:262] == b"ustar":
        return "a TAR archive"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic) and _surely(magic, data)), "")


def _surely(magic: bytes, data: bytes) -> bool:
    """A signature of letters only could begin a text; then some byte no text holds must follow."""
    return not magic.isalnum() or any(byte < 9 for byte in data[:512])
