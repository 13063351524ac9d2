"""Questions a chat model writes for passages of the documents; what is no question, or copies the passage, is thrown away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from localrag.documents.sentences import split_sentences
from localrag.documents.words import terms
from localrag.errors import QuestionSetError
from localrag.evaluation.gold import TextOf
from localrag.evaluation.made_questions import choose_sentences
from localrag.evaluation.question_sets import Expected, Question, QuestionSet
from localrag.llms.base import LoadedModel
from localrag.llms.thinking import split_thinking
from localrag.types import DocumentRecord

PROMPT = (
    "Here is a passage of a document:\n\n{passage}\n\nWrite one short question that this passage answers, in the language of"
    " the passage. A reader who has not seen the passage must understand it. Write the question and nothing else."
)
SPARE = 3
"""Passages for each question wanted: small models miss often."""
ANSWER_TOKENS = 80
LONGEST = 250
FEWEST_TERMS = 3
COPIED_SHARE = 0.7
"""A question with this share of its words in a row in the passage is a copy with a question mark."""
_MARKS = ("?", "？", "؟", "፧", "՞")
_START = re.compile(r"^[\s\-*#>\"'“‘«]*(?:\d+[.)]\s+)?(?:[^?:：]{1,40}[:：]\**\s+)?[\"'“‘«*]*")
_POINTS_AT_IT = re.compile(
    r"\b(?:passage|the (?:given )?text|the (?:above|following)|this (?:text|paragraph|document)|(?:this|next) question)\b",
    re.IGNORECASE,
)
Ask = Callable[[str], str]
"""A prompt in, what a chat model answers out."""


@dataclass(frozen=True, slots=True)
class Writing:
    """How far the writing is: questions there are of those wanted, answers thrown away; at the end, the set."""

    done: int
    total: int
    thrown_away: int
    questions: QuestionSet | None = None


def asking(model: LoadedModel) -> Ask:
    """A loaded model as something to ask, greedy; only on the model's thread."""
    return lambda prompt: split_thinking(model.llm.invoke(prompt, max_tokens=ANSWER_TOKENS, temperature=0.0).text)[1]


def write_questions(
    documents: Sequence[DocumentRecord], text_of: TextOf, ask: Ask, count: int, seed: int = 0, model: str = "the chat model"
) -> Iterator[Writing]:
    """Let a model write at most `count` questions, spread over the documents; an event after each answer, the last has the set.

    Raises:
        QuestionSetError: no document has running text, or no answer was a question. What `ask` raises goes through.
    """
    written: dict[str, Question] = {}
    languages = {record.source: record.language for record in documents}
    thrown_away = 0
    for one in choose_sentences(documents, text_of, SPARE * count, seed):
        question = question_in(ask(PROMPT.format(passage=one.passage)), one.passage, languages.get(one.source, ""))
        if question and question not in written:
            expected = Expected((one.source,), one.passage, one.start, one.start + len(one.passage))
            written[question] = Question(question, (expected,), made_by="model")
        else:
            thrown_away += 1
        if len(written) == count:
            break
        yield Writing(len(written), count, thrown_away)
    if not written:
        raise QuestionSetError(
            f"{model} wrote no question that could be used, {thrown_away} answers were thrown away. Choose a larger model, or"
            " make questions from sentences."
        )
    name = f"{len(written)} written by {model}, seed {seed}"
    yield Writing(len(written), count, thrown_away, QuestionSet(name, tuple(written.values())))


def question_in(answer: str, passage: str, language: str = "") -> str:
    """The question in a model's answer; empty when it is none, copies the passage, or cannot be understood without it."""
    lines = [line.strip().rstrip("\"'”’»*_ ") for line in answer.splitlines()]
    line = next((line for line in lines if line.endswith(_MARKS)), "")
    line = line[split_sentences(line)[-1][0] :] if line else ""  # "What is the question? Which oil …?" asks the last
    question = " ".join(_START.sub("", line, count=1).split())
    words = terms(question, language)
    if len(question) > LONGEST or len(words) < FEWEST_TERMS or _POINTS_AT_IT.search(question):
        return ""
    held = terms(passage, language)
    copied = SequenceMatcher(None, words, held, autojunk=False).find_longest_match().size
    return "" if copied >= COPIED_SHARE * len(words) else question
