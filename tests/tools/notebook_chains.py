"""The chains of LangChain's notebook, in its own words and in ours, and what can be asked of a small model's answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough, RunnablePick

from localrag.prompts.chains import answer_chain, retrieval_chain, summary_chain
from localrag.prompts.hub import HUB_NAMES, prompt

QUESTION = "What are the approaches to Task Decomposition?"
MAX_TOKENS = 32  # small: the notebook's tests make some fifty answers
CHAINS = ["summary", *HUB_NAMES, "retrieval"]
RULES = (
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the question."
    " If you don't know the answer, just say that you don't know. Use three sentences maximum and keep the answer concise."
)
PRINTED_PROMPTS = {
    "rlm/rag-prompt": f"{RULES}\nQuestion: {{question}} \nContext: {{context}} \nAnswer:",
    "rlm/rag-prompt-llama": f"[INST]<<SYS>> {RULES}<</SYS>> \nQuestion: {{question}} \nContext: {{context}} \nAnswer: [/INST]",
}


def judge(answer: str, count: int) -> None:
    """An answer, not a failure: some text, no error in its place, of the length allowed."""
    assert answer.strip()
    assert not re.match(r'\s*\{\s*"error"', answer), answer
    assert 1 < count <= MAX_TOKENS + 2, answer  # cut in mid-character it may count a token or two more


def first_good(answers: Iterable[str], good: Callable[[str], bool]) -> str:
    """The first answer that is good, or the last one: the starter model ends some prompts at once, or wanders off."""
    answer = ""
    for answer in answers:
        if good(answer):
            break
    return answer


def shared_words(answer: str, context: str) -> set[str]:
    """Words of the answer that stand in its context."""
    return set(re.findall(r"[a-z]{4,}", answer.lower())) & set(re.findall(r"[a-z]{4,}", context.lower()))


def notebook_chains(llm: Any, docs: list[Document], retriever: BaseRetriever) -> dict[str, tuple[Runnable[Any, str], Any]]:
    """The notebook's chains, in its own words, each with what it invokes them on."""

    def joined(docs: list[Document]) -> str:
        return "\n\n".join(doc.page_content for doc in docs)

    template = PromptTemplate.from_template("Summarize the main themes in these retrieved docs: {docs}")
    chains: dict[str, tuple[Runnable[Any, str], Any]] = {
        "summary": ({"docs": joined} | template | llm | StrOutputParser(), docs)
    }
    for name in HUB_NAMES:
        rag_prompt = prompt(name).as_langchain()
        chain = RunnablePassthrough.assign(context=RunnablePick("context") | joined) | rag_prompt | llm | StrOutputParser()
        chains[name] = (chain, {"context": docs, "question": QUESTION})
    inputs: Any = {"context": retriever | joined, "question": RunnablePassthrough()}
    chains["retrieval"] = (inputs | prompt("rlm/rag-prompt").as_langchain() | llm | StrOutputParser(), QUESTION)
    return chains


def our_chains(llm: Any, docs: list[Document], retriever: BaseRetriever) -> dict[str, tuple[Runnable[Any, str], Any]]:
    """The same through localrag.prompts.chains."""
    chains: dict[str, tuple[Runnable[Any, str], Any]] = {"summary": (summary_chain(llm), docs)}
    for name in HUB_NAMES:
        chains[name] = (answer_chain(llm, prompt(name).as_langchain()), {"context": docs, "question": QUESTION})
    chains["retrieval"] = (retrieval_chain(llm, prompt("rlm/rag-prompt").as_langchain(), retriever), QUESTION)
    return chains
