"""The chains of LangChain's notebook on local models, over any LangChain language model and retriever."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseLanguageModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough, RunnablePick

SUMMARY = PromptTemplate.from_template("Summarize the main themes in these retrieved docs: {docs}")


def format_docs(docs: Iterable[Document]) -> str:
    """Documents as one text, a blank line between them."""
    return "\n\n".join(document.page_content for document in docs)


def summary_chain(llm: BaseLanguageModel[Any]) -> Runnable[list[Document], str]:
    """Documents in, a summary of their themes out."""
    return {"docs": RunnableLambda(format_docs)} | SUMMARY | llm | StrOutputParser()


def answer_chain(llm: BaseLanguageModel[Any], prompt: ChatPromptTemplate) -> Runnable[dict[str, Any], str]:
    """{"context": documents, "question": text} in, the answer out."""
    return RunnablePassthrough.assign(context=RunnablePick("context") | format_docs) | prompt | llm | StrOutputParser()


def retrieval_chain(llm: BaseLanguageModel[Any], prompt: ChatPromptTemplate, retriever: BaseRetriever) -> Runnable[str, str]:
    """A question in, the answer from retrieved documents out."""
    inputs = {"context": retriever | format_docs, "question": RunnablePassthrough()}
    return inputs | prompt | llm | StrOutputParser()
