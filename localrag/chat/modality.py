"""How firmly something is said: what the evidence denies, doubts, allows or restricts, and the sentence states outright."""

from __future__ import annotations

from collections.abc import Sequence

from localrag.chat.alignment import holds, targets
from localrag.chat.claims import SCOPE, Claim, Token

DENIED = frozenset(
    "deny denies denied denying refuse refuses refused threaten threatens threatened hardly barely"
    " scarcely doubt doubts doubted doubtful unlikely pretend pretends pretended"
    " kaum leugnet leugnete bestreitet bestritt".split()
)
OPEN = frozenset(
    "might may could can perhaps possibly maybe allegedly reportedly supposedly presumably alleged claimed whether probably"
    " expect expects expected hoped planned intend intends"
    " likely suspect suspects suspected believe believes believed wahrscheinlich vermutlich probablemente probablement"
    " vielleicht möglicherweise könnte könnten dürfte angeblich quizás quizá podría peut-être pourrait".split()
)
POSSIBLE = OPEN | frozenset("possible allowed permitted able optional potentially suspicion".split())
CERTAIN = frozenset(
    "will must definitely certainly surely required mandatory guaranteed guarantee guarantees proved proven proves"
    " sicher".split()
)
ADVISED = frozenset("should recommended advised advisable".split())
OBLIGED = frozenset("must required mandatory compulsory obligatory".split())
ONLY = frozenset("only solely exclusively nur sólo solamente seulement just alone except".split())


def denied(said: Claim, window: Sequence[Claim]) -> bool:
    """What the evidence says somebody denied, refused or hardly did."""
    if said.negations or any(t.word in DENIED for t in said.tokens):
        return False
    for claim in window:
        for cue in (t for t in claim.tokens if t.word in DENIED):
            reached = [t for t in claim.content() if t.at > cue.at and t.clause == cue.clause][:SCOPE]
            if reached and holds(said.keys, reached[0].key):
                return True
            if len(reached) > 1 and sum(holds(said.keys, t.key) for t in reached) * 2 > len(reached):
                return True
    return False


def strengthened(said: Claim, window: Sequence[Claim]) -> bool:
    """ "Will" or "must" for what the evidence leaves open or advises; everybody for what it says of some only."""
    mine, theirs = _clause_words(said, window)
    if mine & CERTAIN and theirs & OPEN and not theirs & CERTAIN and not mine & POSSIBLE and not said.negations:
        return True
    if mine & OBLIGED and theirs & ADVISED and not theirs & OBLIGED:
        return True
    if "all" in said.quantities and not any("all" in claim.quantities for claim in window):
        outright = any(t.word in ONLY - {"just", "except"} and t.at == 0 for claim in window for t in claim.tokens)
        return outright or any(_picked_out(said, claim) for claim in window)
    return _only_one_of(said, window)


def _picked_out(said: Claim, claim: Claim) -> bool:
    """ "All customers" for "customers who move abroad"."""
    kept = next((t for t in said.content() if not t.number), None)
    for token in (t for t in claim.content() if kept and t.key == kept.key):
        if [t.word for t in claim.tokens[token.at + 1 : token.at + 2]] in (["who"], ["whose"], ["that"]):
            told = [t for t in claim.content() if t.at > token.at][:2]
            return bool(told) and not any(holds(said.keys, t.key) for t in told)
    return False


def _only_one_of(said: Claim, window: Sequence[Claim]) -> bool:
    """ "Only members" for "members and guests"."""
    if any(t.word in ONLY for claim in window for t in claim.tokens):
        return False
    for cue in (t for t in said.tokens if t.word in ONLY):
        kept = next((t for t in said.content() if t.at > cue.at), None)
        if kept and any(_joined(kept, said, claim) for claim in window):
            return True
    return False


def _joined(kept: Token, said: Claim, claim: Claim) -> bool:
    """Whether the evidence names something else beside a word."""
    for token in (t for t in claim.content() if t.key == kept.key and not t.number):
        after = claim.tokens[token.at + 1 : token.at + 4]
        if after and after[0].word in ("and", "or", "und", "oder", "y", "et"):
            other = next((t for t in after if t.content), None)
            return other is not None and not holds(said.keys, other.key)
    return False


def hedged(said: Claim, window: Sequence[Claim]) -> bool:
    """Whether the evidence leaves open, or restricts, what is stated outright: support by it is weak at best."""
    if said.language in ("zh", "ko", "ja"):
        return False
    mine, theirs = _clause_words(said, window)
    if theirs & OPEN and not mine & POSSIBLE and not said.negations:
        return True
    if mine & ONLY:
        return not any(t.word in ONLY for claim in window for t in claim.tokens)
    for claim in window:
        for cue in (t for t in claim.tokens if t.word in ONLY):
            limits = [t for t in claim.content() if t.at > cue.at and t.clause == cue.clause][:SCOPE]
            reach = [t for t in claim.content() if t.at < cue.at and t.clause == cue.clause]
            if limits and reach and not any(holds(said.keys, t.key) for t in limits):
                return any(holds(said.keys, t.key) for t in reach)
    return False


def _clause_words(said: Claim, window: Sequence[Claim]) -> tuple[set[str], set[str]]:
    """All words of a sentence, and those of the evidence's clauses that it was taken from. The month is no "may"."""
    theirs = set()
    for clause in sorted({t.clause for t in said.content()}):
        for claim, tokens in targets(said, clause, window):
            clauses = {t.clause for t in tokens}
            theirs |= {t.word for t in claim.tokens if t.clause in clauses and not (t.word == "may" and t.capital)}
    return {t.word for t in said.tokens}, theirs
