"""What commands that take documents in print of each, and in the end."""

from __future__ import annotations

import time
from collections import Counter

from localrag.commands.output import DONE, FAILED, say, say_json
from localrag.documents.ingest import IngestEvent
from localrag.documents.sources import printable
from localrag.wording import counted


class Tally:
    """Prints finished documents as they come and counts them. `quiet`: those that did not change are not printed."""

    def __init__(self, as_json: bool, quiet: bool = False) -> None:
        self._json, self._quiet = as_json, quiet
        self._started = time.perf_counter()
        self._counts: Counter[str] = Counter()
        self._chunks = 0
        self.printed = 0

    def add(self, event: IngestEvent) -> None:
        """Print an event and count it, if its document is finished."""
        if event.status is None:
            return
        self._counts[event.status] += 1
        self._chunks += event.chunks
        if self._quiet and event.status == "unchanged":
            return
        self.printed += 1
        line = {
            "path": event.path,
            "document": event.document,
            "status": event.status,
            "chunks": event.chunks,
            "error": event.error or None,
            "seconds": round(event.seconds, 3),
        } | ({"note": event.note} if event.note else {})
        if self._json:
            say_json(line)
        else:
            said = f"  {event.error or event.note}" if event.error or event.note else ""
            say(f"{event.status:<10} {counted(event.chunks, 'chunk'):>13}  {event.path}{said}")

    def fail(self, place: str, reason: str) -> None:
        """Print a place of which nothing could be taken in."""
        shown = printable(place)
        self.add(IngestEvent(shown, shown, shown, status="failed", error=printable(reason)))

    def finish(self) -> int:
        """Print the summary; returns the exit status."""
        counts, seconds = self._counts, round(time.perf_counter() - self._started, 3)
        if self._json:
            say_json({"summary": {"files": sum(counts.values()), **counts, "chunks": self._chunks, "seconds": seconds}})
        else:
            parts = ", ".join(f"{count} {status}" for status, count in counts.items()) or "nothing to do"
            say(f"{counted(sum(counts.values()), 'document')} ({parts}), {counted(self._chunks, 'chunk')} in {seconds} s")
        return FAILED if counts["failed"] else DONE
