"""A question that leans on the one before it, made findable by rule: no model stands in front of the evidence.

What is looked for is the last question with the new part in its place ("what about the saw?"), or both questions, with the
item that is pointed at ("the second one") or the names that a pronoun may stand for. A question of its own is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from localrag.chat.leaning import ASKING, FUNCTION_WORDS, WORD, content_words, fragment, leans, opener, points_back
from localrag.documents.sentences import split_sentences
from localrag.documents.words import terms
from localrag.types import Turn

MOST_BASE_WORDS = 24
"""Of a long question before, its last words are taken along."""
MOST_NAMES = 6
MOST_ITEM_CHARS = 160
MOST_KEY_WORDS = 8
_I = re.IGNORECASE
ORDINALS = {
    1: r"first|erste[nrs]?|primer[ao]?|첫\s?번째|第一",
    2: r"second|zweite[nrs]?|segund[ao]|두\s?번째|第二",
    3: r"third|dritte[nrs]?|tercer[ao]?|세\s?번째|第三",
    4: r"fourth|vierte[nrs]?|cuart[ao]|네\s?번째|第四",
    5: r"fifth|fünfte[nrs]?|quint[ao]|다섯\s?번째|第五",
    -1: r"last|latter|letzte[nrs]?|letztere[nrs]?|últim[ao]|마지막|最后|后者",
    -2: r"former|erstere[nrs]?|前者",
}
_ORDINAL = re.compile(
    r"(?:\b(?:the|der|die|das|den|dem|el|la|lo)\s+)?(?P<which>"
    + "|".join(f"(?P<n{at}>{words})" for at, words in enumerate(ORDINALS.values()))
    + r")(?:\s+(?P<noun>[^\W_]+))?",
    _I,
)
_COMPLETE = re.compile(r"\s+(?:from|of|in|on|that|which|who|von|des|der|im|de|del)\b", _I)
_NUMBERED = re.compile(r"(?:^|\n|\s)\(?\d{1,2}[.)]\s+(.+?)(?=(?:\n|\s)\(?\d{1,2}[.)]\s|\Z)", re.DOTALL)
_BULLETS = re.compile(r"^\s*[-*•]\s+(.+)$", re.MULTILINE)
_SERIES = re.compile(r",\s*(?:and|or|und|oder|y|o)?\s*|\s+(?:and|or|und|oder|sowie|y|o)\s+|、|，|그리고")
_LEAD = re.compile(r"^.*?:\s+", re.DOTALL)
_PERSON = re.compile(r"\b(?:he|him|his|she|her|hers|er|sie|ihn|ihm|ihr|seine?|él|ella|su)\b|그녀|他|她", _I)
_NAME = re.compile(r"\b[A-ZÀ-Þ][\w'’-]*(?:\s+[A-ZÀ-Þ][\w'’-]*)+|(?<=[\w,] )[A-ZÀ-Þ][\w'’-]{2,}|\b[A-Za-z]*\d[\w.-]*\d\b")
_PHRASE = re.compile(
    r"\b(?i:the|an?|every|der|die|das|den|dem|des|zum|zur|vom|del|al|eine[mrn]?|ein|el|la|los|las|una?)\s+[^\W_][\w'’-]*(?:\s+(?!(?i:"
    + "|".join(sorted(word for word in FUNCTION_WORDS if word.isascii()))
    + r")\b)[\w'’-]+){0,3}|[A-ZÀ-Þ][\w'’-]+(?:\s+[A-ZÀ-Þ][\w'’-]+)*",
)
_DETERMINER = re.compile(
    r"(?:the|an?|every|der|die|das|den|dem|des|zum|zur|vom|del|al|eine[mrn]?|ein|el|la|los|las|una?)\s", _I
)
_AUXILIARY = re.compile(
    r"\b(?:do|does|did|can|could|will|would|should|must|may|might)\s+(?:(?:the|an?)\s+\w+\s+(?:of|in|on|at|for)\s+)*$", _I
)


def standalone(question: str, turns: Sequence[Turn]) -> str:
    """What to search for: the question itself, or when it cannot stand alone, it with what it leans on."""
    if not turns:
        return question
    last, asked = turns[-1], question
    question = " ".join(question.split())  # patterns take long over runs of white space
    item, named = _item(question, last)
    if not item and not leans(question):
        return asked
    base = _base(turns)
    if item:
        asks_more = len(content_words(named)) > len(content_words(item))
        return named if asks_more else _joined(named, *_topic(base, named))
    if (replaced := _in_its_place(question, base)) is not None:
        return replaced
    return _joined(base, question, *_names(question, last))


def _base(turns: Sequence[Turn]) -> str:
    """The last question as it stood alone, its end where it is long."""
    last = turns[-1]
    words = (last.searched or standalone(last.question, turns[:-1])).split()
    return " ".join(words[-MOST_BASE_WORDS:])


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _topic(base: str, question: str) -> list[str]:
    """The words of the last question that say what it is about, beside an item of its answer."""
    held = set(terms(question, ""))
    return [word for word in content_words(base) if not held.issuperset(terms(word, ""))][:MOST_KEY_WORDS]


def _item(question: str, last: Turn) -> tuple[str, str]:
    """What "the second one" points at in the last answer, or in the sentences it rests on; and the question with it in place.

    Both are "" where it points at nothing. Of several it is the first that is told, and all of them are in place.
    """
    lists = [items for text in (last.answer, *_resting_on(last)) if len(items := _items(text)) > 1]
    pieces, told, at = [], "", 0
    for match in _ORDINAL.finditer(question):
        noun = match["noun"] or ""
        bare = not noun or noun.casefold() in FUNCTION_WORDS
        if not bare and (_COMPLETE.match(question, match.end()) or not _spoken_of(noun, last)):
            continue  # "the first world war" and "the third planet from the sun" are names of their own
        wanted = next(number for at, number in enumerate(ORDINALS) if match[f"n{at}"])
        meant = [items[wanted - 1 if wanted > 0 else wanted] for items in lists if len(items) >= abs(wanted)]
        if meant:
            item = next((one for one in meant if not _doubted(one, last)), meant[0])[:MOST_ITEM_CHARS]
            pieces += [question[at : match.start()], item]
            at = match.end() if not bare or noun.casefold() in ("one", "ones") else match.end("which")
            told = told or item
    return (told, "".join([*pieces, question[at:]])) if told else ("", "")


def _doubted(item: str, last: Turn) -> bool:
    """Whether an item stands in a sentence of the answer that no document carries."""
    begin = " ".join(item.split())[:MOST_ITEM_CHARS]
    return any(begin in " ".join(sentence.text.split()) for sentence in last.sentences if sentence.support == "unsupported")


def _spoken_of(noun: str, last: Turn) -> bool:
    """Whether the last turn has this noun."""
    return not set(terms(noun, "en")).isdisjoint(terms(f"{last.question} {last.answer}", "en"))


def _resting_on(turn: Turn) -> list[str]:
    """The evidence sentences an answer is about, best first."""
    cited = list(dict.fromkeys(number for sentence in turn.sentences for number in sentence.evidence))
    spans = [turn.evidence[number] for number in cited if number < len(turn.evidence)] or list(turn.evidence[:2])
    return [span.text[span.focus[0] - span.start : span.focus[1] - span.start] if span.focus else span.text for span in spans]


def _items(text: str) -> list[str]:
    """The things a text lists: numbered, with bullets, or one after the other in its longest series."""
    text = "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
    for pattern in (_NUMBERED, _BULLETS):
        found = [" ".join(item.split()).rstrip(" .;?") for item in pattern.findall(text)]
        if len(found) > 1:
            return found
    series: list[list[str]] = [[]]
    for start, end in split_sentences(text):
        sentence = _LEAD.sub("", text[start:end])
        series.append([piece.strip(" .;") for piece in _SERIES.split(sentence) if piece.strip(" .;")])
    longest = max(series, key=len)
    return longest if len(longest) > 1 else []


def _in_its_place(question: str, base: str) -> str | None:
    """The last question with the new part in place of the one it stands for: "What about the saw?"; None when none fits."""
    lead = opener(question)
    part = question[len(lead) :].strip(" ?.!,¿¡？。")
    if not part or points_back(part) or not (lead or fragment(question)) or not content_words(part):
        return None
    first = WORD.findall(part)[0].casefold()
    if not fragment(f"{part}?") and len(WORD.findall(part)) > 3:
        return None  # a whole question after "and"
    if first in ASKING:
        return None
    same = re.search(rf"\b{re.escape(first)}\s+.+?(?=[?.!]|$)", base, _I) if not first[0].isdigit() else None
    if same and not re.match(r"(?:the|an?|der|die|das|el|la)\b", first, _I):
        return f"{base[: same.start()]}{part}{base[same.end() :]}"  # "in Germany?" takes the place of "in France"
    # A thing takes the place of a thing, a name that of a name.
    things = bool(_DETERMINER.match(part))
    phrases = [match for match in _PHRASE.finditer(base) if match.start() > 0]
    alike = [match for match in phrases if bool(_DETERMINER.match(match[0])) == things]
    if not phrases or first in _APART or not (things or (part[0].isupper() and first not in FUNCTION_WORDS)):
        return None
    phrase = (alike or phrases)[-1]
    start, end = phrase.span()
    if _AUXILIARY.search(base, 0, start) and phrase[0].count(" ") > 1:
        end = start + phrase[0].rindex(" ")  # "does the tea need": its last word is what it does
    return f"{base[:start]}{part}{base[end:]}"


_APART = frozenset(
    "in on at to for from by with without during after before under over für mit ohne bei nach en con sin por para".split()
)


def _names(question: str, last: Turn) -> list[str]:
    """Names and numbers of the answer's supported sentences that a pronoun may stand for; for "why?" what it says."""
    carried = [sentence.text for sentence in last.sentences if sentence.support == "supported"]
    text = " ".join(" ".join(carried).split())
    if _PERSON.search(question) or not content_words(question):
        found = (" ".join(content_words(match[0])) for match in _NAME.finditer(text))
        names = [name for name in dict.fromkeys(found) if name][:MOST_NAMES]
        if names or content_words(question):
            return names
        return content_words(text)[:MOST_KEY_WORDS]
    return []
