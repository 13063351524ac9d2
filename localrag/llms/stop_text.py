"""Stop texts in a stream: what may still become one is held back, so half a stop text is never shown."""

from __future__ import annotations

from collections.abc import Sequence


class StopText:
    """Feed text, get back what is safe to show; `hit` once a stop text was met (it and all after it is dropped)."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.hit = False

    def feed(self, text: str) -> str:
        """Add streamed text and return what can be shown now."""
        if self.hit:
            return ""
        held = self._held + text
        found = min((at for at in (held.find(stop) for stop in self._stops) if at >= 0), default=-1)
        if found >= 0:
            self.hit, self._held = True, ""
            return held[:found]
        keep = max((overlap(held, stop) for stop in self._stops), default=0)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def rest(self) -> str:
        """What is still held back when the stream ends."""
        held, self._held = self._held, ""
        return held


def overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0
