"""A folder of about forty made documents of many kinds, in two states: before and after somebody worked on it."""

from __future__ import annotations

import json
import random
import shutil
import zipfile
from pathlib import Path

_THINGS = (
    "kettle river stone garden letter window market silver bridge harbour orchard candle engine mirror anchor basket"
    " chimney drawer feather glove hammer ladder needle organ pencil quarry ribbon saddle tunnel violin wagon yard"
).split()
_DEEDS = "weighs costs holds opened closed burned sank grew moved froze rang stood".split()
QUESTIONS = (
    "What does the kettle of the harbour weigh?",
    "When did the bridge over the river open?",
    "Which violin rang in the tunnel?",
    "Where does the silver mirror hang?",
    "What did the changed ledger say about the anchor?",
    "How many candles did the orchard need?",
)


def sentences(chance: random.Random, count: int) -> str:
    """Sentences of about 60 characters, no two alike."""
    return " ".join(
        f"The {chance.choice(_THINGS)} of the {chance.choice(_THINGS)} {chance.choice(_DEEDS)}"
        f" {chance.randrange(10_000)} in {chance.randrange(1200, 2020)}."
        for _ in range(count)
    )


def write_corpus(folder: Path, big_chunks: int = 250) -> None:
    """The first state: texts, pages, tables, archives, copies, an empty and two damaged files, and one large document."""
    folder.mkdir(parents=True)
    chance = random.Random(5)
    for n in range(12):
        (folder / f"note-{n:02}.txt").write_text(sentences(chance, 3 + n))
    for n in range(7):
        (folder / f"page-{n}.md").write_text(f"# Page {n}\n\n{sentences(chance, 4)}\n\n## More\n\n{sentences(chance, 3)}\n")
    for n in range(5):
        body = "".join(f"<h2>Part {part}</h2><p>{sentences(chance, 2)}</p>" for part in range(3))
        (folder / f"site-{n}.html").write_text(f"<html><head><title>Site {n}</title></head><body>{body}</body></html>")
    for n in range(3):
        rows = [f"{thing},{chance.randrange(900)},{chance.choice(_DEEDS)}" for thing in _THINGS[:8]]
        (folder / f"table-{n}.csv").write_text("thing,number,deed\n" + "\n".join(rows) + "\n")
        (folder / f"data-{n}.json").write_text(json.dumps([{"text": sentences(chance, 1), "n": n} for _ in range(4)]))
    inside = {f"inside-{n}.txt": sentences(chance, 4) for n in range(4)}
    _pack(folder / "bundle.zip", inside)
    _pack(folder / "nested.zip", {"copy.txt": inside["inside-1.txt"], "deep/own.md": f"# Deep\n\n{sentences(chance, 4)}"})
    for n in range(3):
        shutil.copy(folder / f"note-0{n}.txt", folder / f"copy-{n}.txt")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing of a PDF follows")
    (folder / "broken.docx").write_bytes(b"PK\x03\x04 no archive")
    (folder / "empty.txt").write_text("")
    (folder / "ledger.txt").write_text("The old ledger said nothing about the anchor. " + sentences(chance, 6))
    (folder / "long.txt").write_text("\n\n".join(sentences(chance, 2) for _ in range(big_chunks)))


def change_corpus(folder: Path) -> None:
    """The second state: replaced files, one that now fails, one that no longer does, an archive with other members."""
    chance = random.Random(6)
    (folder / "ledger.txt").write_text("The changed ledger said that the anchor weighs nine tons. " + sentences(chance, 6))
    for n in (3, 4, 5, 6):
        path = folder / f"note-{n:02}.txt"
        path.write_text(path.read_text() + " " + sentences(chance, 2))
    (folder / "page-2.md").write_text(f"# Another page\n\n{sentences(chance, 5)}\n")
    (folder / "copy-1.txt").write_text(sentences(chance, 3))
    (folder / "site-1.html").write_bytes(b"%PDF-1.4 damaged")
    (folder / "broken.pdf").write_text(f"<html><body><p>{sentences(chance, 3)}</p></body></html>")
    _pack(folder / "bundle.zip", {"inside-0.txt": sentences(chance, 3), "new.txt": sentences(chance, 3)})
    parts = (folder / "long.txt").read_text().split("\n\n")
    (folder / "long.txt").write_text("\n\n".join([*parts[: len(parts) // 2], *(sentences(chance, 2) for _ in range(60))]))


def _pack(path: Path, members: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), text)
