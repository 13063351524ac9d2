"""LangChain's notebook on local models, run from top to bottom: with its own classes, and again with ours.

Its post is served on loopback and its models are the starter models, so it runs offline. The post is one of the tests'
own; where LOCALRAG_TEST_POST names another HTML file, everything runs on that one too.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.prompts import HumanMessagePromptTemplate, PromptTemplate
from langchain_core.retrievers import BaseRetriever

from localrag.documents.source import Source
from localrag.evaluation.page_server import served
from localrag.library import Library
from localrag.llms import llamacpp
from localrag.llms.chat_model import ModelChat
from localrag.models.gpt4all_copy import gpt4all_copy
from localrag.models.llama_library import Model
from localrag.models.starter import STARTER_CHAT, STARTER_CHAT_AS_SHIPPED, STARTER_EMBEDDING_AS_SHIPPED
from localrag.prompts.chains import format_docs
from localrag.prompts.hub import HUB_NAMES, prompt
from localrag.settings import DEFAULT_COLLECTION, AnswerSettings, ModelSettings, load_settings
from tests.tools.llama_server_process import llama_server
from tests.tools.notebook_chains import (
    CHAINS,
    MAX_TOKENS,
    PRINTED_PROMPTS,
    QUESTION,
    first_good,
    judge,
    notebook_chains,
    our_chains,
    shared_words,
)

pytestmark = [
    pytest.mark.models,
    # langchain-community says at its import that nobody maintains it any more; the notebook is written with it.
    pytest.mark.filterwarnings("ignore:.langchain-community. is being sunset:DeprecationWarning"),
    # Chroma calls a collection without an embedding function of Chroma's own "legacy"; ours computes its own vectors.
    pytest.mark.filterwarnings("ignore:legacy embedding function config:DeprecationWarning"),
]

OWN_POST = Path(__file__).with_name("seed_post.html")
OTHER_POST = Path(os.environ.get("LOCALRAG_TEST_POST", ""))
RAP_BATTLE = "Simulate a rap battle between Stephen Colbert and John Oliver"
# The threads of all these libraries wait for each other in a loop: with more than one, everything takes a hundred times
# as long as soon as another process wants a core.
THREADS = 1
PENALTIES = (1.1, 1.0, 1.18)  # tried in turn until an answer can be judged
Count = Callable[[str], int]
POSTS = {
    "own": (
        OWN_POST,
        "Helpers that plan: notes on autonomous agents",
        ("short prompt", "instructions written", "a person split"),
    ),
    "other": (OTHER_POST, "", ("simple prompting", "task-specific instructions", "human inputs")),
}


@dataclass(frozen=True)
class Post:
    """A post as the notebook has it after its retrieval cells, and the same file in a library of ours."""

    path: Path
    title: str
    answer: tuple[str, ...]
    data: list[Document]
    store: Any
    docs: list[Document]
    library: Library

    @property
    def retriever(self) -> BaseRetriever:
        return self.library.retriever(DEFAULT_COLLECTION)


@pytest.fixture(scope="module")
def read_post(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Post]]:
    """A post by name, taken in at the first call: all models then ask the same one."""
    with ExitStack() as stack:
        kept = functools.cache(lambda name: stack.enter_context(_read_post(name, models_dir, tmp_path_factory.mktemp(name))))
        yield kept


@pytest.fixture(params=["own", *(["other"] if OTHER_POST.is_file() else [])])
def post(request: pytest.FixtureRequest, read_post: Callable[[str], Post]) -> Post:
    return read_post(request.param)


@contextmanager
def _read_post(name: str, models_dir: Path, folder: Path) -> Iterator[Post]:
    path, title, answer = POSTS[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("USER_AGENT", "localrag-tests")  # without it the loader warns that servers may refuse it
        from langchain_chroma import Chroma
        from langchain_community.document_loaders import WebBaseLoader
        from langchain_community.embeddings import GPT4AllEmbeddings
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        with served(path) as address:
            data = WebBaseLoader(address).load()
    splits = RecursiveCharacterTextSplitter(chunk_size=500, chunk_overlap=0).split_documents(data)
    embedding = GPT4AllEmbeddings(
        model_name=STARTER_EMBEDDING_AS_SHIPPED,
        n_threads=THREADS,
        gpt4all_kwargs={"allow_download": False, "model_path": str(models_dir)},
    )
    store = Chroma.from_documents(documents=splits, embedding=embedding, collection_name=f"seed-{name}")
    library = Library(load_settings({"data_dir": folder, "models_dir": models_dir, "k": 4, "least_share": 0.0}, {}, folder))
    events = list(library.ingest(DEFAULT_COLLECTION, [Source(path.name, path=path)]))
    assert events[-1].status == "indexed", events[-1].error
    yield Post(path, title, answer, data, store, store.similarity_search(QUESTION), library)
    library.close()
    store.delete_collection()
    embedding.client.close()


@pytest.fixture(scope="module")
def count_tokens(models_dir: Path) -> Iterator[Count]:
    vocabulary = Model(models_dir / STARTER_CHAT)
    yield lambda text: len(vocabulary.tokenize(text))
    vocabulary.close()


@pytest.fixture(scope="module", params=["LlamaCpp", "GPT4All", "Llamafile"])
def community(request: pytest.FixtureRequest, models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One of the notebook's models, greedy and short."""
    if request.param == "LlamaCpp":
        from langchain_community.llms import LlamaCpp

        # 0 means the file's own RoPE base; LlamaCpp's default forces LLaMA 2's on every model.
        own_rope = {"rope_freq_base": 0.0, "rope_freq_scale": 0.0}
        notebook = {"n_gpu_layers": 1, "n_batch": 512, "n_ctx": 2048, "f16_kv": True, "verbose": True}
        path = str(models_dir / STARTER_CHAT)
        llm = LlamaCpp(
            model_path=path,
            max_tokens=MAX_TOKENS,
            temperature=0.0,
            n_threads=THREADS,
            model_kwargs={"n_threads_batch": THREADS},
            **notebook,
            **own_rope,
        )
        yield llm
        llm.client.close()
    elif request.param == "GPT4All":
        from langchain_community.llms import GPT4All

        copy = gpt4all_copy(models_dir / STARTER_CHAT_AS_SHIPPED, tmp_path_factory.mktemp("gpt4all") / "starter.gguf")
        # It never reads its max_tokens; n_predict is what ends an answer.
        gpt4all = GPT4All(
            model=str(copy), max_tokens=2048, n_predict=MAX_TOKENS, n_threads=THREADS, n_batch=128, temp=0.0, repeat_penalty=1.1
        )
        yield gpt4all
        gpt4all.client.close()
    else:
        from langchain_community.llms.llamafile import Llamafile

        binary = request.getfixturevalue("llama_server_binary")
        with llama_server(binary, models_dir / STARTER_CHAT, n_threads=THREADS) as address:
            yield Llamafile(base_url=address, n_predict=MAX_TOKENS, temperature=0.0, request_timeout=60)


@pytest.fixture(scope="module")
def ours(models_dir: Path) -> Iterator[Any]:
    """Our own model, greedy and short."""
    loaded = llamacpp.build(ModelSettings(model_path=models_dir / STARTER_CHAT, n_ctx=2048, n_threads=THREADS))
    yield ModelChat.over(loaded, AnswerSettings(temperature=0.0, max_tokens=MAX_TOKENS))
    loaded.close()


def test_the_loader_brings_title_description_and_language(post: Post) -> None:
    (document,) = post.data
    assert post.title in document.metadata["title"]
    assert document.metadata["title"]
    assert len(document.metadata["description"]) > 50
    assert document.metadata["language"].startswith("en")
    assert document.metadata["source"].startswith("http://127.0.0.1:")


def test_the_similarity_search_finds_four_documents_and_the_answer_first(post: Post) -> None:
    assert len(post.docs) == 4
    assert all(words in " ".join(post.docs[0].page_content.split()) for words in post.answer), post.docs[0].page_content
    assert {"title", "description", "language", "source"} <= post.docs[0].metadata.keys()


def test_our_retriever_finds_the_answer_first_too(post: Post) -> None:
    found = post.retriever.invoke(QUESTION)
    assert len(found) == 4
    assert all(words in " ".join(found[0].page_content.split()) for words in post.answer), found[0].page_content
    (record,) = post.library.documents(DEFAULT_COLLECTION)
    assert (record.title, record.language) == (post.data[0].metadata["title"], post.data[0].metadata["language"])


@pytest.mark.parametrize("name", HUB_NAMES)
def test_the_hub_prompts_are_the_ones_the_notebook_prints(name: str) -> None:
    (message,) = prompt(name).as_langchain().messages
    template = PromptTemplate(input_variables=["context", "question"], template=PRINTED_PROMPTS[name])
    assert message == HumanMessagePromptTemplate(prompt=template)


def test_the_notebooks_models_continue_a_prompt(community: Any, count_tokens: Count) -> None:
    answer = community.invoke(RAP_BATTLE)
    judge(answer, count_tokens(answer))
    assert re.search(r"[A-Za-z]{3}", answer)


@pytest.mark.parametrize("name", CHAINS)
def test_the_notebooks_models_answer_through_its_own_chains(community: Any, post: Post, name: str, count_tokens: Count) -> None:
    """As written: four passages, no chat template. What 135 million parameters make of that is not judged here."""

    def answers() -> Iterator[str]:
        for penalty in PENALTIES:
            chain, given = notebook_chains(community.bind(repeat_penalty=penalty), post.docs, post.store.as_retriever())[name]
            yield chain.invoke(given)

    answer = first_good(answers(), lambda text: bool(text.strip()))
    judge(answer, count_tokens(answer))


@pytest.mark.parametrize("name", CHAINS)
def test_the_notebooks_models_answer_from_the_context_through_our_chains(
    community: Any, post: Post, name: str, count_tokens: Count
) -> None:
    """With the passage that answers, or the best two, even so small a model says something about it, without a template."""
    context = f"{QUESTION} {format_docs(post.docs[:2])}"

    def answers() -> Iterator[str]:
        for penalty, k in itertools.product(PENALTIES, (1, 2)):
            llm, retriever = community.bind(repeat_penalty=penalty), post.store.as_retriever(search_kwargs={"k": k})
            chain, given = our_chains(llm, post.docs[:k], retriever)[name]
            yield chain.invoke(given)

    answer = first_good(answers(), lambda text: len(shared_words(text, context)) >= 2)
    judge(answer, count_tokens(answer))
    assert len(shared_words(answer, context)) >= 2, answer


def test_our_model_writes_the_rap_battle(ours: Any, count_tokens: Count) -> None:
    answer = ours.invoke(RAP_BATTLE)
    judge(answer.text, count_tokens(answer.text))
    assert answer.response_metadata["finish_reason"] in ("stop", "length")
    assert answer.usage_metadata["output_tokens"] <= MAX_TOKENS


@pytest.mark.parametrize("name", CHAINS)
def test_our_model_answers_from_four_passages_through_our_chains(ours: Any, post: Post, name: str, count_tokens: Count) -> None:
    docs = post.retriever.invoke(QUESTION)
    assert len(docs) == 4
    chain, given = our_chains(ours, docs, post.retriever)[name]
    answer = chain.invoke(given)
    judge(answer, count_tokens(answer))
    assert len(shared_words(answer, f"{QUESTION} {format_docs(docs)}")) >= 3, answer
    assert name == "summary" or re.search("task|decompos|step", answer.lower()), answer


@pytest.mark.parametrize("name", HUB_NAMES)
def test_our_model_streams_through_our_chains(ours: Any, post: Post, name: str) -> None:
    chain, given = our_chains(ours, post.docs, post.retriever)[name]
    pieces = [piece for piece in chain.stream(given) if piece]
    assert len(pieces) > 5
    judge("".join(pieces), len(pieces))
