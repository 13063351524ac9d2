"""Mail (.eml, .mbox, .mht): decoded header lines and the text of every part, with the subject as the place."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.policy import Compat32

from localrag.documents.mail_text import HEADER_CHARS, MailWriter
from localrag.documents.raw import RawDocument, short_title
from localrag.errors import DocumentError
from localrag.types import ParsedDocument

TYPE = "eml"
_HEAD_BYTES = 64 * 1024
# RFC 5322 §3.6 and what mail servers add. One of the first set and two of both make a mail.
_SURE = frozenset({"from", "to", "subject", "message-id", "received", "return-path", "delivered-to", "mime-version"})
_LIKELY = frozenset({"date", "cc", "bcc", "reply-to", "sender", "content-type", "content-transfer-encoding", "x-mailer"})
_FIELD = re.compile(r"([!-9;-~]{1,80})[ \t]*:")
_BLANK = re.compile(r"\r\n[ \t]*\r\n|\n[ \t]*\n|\r[ \t]*\r")
_UNIX_FROM = re.compile(r">?From [^\r\n]*\d\d:\d\d[^\r\n]*(?:\r\n|\n|\r)")
# A line that begins a message in an mbox file: after a blank line, with a time, and followed by a header field.
_MBOX = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]*\d\d:\d\d[^\r\n]*\r?\n(?=[!-9;-~]+:)")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")


class _ShortHeaders(Compat32):
    """Header fields are cut: the parser takes quadratic time for a field of many parameters."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:HEADER_CHARS]


def recognises(raw: RawDocument) -> bool:
    """By header fields from the first line on: only fields up to the first blank line, two or more known from mail."""
    if _is_wide(raw):
        head = raw.text[:_HEAD_BYTES]
    else:
        head = raw.data[:_HEAD_BYTES].decode("latin-1").removeprefix("\xef\xbb\xbf")
    head = head.lstrip("\r\n")
    if unix_from := _UNIX_FROM.match(head):
        head = head[unix_from.end() :]
    blank = _BLANK.search(head)
    lines = (head[: blank.start()] if blank else head).splitlines()
    fields = [_FIELD.match(line) for line in lines if not line.startswith((" ", "\t"))]
    names = {field[1].lower() for field in fields if field}
    if len(names & (_SURE | _LIKELY)) < 2 or not names & _SURE:
        return False
    # Programs now and then leave a broken line among the fields; prose has them on nearly every line.
    return fields[0] is not None and sum(field is None for field in fields) * 10 <= len(fields)


def read(raw: RawDocument) -> ParsedDocument:
    """One message, or all of an mbox file. Title: the subject, or the file's name where there are several messages.

    Attachments are named; the text of those that are text is included. Raises DocumentError for mail nested without end.
    """
    data = raw.text.encode("utf-8", "replace") if _is_wide(raw) else raw.data.removeprefix(b"\xef\xbb\xbf")
    writer = MailWriter(raw.name)
    messages = _messages(data)
    for source in messages:
        try:
            writer.message(message_from_bytes(source, policy=_ShortHeaders()))
        except RecursionError as exc:
            raise DocumentError(f"{raw.name} nests its parts too deeply to be read. Save the mail's text as a file.") from exc
    text = writer.text()
    title = short_title(writer.subject) if len(messages) == 1 else ""
    return ParsedDocument(text, TYPE, title or raw.stem, marks=tuple(writer.marks), note=writer.note)


def _is_wide(raw: RawDocument) -> bool:
    """Whether the whole file was saved as UTF-16 or UTF-32; the bytes of a real mail hold no zeros in the header."""
    return raw.data.startswith(_WIDE_MARKS) or b"\0" in raw.data[:64]


def _messages(data: bytes) -> list[bytes]:
    data = data.lstrip(b"\r\n")
    starts = [(match.start(), match.end()) for match in _MBOX.finditer(data)]
    if not starts or starts[0][0]:
        return [data]
    ends = [start for start, _ in starts[1:]] + [len(data)]
    return [_QUOTED_FROM.sub(rb"\1", data[start:end]) for (_, start), end in zip(starts, ends, strict=True)]
