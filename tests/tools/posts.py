"""A long web page for the browser tests: as large as a real post, with facts that stand nowhere else."""

from __future__ import annotations

import random

KEEPER_QUESTION = "Which oil did the lamp of the Farrow Point lighthouse burn?"
KEEPER_ANSWER = "The lamp of the Farrow Point lighthouse burned rapeseed oil until 1871, when paraffin took its place."
_WORDS = (
    "harbour tide keeper lantern stone granite ledge storm signal fog bell pilot rope cliff cove boat mooring chart"
    " barrel winter ledger visit repair mortar window glass stair gallery wind swell reef channel beacon mast village"
).split()
_TOPICS = ("The reef", "Building the tower", "The lamp", "Fog and bells", "Keepers and their families", "Shipping", "Today")


def lighthouse_post(paragraphs: int = 70) -> str:
    """About 40 kB of HTML in sections; the answer stands in the section "The lamp"."""
    chance = random.Random(7)
    body = []
    for number, topic in enumerate(_TOPICS):
        body.append(f"<h2>{topic}</h2>")
        for index in range(paragraphs // len(_TOPICS)):
            sentences = []
            for _ in range(5):
                words = [chance.choice(_WORDS) for _ in range(chance.randint(9, 16))]
                sentences.append(" ".join(["The", *words]) + ".")
            if topic == "The lamp" and index == 4:
                sentences.insert(2, KEEPER_ANSWER)
            body.append(f"<p id='p{number}-{index}'>{' '.join(sentences)}</p>")
    head = "<title>The lighthouse at Farrow Point</title><meta name='description' content='A tower, its lamp and its keepers.'>"
    trap = "<img src='http://tracker.invalid/pixel.png'><script src='http://tracker.invalid/x.js'></script>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body><article>{trap}{''.join(body)}</article></body></html>"
