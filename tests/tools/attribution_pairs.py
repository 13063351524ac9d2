"""Labelled pairs of a sentence and its evidence; `python -m tests.tools.attribution_pairs development` judges a part."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data" / "attribution"


@dataclass(frozen=True)
class Pair:
    """A sentence, the evidence it is judged by, whether that carries it, and the kind of pair."""

    sentence: str
    evidence: str
    carried: bool
    kind: str


def read_pairs(part: str) -> list[Pair]:
    """The pairs of "development", "heldout", "fresh", "others" or "everyday"."""
    pairs, evidence = [], ""
    for line in (FOLDER / f"{part}.txt").read_text("utf-8").splitlines():
        if line.startswith("= "):
            evidence = line[2:].replace(r"\n", "\n")
        elif line[:2] in ("+ ", "- "):
            kind, sentence = line[2:].split(": ", 1)
            pairs.append(Pair(sentence, evidence, line[0] == "+", kind))
    return pairs


def write_jsonl(pairs: list[Pair], path: Path) -> None:
    """As the command `attribute` reads them."""
    lines = [json.dumps({"sentence": pair.sentence, "evidence": pair.evidence}, ensure_ascii=False) for pair in pairs]
    path.write_text("\n".join(lines), "utf-8")


def recall_and_precision(pairs: list[Pair], supports: list[str]) -> tuple[float, float]:
    """Of "unsupported"; "weak" counts as carried."""
    judged = list(zip(pairs, supports, strict=True))
    hits = sum(not pair.carried and support == "unsupported" for pair, support in judged)
    return hits / sum(not pair.carried for pair in pairs), hits / max(1, supports.count("unsupported"))


def table(pairs: list[Pair], supports: list[str]) -> str:
    """How each kind was judged, as rows of Markdown."""
    counts = Counter((pair.carried, pair.kind, support) for pair, support in zip(pairs, supports, strict=True))
    rows = ["| kind | supported | weak | unsupported |", "|---|---|---|---|"]
    for carried, kind in sorted({(pair.carried, pair.kind) for pair in pairs}, key=lambda item: (not item[0], item[1])):
        numbers = " | ".join(str(counts[carried, kind, support]) for support in ("supported", "weak", "unsupported"))
        rows.append(f"| {'carried' if carried else 'not carried'}: {kind} | {numbers} |")
    return "\n".join(rows)


def main(part: str, judged: Path | None) -> None:
    """Writes the pairs as JSONL, or, given the output of `attribute --json`, the figures."""
    pairs = read_pairs(part)
    if judged is None:
        write_jsonl(pairs, Path(f"{part}.jsonl"))
        return
    supports = [json.loads(line)["support"] for line in judged.read_text("utf-8").splitlines()]
    recall, precision = recall_and_precision(pairs, supports)
    print(f"{table(pairs, supports)}\n\nrecall {recall:.3f}, precision {precision:.3f} of {len(pairs)} pairs")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
