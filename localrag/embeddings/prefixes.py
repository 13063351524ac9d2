"""Task prefixes: what a family of embedding models was trained to see before a question and before a document.

From the model cards: nomic-embed-text-v1.5, intfloat/e5-*, BAAI/bge-*-en-v1.5, mixedbread-ai/mxbai-embed-large-v1,
Snowflake/snowflake-arctic-embed. MiniLM and gte take none.
"""

from __future__ import annotations

_RETRIEVAL_HINT = "Represent this sentence for searching relevant passages: "
_FAMILIES: tuple[tuple[str, str, str], ...] = (
    ("nomic", "search_query: ", "search_document: "),
    ("e5-", "query: ", "passage: "),
    ("bge-m3", "", ""),
    ("bge-", _RETRIEVAL_HINT, ""),
    ("mxbai", _RETRIEVAL_HINT, ""),
    ("arctic", _RETRIEVAL_HINT, ""),
)


def prefixes(model_name: str) -> tuple[str, str]:
    """(before a question, before a document) for a model's `general.name` or file name; empty for unknown families."""
    lowered = model_name.lower()
    for family, question, document in _FAMILIES:
        if family in lowered:
            return question, document
    return "", ""
