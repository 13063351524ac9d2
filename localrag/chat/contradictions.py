"""What in a sentence speaks against its evidence however alike they are: numbers, names, negations, roles, quantities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from localrag.chat.alignment import holds, targets
from localrag.chat.amounts import another_day, another_extent, another_thing, converted, figures_of_day, only_about, same_hour
from localrag.chat.claim_words import ARTICLES, AUXILIARIES, PREPOSITIONS, PRONOUNS, ROLE_WORDS, SUBJECTS
from localrag.chat.claims import Claim, Token, quantities_of
from localrag.chat.edits import edited
from localrag.chat.lexicon import class_of, unit_of
from localrag.chat.modality import denied, strengthened
from localrag.chat.polarity import negation, opposites
from localrag.chat.roles import association, flipped, order
from localrag.chat.unspaced import unspaced

POUNDS = {"#lb", "#£"}
"""Of weight and of money: the word does not say which."""


def contradiction(said: Claim, window: Sequence[Claim], everywhere: Sequence[Claim]) -> str:
    """What a sentence gets wrong against the sentences it was aligned to; "" when nothing is seen.

    `everywhere`: all sentences near them, where a name may have been taken from.
    """
    if said.language in ("zh", "ko", "ja"):
        return unspaced(said, window)
    if any(_words(claim) == _words(said) for claim in window):
        return ""
    if len(window) > 1 and any(_classes(part, target) for part, target in _by_clause(said, window)):
        return "classes"
    for check in (_numbers, _classes, _quantities, negation, denied, strengthened, opposites, association, order, flipped):
        if check(said, window):
            return check.__name__.strip("_")
    if _names(said, window, everywhere):
        return "names"
    if _refers_forward(said, window, everywhere):
        return "order"
    return "edited" if edited(said, window, everywhere) else ""


def _refers_forward(said: Claim, window: Sequence[Claim], everywhere: Sequence[Claim]) -> bool:
    """Whether "it" is taken for something that is only named afterwards."""
    for claim in window:
        if claim not in everywhere or claim.tokens[0].word not in PRONOUNS - {"this", "these", "such"}:
            continue
        at = everywhere.index(claim)
        shared = next((t.at for t in said.content() if holds(claim.keys, t.key)), 0)
        earlier = frozenset(key for c in everywhere[:at] for key in c.keys)
        later = frozenset(key for c in everywhere[at + 1 :] for key in c.keys)
        subject = [t for t in said.content() if t.at < shared and not t.number]
        if at and any(holds(later, t.key) and not holds(earlier, t.key) for t in subject):
            return True
    return False


def _words(claim: Claim) -> list[tuple[str, str, str]]:
    return [(t.word, t.key, t.unit) for t in claim.tokens if t.word[0].isalnum()]


def _by_clause(said: Claim, window: Sequence[Claim]) -> Iterator[tuple[Claim, list[Claim]]]:
    """Each clause with the sentence that shares most with it."""
    for clause in sorted({t.clause for t in said.content()}):
        tokens = tuple(t for t in said.tokens if t.clause == clause)
        part = replace(said, tokens=tokens, keys=frozenset(t.key for t in tokens if t.content))
        nearest = [claim for claim, _ in targets(said, clause, window)]
        if len(nearest) == 1:
            yield part, nearest


def _numbers(said: Claim, window: Sequence[Claim]) -> bool:
    there = [t for claim in window for t in claim.tokens if t.number]
    values = {t.key for t in there} | {t.word for t in there} | {part for t in there for part in figures_of_day(t.key)}
    for token in (t for t in said.tokens if t.number and not figures_of_day(t.key)):
        if converted(token, said, window) or same_hour(token.key, there):
            continue
        if token.key not in values:
            if token.key == "1" and any(t.word in ("one", "once", "a", "an") for claim in window for t in claim.tokens):
                continue
            if token.key == "2" and any(t.word in ("both", "either", "neither", "pair") for c in window for t in c.tokens):
                continue
            if token.key == "o1" and not any(t.key[0] == "o" and t.unit == token.unit for t in there):
                continue
            if token.key.lstrip("o") in {v.lstrip("o") for v in values} and any(t.word[0].isdigit() for t in (token, *there)):
                continue
            return True
        same = [t for t in there if t.key == token.key]
        if not token.unit or any(not t.unit or t.unit == token.unit or {t.unit, token.unit} == POUNDS for t in same):
            continue
        if token.unit[0] == "#":
            return True
        others = [t for t in there if t.unit == token.unit and t.key != token.key]
        if others and all(t.unit and t.unit != token.unit for t in same):
            return True
    return another_day(said, window) or only_about(said, window) or another_extent(said, window) or another_thing(said, window)


def _classes(said: Claim, window: Sequence[Claim]) -> bool:
    """Another month, colour or unit of time than the evidence has."""
    known = class_of()
    theirs = {name for claim in window for t in claim.tokens for name in known.get(t.word, ())}
    groups = {name.split()[0] for name in theirs}
    there = frozenset(key for claim in window for key in claim.keys)
    for token in said.tokens:
        mine = known.get(token.word, frozenset())
        if not mine or _is_unit_of_converted(token, said, window):
            continue
        if token.key in there or mine & theirs or token.word in {t.word for c in window for t in c.tokens}:
            continue
        if (
            token.word in ("second", "may", "march", "day", "night", "year", "daily", "yearly")
            and not token.name
            and token.number
        ):
            continue
        if any(name.split()[0] in groups for name in mine):
            own = {name for t in said.tokens for name in known.get(t.word, ())}
            if any(name not in own and name.split()[0] in {m.split()[0] for m in mine} for name in theirs):
                return True
    return False


def _is_unit_of_converted(token: Token, said: Claim, window: Sequence[Claim]) -> bool:
    unit = unit_of().get(token.word)
    near = said.tokens[max(0, token.at - 2) : token.at]
    return unit is not None and any(t.number and t.unit == unit and converted(t, said, window) for t in near)


def _quantities(said: Claim, window: Sequence[Claim]) -> bool:
    """All for some, never for usually. What the evidence leaves open is left open."""
    there = frozenset(name for claim in _nearest(said, window) for name in claim.quantities)
    added = said.quantities - there - {"none"}
    ranked = ("all", "most", "some", "few")
    if any(name in added for name in ranked) and there & (frozenset(ranked) | {"none"}) - said.quantities:
        return not (said.negations and "none" in there)
    if "none" in said.quantities and "none" not in there and there & {"most", "some", "few"}:
        return True
    if "all" in added and any(_is_limited(claim) for claim in window):
        return True
    words = {t.word for t in said.tokens}
    theirs = {t.word for claim in window for t in claim.tokens}
    if "always" in words - theirs and not there & {"all", "none"}:
        return True
    return bool(
        ("least" in words - theirs and "up" in theirs - words) or ("up" in words - theirs and "least" in theirs - words)
    )


def _is_limited(claim: Claim) -> bool:
    """ "Up to five days", "three of which"."""
    for t in (t for t in claim.tokens if t.number):
        after = [b.word for b in claim.tokens[t.at + 1 : t.at + 3]]
        if [b.word for b in claim.tokens[max(0, t.at - 2) : t.at]] == ["up", "to"]:
            return True
        if len(after) == 2 and after[0] == "of" and after[1] in ("which", "whom", "them", "these", "those"):
            return True
    return False


def _nearest(said: Claim, window: Sequence[Claim]) -> Sequence[Claim]:
    """The evidence by itself: a sentence without the clauses that share nothing with what is said."""
    found = []
    for claim in window:
        kept = [t for t in claim.tokens if (claim.content(t.clause) and _share(said, claim, t.clause) > 0) or t.at == 0]
        found.append(replace(claim, quantities=quantities_of(kept)))
    return found


def _share(said: Claim, claim: Claim, clause: int) -> float:
    words = claim.content(clause)
    return sum(holds(said.keys, t.key) for t in words) / len(words) if words else 0.0


def _names(said: Claim, window: Sequence[Claim], everywhere: Sequence[Claim]) -> bool:
    """A name that stands nowhere near, or that another name stands in for in the sentence that carries the rest."""
    far = frozenset(key for claim in (*window, *everywhere) for key in claim.keys)
    named = frozenset(t.key for claim in (*window, *everywhere) for t in claim.content() if t.name)
    initials = "".join(t.word[0] for claim in everywhere for t in claim.content())
    in_figures = any(figures_of_day(key) for key in far)
    for token in (t for t in said.tokens if t.name and not (in_figures and t.word in class_of())):
        if token.key not in far and not (token.word.isalpha() and len(token.word) > 2 and token.word in initials):
            return True
    for clause in sorted({t.clause for t in said.content()}):
        mine = [t for t in said.content(clause) if t.name or (t.at == 0 and t.key in named)]
        for claim, _ in targets(said, clause, window):
            missing = [t for t in mine if t.key not in claim.keys and not _completes(t, said, claim)]
            if claim.tokens[0].word in SUBJECTS and all(holds(far, t.key) for t in missing):
                continue  # it may be who is meant
            if missing and any(_stands_in(t, said, missing) for t in claim.content() if not _is_imperative(t, claim)):
                return True
    return _other_subject(said, window, far)


def _completes(token: Token, said: Claim, claim: Claim) -> bool:
    """Whether a name only goes with one the evidence has: "Petra Novak" for "Novak"."""
    near = [t for t in said.tokens[max(0, token.at - 1) : token.at + 2] if t.capital and t is not token]
    return any(t.key in claim.keys for t in near)


def _is_imperative(token: Token, claim: Claim) -> bool:
    """ "Remove the battery": a first word that only looks like a name."""
    return token.at == 0 and len(claim.tokens) > 1 and claim.tokens[1].word in ARTICLES


def _stands_in(token: Token, said: Claim, missing: Sequence[Token]) -> bool:
    """Whether a name of the evidence has the place of one it lacks."""
    if not (token.name or (token.at == 0 and token.capital)):
        return False
    if not holds(said.keys, token.key):
        return True
    own = next((t for t in said.content() if t.key == token.key), token)
    return bool(not token.role and own.role & ROLE_WORDS and any(not t.role for t in missing))


def _other_subject(said: Claim, window: Sequence[Claim], far: frozenset[str]) -> bool:
    """Another first word right before the same second one."""
    words = said.content()
    if not _begins(said) or said.tokens[0].word[0].isdigit():
        return False
    for claim in window:
        theirs = claim.content()
        if not _begins(claim) or words[0].key in claim.keys or holds(said.keys, theirs[0].key):
            continue
        if words[1].key == theirs[1].key and not words[1].name and (holds(far, words[0].key) or not _is_modifier(said)):
            return True
    return False


def _is_modifier(claim: Claim) -> bool:
    """Whether the first word only describes the second: "raw beans are"."""
    after = claim.content()[1].at + 1
    return after < len(claim.tokens) and claim.tokens[after].word in AUXILIARIES


def _begins(claim: Claim) -> bool:
    """Whether a sentence begins with something and what is said of it: no pronoun first, nothing but an auxiliary between."""
    words = claim.content()
    if len(words) < 3 or words[0].at > 1 or claim.tokens[0].word in PRONOUNS | PREPOSITIONS:
        return False
    between = {t.word for t in claim.tokens[words[0].at + 1 : words[1].at]}
    return not between & (ARTICLES | PREPOSITIONS)
