"""A conversation's turns as a tree: which are shown, and which stand in the same place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Place(NamedTuple):
    """Where a turn stands: after the turn `parent` ("": at the beginning). Of several there the highest `shown` is shown."""

    id: str
    parent: str
    shown: int


def shown_path(places: Sequence[Place]) -> list[str]:
    """The ids of the turns that are shown, first to last."""
    children = _children(places)
    path: list[str] = []
    at = ""
    while at in children:
        at = max(children.pop(at), key=lambda place: place.shown).id
        path.append(at)
    return path


def versions(places: Sequence[Place], path: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each turn of a path that shares its place: the ids of all that stand there, in the order of `places`."""
    children = _children(places)
    found: dict[str, tuple[str, ...]] = {}
    for before, turn_id in zip(["", *path], path, strict=False):
        if len(beside := children[before]) > 1:
            found[turn_id] = tuple(place.id for place in beside)
    return found


def _children(places: Sequence[Place]) -> dict[str, list[Place]]:
    children: dict[str, list[Place]] = {}
    for place in places:
        children.setdefault(place.parent, []).append(place)
    return children
