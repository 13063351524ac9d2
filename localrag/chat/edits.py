"""A sentence that is one of the evidence but for a few words: what was exchanged, put in another's place, or added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from localrag.chat.alignment import holds
from localrag.chat.claims import Claim, Token
from localrag.chat.lexicon import class_of, negation_words, quantities
from localrag.chat.opposite_words import PARTICLES
from localrag.chat.roles import has_agent

ALIKE, COVERED, NEARLY = 0.6, 0.75, 0.8
"""Least share of the words of both, in the same order, for a sentence to be an edited one (`SequenceMatcher.ratio`)."""
FEW = 3
"""Content words that one exchange or substitution consists of at most."""
ADDED, INVENTED = 2, 4
"""Content words in a row, nowhere in the evidence, that say something of their own: between its words, or in their place."""

EVERYBODY = frozenset("everyone everybody anyone anybody".split())


@dataclass(frozen=True, slots=True)
class Edit:
    """A place where a sentence and its evidence differ: what stands there, and what stood there."""

    new: tuple[Token, ...]
    old: tuple[Token, ...]


def edited(said: Claim, window: Sequence[Claim], everywhere: Sequence[Claim]) -> bool:
    """Whether an edit changes what the evidence says."""
    far = frozenset(key for claim in everywhere for key in claim.keys)
    for claim in window:
        ratio, covered, edits = _edits(said, claim)
        if max(ratio, covered) < ALIKE or not edits:
            continue
        if _exchanged(said, claim, edits):
            return True
        if (ratio >= ALIKE or covered >= NEARLY) and any(_turned(edit) for edit in edits):
            return True
        if ratio >= NEARLY and any(_denied(edit, said.language) for edit in edits):
            return True
        if covered >= COVERED and any(_substituted(edit, said, claim, far) for edit in edits):
            return True
        if ratio >= ALIKE and any(_added(edit, far) for edit in edits):
            return True
    return False


def _edits(said: Claim, claim: Claim) -> tuple[float, float, list[Edit]]:
    """How alike both are, how much of the sentence stands in the evidence in this order, and what does not."""
    mine, theirs = list(_words(said)), list(_words(claim))
    matcher = SequenceMatcher(None, [_form(t) for t in theirs], [_form(t) for t in mine], autojunk=False)
    codes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    covered = sum(block.size for block in matcher.get_matching_blocks()) / max(1, len(mine))
    return matcher.ratio(), covered, [Edit(tuple(mine[c:d]), tuple(theirs[a:b])) for _, a, b, c, d in codes]


def _words(claim: Claim) -> Iterator[Token]:
    return (t for t in claim.tokens if t.word[0].isalnum())


def _form(token: Token) -> str:
    return f"{token.key}{token.sign}" if token.content else token.word


def _forms(tokens: Sequence[Token]) -> list[str]:
    return [_form(t) for t in tokens if t.content]


def _exchanged(said: Claim, claim: Claim, edits: Sequence[Edit]) -> bool:
    """ "Flashes green when hot and red when charging" for "red when hot and green when charging"."""
    if has_agent(said) != has_agent(claim):
        return False
    mine, theirs = ({(t.key, t.sign) for t in c.content() if t.key.startswith("~")} for c in (said, claim))
    if any((key, -sign) in theirs and (key, sign) not in theirs for key, sign in mine):
        return False  # "A is taller than B", "B is shorter than A"
    for at, one in enumerate(edits):
        for two in edits[at + 1 :]:
            there = set(_forms(one.new)) & set(_forms(two.old))
            back = set(_forms(one.old)) & set(_forms(two.new))
            if there and back and max(map(len, map(_forms, (one.new, one.old, two.new, two.old)))) <= FEW:
                return True
    return False


def _turned(edit: Edit) -> bool:
    """ "On" for "off", "all" for "some"."""
    olds, news = {t.word for t in edit.old}, {t.word for t in edit.new}
    if not _forms(edit.new) and not _forms(edit.old):
        for name, words in quantities().items():
            if news & words and name in ("all", "none") and not olds & words:
                return any(olds & others for other, others in quantities().items() if other in ("most", "some", "few"))
    if news & EVERYBODY and not _forms(edit.new) and _forms(edit.old):
        return True
    return any(news & {one} and olds & {other} for one, other in PARTICLES)


def _denied(edit: Edit, language: str) -> bool:
    """A "not" too many or too few, and nothing else."""
    negative = negation_words().get(language, negation_words()["en"])
    mine, theirs = ([t for t in side if t.word in negative] for side in (edit.new, edit.old))
    only = any(t.word in ("only", "just") for t in (*edit.new, *edit.old))
    return bool(mine) != bool(theirs) and not only and not _forms(edit.new) and not _forms(edit.old)


def _substituted(edit: Edit, said: Claim, claim: Claim, far: frozenset[str]) -> bool:
    """What the evidence says of something else, in the place of what it says this of."""
    new = [t for t in edit.new if t.content and not holds(claim.keys, t.key)]
    old = [t for t in edit.old if t.content and not holds(said.keys, t.key)]
    if any(t.name for t in new) and any(t.name for t in edit.old):  # it may stand in the rest of the sentence as well
        old = [t for t in edit.old if t.content]
    if not new or not old or max(len(new), len(old)) > FEW:
        return False
    if any(t.name for t in new) != any(t.name for t in old) or any(t.number for t in new) != any(t.number for t in old):
        return False
    return all(holds(far, t.key) for t in new)


def _added(edit: Edit, far: frozenset[str]) -> bool:
    """Words of its own between those of the evidence, where nothing else stood."""
    new = [t for t in edit.new if t.content]
    unknown = not any(holds(far, t.key) or t.number or t.word in class_of() for t in new)
    return unknown and len(new) >= (INVENTED if _forms(edit.old) else ADDED)
