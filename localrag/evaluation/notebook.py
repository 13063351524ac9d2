"""LangChain's notebook on local models as it is written: its classes, its arguments, otherwise LangChain's defaults."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable

from localrag.errors import DocumentError
from localrag.evaluation.ours import UNRELATED
from localrag.evaluation.page_server import served
from localrag.evaluation.quiet import quiet_imports, quiet_standard_error
from localrag.models.llama_library import llama_library
from localrag.models.starter import STARTER_EMBEDDING_AS_SHIPPED
from localrag.prompts.chains import retrieval_chain
from localrag.prompts.hub import prompt

CHUNK_CHARS = 500


def read_splits(path: Path) -> list[Document]:
    """The notebook's splits of a file, which it gets from an address.

    Raises:
        DocumentError: there is no text in it.
    """
    with quiet_imports():
        from langchain_community.document_loaders import WebBaseLoader
        from langchain_text_splitters import RecursiveCharacterTextSplitter
    with served(path) as address:
        data = WebBaseLoader(address).load()
    splits = RecursiveCharacterTextSplitter(chunk_size=CHUNK_CHARS, chunk_overlap=0).split_documents(data)
    if not splits:
        raise DocumentError(f"{path} holds no text, so nothing can be measured with it. Choose another document.")
    return splits


class NotebookStore:
    """`Chroma.from_documents` with `GPT4AllEmbeddings`; the model is loaded here and not measured."""

    def __init__(self, models_dir: Path, n_threads: int | None = None) -> None:
        """`n_threads` None is the notebook's: GPT4All chooses."""
        with quiet_imports(), quiet_standard_error():
            from langchain_chroma import Chroma
            from langchain_community.embeddings import GPT4AllEmbeddings

            self._chroma = Chroma
            self._embedding = GPT4AllEmbeddings(
                model_name=STARTER_EMBEDDING_AS_SHIPPED,
                n_threads=n_threads,
                gpt4all_kwargs={"allow_download": False, "model_path": str(models_dir)},
            )
        self.threads = int(self._embedding.client.gpt4all.model.thread_count())
        self._store: Any = None

    def warm_up(self) -> None:
        self._embedding.embed_documents([UNRELATED] * 4)

    def ingest(self, splits: Sequence[Document]) -> float:
        """Seconds to embed and store the splits, in memory and in a collection of its own, as the notebook does."""
        self._forget()
        started = time.perf_counter()
        self._store = self._chroma.from_documents(
            documents=list(splits), embedding=self._embedding, collection_name=f"bench-{uuid.uuid4().hex}"
        )
        return time.perf_counter() - started

    def retriever(self) -> BaseRetriever:
        found: BaseRetriever = self._store.as_retriever()
        return found

    def _forget(self) -> None:
        if self._store is not None:
            self._store.delete_collection()
            self._store = None

    def close(self) -> None:
        """Free the model and forget the collection."""
        self._forget()
        self._embedding.client.close()


class NotebookModel:
    """`LlamaCpp` with the notebook's arguments, in its chain of question answering with retrieval."""

    def __init__(self, path: Path, retriever: BaseRetriever) -> None:
        llama_library()  # first, so that llama.cpp's log goes to ours; `verbose` is the notebook's
        with quiet_imports(), quiet_standard_error():
            from langchain_community.llms import LlamaCpp

            self._llm = LlamaCpp(model_path=str(path), n_gpu_layers=1, n_batch=512, n_ctx=2048, f16_kv=True, verbose=True)
        self._chain: Runnable[str, str] = retrieval_chain(self._llm, prompt("rlm/rag-prompt").as_langchain(), retriever)
        self.threads = (int(self._llm.client.n_threads), int(self._llm.client.n_threads_batch))

    def warm_up(self) -> None:
        """A short answer to something else; nothing of the prompt to come is in the cache then."""
        with quiet_standard_error():
            self._llm.invoke(UNRELATED, max_tokens=16)

    def invoked_s(self, question: str) -> float:
        """Seconds to the first text with `invoke`, as written: all of it comes at once, at the end."""
        with quiet_standard_error():
            started = time.perf_counter()
            self._chain.invoke(question)
            return time.perf_counter() - started

    def streamed_s(self, question: str) -> float:
        """Seconds to the first text when the same chain is streamed; the rest is read to its end."""
        with quiet_standard_error():
            started = time.perf_counter()
            first = 0.0
            for text in self._chain.stream(question):
                if not first and text.strip():
                    first = time.perf_counter() - started
            return first or time.perf_counter() - started

    def close(self) -> None:
        """Free the model's memory."""
        self._llm.client.close()
