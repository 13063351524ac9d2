"""A plot of one curve with both axes logarithmic, as SVG: readable on light and dark ground, and without colour."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 70, 30, 40, 50


def plot_svg(points: Sequence[tuple[float, float]], title: str, x_label: str, y_label: str, limit: float | None = None) -> str:
    """An SVG file's text; `points` are (x, y), both above 0. `limit` is drawn as a dashed line across."""
    xs, ys = [x for x, _ in points], [y for _, y in points] + ([limit] if limit else [])
    x_low, x_high = _decades(xs)
    y_low, y_high = _decades(ys)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - x_low) / (x_high - x_low)
        up = (math.log10(y) - y_low) / (y_high - y_low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [_text(WIDTH / 2, 20, title, "middle", 15), _text(WIDTH / 2, HEIGHT - 10, x_label, "middle")]
    parts.append(_text(LEFT, TOP - 8, y_label, "end"))
    for power in range(x_low, x_high + 1):
        x, y = at(10**power, 10**y_low)
        parts += [_line((x, TOP), (x, y), 0.15), _text(x, y + 18, f"{10**power:,}", "middle")]
    for power in range(y_low, y_high + 1):
        x, y = at(10**x_low, 10**power)
        parts += [_line((x, y), (WIDTH - RIGHT, y), 0.15), _text(x - 8, y + 4, f"{10**power:,}", "end")]
    if limit:
        parts.append(_line(at(10**x_low, limit), at(10**x_high, limit), 0.7, "6 4"))
        x, y = at(10**x_low, limit)
        parts.append(_text(x + 6, y - 6, f"{limit:g}", "start"))
    curve = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in points))
    parts.append(f'<polyline points="{curve}" fill="none" stroke="#b4532a" stroke-width="2.5"/>')
    for point in points:
        x, y = at(*point)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#b4532a"/>')
        parts.append(_text(x, y - 10, f"{point[1]:.0f}", "middle"))
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n{body}\n</svg>\n'


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _text(x: float, y: float, text: str, anchor: str, size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="#808080">{text}</text>'


def _line(one: tuple[float, float], other: tuple[float, float], opacity: float, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    ends = f'x1="{one[0]:.1f}" y1="{one[1]:.1f}" x2="{other[0]:.1f}" y2="{other[1]:.1f}"'
    return f'<line {ends} stroke="#808080" stroke-opacity="{opacity}"{dashed}/>'
