"""The parts of a mail to readable text: header lines, the better of alternative bodies, attachments by name."""

from __future__ import annotations

import binascii
import re
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message

from localrag.documents.decode import decode
from localrag.documents.html_page import main_text, parse_page
from localrag.documents.html_text import compose
from localrag.documents.raw import clean_text, short_title
from localrag.errors import DocumentError
from localrag.types import Mark

_SHOWN = ("Subject", "From", "To", "Cc", "Date")
_NO_SUBJECT = "(no subject)"
# Nested mail and multiparts; forwarded forwards stay far below.
MAX_DEPTH = 40
HEADER_CHARS = 20_000
# Seven-bit character sets: their bytes are valid ASCII too, so only the declaration tells.
_SHIFTED = ("iso-2022", "csiso2022", "hz", "utf-7")
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/x-yaml", "application/yaml"})
# A plain part much shorter than the page beside it says only "your program cannot show this".
_STUB = 4
# RFC 3676: a line that ends with a space goes on; "-- " begins a signature.
_FLOWED = re.compile(r"(?<=[^\s>-]) \n(?=[^\s>])")
_DAMAGED = (LookupError, ValueError, TypeError, AttributeError, binascii.Error)


class MailWriter:
    """Collects the text of messages in order, with marks. `subject` is that of the first one."""

    def __init__(self, name: str) -> None:
        self.marks: list[Mark] = []
        self.subject = ""
        self._name = name
        self._parts: list[str] = []
        self._length = 0
        self._is_encrypted = False
        self._unreadable = 0
        # Alternatives are compared before one of them is written.
        self._bodies: dict[Message, tuple[str, tuple[Mark, ...]]] = {}

    def text(self) -> str:
        return "".join(self._parts)

    @property
    def note(self) -> str:
        if self._is_encrypted:
            return "The mail is encrypted: only its header lines can be read."
        if self._unreadable:
            parts = "1 part" if self._unreadable == 1 else f"{self._unreadable} parts"
            return f"{parts} of the mail could not be decoded."
        return ""

    def message(self, message: Message, above: str = "", depth: int = 0) -> None:
        """A mail with all it holds. `above`: the place of the mail it is attached to."""
        if not depth:
            self._bodies.clear()
        headers = {name: header(message, name) for name in _SHOWN}
        subject = short_title(headers["Subject"])
        self.subject = self.subject or subject
        place = f"{above} › {subject or _NO_SUBJECT}" if above else subject or _NO_SUBJECT
        self._write("\n".join(f"{name}: {value}" for name, value in headers.items() if value), place)
        self._part(message, place, depth)

    def _part(self, part: Message, place: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise DocumentError(f"{self._name} nests its parts deeper than {MAX_DEPTH} levels. Save the mail's text as a file.")
        kind = part.get_content_type()
        self._is_encrypted |= kind in {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
        held = part.get_payload()
        children = [child for child in held if isinstance(child, Message)] if isinstance(held, list) else []
        if kind == "multipart/alternative" and children:
            self._part(self._best(children), place, depth + 1)
        elif kind == "message/delivery-status":
            self._write("\n".join(f"{name}: {value}" for child in children for name, value in child.items()), "")
        elif kind.startswith("message/") and children:
            self.message(children[0], place, depth + 1)
        elif children:
            for child in children:
                self._part(child, place, depth + 1)
        else:
            # A multipart whose boundary is missing is the text it holds.
            self._leaf(part, "text/plain" if kind.startswith("multipart/") else kind, place)

    def _leaf(self, part: Message, kind: str, place: str) -> None:
        name = _file_name(part)
        is_text = kind.startswith("text/") or kind in _TEXT_TYPES
        if name or _disposition(part) == "attachment":
            shown = name or kind
            self._write(f"Attachment: {shown}", f"{place} › {shown}" if is_text else "")
            place = f"{place} › {shown}"
        if is_text:
            text, marks = self._body(part, kind)
            self._write(text, "", tuple(Mark(mark.start, f"{place} › {mark.location}") for mark in marks))

    def _best(self, children: list[Message]) -> Message:
        """Of alternatives the plain text, unless it is a stub beside a page; a multipart (related) counts as a page."""
        plain = next((child for child in children if child.get_content_type() == "text/plain"), None)
        other = next((child for child in reversed(children) if child is not plain and _holds_page(child)), None)
        if plain is None or other is None:
            return plain or other or children[-1]
        page = next((part for part in other.walk() if part.get_content_type() == "text/html"), other)
        length = len(self._body(plain, "text/plain")[0].strip())
        is_stub = _STUB * length < len(self._body(page, "text/html")[0].strip())
        return other if is_stub else plain

    def _body(self, part: Message, kind: str) -> tuple[str, tuple[Mark, ...]]:
        """The text of a leaf, "" and counted when its bytes are none."""
        if part not in self._bodies:
            self._bodies[part] = self._read_body(part, kind)
        return self._bodies[part]

    def _read_body(self, part: Message, kind: str) -> tuple[str, tuple[Mark, ...]]:
        try:
            data = part.get_payload(decode=True)
        except _DAMAGED:
            data = None
        text = decoded(data, charset_of(part), self._name) if isinstance(data, bytes) else None
        if text is None:
            self._unreadable += 1
            return "", ()
        if kind in {"text/html", "application/xhtml+xml"}:
            return compose(main_text(parse_page(text, self._name)))
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        is_flowed = _parameter(part, "format").lower() == "flowed"
        return clean_text(_FLOWED.sub(" ", text) if is_flowed else text).strip("\n").rstrip(), ()

    def _write(self, text: str, place: str, marks: tuple[Mark, ...] = ()) -> None:
        """A paragraph; with a place, a section begins there. `marks` count from its start."""
        if not text.strip():
            return
        if self._parts:
            self._parts.append("\n\n")
            self._length += 2
        if place:
            self.marks.append(Mark(self._length, place, kind="section"))
        self.marks += [Mark(mark.start + self._length, mark.location, kind=mark.kind) for mark in marks]
        self._parts.append(text)
        self._length += len(text)


def header(message: Message, name: str) -> str:
    """A header field as text: unfolded, encoded words decoded, raw bytes taken for what they most likely are."""
    return _readable(next((str(raw) for key, raw in message.raw_items() if key.lower() == name.lower()), ""))


def _readable(value: str) -> str:
    value = " ".join(_unescaped(value[:HEADER_CHARS]).split())
    if "=?" not in value:
        return clean_text(value)
    try:
        pieces = decode_header(value)
    except (HeaderParseError, *_DAMAGED):
        return clean_text(value)
    texts: list[str] = []
    for piece, charset in pieces:
        if isinstance(piece, str):
            texts.append(piece)
        elif charset is None:
            texts.append(piece.decode("raw-unicode-escape", "replace"))
        else:
            texts.append(decoded(piece, charset, "header") or piece.decode("ascii", "replace"))
    return clean_text(" ".join("".join(texts).split()))


def decoded(data: bytes, charset: str, name: str) -> str | None:
    """Text of a part's bytes, in the declared character set or the one they are in; None when they are no text."""
    if charset.lower().startswith(_SHIFTED):
        try:
            return data.decode(charset)
        except (LookupError, UnicodeError):
            pass
    try:
        return decode(data, name, charset)
    except DocumentError:
        return None


def charset_of(part: Message) -> str:
    return _parameter(part, "charset")


def _parameter(part: Message, name: str) -> str:
    """A parameter of the content type; "" when there is none or it is damaged."""
    try:
        value = part.get_param(name)
    except _DAMAGED:
        return ""
    value = value[2] if isinstance(value, tuple) else value
    return value.strip() if isinstance(value, str) else ""


def _file_name(part: Message) -> str:
    try:
        name = part.get_filename()
    except _DAMAGED:
        return ""
    return short_title(_readable(str(name))) if name else ""


def _disposition(part: Message) -> str:
    try:
        return part.get_content_disposition() or ""
    except _DAMAGED:
        return ""


def _holds_page(part: Message) -> bool:
    return part.is_multipart() or part.get_content_type() in {"text/html", "application/xhtml+xml"}


def _unescaped(value: str) -> str:
    """Bytes beyond ASCII stand in a parsed header as surrogates."""
    if value.isascii():
        return value
    data = value.encode("utf-8", "surrogateescape")
    return decoded(data, "", "header") or data.decode("utf-8", "replace")
