"""Families of embedding models: what each was trained to see before a question and a document, how it pools, what it reads.

The facts come from the model cards named in the table: https://huggingface.co/ followed by what stands after "Card".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Languages = frozenset[str]
"""ISO 639-1 codes."""


@dataclass(frozen=True, slots=True)
class Family:
    """`pooling`: mean, cls or last, None where the cards differ. `languages`: None for many, or not known."""

    name: str
    question_prefix: str = ""
    document_prefix: str = ""
    pooling: str | None = None
    languages: Languages | None = None


UNKNOWN = Family("")

_HINT = "Represent this sentence for searching relevant passages: "
_HINT_ZH = "为这个句子生成表示以用于检索相关文章："
_TASK = "Given a web search query, retrieve relevant passages that answer the query"
_EN = frozenset({"en"})

# The first pattern that is found wins. It is looked for in "-lower-case-name-" with every other character turned into "-".
_FAMILIES: tuple[tuple[str, Family], ...] = (
    # Card: nomic-ai/nomic-embed-code
    ("-nomic-embed-code-", Family("nomic-code", "Represent this query for searching relevant code: ", "", "last")),
    # Card: nomic-ai/nomic-embed-text-v2-moe
    ("-nomic-embed-text-v2-", Family("nomic-v2", "search_query: ", "search_document: ", "mean")),
    # Card: nomic-ai/nomic-embed-text-v1.5
    ("-nomic-embed-", Family("nomic", "search_query: ", "search_document: ", "mean", _EN)),
    # Card: intfloat/e5-mistral-7b-instruct
    ("-e5-mistral-", Family("e5-mistral", f"Instruct: {_TASK}\nQuery: ", "", "last", _EN)),
    # Card: intfloat/multilingual-e5-large-instruct
    ("-e5-.*-?instruct-", Family("e5-instruct", f"Instruct: {_TASK}\nQuery: ", "", "mean")),
    # Card: intfloat/e5-base-v2
    ("-e5-(?:small|base|large)-", Family("e5", "query: ", "passage: ", "mean", _EN)),
    # Card: intfloat/multilingual-e5-base
    ("-e5-", Family("multilingual-e5", "query: ", "passage: ", "mean")),
    # Card: BAAI/bge-m3
    ("-bge-m3-", Family("bge-m3", "", "", "cls")),
    # Card: BAAI/bge-multilingual-gemma2
    ("-bge-multilingual-gemma2-", Family("bge-gemma", f"<instruct>{_TASK}.\n<query>", "", "last")),
    # Card: BAAI/bge-large-zh-v1.5
    ("-bge-(?:small|base|large)-zh-", Family("bge-zh", _HINT_ZH, "", "cls", frozenset({"zh", "en"}))),
    # Card: BAAI/bge-base-en-v1.5
    ("-bge-(?:small|base|large)-", Family("bge", _HINT, "", "cls", _EN)),
    # Card: Alibaba-NLP/gte-Qwen2-1.5B-instruct
    ("-gte-qwen", Family("gte-qwen", f"Instruct: {_TASK}\nQuery: ", "", "last")),
    # Card: Alibaba-NLP/gte-multilingual-base
    ("-gte-multilingual-", Family("gte-multilingual", "", "", "cls")),
    # Card: thenlper/gte-large-zh
    ("-gte-(?:small|base|large)-zh-", Family("gte-zh", "", "", "cls", frozenset({"zh"}))),
    # Cards: Alibaba-NLP/gte-base-en-v1.5, Alibaba-NLP/gte-modernbert-base
    ("-gte-(?:(?:base|large)-en|modernbert)-", Family("gte-en", "", "", "cls", _EN)),
    # Card: thenlper/gte-base
    ("-gte-(?:tiny|small|base|large)-", Family("gte", "", "", "mean", _EN)),
    # Card: Qwen/Qwen3-Embedding-0.6B; no space after the last colon
    ("-qwen3-embedding-", Family("qwen3-embedding", f"Instruct: {_TASK}\nQuery:", "", "last")),
    # Card: mixedbread-ai/deepset-mxbai-embed-de-large-v1
    ("-mxbai-embed-de-", Family("mxbai-de", "query: ", "passage: ", None, frozenset({"de", "en"}))),
    # Card: mixedbread-ai/mxbai-embed-large-v1
    ("-mxbai-embed-(?:2d-)?large-", Family("mxbai", _HINT, "", "cls", _EN)),
    # Card: mixedbread-ai/mxbai-embed-xsmall-v1
    ("-mxbai-embed-", Family("mxbai-small", _HINT, "", None, _EN)),
    # Card: Snowflake/snowflake-arctic-embed-l-v2.0; Ollama writes embed2
    ("-arctic-embed2-|-arctic-embed-[a-z]+-v2-", Family("arctic-v2", "query: ", "", "cls")),
    # Card: Snowflake/snowflake-arctic-embed-m-v1.5
    ("-arctic-embed-", Family("arctic", _HINT, "", "cls", _EN)),
    # Cards: jinaai/jina-embeddings-v2-base-en, -de, -es, -zh, -code
    ("-jina-embeddings-v2-(?:base|small)-(?:en|code)-", Family("jina-v2", "", "", "mean", _EN)),
    ("-jina-embeddings-v2-base-de-", Family("jina-v2-de", "", "", "mean", frozenset({"de", "en"}))),
    ("-jina-embeddings-v2-base-es-", Family("jina-v2-es", "", "", "mean", frozenset({"es", "en"}))),
    ("-jina-embeddings-v2-base-zh-", Family("jina-v2-zh", "", "", "mean", frozenset({"zh", "en"}))),
    # Card: jinaai/jina-embeddings-v3; its task adapters are no prefixes
    ("-jina-embeddings-v3-", Family("jina-v3", "", "", "mean")),
    # Card: google/embeddinggemma-300m
    (
        "-embedding-?gemma-(?!2-)",
        Family("embeddinggemma", "task: search result | query: ", "title: none | text: ", "mean"),
    ),
    # Cards: ibm-granite/granite-embedding-125m-english, ibm-granite/granite-embedding-278m-multilingual
    ("-granite-embedding-(?:.*-)?english-", Family("granite", "", "", "cls", _EN)),
    ("-granite-embedding-", Family("granite-multilingual", "", "", "cls")),
    # Card: sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2
    ("-paraphrase-multilingual-", Family("paraphrase-multilingual", "", "", "mean")),
    # Cards: sentence-transformers/all-MiniLM-L6-v2, sentence-transformers/all-mpnet-base-v2
    ("-(?:all|paraphrase)-(?:minilm|mpnet|distilroberta|roberta)-", Family("sentence-transformers", "", "", "mean", _EN)),
    # Cards: sentence-transformers/multi-qa-mpnet-base-dot-v1, sentence-transformers/msmarco-distilbert-base-v4
    ("-(?:multi-qa|msmarco)-(?:minilm|mpnet|distilbert|bert|roberta)-", Family("sentence-transformers-qa", languages=_EN)),
)


def family(model_name: str) -> Family:
    """The family of a model by its repository, its `general.name`, its file's stem, or several of them; else `UNKNOWN`."""
    key = f"-{re.sub(r'[^a-z0-9]+', '-', model_name.lower()).strip('-')}-"
    if "-reranker-" in key or "-rerank-" in key:
        return UNKNOWN  # named like their sisters, but they give no vectors
    for pattern, found in _FAMILIES:
        # A model that was taught more languages keeps the name of the one it was made from.
        if re.search(pattern, key) and not (found.languages and "-multilingual-" in key):
            return found
    return UNKNOWN


def prefixes(model_name: str) -> tuple[str, str]:
    """(before a question, before a document) for a model's `general.name` or file name; empty for unknown families."""
    found = family(model_name)
    return found.question_prefix, found.document_prefix
