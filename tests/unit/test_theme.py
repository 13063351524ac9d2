"""What is written can be read: WCAG AA contrast of the theme's own colours, captions at their 60 % included."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]
CAPTION = 0.6
"""How opaque Streamlit draws captions."""
LEAST = 4.5
Colour = tuple[float, ...]


def colour(text: str) -> Colour:
    return tuple(int(text[at : at + 2], 16) / 255 for at in (1, 3, 5))


def luminance(of: Colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in of)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mixed(front: Colour, back: Colour, share: float) -> Colour:
    return tuple(share * a + (1 - share) * b for a, b in zip(front, back, strict=True))


@pytest.mark.parametrize(("scheme", "frame"), list(itertools.product(("light", "dark"), ("page", "sidebar"))))
def test_text_captions_links_and_the_accent_are_readable(scheme: str, frame: str) -> None:
    theme = THEME[scheme] | (THEME[scheme]["sidebar"] if frame == "sidebar" else {})
    back, text = colour(theme["backgroundColor"]), colour(theme["textColor"])
    assert contrast(text, back) >= 7
    assert contrast(mixed(text, back, CAPTION), back) >= LEAST
    assert contrast(colour(theme["linkColor"]), back) >= LEAST
    assert contrast(colour(theme["primaryColor"]), back) >= LEAST


def test_white_never_stands_on_the_accent_colour() -> None:
    pages = [*ROOT.glob("pages/*.py"), *ROOT.glob("localrag/ui/*.py")]
    assert len(pages) > 20
    assert not [page.name for page in pages if re.search(r"""type=["']primary["']""", page.read_text("utf-8"))]
