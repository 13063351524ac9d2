"""Follow-ups against a real search."""

from __future__ import annotations

from pathlib import Path

import pytest

from localrag.chat.follow_up import standalone
from localrag.documents.source import Source
from localrag.library import Library
from localrag.settings import Settings
from tests.tools.follow_ups import history, rows

POST = Path(__file__).with_name("seed_post.html")

pytestmark = pytest.mark.models


def test_follow_ups_find_what_answers_them_more_often_than_as_they_are_asked(real_settings: Settings) -> None:
    asked = [row for row in rows() if row["find"]]
    library = Library(real_settings)
    try:
        list(library.ingest("default", [Source("post.html", path=POST)]))
        found = {"asked": 0, "standalone": 0}
        for row in asked:
            for name, question in (("asked", row["question"]), ("standalone", standalone(row["question"], history(row)))):
                evidence = library.search("default", question).evidence
                text = " ".join(" ".join(span.text for span in evidence if span.given).split())
                found[name] += " ".join(row["find"].split()) in text
    finally:
        library.close()
    assert len(asked) >= 20
    assert found["standalone"] >= 18, found
    assert found["standalone"] > found["asked"], found
