"""Fetching a file: in pieces, continued after a break, kept only when every byte is right."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localrag.errors import DownloadError, DownloadStoppedError
from localrag.models.direct_links import host
from localrag.models.http_file import Opened, Patience, Sought, Stop, open_file
from localrag.models.http_status import Broken
from localrag.models.memory import format_bytes
from localrag.models.part_file import HEAD, Notes, Part, open_part
from localrag.models.wheel_index import CONNECT_TIMEOUT_S, CONTINUE, READ_TIMEOUT_S, WheelFile

State = Literal["connecting", "checking", "downloading", "waiting"]
PROGRESS = 1 << 16  # bytes that make a try count as one that got further
ROOM_EVERY = 16 << 20  # bytes between two looks at the disk
KEEP_FREE = 100_000_000  # bytes left to everything else on the disk
SETUP_PATIENCE = Patience(CONNECT_TIMEOUT_S, READ_TIMEOUT_S, tries=1)


@dataclass(frozen=True, slots=True)
class Want:
    """A file to fetch. `promised_by` says whose SHA-256 and size these are (empty and None: not known beforehand).

    `check_head` gets the first bytes (at most `HEAD`) as soon as they are there and raises when they begin no such file.
    `again` completes "…, which are kept; ".
    """

    address: str
    name: str
    sha256: str = ""
    size: int | None = None
    promised_by: str = "its index"
    again: str = "start it again, and it goes on from there"
    check_head: Callable[[bytes], None] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How far it is: bytes there, and bytes in all (0 when not known). `note` says what is waited for."""

    state: State
    done: int
    total: int
    note: str = ""


class Fetching:
    """Fills a part until it is the whole file."""

    def __init__(self, want: Want, part: Part, patience: Patience, stop: Stop | None = None, token: str = "") -> None:
        self._want, self._part, self._patience, self._token = want, part, patience, token
        self._stop = stop or Stop()
        self._total = want.size or 0
        self._answered = self._looked = False
        self._unlooked = 0

    def run(self) -> Iterator[Step]:
        """Fetch what is missing; afterwards the part is whole and has the SHA-256 that was promised or stated, if any was.

        Raises:
            DownloadStoppedError: by `stop`; the part is kept.
            DownloadError: out of reach or broken off (the part is kept), refused, or other bytes (nothing is kept).
        """
        yield from self._read_part()
        if not self._is_right():
            yield from self._tries()
        if self._promised and self._part.sha256 != self._promised:
            raise self._other_bytes()

    @property
    def _promised(self) -> str:
        return self._want.sha256 or self._part.notes.sha256

    def _is_right(self) -> bool:
        return self._part.size > 0 and self._part.sha256 == self._promised

    def _read_part(self) -> Iterator[Step]:
        part, notes = self._part, self._part.notes
        told = self._want.sha256 or notes.sha256 or notes.validator
        if part.size and (not told or part.size > (self._want.size or part.size)):
            part.start_over()  # nothing would tell whether the rest belongs to it
        size = part.size
        for done in part.read():
            yield Step("checking", done, size)
            self._check_stop()
        if part.size == self._want.size and self._promised and not self._is_right():
            part.start_over()

    def _tries(self) -> Iterator[Step]:
        failures, furthest = 0, self._part.size
        while True:
            try:
                yield from self._once()
                return
            except Broken as exc:
                broken = exc
            self._check_stop()
            self._answered = self._answered or not broken.out_of_reach
            failures = 1 if self._part.size >= furthest + PROGRESS else failures + 1
            furthest = max(furthest, self._part.size)
            if failures >= self._patience.tries or not self._answered:
                raise self._given_up(broken) from broken
            pause_s = self._patience.pause(failures) if broken.pause_s is None else broken.pause_s
            note = f"{host(self._want.address)} {broken.why}; trying again in {pause_s:.0f} s"
            yield Step("waiting", self._part.size, self._total, note)
            self._stop.wait(pause_s)
            self._check_stop()

    def _once(self) -> Iterator[Step]:
        part, want, notes = self._part, self._want, self._part.notes
        yield Step("connecting", part.size, self._total)
        sought = Sought(part.size, notes.validator, notes.sha256, notes.total)
        with open_file(want.address, want.name, sought, self._patience, self._token) as opened:
            self._answered = True
            self._stop.watch(opened.response)
            try:
                self._accept(opened)
                yield from self._body(opened)
            finally:
                self._stop.watch(None)

    def _accept(self, opened: Opened) -> None:
        """Hold what the host says about the file against what was promised, and note it."""
        want, part = self._want, self._part
        if opened.start != part.size:
            part.start_over()
        if want.sha256 and opened.sha256 and want.sha256 != opened.sha256:
            part.remove()
            raise DownloadError(
                f"{host(want.address)} states another SHA-256 for {want.name} ({opened.sha256[:12]}…) than {want.promised_by} "
                f"({want.sha256[:12]}…): it is another file, and was not fetched. Check the address and the SHA-256."
            )
        total = part.size if opened.complete else opened.total
        if want.size is not None and total not in (None, want.size):
            raise self._other_bytes(f" ({total:,} bytes instead of {want.size:,})")
        self._total = total or want.size or 0
        part.note(Notes(opened.validator, opened.sha256 or part.notes.sha256, total))  # a mirror may not say it again
        self._check_room()

    def _body(self, opened: Opened) -> Iterator[Step]:
        part = self._part
        yield Step("downloading", part.size, self._total)
        for block in opened.blocks(self._patience.stall_s):
            part.append(block)
            self._look(HEAD)
            self._unlooked += len(block)
            if self._unlooked > ROOM_EVERY:
                self._check_room()
            yield Step("downloading", part.size, self._total)
            self._check_stop()
        if part.size == 0:
            raise Broken("sent nothing")
        if part.size < self._total:
            raise Broken("broke off")
        if opened.total is not None and part.size > opened.total:
            part.start_over()
            raise Broken("sent more than it announced")
        self._look(1)

    def _look(self, enough: int) -> None:
        """Look at the first bytes once there are enough of them: what is no model need not be fetched whole."""
        if self._want.check_head is None or self._looked or len(self._part.head) < enough:
            return
        self._looked = True
        try:
            self._want.check_head(self._part.head)
        except DownloadError:
            self._part.remove()
            raise

    def _check_room(self) -> None:
        self._unlooked = 0
        missing = max(self._total - self._part.size, 0)
        check_room(self._part.path.parent, missing + KEEP_FREE, f"The rest of {self._want.name}, with some to spare,")

    def _check_stop(self) -> None:
        if self._stop.is_set():
            kept = f" after {format_bytes(self._part.size)}, which are kept; {self._want.again}" if self._part.size else ""
            raise DownloadStoppedError(f"The download of {self._want.name} was stopped{kept}.")

    def _given_up(self, broken: Broken) -> DownloadError:
        name, where = self._want.name, host(self._want.address)
        if not self._answered:
            return DownloadError(
                f"{where} {broken.why}, so {name} cannot be fetched. Connect to the network; {self._want.again}."
            )
        if not self._part.size:
            return DownloadError(f"{where} {broken.why}, so {name} cannot be fetched. Try again later.")
        why = "" if broken.why == "broke off" else f" ({where} {broken.why})"
        return DownloadError(
            f"The download of {name} from {where} broke off after {format_bytes(self._part.size)}, "
            f"which are kept{why}; {self._want.again}."
        )

    def _other_bytes(self, figures: str = "") -> DownloadError:
        self._part.remove()
        by = self._want.promised_by if self._want.sha256 else "it states itself"
        return DownloadError(
            f"{host(self._want.address)} sent other bytes for {self._want.name} than {by}{figures}; "
            "they were thrown away. Download it again, or try another network or address."
        )


def fetch(wheel: WheelFile, folder: Path) -> Iterator[tuple[int, int]]:
    """Download to `folder/<filename>`, by way of `.part`; yields (bytes there, bytes in all, 0 when unknown).

    A `.part` of an earlier run is continued with a Range request; a server that ignores it starts over.
    Raises:
        DownloadError: out of reach or broken off (the part is kept), or other bytes than the index promised (nothing is).
    """
    want = Want(wheel.url, wheel.filename, wheel.sha256, wheel.size, "its index promises", CONTINUE)
    with open_part(folder / (wheel.filename + ".part")) as part:
        for step in Fetching(want, part, SETUP_PATIENCE).run():
            if step.state == "downloading":
                yield step.done, step.total
        part.place(folder / wheel.filename)
        yield part.size, part.size


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_room(folder: Path, needed: int, what: str = "Setup") -> None:
    """Raise when the disk of `folder` has fewer than `needed` bytes free.

    Raises:
        DownloadError: too little room; what was fetched is kept.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadError(
            f"{what} needs {format_bytes(needed)} in {folder}, {format_bytes(free)} are free. "
            "Make room or name another folder in LOCALRAG_MODELS_DIR."
        )
