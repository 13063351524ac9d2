"""The README's table of settings, made from the settings themselves. `python -m tests.tools.settings_table` writes it."""

from __future__ import annotations

from pathlib import Path

from localrag.settings import GROUP_CLASSES, bounds

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- settings: begin", "<!-- settings: end -->"


def table() -> str:
    """One row a setting: name, default, bounds, meaning."""
    rows = ["| Setting | Default | Range | Meaning |", "|---|---|---|---|"]
    for cls in GROUP_CLASSES.values():
        for name, field in cls.model_fields.items():
            low, high = bounds(name)
            default = "the platform's" if field.default_factory else "" if field.default in (None, ()) else field.default
            span = f"{low:g} to {high:g}" if low is not None and high is not None else ""
            rows.append(f"| `{name}` | {default} | {span} | {field.description} |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """The README's text with the table as it should be."""
    head, rest = text.split(BEGIN, 1)
    marker, rest = rest.split("\n", 1)
    return f"{head}{BEGIN}{marker}\n{table()}\n{END}{rest.split(END, 1)[1]}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")
