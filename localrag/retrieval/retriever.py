"""Our retrieval as a LangChain retriever, for any chain."""

from __future__ import annotations

from collections.abc import Callable

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from localrag.types import Evidence, SearchResult


class EvidenceRetriever(BaseRetriever):
    """What a model is to read as LangChain documents: the span's text; document, location, range and score beside it."""

    find: Callable[[str], SearchResult]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [as_document(evidence) for evidence in self.find(query).evidence if evidence.given]


def as_document(evidence: Evidence) -> Document:
    """A span as a LangChain document."""
    metadata = {
        "source": evidence.document,
        "title": evidence.name,
        "location": evidence.location,
        "start": evidence.start,
        "end": evidence.end,
        "score": evidence.score,
    }
    return Document(page_content=evidence.text, metadata=metadata)
