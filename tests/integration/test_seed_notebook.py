"""LangChain's notebook on local models, run from top to bottom: with its own classes, and again with ours.

Its post is served on loopback and its models are the starter models, so it runs offline. The post is one of the tests'
own; where LOCALRAG_TEST_POST names another HTML file, everything runs on that one too.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import HumanMessagePromptTemplate, PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough, RunnablePick

from localrag.documents.ingest import Source
from localrag.evaluation.page_server import served
from localrag.library import Library
from localrag.llms import llamacpp
from localrag.models.gpt4all_copy import gpt4all_copy
from localrag.models.llama_library import Model
from localrag.models.starter import STARTER_CHAT, STARTER_CHAT_AS_SHIPPED, STARTER_EMBEDDING
from localrag.prompts.chains import answer_chain, format_docs, retrieval_chain, summary_chain
from localrag.prompts.hub import HUB_NAMES, prompt
from localrag.settings import DEFAULT_COLLECTION, AnswerSettings, ModelSettings, load_settings
from tests.tools.llama_server_process import llama_server

pytestmark = [
    pytest.mark.models,
    # langchain-community says at its import that nobody maintains it any more; the notebook is written with it.
    pytest.mark.filterwarnings("ignore:.langchain-community. is being sunset:DeprecationWarning"),
    # Chroma calls a collection without an embedding function of Chroma's own "legacy"; ours computes its own vectors.
    pytest.mark.filterwarnings("ignore:legacy embedding function config:DeprecationWarning"),
]

OWN_POST = Path(__file__).with_name("seed_post.html")
OTHER_POST = Path(os.environ.get("LOCALRAG_TEST_POST", ""))
QUESTION = "What are the approaches to Task Decomposition?"
RAP_BATTLE = "Simulate a rap battle between Stephen Colbert and John Oliver"
MAX_TOKENS = 32  # small: the file makes some fifty answers
# The threads of all these libraries wait for each other in a loop: with more than one, everything takes a hundred times
# as long as soon as another process wants a core.
THREADS = 1
RULES = (
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the question."
    " If you don't know the answer, just say that you don't know. Use three sentences maximum and keep the answer concise."
)
PRINTED_PROMPTS = {
    "rlm/rag-prompt": f"{RULES}\nQuestion: {{question}} \nContext: {{context}} \nAnswer:",
    "rlm/rag-prompt-llama": f"[INST]<<SYS>> {RULES}<</SYS>> \nQuestion: {{question}} \nContext: {{context}} \nAnswer: [/INST]",
}
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
        model_name=STARTER_EMBEDDING,
        n_threads=THREADS,
        gpt4all_kwargs={"allow_download": False, "model_path": str(models_dir)},
    )
    store = Chroma.from_documents(documents=splits, embedding=embedding, collection_name=f"seed-{name}")
    library = Library(load_settings({"data_dir": folder, "models_dir": models_dir}, {}, folder))
    events = list(library.ingest(DEFAULT_COLLECTION, [Source(path.name, path=path)]))
    assert events[-1].status == "indexed", events[-1].error
    yield Post(path, title, answer, data, store, store.similarity_search(QUESTION), library)
    library.close()
    store.delete_collection()
    embedding.client.close()


@pytest.fixture(scope="module")
def count_tokens(models_dir: Path) -> Iterator[Callable[[str], int]]:
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
        gpt4all = GPT4All(model=str(copy), max_tokens=2048, n_predict=MAX_TOKENS, n_threads=THREADS, n_batch=128, temp=0.0)
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
    yield llamacpp.LlamaCppChat.over(loaded, AnswerSettings(temperature=0.0, max_tokens=MAX_TOKENS))  # type: ignore[arg-type]
    loaded.close()


def judge(answer: str, context: str, count_tokens: Callable[[str], int]) -> None:
    """What can be asked of 135 million parameters: an answer made of the context's words, of the length allowed."""
    assert answer.strip()
    assert not re.match(r'\s*\{\s*"error"', answer), answer
    assert 1 < count_tokens(answer) <= MAX_TOKENS + 2, answer  # cutting in mid-character may count a token or two more
    words = set(re.findall(r"[a-z]{4,}", answer.lower()))
    shared = words & set(re.findall(r"[a-z]{4,}", context.lower()))
    assert len(shared) >= 3, f"{answer!r} shares only {shared} with its context"


def context_of(post: Post) -> str:
    return f"{QUESTION} {format_docs(post.docs)}"


def notebook_chains(llm: Any, post: Post) -> dict[str, tuple[Runnable[Any, str], Any]]:
    """The notebook's chains, in its own words, each with what it invokes them on."""

    def joined(docs: list[Document]) -> str:
        return "\n\n".join(doc.page_content for doc in docs)

    template = PromptTemplate.from_template("Summarize the main themes in these retrieved docs: {docs}")
    chains: dict[str, tuple[Runnable[Any, str], Any]] = {
        "summary": ({"docs": joined} | template | llm | StrOutputParser(), post.docs)
    }
    for name in HUB_NAMES:
        rag_prompt = prompt(name).as_langchain()
        chain = RunnablePassthrough.assign(context=RunnablePick("context") | joined) | rag_prompt | llm | StrOutputParser()
        chains[name] = (chain, {"context": post.docs, "question": QUESTION})
    inputs: Any = {"context": post.store.as_retriever() | joined, "question": RunnablePassthrough()}
    chains["retrieval"] = (inputs | prompt("rlm/rag-prompt").as_langchain() | llm | StrOutputParser(), QUESTION)
    return chains


def our_chains(llm: Any, docs: list[Document], retriever: BaseRetriever) -> dict[str, tuple[Runnable[Any, str], Any]]:
    """The same through localrag.prompts.chains."""
    chains: dict[str, tuple[Runnable[Any, str], Any]] = {"summary": (summary_chain(llm), docs)}
    for name in HUB_NAMES:
        chains[name] = (answer_chain(llm, prompt(name).as_langchain()), {"context": docs, "question": QUESTION})
    chains["retrieval"] = (retrieval_chain(llm, prompt("rlm/rag-prompt").as_langchain(), retriever), QUESTION)
    return chains


def test_the_loader_brings_title_description_and_language(post: Post) -> None:
    (document,) = post.data
    assert post.title in document.metadata["title"]
    assert document.metadata["title"]
    assert len(document.metadata["description"]) > 50
    assert document.metadata["language"] == "en"
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
    assert (record.title, record.language) == (post.data[0].metadata["title"], "en")


@pytest.mark.parametrize("name", HUB_NAMES)
def test_the_hub_prompts_are_the_ones_the_notebook_prints(name: str) -> None:
    (message,) = prompt(name).as_langchain().messages
    template = PromptTemplate(input_variables=["context", "question"], template=PRINTED_PROMPTS[name])
    assert message == HumanMessagePromptTemplate(prompt=template)


def test_the_notebooks_models_continue_a_prompt(community: Any, count_tokens: Callable[[str], int]) -> None:
    answer = community.invoke(RAP_BATTLE)
    assert re.search(r"[A-Za-z]{3}", answer)
    assert '"error"' not in answer
    assert 1 < count_tokens(answer) <= MAX_TOKENS + 2


@pytest.mark.parametrize("name", ["summary", *HUB_NAMES, "retrieval"])
def test_the_notebooks_models_answer_through_its_chains_and_through_ours(
    community: Any, post: Post, name: str, count_tokens: Callable[[str], int]
) -> None:
    chains = (notebook_chains(community, post), our_chains(community, post.docs, post.store.as_retriever()))
    answers = [chain.invoke(given) for chain, given in (chosen[name] for chosen in chains)]
    for answer in answers:
        judge(answer, context_of(post), count_tokens)


def test_our_model_writes_the_rap_battle(ours: Any, count_tokens: Callable[[str], int]) -> None:
    judge(ours.invoke(RAP_BATTLE).text, f"{RAP_BATTLE} stage crowd host comedian microphone laugh words", count_tokens)


@pytest.mark.parametrize("name", ["summary", *HUB_NAMES, "retrieval"])
def test_our_model_answers_through_our_chains(ours: Any, post: Post, name: str, count_tokens: Callable[[str], int]) -> None:
    docs = post.retriever.invoke(QUESTION)
    chain, given = our_chains(ours, docs, post.retriever)[name]
    answer = chain.invoke(given)
    judge(answer, f"{QUESTION} {format_docs(docs)}", count_tokens)
    assert name == "summary" or "task" in answer.lower() or "decompos" in answer.lower()
