"""Small PDF files for tests: pages of placed text, pictures, form fields, encryption, and damage on request."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
_ID = bytes(16)


class Placed(NamedTuple):
    """A line of Helvetica at points from the lower left corner; `turned`: written upwards."""

    x: float
    y: float
    text: str
    size: float = 10
    turned: bool = False


@dataclass
class Page:
    """What stands on a page. `box`: its crop box; `broken`: its object is no page."""

    lines: Sequence[Placed] = ()
    picture: bool = False
    field_text: str = ""
    box: str = "0 0 595 842"
    broken: bool = False


def paragraph(x: float, y: float, *lines: str, size: float = 10, leading: float = 12) -> list[Placed]:
    """Lines one below the other."""
    return [Placed(x, y - number * leading, text, size) for number, text in enumerate(lines)]


def page(*lines: str) -> Page:
    """A page with one paragraph at its top."""
    return Page(paragraph(72, 770, *lines))


def write_pdf(pages: Sequence[Page], title: str = "", password: str | None = None) -> bytes:
    """The bytes of a PDF. `password` encrypts it for readers who know it; "" for everybody."""
    writer = _Writer(password)
    font = writer.add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    tree = writer.reserve()
    kids = [writer.page(each, font, tree) for each in pages]
    writer.put(tree, f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(f'{kid} 0 R' for kid in kids)}] >>")
    root = writer.add(f"<< /Type /Catalog /Pages {tree} 0 R >>")
    info = writer.add(f"<< /Title {writer.text(title)} >>") if title else 0
    return writer.finish(root, info)


def pdf_of(*pages: str) -> bytes:
    """A page per text, a line per line of it."""
    return write_pdf([page(*text.split("\n")) for text in pages])


class _Writer:
    def __init__(self, password: str | None) -> None:
        self._objects: list[bytes] = []
        self._password = password
        if password is not None:
            self._owner = _rc4(hashlib.md5(_padded("owner")).digest()[:5], _padded(password))
            rights = (-4).to_bytes(4, "little", signed=True)
            self._key = hashlib.md5(_padded(password) + self._owner + rights + _ID).digest()[:5]

    def reserve(self) -> int:
        self._objects.append(b"null")
        return len(self._objects)

    def put(self, number: int, body: str) -> None:
        self._objects[number - 1] = body.encode("latin-1")

    def add(self, body: str) -> int:
        number = self.reserve()
        self.put(number, body)
        return number

    def stream(self, entries: str, data: bytes) -> int:
        number = self.reserve()
        data = self._sealed(number, data)
        head = f"<< {entries} /Length {len(data)} >>\nstream\n".encode("latin-1")
        self._objects[number - 1] = head + data + b"\nendstream"
        return number

    def text(self, value: str) -> str:
        """A text string, encrypted for the object that comes next."""
        data = b"\xfe\xff" + value.encode("utf-16-be")
        return f"<{self._sealed(len(self._objects) + 1, data).hex()}>"

    def page(self, given: Page, font: int, tree: int) -> int:
        if given.broken:
            return self.add("[ 1 2 3 ]")
        drawn = "".join(_shown(line) for line in given.lines)
        extra = f"/Font << /F1 {font} 0 R >>"
        if given.picture:
            picture = self.stream(
                "/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8", b"\x80"
            )
            drawn += "q 500 0 0 700 40 40 cm /Im1 Do Q\n"
            extra += f" /XObject << /Im1 {picture} 0 R >>"
        notes = ""
        if given.field_text:
            form = self.stream(
                f"/Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << {extra} >>",
                _shown(Placed(2, 5, given.field_text)).encode("latin-1"),
            )
            notes = (
                "/Annots [<< /Type /Annot /Subtype /Widget /FT /Tx /T (f) /F 4 /Rect [100 600 300 620] "
                f"/AP << /N {form} 0 R >> >>]"
            )
        content = self.stream("", drawn.encode("latin-1"))
        return self.add(
            f"<< /Type /Page /Parent {tree} 0 R /MediaBox [0 0 595 842] /CropBox [{given.box}] "
            f"/Resources << {extra} >> /Contents {content} 0 R {notes} >>"
        )

    def finish(self, root: int, info: int) -> bytes:
        trailer = f"/Root {root} 0 R /ID [<{_ID.hex()}> <{_ID.hex()}>]"
        if info:
            trailer += f" /Info {info} 0 R"
        if self._password is not None:
            user = _rc4(self._key, _PADDING)
            lock = f"<< /Filter /Standard /V 1 /R 2 /O <{self._owner.hex()}> /U <{user.hex()}> /P -4 >>"
            trailer += f" /Encrypt {self.add(lock)} 0 R"
        out = bytearray(b"%PDF-1.7\n")
        places: list[int] = []
        for number, body in enumerate(self._objects, start=1):
            places.append(len(out))
            out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
        start = len(out)
        out += f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n".encode()
        out += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
        out += f"trailer\n<< /Size {len(places) + 1} {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
        return bytes(out)

    def _sealed(self, number: int, data: bytes) -> bytes:
        if self._password is None:
            return data
        return _rc4(hashlib.md5(self._key + number.to_bytes(3, "little") + b"\0\0").digest()[:10], data)


def _shown(line: Placed) -> str:
    """The operators that show a line; characters beyond Windows-1252 are not in the font."""
    text = line.text.encode("cp1252").hex()
    matrix = "0 1 -1 0" if line.turned else "1 0 0 1"
    return f"BT /F1 {line.size:g} Tf {matrix} {line.x:g} {line.y:g} Tm <{text}> Tj ET\n"


def _padded(password: str) -> bytes:
    return (password.encode("latin-1") + _PADDING)[:32]


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
