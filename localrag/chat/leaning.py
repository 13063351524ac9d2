"""Whether a question leans on the turns before it: by the words that point back, and by what it leaves out.

English, German and Spanish by their words, Korean and Chinese by theirs. A word that points back inside the question itself, or
that points at nothing ("is it possible to", "are there"), does not count.
"""

from __future__ import annotations

import re

_I = re.IGNORECASE
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_HAN, _HANGUL = re.compile("[\u3400-\u9fff]"), re.compile("[\uac00-\ud7af]")

FUNCTION_WORDS = frozenset(
    # English
    "a an the and or but so also then of in on at to for from by with about as than into over under after before between during"
    " without is are was were be been being am do does did done can could will would shall should may might must has have had"
    " having what which who whom whose when where why how much many long often old far it its they them their theirs this that"
    " these those he him his she her hers there here i me my you your we us our one ones not no yes if because while"
    " tell say explain describe give show list name compare more else other another same please just only exactly really any"
    " since until via per such elaborate example examples exception exceptions thing things"
    " some all each both s t out up down off away first second third fourth fifth last next former latter"
    # German
    " der die das den dem des ein eine einen einem einer und oder aber auch dann von im am zu zum zur für mit über als nach vor"
    " bei ist sind war waren wird werden kann können hat haben was welche welcher welches wer wen wem wann wo warum wieso wie"
    " viel viele lange oft er sie es ihn ihm ihr ihre ihrer sein seine dessen deren davon dafür damit daran darüber dazu"
    " dies diese dieser dieses jene nicht bitte mehr noch denn"
    # Spanish
    " el la los las lo un una unos unas y e o pero también de del en a al con por para sin sobre es son fue era ser está están"
    " qué que cuál cuáles quién cuándo dónde cómo cuánto cuánta cuántos cuántas dura su sus ese esa eso esos esas este esta"
    " esto él ella ellos ellas no sí más otro otra se".split()
)
ASKING = frozenset(
    "what which who whom whose when where why how is are was were do does did can could will would shall should may might must"
    " has have had explain describe list name tell give show summarise summarize compare find write translate"
    " was welche welcher welches wer wen wem wann wo warum wieso wie ist sind war hat haben kann können wird gibt erkläre nenne"
    " qué cuál cuáles quién cuándo dónde cómo cuánto cuánta cuántos cuántas es son fue hay tiene puede explica".split()
)
_VERBS = frozenset(
    "is are was were be do does did can could will would shall should may might must has have had"
    " ist sind war waren wird werden kann können hat haben gibt es son fue era hay tiene tienen puede está".split()
)
_PREPOSITIONS = frozenset(
    "in on at to for from by with without about of during after before under over between"
    " für mit ohne bei nach von über aus im am zum zur en con sin por para de del sobre".split()
)

# What points at nothing before it.
_EMPTY = re.compile(
    r"\b(?:is|was|are|were|be) there\b|\bthere (?:is|are|was|were|be)\b"
    r"|\bit (?:rains?|depends?|matters?|makes sense)\b|\b(?:does|did|do|will|would) it (?:matter|rain|make sense)\b"
    r"|\bit (?:takes?|took)(?= .*\bto\b)"
    r"|\b(?:is|was) it (?:possible|necessary|true|allowed|safe|legal|worth|better|best|normal|common|ok|okay)\b"
    r"|\bthis (?:year|month|week|morning|time|document|file|text|page|book|collection)\b|\bgibt es\b",
    _I,
)
_POINTS = re.compile(
    r"\b(?:it|its|itself|they|them|their|theirs|these|those|he|him|his|she|her|hers|there|this)\b"
    r"|\b(?:ihn|ihm|ihre[rnms]?|dessen|deren|davon|dafür|damit|daran|darüber|dazu|dieser|dieses|diese|diesen|seine[rnms]?)\b"
    r"|\b(?:es|er|sie|sein|ihr)\b|\bdas\s*[?.!]*$"
    r"|\b(?:gilt|ist|war|heißt|bedeutet|dauert|kostet|geht|kann|hat|macht|hilft)\s+(?:das|dies)\b(?!\s+(?-i:[A-ZÄÖÜ]))"
    r"|\b(?:says?|said|think|thinks|mean|means|do|does|did|is|was)\s+so\s*[?.!]*$"
    r"|\b(?:eso|esto|esos|esas|su|sus|él|ella|ellos|ellas)\b|\b(?:ese|esa|este|esta)\b|\blo (?:hace|hizo|es|dice)\b",
    _I,
)
_FORMAL = re.compile(r"(?<=\w )Sie\b|(?<=\w )Ihr(?:e[rnms]?)?\b")  # the polite "you"
_SPANISH_IS = re.compile(r"¿|\b(?:el|la|los|las|una?|cuál|qué|quién)\b", _I)  # there "es" is a verb
_THAT = re.compile(
    r"(?:^|\b(?:is|was|are|does|did|do|can|will|about|of|for|with|in|on|at|to|from|by|like|than|how|why|when|and|but|so)\s+)"
    r"that\b|\bthat\s*[?.!]*$",
    _I,
)
_ONE = re.compile(r"\b(?:the|which|that|this|another|other|last|next|former|latter|each)(?:\s+\w+)? ones?\b", _I)
_BARE_NUMBER = re.compile(
    r"\b(?:with|of|for|at|after|from|mit|von|bei|nach|con|de)\s+(?:(?:only|just|nur|solo)\s+)?"
    r"(?:\d{1,3}|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|fifty|hundred|zwei|drei|vier|fünf|sechs|zehn|dos|tres"
    r"|cuatro|cinco|diez)\s*[?.!]*$",
    _I,
)
_PASSIVE = re.compile(r"^(?:[Ww]hat|[Ww]ho|[Ww]hich|[Hh]ow) (?:was|were|did|does|do|has|have|had|will|can|should) [^A-Z]*$")
_OPENERS = re.compile(
    r"^\W*(?:and|but|so|also|then|or|what about|how about|what if|what else|"
    r"same (?:for|with|in|of)|anything else|why not|how so|how come|tell me more|go on"
    r"|more|und|aber|was ist mit|wie ist es mit|wie steht es um|erzähl mehr|y|pero|e|qué tal|qué pasa con)\b",
    _I,
)
_SUBORDINATE = re.compile(r",|\b(?:when|if|because|while|that|who|which|and|wenn|weil|dass|während|cuando|si|porque)\b", _I)
_NAMED = re.compile(r"\b(?:the|an?|every|each|der|die|das|den|dem|ein|eine|einen|el|la|los|las|un|una)\s+[^\W_]+", _I)
_KOREAN = re.compile(
    r"그것|그건|그거|그게|이것|이건|그럼|그러면|그리고|그런데|그 (?!밖)|그녀|그들|이들|거기|번째|나머지|다른 것"
    r"|왜(?:요|\s*그|\s*\??$)|더 자세히|예를 들|(?:은|는)(?:요)?\s*\?*$"
)
_CHINESE = re.compile(
    r"它|他|她|这(?!种)|那(?!么多)|其(?!他|中|实)|第[一二三四五六七八九十]|前者|后者|为什么\s*[？?]*$|呢\s*[？?]*$|还有|然后|另外|上述"
)
_CHINESE_SHORT = 4
_SHORT_FRAGMENT, _LONG_ENOUGH = 4, 3


def content_words(text: str) -> list[str]:
    """The words of a text that say what it is about, in order, each once."""
    found = (word for word in WORD.findall(text) if word.casefold() not in FUNCTION_WORDS)
    return list(dict.fromkeys(found))


def opener(question: str) -> str:
    """The words a question opens with that take up what was said ("and", "what about"), or ""."""
    match = _OPENERS.match(question)
    return match[0] if match else ""


def points_back(question: str) -> bool:
    """Whether a word of it stands for something said before it."""
    text = _FORMAL.sub(" ", _EMPTY.sub(" ", question))
    if _SPANISH_IS.search(text):
        text = re.sub(r"\bes\b", " ", text)
    if _ONE.search(text) or _THAT.search(text):
        return True
    match = _POINTS.search(text)
    return match is not None and not _named_inside(text, match.start())


def _named_inside(text: str, at: int) -> bool:
    """Whether the question itself names, in a clause before, what the word at that place may stand for."""
    return any(_NAMED.search(text, 0, clause.start()) for clause in _SUBORDINATE.finditer(text, 0, at))


def fragment(question: str) -> bool:
    """Whether it is a piece of a question: it has no verb, or nothing it is about."""
    words = [word.casefold() for word in WORD.findall(question)]
    about = content_words(question)
    if not about:
        return True
    if _BARE_NUMBER.search(question):
        return True  # of what, was said before
    if _PASSIVE.match(question) and len(about) < 2 and about[0].islower():
        return True  # "What was left out?"
    if "?" in question and len(words) < _SHORT_FRAGMENT and words[0] in FUNCTION_WORDS - ASKING:
        return not any(word in _VERBS for word in words)  # "Only three months?"
    if words[0] in ASKING:
        # "How many watts?" has no verb; "Who invented the telephone?" has one that no list holds.
        return not any(word in _VERBS for word in words) and len(about) < 2 and len(words) <= _SHORT_FRAGMENT
    if any(word in _VERBS for word in words):
        return False
    return len(words) <= _SHORT_FRAGMENT and (words[0] in _PREPOSITIONS or (len(words) < 3 and "?" in question))


def leans(question: str) -> bool:
    """Whether a question cannot be understood without what was said before."""
    if _HANGUL.search(question):
        return bool(_KOREAN.search(question)) or len(question.split()) == 1
    if _HAN.search(question):
        return bool(_CHINESE.search(question)) or len(_HAN.findall(question)) <= _CHINESE_SHORT
    if points_back(question) or fragment(question):
        return True
    rest = question[len(opener(question)) :]
    return bool(opener(question)) and len(content_words(rest)) < _LONG_ENOUGH
