"""Which family a model belongs to by the names it goes by, and what follows from it."""

from __future__ import annotations

import pytest

from localrag.embeddings.pooling import POOLING_CODES, end_token, ended, pooling_code
from localrag.embeddings.prefixes import UNKNOWN, family, prefixes
from localrag.errors import EmbeddingError

NAMES = {
    "nomic": [
        "nomic-ai/nomic-embed-text-v1.5",
        "nomic-embed-text-v1.f16",
        "nomic-embed-text:latest",
        "text-embedding-nomic-embed-text-v1.5@q4_k_m",
        "Nomic Embed Text v1.5",
    ],
    "nomic-v2": ["nomic-ai/nomic-embed-text-v2-moe", "nomic-embed-text-v2-moe.Q4_K_M"],
    "nomic-code": ["nomic-ai/nomic-embed-code"],
    "e5": ["intfloat/e5-base-v2", "e5-small", "E5 Large v2"],
    "multilingual-e5": ["intfloat/multilingual-e5-large", "multilingual-e5-small-q8_0", "Multilingual E5 Base", "me/e5-dansk"],
    "e5-instruct": [
        "intfloat/multilingual-e5-large-instruct",
        "Multilingual E5 Large Instruct multilingual-e5-large-instruct-q8_0",
    ],
    "e5-mistral": ["intfloat/e5-mistral-7b-instruct"],
    "bge": ["BAAI/bge-small-en-v1.5", "bge-large:latest", "bge-base-en", "CompendiumLabs/bge-large-en-v1.5-gguf"],
    "bge-zh": ["BAAI/bge-large-zh-v1.5", "bge-small-zh-v1.5-f16"],
    "bge-m3": ["BAAI/bge-m3", "bge-m3:567m", "Bge M3 bge-m3-Q8_0", "dragonkue/BGE-m3-ko"],
    "bge-gemma": ["BAAI/bge-multilingual-gemma2"],
    "gte": ["thenlper/gte-base", "gte-large-q4_k_m", "gte-small"],
    "gte-en": ["Alibaba-NLP/gte-large-en-v1.5", "Alibaba-NLP/gte-modernbert-base"],
    "gte-zh": ["thenlper/gte-large-zh"],
    "gte-multilingual": ["Alibaba-NLP/gte-multilingual-base"],
    "gte-qwen": ["Alibaba-NLP/gte-Qwen2-1.5B-instruct", "gte-Qwen2-7B-instruct-Q4_K_M"],
    "qwen3-embedding": [
        "Qwen/Qwen3-Embedding-0.6B",
        "qwen3-embedding:8b",
        "text-embedding-qwen3-embedding-4b",
        "Qwen3 Embedding 0.6b",
    ],
    "mxbai": ["mixedbread-ai/mxbai-embed-large-v1", "mxbai-embed-large:335m", "mixedbread-ai/mxbai-embed-2d-large-v1"],
    "mxbai-small": ["mixedbread-ai/mxbai-embed-xsmall-v1"],
    "mxbai-de": ["mixedbread-ai/deepset-mxbai-embed-de-large-v1"],
    "arctic": [
        "Snowflake/snowflake-arctic-embed-m-v1.5",
        "snowflake-arctic-embed:22m",
        "snowflake-arctic-embed-m-long--Q5_K_M",
        "snowflake-arctic-embed-l",
    ],
    "arctic-v2": [
        "Snowflake/snowflake-arctic-embed-l-v2.0",
        "snowflake-arctic-embed2:568m",
        "snowflake-arctic-embed-m-v2.0-q8_0",
        "dragonkue/snowflake-arctic-embed-l-v2.0-ko",
    ],
    "jina-v2": ["jinaai/jina-embeddings-v2-base-en", "jina/jina-embeddings-v2-small-en:latest", "jina-embeddings-v2-base-code"],
    "jina-v2-de": ["jinaai/jina-embeddings-v2-base-de"],
    "jina-v2-es": ["jinaai/jina-embeddings-v2-base-es"],
    "jina-v2-zh": ["jinaai/jina-embeddings-v2-base-zh"],
    "jina-v3": ["jinaai/jina-embeddings-v3"],
    "embeddinggemma": ["google/embeddinggemma-300m", "embeddinggemma:300m", "embeddinggemma-300M-Q8_0", "Embedding Gemma 300m"],
    "granite": ["ibm-granite/granite-embedding-125m-english", "granite-embedding-english-r2"],
    "granite-multilingual": ["ibm-granite/granite-embedding-278m-multilingual", "granite-embedding:278m"],
    "paraphrase-multilingual": ["sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", "paraphrase-multilingual:278m"],
    "sentence-transformers": [
        "sentence-transformers/all-MiniLM-L6-v2",
        "all-MiniLM-L12-v2",
        "all-minilm:l6-v2",
        "all-MiniLM-L6-v2 all-MiniLM-L6-v2.gguf2.f16",
        "All MiniLM L6 v2",
        "sentence-transformers/all-mpnet-base-v2",
        "all-distilroberta-v1",
        "paraphrase-MiniLM-L6-v2",
    ],
    "sentence-transformers-qa": ["multi-qa-mpnet-base-dot-v1", "sentence-transformers/msmarco-distilbert-base-v4"],
    "": [
        "",
        "code5",
        "code5-base",
        "Salesforce/codet5p-110m-embedding",
        "flan-t5-base",
        "SmolLM2-135M-Instruct",
        "Qwen3-0.6B",
        "gemma-3-270m",
        "embeddinggemma-2-740m",
        "BAAI/bge-reranker-v2-m3",
        "mixedbread-ai/mxbai-rerank-large-v1",
        "jinaai/jina-reranker-v2-base-multilingual",
        "Alibaba-NLP/gte-reranker-modernbert-base",
        "microsoft/all-purpose-model",
        "budget-large",
        "abge-large-en",
        "snowflake-arctic-instruct",
    ],
}


@pytest.mark.parametrize(("wanted", "name"), [(wanted, name) for wanted, names in NAMES.items() for name in names])
def test_a_model_is_known_by_any_of_its_names(wanted: str, name: str) -> None:
    assert family(name).name == wanted


@pytest.mark.parametrize(
    ("name", "question", "document"),
    [
        ("nomic-embed-text", "search_query: ", "search_document: "),
        ("e5-base-v2", "query: ", "passage: "),
        ("multilingual-e5-base", "query: ", "passage: "),
        ("bge-base-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("bge-m3", "", ""),
        ("gte-base", "", ""),
        ("snowflake-arctic-embed-m", "Represent this sentence for searching relevant passages: ", ""),
        ("snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("embeddinggemma-300m", "task: search result | query: ", "title: none | text: "),
        ("all-MiniLM-L6-v2", "", ""),
        ("nobody-knows-this", "", ""),
    ],
)
def test_prefixes_are_those_of_the_model_card(name: str, question: str, document: str) -> None:
    assert prefixes(name) == (question, document)


def test_instructions_end_as_each_family_wants_them() -> None:
    """Qwen3 was trained without a space after the colon, e5 with one; documents get none."""
    for name, end in (("qwen3-embedding-0.6b", "\nQuery:"), ("multilingual-e5-large-instruct", "\nQuery: ")):
        question, document = prefixes(name)
        assert question.startswith("Instruct: ")
        assert question.endswith(end)
        assert document == ""


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("all-MiniLM-L6-v2", {"en"}),
        ("all-MiniLM-L12-v2", {"en"}),
        ("all-mpnet-base-v2", {"en"}),
        ("e5-large-v2", {"en"}),
        ("gte-large", {"en"}),
        ("mxbai-embed-large-v1", {"en"}),
        ("nomic-embed-text-v1.5", {"en"}),
        ("snowflake-arctic-embed-m-v1.5", {"en"}),
        ("bge-small-en-v1.5", {"en"}),
        ("bge-large-zh-v1.5", {"zh", "en"}),
        ("jina-embeddings-v2-base-de", {"de", "en"}),
        ("nomic-embed-text-v2-moe", None),
        ("multilingual-e5-small", None),
        ("multilingual-e5-large-instruct", None),
        ("bge-m3", None),
        ("gte-multilingual-base", None),
        ("qwen3-embedding-0.6b", None),
        ("snowflake-arctic-embed-l-v2.0", None),
        ("paraphrase-multilingual-MiniLM-L12-v2", None),
        ("somebody/all-MiniLM-L6-v2-multilingual-en-de", None),
        ("nobody-knows-this", None),
    ],
)
def test_languages_are_named_only_where_they_are_few(name: str, languages: set[str] | None) -> None:
    assert family(name).languages == languages


def test_every_family_is_reached_by_a_name_and_pools_in_a_way_llama_cpp_knows() -> None:
    found = {family(name) for names in NAMES.values() for name in names}
    assert {one.name for one in found} == set(NAMES)
    assert {one.pooling for one in found} <= {None, *POOLING_CODES}
    assert family("x") == UNKNOWN


@pytest.mark.parametrize(
    ("stated", "of_family", "wanted"),
    [
        ("cls", "mean", "cls"),
        ("mean", "last", "mean"),
        ("last", None, "last"),
        (None, "last", "last"),
        (None, "cls", "cls"),
        (None, None, "mean"),
        ("none", "cls", "cls"),
        ("none", None, "mean"),
    ],
)
def test_the_file_says_how_to_pool_else_the_family_else_the_mean(
    stated: str | None, of_family: str | None, wanted: str
) -> None:
    assert pooling_code(stated, of_family) == POOLING_CODES[wanted]


def test_a_model_that_ranks_is_refused() -> None:
    with pytest.raises(EmbeddingError, match=r"ranks.*Choose an embedding model"):
        pooling_code("rank", "mean")


def test_only_the_last_token_needs_an_end() -> None:
    def single(text: str) -> list[int]:
        return [151643]

    def several(text: str) -> list[int]:
        return [27, 91, 8691]

    assert end_token(POOLING_CODES["mean"], 2, single) is None
    assert end_token(POOLING_CODES["cls"], 2, single) is None
    assert end_token(POOLING_CODES["last"], 151645, single) == 151643  # an older Qwen3 file: its EOS is <|im_end|>
    assert end_token(POOLING_CODES["last"], 2, several) == 2  # no such token in the vocabulary
    assert end_token(POOLING_CODES["last"], -1, several) is None


def test_the_end_stands_there_once() -> None:
    assert ended([5, 6], 9) == [5, 6, 9]
    assert ended([5, 6, 9], 9) == [5, 6, 9]
    assert ended([], 9) == [9]
    assert ended([5, 6], None) == [5, 6]
