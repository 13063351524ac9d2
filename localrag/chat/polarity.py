"""Negations and opposites: whether a sentence and its evidence say yes and no to the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from localrag.chat.alignment import alike, targets
from localrag.chat.claim_words import NEGATIVE_PREFIXES
from localrag.chat.claims import SCOPE, Claim, Token, key_of
from localrag.chat.opposite_words import DENIALS, ENDED
from localrag.chat.roles import turned

ALONE = frozenset("without rather instead free ohne sin sans anstatt".split())
"""Words that deny the noun behind them and nothing else."""

TEMPORAL = frozenset("before after vor nach antes después avant après".split())
CONDITIONS = frozenset("if when wenn falls si".split())
UNTIL = frozenset("until till bis hasta".split())
REFERENCE = 2
"""Content words behind such a word that say before or after what."""


def negation(said: Claim, window: Sequence[Claim]) -> bool:
    mine = _polarities([said], frozenset(key for claim in window for key in claim.keys))
    theirs = _polarities(window, said.keys)
    until = any(t.word in UNTIL for t in said.tokens)
    unanswered = _unanswered([said], mine, theirs) or _unanswered(window, theirs, mine, until, _supposed(said))
    if _other_one(said, window) or _unconditional(said, window) or _taken_back(said, window):
        return True
    found = (unanswered and not _same_denial(said, window)) or _prefixed([said], theirs) or _prefixed(window, mine)
    return found and not _agree(said, window)


def _agree(said: Claim, window: Sequence[Claim]) -> bool:
    """Whether one side says with a verb what the other says with a negation: "is forbidden" and "must not"."""
    for one, other in ((list(window), [said]), ([said], list(window))):
        cues = [(claim, cue) for claim in one for cue in claim.negations]
        words = [(claim, t) for claim in other for t in claim.tokens if t.word in DENIALS]
        if len(cues) != 1 or len(words) != 1:
            continue
        holder, word = words[0]
        if any(_clause(holder, cue) == word.clause for cue in holder.negations):
            continue
        if any(t.word == word.word for claim in one for t in claim.tokens):
            continue
        following = {t.word for t in holder.tokens if t.clause == word.clause + 1}
        if _fits_best(_denied_clause(*cues[0]), holder, word.clause + bool(following & CONDITIONS), other):
            return True
    return False


def _fits_best(part: Sequence[Token], claim: Claim, clause: int, claims: Sequence[Claim]) -> bool:
    """Whether a clause shares more with another side's clause than with any other of it."""

    def shared(words: Sequence[Token]) -> int:
        return sum(any(alike(t.key, own.key) for own in part) for t in words)

    others = [c.content(n) for c in claims for n in {t.clause for t in c.content()} if c is not claim or n != clause]
    return shared(claim.content(clause)) > max(map(shared, others), default=0)


def _taken_back(said: Claim, window: Sequence[Claim]) -> bool:
    """Whether the evidence ended, with a verb, what the sentence says is still so."""
    if said.negations or any(t.word in DENIALS for t in said.tokens):
        return False
    for claim in window if len(window) == 1 else ():
        for cue in (t for t in claim.content() if t.word in ENDED):
            rest = [t for t in claim.content(cue.clause) if t is not cue and not t.name]
            if rest and sum(any(alike(t.key, key) for key in said.keys) for t in rest) * 2 > len(rest):
                return any(t.word in ("still", "now", "remains", "continues") for t in said.tokens)
    return False


def _unconditional(said: Claim, window: Sequence[Claim]) -> bool:
    """ "Even if" for "but not if"."""
    if said.negations:
        return False
    for claim in window:
        for cue in claim.negations:
            if {t.word for t in claim.tokens[cue + 1 : cue + 2]} & CONDITIONS:
                reached = [t for t in claim.content() if t.at > cue][:SCOPE]
                if reached and sum(any(alike(t.key, key) for key in said.keys) for t in reached) * 2 > len(reached):
                    return True
    return False


def _supposed(said: Claim) -> frozenset[str]:
    """The words of an "if": who says what follows from it does not say that it is so."""
    clauses = {t.clause for t in said.tokens if t.word in CONDITIONS}
    return frozenset(t.key for t in said.content() if t.clause in clauses)


def _same_denial(said: Claim, window: Sequence[Claim]) -> bool:
    """Whether both deny one thing, in clauses that belong together: "take no food" and "do not feed"."""
    denials = [(claim, cue) for claim in window for cue in claim.negations]
    if len(said.negations) != 1 or len(denials) != 1:
        return False
    (claim, cue), mine = denials[0], _denied_clause(said, said.negations[0])
    there = _denied_clause(claim, cue)
    return bool(mine and there) and _fits_best(mine, claim, there[0].clause, window)


def _clause(claim: Claim, cue: int) -> int:
    return claim.tokens[cue].clause if cue < len(claim.tokens) else -1


def _left_out(claim: Claim) -> Iterator[tuple[list[Token], list[Token]]]:
    """What "..., calls to mobiles are not" is about, and what it denies of that: the clause before."""
    for cue in claim.negations:
        clause = _clause(claim, cue)
        after, before = _scope(claim, cue)
        rest = claim.content(clause - 1)
        if not after and before and rest:
            keys = {t.key for t in rest}
            yield [t for t in claim.content(clause) if t.key not in keys], rest


def _other_one(said: Claim, window: Sequence[Claim]) -> bool:
    """What the evidence denies of one thing in few words, said of that, or the two exchanged."""
    for claim in window if said.language == "en" else ():
        for own, rest in _left_out(claim):
            if not own or not all(t.key in said.keys for t in own):
                continue
            mine = list(_left_out(said))
            if mine:
                return not any(t.key in {m.key for m in of} for t in own for of, _ in mine)
            shared = [t for t in rest if t.key in said.keys and not t.role]
            denied = said.negations or any(t.word in DENIALS and t.key not in claim.keys for t in said.tokens)
            return bool(shared) and not denied and len(shared) < len(rest)
    return False


def _denied_clause(claim: Claim, cue: int) -> list[Token]:
    clause = _clause(claim, cue)
    return claim.content(clause) or claim.content(clause + 1)


def _unanswered(
    claims: Sequence[Claim],
    own: dict[str, set[int]],
    other: dict[str, set[int]],
    other_until: bool = False,
    supposed: frozenset[str] = frozenset(),
) -> bool:
    """Whether a negation reaches words that the other side has, and none of them is negated there."""
    for claim in claims:
        negated = _negated(claim)
        for cue in claim.negations:
            after, before = _scope(claim, cue)
            if not after and claim.language == "en" and cue < len(claim.tokens) and claim.content(claim.tokens[cue].clause - 1):
                continue  # "others can, but it cannot": of what is said before
            following = {t.word for t in claim.tokens[cue + 1 : cue + 2]}
            if following & CONDITIONS or (other_until and any(t.word in UNTIL for t in claim.tokens[cue:])):
                continue
            reached = [t for t in after + before if t.at in negated and t.key not in supposed]
            met = [t for t in reached if t.key in other and len(own[t.key]) == 1]
            if met and not any(_denied_there(t, other) for t in after + before) and not _undone(after, other):
                return True
    return False


def _denied_there(token: Token, other: dict[str, set[int]]) -> bool:
    """Whether the other side denies it; of opposites, "earlier" and "later", that both stand there says nothing."""
    signs = other.get(token.key, set())
    return -token.sign in signs and not (token.key.startswith("~") and len(signs) == 2)


def _undone(after: Sequence[Token], other: dict[str, set[int]]) -> bool:
    """ "not impossible" where the other side says possible."""
    roots = [key_of(base, "en") for t in after[:1] if (base := without_prefix(t.word))]
    return any(1 in signs and alike(key, root) for root in roots for key, signs in other.items())


def _prefixed(claims: Sequence[Claim], other: dict[str, set[int]]) -> bool:
    """ "unbroken" against "broken"."""
    for claim in claims:
        negated = _negated(claim)
        for t in claim.content():
            base = without_prefix(t.word)
            root = key_of(base, claim.language) if base else ""
            stem = next((key for key in other if root and (key == root or (len(key) >= 4 and alike(key, root)))), "")
            if root in claim.keys:  # "uncooked beans have to be cooked"
                continue
            if stem and t.key not in other and (1 if t.at in negated else -1) not in other[stem]:
                return True
    return False


def _scope(claim: Claim, cue: int) -> tuple[list[Token], list[Token]]:
    """The content words after and before a negation in its clause."""
    reach = SCOPE if claim.language == "de" else 1
    clause = claim.tokens[cue].clause if cue < len(claim.tokens) else -1
    inside = [t for t in claim.content() if t.clause == clause]
    if cue == 0 and not inside:  # "No, ..."
        inside = claim.content(clause + 1)
    word = claim.tokens[cue].word if cue < len(claim.tokens) else ""
    if word in ALONE:
        return [t for t in inside if t.at > cue][:2], []
    return [t for t in inside if t.at > cue][:SCOPE], [t for t in inside if t.at < cue][-reach:]


def _negated(claim: Claim) -> set[int]:
    found: set[int] = set()
    for cue in claim.negations:
        after, before = _scope(claim, cue)
        both = claim.language == "de" or len(after) <= 1
        found.symmetric_difference_update({t.at for t in (after + before if both else after)})
    return found


def _first_negated(claim: Claim) -> set[int]:
    """The words right behind a negation, past an adverb: "did not apply to small boats" says nothing of small."""
    found: set[int] = set()
    for cue in claim.negations:
        after, before = _scope(claim, cue)
        words = [t for t in after if not re.search("(?<!p)ly$", t.word)][:1]
        words += before if len(after) <= 1 else []
        found.symmetric_difference_update({t.at for t in words})
    return found if claim.language == "en" else _negated(claim)


def _polarities(claims: Sequence[Claim], other: frozenset[str] = frozenset()) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for claim in claims:
        negated = _negated(claim)
        unsure = {t.at for cue in claim.negations for t in _scope(claim, cue)[1]} - negated
        for cue in claim.negations:
            if not _scope(claim, cue)[0]:  # "..., but it cannot"
                clause = claim.tokens[cue].clause if cue < len(claim.tokens) else 0
                before = claim.content(clause - 1)
                if not any(t.key in other and t.key not in {b.key for b in before} for t in claim.content(clause)):
                    continue
                for t in before:
                    found.setdefault(t.key, set()).add(-t.sign)
        for t in claim.content():
            if t.at in unsure:
                found.setdefault(t.key, set()).add(-t.sign)
            found.setdefault(t.key, set()).add(-t.sign if t.at in negated else t.sign)
            base = without_prefix(t.word)
            if base:
                found.setdefault("un:" + base, set()).add(1 if t.at in negated else -1)
    return found


def without_prefix(word: str) -> str:
    return next((word[len(p) :] for p in NEGATIVE_PREFIXES if word.startswith(p) and len(word) - len(p) >= 4), "")


def opposites(said: Claim, window: Sequence[Claim]) -> bool:
    """An opposite in place of the word, unless the roles are turned round too: "less than" for "more than"."""
    if _agree(said, window):
        return False
    negated = _first_negated(said)
    mine = {(t.key, t.sign) for t in said.content()}
    for clause in sorted({t.clause for t in said.content()}):
        for claim, tokens in targets(said, clause, window):
            if turned(said, claim) is not None or _names_turned(said, claim):
                continue
            theirs = _polarities([claim])
            their_negated = _first_negated(claim)
            for t in said.content(clause):
                if not t.key.startswith("~") or t.key not in theirs or _other_time(t, said, claim):
                    continue
                if (t.key, -t.sign) in mine and theirs[t.key] == {1, -1}:  # "higher costs, lower profit": both on both sides
                    continue
                local = {-o.sign if o.at in their_negated else o.sign for o in tokens if o.key == t.key} or (
                    theirs[t.key] if len(window) == 1 else set()
                )
                if local and (-t.sign if t.at in negated else t.sign) not in local:
                    return True
    return False


def _other_time(token: Token, said: Claim, claim: Claim) -> bool:
    """Whether "before" and "after" are of two different things: "after his death" and "before it opened"."""
    if token.word not in TEMPORAL:
        return False
    mine = [t.key for t in said.content() if t.at > token.at][:REFERENCE]
    there = [t.at for t in claim.content() if t.key == token.key]
    theirs = [t.key for at in there for t in [t for t in claim.content() if t.at > at][:REFERENCE]]
    return bool(mine and theirs) and not any(alike(a, b) for a in mine for b in theirs)


def _names_turned(said: Claim, claim: Claim) -> bool:
    """Whether two names stand in the other order: "B borrowed from A" is "A lent B"."""
    theirs = {t.key: t.at for t in claim.content() if t.capital}
    mine = [t.key for t in said.content() if t.capital and t.key in theirs]
    return any(theirs[a] > theirs[b] for a, b in pairwise(mine))
