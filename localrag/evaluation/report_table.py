"""The report on a set of questions as a table for people, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localrag.evaluation.evaluate import QuestionRow, Report
from localrag.evaluation.figures import digits
from localrag.evaluation.gold import Gold
from localrag.evaluation.metrics import Estimate
from localrag.wording import counted

LABEL, COLUMN = 36, 10
GROUPS = {
    "documents": "Documents, in the order found",
    "passages": "Passages, in the order found",
    "characters": "Characters, of what was expected and what was given",
    "unanswerable": "Questions the documents do not answer",
    "cost": "What a question costs",
}
METRICS = {
    "mrr": "MRR",
    "ndcg@10": "nDCG@10",
    "iou": "IoU",
    "nothing_given": "given nothing",
    "confidence_auc": "told apart by confidence (AUC)",
    "seconds": "seconds (median)",
    "passages": "passages",
    "characters": "characters of evidence",
    "tokens": "tokens of evidence",
}
SHOWN_MISSES, SHOWN_CHARS = 5, 120


def report_table(report: Report) -> list[str]:
    """Lines of at most 100 characters or so: what was asked with which settings, a row for each figure, what was missed."""
    lines = [
        f"Questions: {report.name} ({counted(len(report.rows), 'question')}; {report.label})",
        "Settings: " + ", ".join(f"{name} {value}" for name, value in report.settings.items() if value is not None),
        "",
        _line("", ("value", "from", "to", "questions")),
    ]
    for group, figures in report.figures.items():
        lines.append(GROUPS[group])
        lines += [_line("  " + METRICS.get(name, name), _cells(group, name, one)) for name, one in figures.items()]
    lines.append("From and to: 95 % of what other questions of the same kind would give (bootstrap over questions).")
    missed = [row.gold.question.text for row in report.rows if row.missed]
    if missed:
        lines.append(f"Nothing of the answer was found for {counted(len(missed), 'question')}:")
        lines += [f"  {text:.{SHOWN_CHARS}}" for text in missed[:SHOWN_MISSES]]
        lines += [f"  … and {len(missed) - SHOWN_MISSES} more (--json --details)"] if len(missed) > SHOWN_MISSES else []
    return lines


def _line(label: str, cells: tuple[str, ...]) -> str:
    return (label.ljust(LABEL) + "".join(cell.rjust(COLUMN) for cell in cells)).rstrip()


def _cells(group: str, name: str, figure: Estimate) -> tuple[str, ...]:
    shown = [figure_text(group, name, value) for value in (figure.value, figure.low, figure.high)]
    return (*shown, f"{figure.questions:,}")


def figure_text(group: str, name: str, value: float) -> str:
    """A figure as people read it: shares in percent, MRR, nDCG and AUC as they are, costs by their size."""
    if group == "cost":
        return f"{value:.3f}" if name == "seconds" else f"{value:,.1f}" if name == "passages" else f"{value:,.0f}"
    return f"{value:.3f}" if name in ("mrr", "ndcg@10", "confidence_auc") else f"{100 * value:.1f} %"


def report_json(report: Report, details: bool = False) -> dict[str, Any]:
    """The whole as one JSON object, shares from 0 to 1; the rows too with `details`."""
    value: dict[str, Any] = {
        "questions": {
            "name": report.name,
            "label": report.label,
            "count": len(report.rows),
            "answerable": report.answerable,
            "unanswerable": len(report.rows) - report.answerable,
            "missed": sum(row.missed for row in report.rows),
        },
        "settings": dict(report.settings),
        "metrics": {
            group: {name: _figure_json(figure) for name, figure in figures.items()} for group, figures in report.figures.items()
        },
    }
    return value | ({"rows": [_row_json(row) for row in report.rows]} if details else {})


def _figure_json(figure: Estimate) -> dict[str, Any]:
    low, high = digits(figure.low), digits(figure.high)
    return {"value": digits(figure.value), "low": low, "high": high, "questions": figure.questions}


def _row_json(row: QuestionRow) -> dict[str, Any]:
    groups = {"documents": row.by_documents, "passages": row.by_passages, "characters": row.by_characters}
    metrics: Mapping[str, Any] = {name: one._asdict() for name, one in groups.items() if one is not None}
    return {
        "question": row.gold.question.text,
        "answerable": row.gold.question.answerable,
        "expected": _expected_json(row.gold),
        "evidence": [
            {"document": one.document, "start": one.start, "end": one.end, "score": round(one.score, 4), "relevant": found}
            for one, found in zip(row.evidence, row.found, strict=True)
        ],
        "metrics": {name: {key: digits(value) for key, value in one.items()} for name, one in metrics.items()},
        "confidence": round(row.confidence, 4),
        "seconds": round(row.seconds, 4),
        "characters": row.characters,
        "tokens": row.tokens,
    }


def _expected_json(gold: Gold) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in (("text", one.text), ("start", one.start), ("end", one.end)) if value not in ("", None)}
        | {"documents": list(one.documents)}
        for one in gold.question.expected
    ]
