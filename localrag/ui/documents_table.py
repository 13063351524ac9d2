"""The documents of a collection as rows: which are shown, in which order, and what is said of each. Draws nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from localrag.documents.language import NAMES, advice, understands
from localrag.types import DocumentRecord

FAILED, EMPTY, IN_PART, OTHER_LANGUAGE, INDEXED = "failed", "empty", "read in part", "other language", "indexed"
KINDS = (FAILED, EMPTY, IN_PART, OTHER_LANGUAGE, INDEXED)
SIGNS = {FAILED: "✕", EMPTY: "○", IN_PART: "△", OTHER_LANGUAGE: "△", INDEXED: "✓"}
OPTIONAL = ("type", "language", "pages", "reason")
"""Columns that are left out where no document has anything to say in them."""

Doubts = Mapping[str, str]
"""What to tell about documents in a language, by its code."""


def doubts(records: Sequence[DocumentRecord], model_name: str, languages: frozenset[str] | None) -> Doubts:
    """Advice for each language of these documents that the collection's embedding model does not know."""
    found = {record.language for record in records if record.chunks}
    return {code: advice(model_name, code, languages) for code in found if not understands(languages, code)}


def kind(record: DocumentRecord, doubted: Collection[str] = ()) -> str:
    """What a document is listed under: the worst of what can be said of it. `doubted` are language codes."""
    if record.status in (FAILED, EMPTY):
        return record.status
    if record.note:
        return IN_PART
    return OTHER_LANGUAGE if record.chunks and record.language in doubted else INDEXED


def reason(record: DocumentRecord, doubted: Doubts) -> str:
    """Why a document failed, is empty, lacks parts or may not be found; empty when all is well."""
    said = [_without_its_name(record, record.error or record.note), doubted.get(record.language, "") if record.chunks else ""]
    return " ".join(text for text in said if text)


def _without_its_name(record: DocumentRecord, sentence: str) -> str:
    """A sentence that begins with what another column says, without that: a narrow column shows the reason itself."""
    for name in (record.source, record.name):
        if name and sentence.startswith(f"{name} "):
            rest = sentence.removeprefix(f"{name} ")
            return rest[:1].upper() + rest[1:]
    return sentence


def kinds(records: Sequence[DocumentRecord], doubted: Collection[str]) -> Counter[str]:
    """How many documents there are of each kind."""
    return Counter(kind(record, doubted) for record in records)


def type_name(record: DocumentRecord) -> str:
    """The type of a document; a failed one has none."""
    return record.type or "unknown"


def choose(
    records: Sequence[DocumentRecord],
    words: str,
    wanted_kinds: Collection[str],
    wanted_type: str | None,
    doubted: Collection[str],
) -> list[DocumentRecord]:
    """Documents whose name, title or a source holds `words`, of these kinds (none: all) and this type (None: all)."""
    words = words.strip().casefold()
    return [
        record
        for record in records
        if (not wanted_kinds or kind(record, doubted) in wanted_kinds)
        and (wanted_type is None or type_name(record) == wanted_type)
        and (not words or any(words in text.casefold() for text in (record.name, record.title, record.source, *record.also)))
    ]


def _title(record: DocumentRecord) -> str:
    return (record.title or record.name).casefold()


ORDERS: dict[str, Callable[[DocumentRecord], tuple[object, ...]] | None] = {
    "problems first": None,
    "newest first": lambda record: (),  # the ledger's own order
    "title": lambda record: (_title(record),),
    "source": lambda record: (record.source.casefold(),),
    "longest first": lambda record: (-record.characters,),
    "type": lambda record: (type_name(record), _title(record)),
}


def ordered(records: Sequence[DocumentRecord], order: str, doubted: Collection[str]) -> list[DocumentRecord]:
    """Documents in one of `ORDERS`; equal ones stay newest first."""
    key = ORDERS[order]
    if key is None:
        return sorted(records, key=lambda record: KINDS.index(kind(record, doubted)))
    return sorted(records, key=key)


def columns(records: Sequence[DocumentRecord], doubted: Doubts) -> dict[str, list[object]]:
    """The columns of the table, each a list with one value a document."""
    named = [kind(record, doubted) for record in records]
    table: dict[str, list[object]] = {
        "status": [f"{SIGNS[name]} {name}" for name in named],
        "title": [record.title or record.name for record in records],
        "reason": [reason(record, doubted) for record in records],
        "source": [_source(record) for record in records],
        "type": [record.type for record in records],
        "language": [NAMES.get(record.language, record.language) for record in records],
        "pages": [record.pages or None for record in records],
        "chunks": [record.chunks for record in records],
        "characters": [record.characters for record in records],
        "added": [record.added.replace("T", " ")[:16] for record in records],
    }
    return {name: values for name, values in table.items() if name not in OPTIONAL or any(values)}


def _source(record: DocumentRecord) -> str:
    return f"{record.source} (and {len(record.also)} more)" if record.also else record.source
