"""PDF: the text of every page, read by PDFium, with page numbers and a word on what could not be read."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pypdfium2 as pdfium
import pypdfium2.raw as api

from localrag.documents.pdf_page import read_page
from localrag.documents.pdf_text import TextOfPages
from localrag.documents.raw import RawDocument, short_title
from localrag.errors import DocumentError
from localrag.types import Mark, ParsedDocument

TYPE = "pdf"
_HEAD_BYTES = 1024
MAX_CHARS = 50_000_000
# A page tree can claim a million pages that are not there.
_MAX_LOST = 500
# With this share of characters without a meaning in Unicode, what is left of a page is no text.
_JUNK = 0.5
_TITLE_CHARS = 100
_LETTERS = re.compile(r"[^\W\d_].*[^\W\d_]")
_REASON = re.compile(r"\(PDFium: (.+?)\.?\)")
_NO_TITLE = re.compile(
    r"\W*(?:untitled.*|unknown|anonymous|unspecified|none|null|title|(?:new )?document ?\d*|slide ?\d*|layout ?\d*|page ?\d*|"
    r"scan.*|binder ?\d*|powerpoint presentation|(?:microsoft (?:word|powerpoint|excel)|word|powerpoint) - .*|(?:https?|file)://.*|"
    r".*\.(?:docx?|pptx?|xlsx?|pdf|rtf|txt|tex|dvi|eps|ps|jpe?g|png|tiff?|indd|qxd|pm\d|fm|cdr|ai|odt|wpd|hwpx?|html?))\W*",
    re.IGNORECASE,
)
# PDFium must not be entered by two threads at once.
_lock = threading.Lock()


def recognises(raw: RawDocument) -> bool:
    """By "%PDF-" at the beginning, or after junk in the first 1024 bytes when objects follow: the header alone may be prose."""
    head = raw.data[:_HEAD_BYTES]
    if head.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"%PDF-"):
        return True
    return b"%PDF-" in head and b"%%EOF" in raw.data and b" obj" in raw.data


def read(raw: RawDocument) -> ParsedDocument:
    """Marks are pages. Title: of the metadata if it says something, else the first line if short, else the file's name.

    A PDF of scanned pages is a document without text and with a note. Raises DocumentError when it needs a password or is
    damaged so far that at least half of its pages are lost.
    """
    with _lock, _opened(raw) as document:
        pages = len(document)
        text, lost, blank = _text(raw, document, pages)
        title = _metadata_title(document)
    joined, starts = text.finish()
    title = title or next((line for line in text.first_lines if len(line) <= _TITLE_CHARS and _LETTERS.search(line)), "")
    marks = tuple(Mark(start, f"page {number}", number, "page") for start, number in starts)
    note = _note(pages, lost, blank) if joined else _no_text(pages, len(lost))
    return ParsedDocument(joined, TYPE, short_title(title) or raw.stem, marks=marks, pages=pages, note=note)


@contextmanager
def _opened(raw: RawDocument) -> Iterator[pdfium.PdfDocument]:
    with suppress(pdfium.PdfiumError):
        pdfium.PdfDocument(b"no PDF")  # for a file without pages PDFium gives the reason of the last file that failed
    try:
        document = pdfium.PdfDocument(raw.data)
    except pdfium.PdfiumError as exc:
        if exc.err_code in (api.FPDF_ERR_PASSWORD, api.FPDF_ERR_SECURITY):
            raise DocumentError(f"{raw.name} is protected by a password. Save it without one and add it again.") from exc
        reason = _REASON.search(str(exc))
        raise _damaged(raw, reason[1].lower() if reason else str(exc)) from exc
    try:
        yield document
    finally:
        document.close()


def _damaged(raw: RawDocument, reason: str) -> DocumentError:
    return DocumentError(f"{raw.name} is a damaged PDF ({reason}). Get the file again, or print it to a new PDF, and add that.")


def _text(raw: RawDocument, document: pdfium.PdfDocument, pages: int) -> tuple[TextOfPages, list[int], list[int]]:
    """The text, and the numbers of the pages that are broken and of those without text."""
    text, lost, blank = TextOfPages(), list[int](), list[int]()
    for number in range(1, pages + 1):
        try:
            page = read_page(document, number - 1)
        except pdfium.PdfiumError:
            lost.append(number)
            if len(lost) > max(_MAX_LOST, number // 2):
                break
            continue
        if page.lines and page.lost <= _JUNK * page.characters:
            text.add(number, page.lines)
        elif page.drawn:
            blank.append(number)
        if text.length > MAX_CHARS:
            raise DocumentError(f"{raw.name} has more than {MAX_CHARS:,} characters of text. Split it into smaller files.")
    if 2 * len(lost) >= pages:
        raise _damaged(raw, f"{len(lost)} of {pages} pages cannot be loaded" if pages else "it has no pages")
    return text, lost, blank


def _metadata_title(document: pdfium.PdfDocument) -> str:
    try:
        title = " ".join(document.get_metadata_value("Title").replace("\0", " ").split())
    except (pdfium.PdfiumError, UnicodeError):
        return ""
    return "" if _NO_TITLE.fullmatch(title[:300]) or not any(char.isalpha() for char in title) else title


def _note(pages: int, lost: Sequence[int], blank: Sequence[int]) -> str:
    sentences: list[str] = []
    if lost:
        sentences.append(f"{_pages(lost)} of {pages} cannot be read: the file is damaged there.")
    if blank:
        verb, scans = ("holds", "a scan? It") if len(blank) == 1 else ("hold", "scans? They")
        sentences.append(f"{len(blank)} of {pages} pages {verb} no text ({_pages(blank).lower()}): {scans} cannot be searched.")
    return " ".join(sentences)


def _no_text(pages: int, lost: int) -> str:
    holds = (
        "The only page holds"
        if pages == 1
        else f"All {pages} pages hold"
        if not lost
        else f"None of the {pages - lost} readable pages holds"
    )
    text = "text" if lost else "no text"
    return f"{holds} {text}: a scan? Run OCR over the file and add it again."


def _pages(numbers: Sequence[int]) -> str:
    """Such as "Page 3" or "Pages 3, 5 to 9 and 12"; many are cut short."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [str(first) if first == last else f"{first} to {last}" for first, last in runs]
    if len(shown) > 10:
        shown = [*shown[:9], "more"]
    listed = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"{'Page' if len(numbers) == 1 else 'Pages'} {listed}"
