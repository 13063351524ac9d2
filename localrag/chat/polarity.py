"""Negations and opposites: whether a sentence and its evidence say yes and no to the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from localrag.chat.alignment import alike, targets
from localrag.chat.claim_words import NEGATIVE_PREFIXES
from localrag.chat.claims import SCOPE, Claim, Token, key_of
from localrag.chat.roles import turned

ALONE = frozenset("without rather instead free ohne sin sans anstatt".split())
"""Words that deny the noun behind them and nothing else."""

TEMPORAL = frozenset("before after vor nach antes después avant après".split())
REFERENCE = 2
"""Content words behind such a word that say before or after what."""


def negation(said: Claim, window: Sequence[Claim]) -> bool:
    mine, theirs = _polarities([said]), _polarities(window)
    unanswered = _unanswered([said], mine, theirs) or _unanswered(window, theirs, mine)
    return (unanswered and not _same_denial(said, window)) or _prefixed([said], theirs) or _prefixed(window, mine)


def _same_denial(said: Claim, window: Sequence[Claim]) -> bool:
    """Whether both deny one thing, in clauses that belong together: "take no food" and "do not feed"."""
    denials = [(claim, cue) for claim in window for cue in claim.negations]
    if len(said.negations) != 1 or len(denials) != 1:
        return False
    mine = {t.key for t in _denied_clause(said, said.negations[0])}
    claim, cue = denials[0]
    there = _denied_clause(claim, cue)
    if not there or not mine:
        return False
    shared = sum(any(alike(t.key, key) for key in mine) for t in there)
    others = [c.content(n) for c in window for n in {t.clause for t in c.content()} if c is not claim or n != there[0].clause]
    return shared > max((sum(any(alike(t.key, key) for key in mine) for t in part) for part in others), default=0)


def _denied_clause(claim: Claim, cue: int) -> list[Token]:
    clause = claim.tokens[cue].clause if cue < len(claim.tokens) else -1
    return claim.content(clause) or claim.content(clause + 1)


def _unanswered(claims: Sequence[Claim], own: dict[str, set[int]], other: dict[str, set[int]]) -> bool:
    """Whether a negation reaches words that the other side has, and none of them is negated there."""
    for claim in claims:
        negated = _negated(claim)
        for cue in claim.negations:
            after, before = _scope(claim, cue)
            reached = [t for t in after + before if t.at in negated]
            met = [t for t in reached if t.key in other and len(own[t.key]) == 1]
            if met and not any(-t.sign in other[t.key] for t in after + before if t.key in other) and not _undone(after, other):
                return True
    return False


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


def _polarities(claims: Sequence[Claim]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for claim in claims:
        negated = _negated(claim)
        unsure = {t.at for cue in claim.negations for t in _scope(claim, cue)[1]} - negated
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
    negated = _negated(said)
    for clause in sorted({t.clause for t in said.content()}):
        for claim, tokens in targets(said, clause, window):
            if turned(said, claim) is not None or _names_turned(said, claim):
                continue
            theirs = _polarities([claim])
            their_negated = _negated(claim)
            for t in said.content(clause):
                if not t.key.startswith("~") or t.key not in theirs or _other_time(t, said, claim):
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
