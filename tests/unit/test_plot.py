"""A plot on logarithmic axes."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from localrag.evaluation.plot import plot_svg


def test_every_point_is_drawn_where_it_belongs() -> None:
    root = ET.fromstring(plot_svg([(1000, 20), (100_000, 40), (1_000_000, 90)], "Title", "passages", "ms", 150))
    circles = [(float(c.get("cx", 0)), float(c.get("cy", 0))) for c in root.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(circles) == 3
    (x0, y0), (x1, y1), (x2, y2) = circles
    assert abs((x1 - x0) / (x2 - x0) - 2 / 3) < 0.01  # decades are evenly spaced
    assert y0 > y1 > y2
