"""Who does what to whom: words that have each other's place, and what is said of one thing but stands of another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations

from localrag.chat.alignment import alike
from localrag.chat.claim_words import AGENT_WORDS, AUXILIARIES, PASSIVE, PREPOSITIONS, PRONOUNS, ROLE_WORDS
from localrag.chat.claims import Claim, Token
from localrag.chat.lexicon import class_of

AND = frozenset("and but then und aber y e pero et mais".split())
OBJECTS = frozenset("it him them".split())
PERSONS = frozenset("he she they him her them his their its it er sie ihn ihm il elle".split())


def order(said: Claim, window: Sequence[Claim]) -> bool:
    """Roles turned round without the verb: who did it to whom, from where to where, which is more than which."""
    for claim in window:
        exchanged = turned(said, claim)
        if exchanged is not None:
            mine = {t.key: t.sign for t in said.content() if t.key.startswith("~")}
            theirs = {t.key: t.sign for t in claim.content() if t.key.startswith("~")}
            if not any(key in theirs and theirs[key] != sign for key, sign in mine.items()):
                return True
    return False


def flipped(said: Claim, window: Sequence[Claim]) -> bool:
    """Whether a name has left its side of a verb to one the sentence does not have: "Cole fired her" and "Ada fired Cole"."""
    for claim in window if said.language != "de" else ():  # where every noun has a capital
        if has_agent(said) != has_agent(claim) or not any(t.word in PERSONS for t in claim.tokens):
            continue
        mine, theirs = _once(said), _once(claim)
        names = [key for key, t in mine.items() if key in theirs and _named(t, said) and _named(theirs[key], claim)]
        others = [t for key, t in mine.items() if t.capital and key not in claim.keys]
        for verb in (key for key, t in mine.items() if key in theirs and _is_verb(t, said) and _is_verb(theirs[key], claim)):
            at, there = mine[verb].at, theirs[verb].at
            for name in names:
                moved = (mine[name].at < at) != (theirs[name].at < there)
                if moved and any((t.at < at) == (theirs[name].at < there) for t in others):
                    return True
    return any(_took_the_place(said, claim) for claim in window)


def _named(token: Token, claim: Claim) -> bool:
    """A name, or "an inspector"."""
    return token.capital or (token.at > 0 and claim.tokens[token.at - 1].word in ("a", "an", "the"))


def _is_verb(token: Token, claim: Claim) -> bool:
    """Whether it stands where a verb does: behind a name, a pronoun, an auxiliary, a comma or "and"."""
    before = claim.tokens[token.at - 1] if token.at else None
    if token.capital or before is None:
        return False
    return before.capital or before.word in PERSONS | AUXILIARIES | AND | {",", "who", "which", "that"}


def _took_the_place(said: Claim, claim: Claim) -> bool:
    """ "Moss won" for "it won, beating books by Moss", and "her father left it to her" for "she left it to her father"."""
    words = said.content()
    if len(words) < 2 or not claim.tokens or claim.language == "de":
        return False
    theirs = {t.key: t for t in claim.content()}
    subject = _subject(words)
    verb = next((t for t in words if t not in subject), None)
    if verb is not None and claim.tokens[0].word in PERSONS and theirs and claim.content()[0].key == verb.key:
        return all(t.name or t.capital for t in subject) and any(t.key in theirs and theirs[t.key].role for t in subject)
    for token in (t for t in words if not t.role - {"'s"} and t.key in theirs):
        for role in theirs[token.key].role & {"from", "to"}:
            after = [said.tokens[t.at + 1].word for t in said.tokens[:-1] if t.word == role]
            if after and after[0] in PERSONS and token.at < next(t.at for t in said.tokens if t.word == role):
                return True
    return False


def turned(said: Claim, claim: Claim) -> tuple[str, str] | None:
    """Two words that have each other's place, if there are any."""
    mine, theirs = _once(said), _once(claim)
    shared = [key for key in mine if key in theirs]
    for a, b in combinations(shared, 2):
        first, second, there_first, there_second = mine[a], mine[b], theirs[a], theirs[b]
        if (
            _roles_swapped(first, second, there_first, there_second)
            or _subjects_swapped(said, claim, first, second, there_first, there_second)
            or _frames_swapped(said, claim, first, second, there_first, there_second)
        ):
            return a, b
    return None


def _frames_swapped(said: Claim, claim: Claim, a: Token, b: Token, there_a: Token, there_b: Token) -> bool:
    """Whether each has the other's neighbour: "the critics loved" for "the audience loved"."""
    if has_agent(said) != has_agent(claim) or (a.at < b.at) == (there_a.at < there_b.at):
        return False
    if any("den" in t.role for t in (a, b, there_a, there_b)):  # German says by the article who is who
        return False
    if not all(_is_noun(where, t) for where, t in ((said, a), (said, b), (claim, there_a), (claim, there_b))):
        return False
    for step in (1, -1):
        mine_a, mine_b = _neighbour(said, a, step), _neighbour(said, b, step)
        one, two = _neighbour(claim, there_a, step), _neighbour(claim, there_b, step)
        if mine_a == two and mine_b == one and mine_a != mine_b and {mine_a, mine_b}.isdisjoint({a.key, b.key}):
            return True
    return False


def _neighbour(claim: Claim, token: Token, step: int) -> str:
    """The next word of the clause, past the rest of a name."""
    at = token.at + step
    while 0 <= at < len(claim.tokens) and claim.tokens[at].clause == token.clause:
        near = claim.tokens[at]
        if near.content and not (near.capital and claim.tokens[at - step].capital and token.capital):
            return near.key
        at += step
    return ""


def has_agent(claim: Claim) -> bool:
    """Whether it is said by whom something is done."""
    return any(t.word in AGENT_WORDS for t in claim.tokens)


def _once(claim: Claim) -> dict[str, Token]:
    """Words that stand once in a sentence and can be a subject or an object: for what stands twice nothing is sure."""
    tokens = claim.content()
    keys = [t.key for t in tokens]
    return {t.key: t for t in tokens if keys.count(t.key) == 1 and not t.number and not t.key.startswith("~")}


def _roles_swapped(a: Token, b: Token, there_a: Token, there_b: Token) -> bool:
    # "after years of work" is "after working for years"
    if any(x.word.removesuffix("'s") != y.word.removesuffix("'s") for x, y in ((a, there_a), (b, there_b))):
        return False
    names = all(t.name for t in (a, b, there_a, there_b))
    for words in (ROLE_WORDS, ROLE_WORDS | PREPOSITIONS) if names else (ROLE_WORDS,):
        one, two = a.role & words, b.role & words
        if one != two and one == there_b.role & words and two == there_a.role & words:
            return True
    return False


def _subjects_swapped(said: Claim, claim: Claim, a: Token, b: Token, there_a: Token, there_b: Token) -> bool:
    if a.at > b.at:
        a, b, there_a, there_b = b, a, there_b, there_a
    between = {t.key for t in said.content() if a.at < t.at < b.at}
    if a.clause != b.clause or there_a.clause != there_b.clause:
        return False
    low, high = sorted((there_a.at, there_b.at))
    verbs = [t for t in claim.content() if low < t.at < high and t.key in between and not t.name and not t.number]
    if not verbs or a.role or there_a.role or (b.role - {"by"}) or (there_b.role - {"by"}):
        return False
    if not (_is_noun(said, a) and _is_noun(said, b) and _is_noun(claim, there_a) and _is_noun(claim, there_b)):
        return False
    mine, theirs = _passive(said, a, b), _passive(claim, there_a, there_b)
    return (there_a.at > there_b.at) != (mine != theirs)


def _is_noun(claim: Claim, token: Token) -> bool:
    """A name, what follows an article, or the first word."""
    before = claim.tokens[token.at - 1].word if token.at else ""
    return token.name or token.at == 0 or before in ("the", "a", "an", "der", "die", "das", "den", "el", "la", "le", "by")


def _passive(claim: Claim, a: Token, b: Token) -> bool:
    low, high = sorted((a.at, b.at))
    words = [t.word for t in claim.tokens[low:high]]
    return any(word in AGENT_WORDS for word in words) and any(word in PASSIVE for word in words)


def association(said: Claim, window: Sequence[Claim]) -> bool:
    """What is said of one thing stands in the evidence of another, and of this one something else."""
    told = [claim for claim in window if len(window) == 1 or not (claim.tokens and claim.tokens[0].word in PRONOUNS)]
    found = [(part, subject) for claim in told for part, subject in _parts(claim)]
    parts = [part for part, _ in found]
    taken_over = {t.key for _, subject in found for t in subject}
    keys = [frozenset(t.key for t in part) for part in parts]
    for clause in sorted({t.clause for t in said.content()}):
        words = said.content(clause)
        mine = frozenset(_found(t.key, keys) for t in words)
        for (part, one), (other, two) in permutations(zip(parts, keys, strict=True), 2):
            x, y = (one - two) & mine, (two - one) & mine
            if not x or not y or any(x & held and y & held for held in keys):
                continue
            if not one - two - mine or not two - one - mine:
                continue
            if _refers(other, told, PERSONS) and all(t.capital for t in part if t.key in x):
                continue  # "... for Josiah Crane and stayed in his family"
            if _refers(other, told, OBJECTS) and not any(t.number for t in part if t.key in x):
                continue
            shared = {key for key in one & two if not key.startswith("~")} - taken_over
            if (shared and len(one | two) <= 12) or (len(window) == 1 and (_is_elliptic(part) or _is_elliptic(other))):
                return True
            lost, taken = [t for t in part if t.key not in mine], [t for t in words if t.key in y]
            if any((a.name and b.name) or (a.number and b.number and a.unit == b.unit) for a in lost for b in taken):
                return True
            if part[0].key not in mine and words[0].key == other[0].key and len(x) >= 2 and len(x) >= len(y):
                return True
            if len(window) > 1 and words[0].key == part[0].key and other[0].key not in mine and any(t.unit for t in taken):
                return True  # how much of something else
    return False


def _found(key: str, keys: Sequence[frozenset[str]]) -> str:
    """A word as the evidence has it, or of the same family there."""
    if any(key in held for held in keys):
        return key
    return next((k for held in keys for k in held if alike(k, key)), key)


def _refers(part: list[Token], told: Sequence[Claim], pronouns: frozenset[str]) -> bool:
    """Whether a clause points back with one of these pronouns."""
    return any(t.word in pronouns and t.clause == part[-1].clause for c in told if part[-1] in c.tokens for t in c.tokens)


def _parts(claim: Claim) -> list[tuple[list[Token], list[Token]]]:
    """The content words of each clause, and those taken over: one that goes on with a verb keeps its subject.

    "and moved to Lyon", or ", Ada Berg, left" behind what she is.
    """
    parts: list[tuple[list[Token], list[Token]]] = []
    for clause in sorted({t.clause for t in claim.content()}):
        own, subject = claim.content(clause), []
        if parts and own[0].at and not own[0].capital and not own[0].number:
            last, before = parts[-1][0], _before(claim, own[0])
            if before in AND and not (len(own) > 1 and own[1].capital and own[1].at == own[0].at + 1):  # "and plan B"
                subject = _subject(last)
            elif before == "," and all(t.capital for t in last):
                parts.pop()
                subject = [*(parts.pop()[0] if parts else []), *last]
        parts.append(([*subject, *own], subject))
    return parts


def _before(claim: Claim, token: Token) -> str:
    """What a clause begins with, past "is" and the like."""
    at = token.at - 1
    while at > 0 and claim.tokens[at].word in AUXILIARIES:
        at -= 1
    return claim.tokens[at].word


def _subject(part: list[Token]) -> list[Token]:
    """The first word and the rest of its name."""
    end = next((at for at, t in enumerate(part) if at and not t.capital), len(part))
    return part[:end]


def _is_elliptic(part: Sequence[Token]) -> bool:
    """ "the HX-80 in November": names, numbers and days without a verb of their own."""
    return len(part) <= 2 and all(t.name or t.number or t.word in class_of() for t in part)
