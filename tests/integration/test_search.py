"""Searching by meaning and by words, in a real ledger and a real Chroma."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localrag.documents.source import Source
from localrag.library import Library
from localrag.settings import RetrievalSettings, Settings

TEXTS = {
    "ferry.txt": "The ferry to Marrow Island leaves the quay at eight. It carries forty cars.",
    "keeper.txt": "The keeper of the lighthouse wound its clockwork every four hours, all night.",
    "code.txt": "Error E-4417 means that the coolant pump lost its pressure. Close valve nine first.",
    "bank.txt": "지방은행이 시중은행으로 전환하려면 금융위원회의 인가를 받아야 한다. 예비인가는 생략할 수 있다.",
    "team.txt": "黑豹队的防守只丢了308分,在联赛中排名第六。",
    "casa.txt": "Las intercepciones del equipo fueron veinticuatro en toda la temporada, según el periódico.",
}


@pytest.fixture
def shelf(real_settings: Settings) -> Iterator[Library]:
    library = Library(real_settings)
    list(library.ingest("c", [Source(name, data=text.encode()) for name, text in TEXTS.items()]))
    yield library
    library.close()


def first(library: Library, question: str, **weights: float) -> str:
    found = library.search("c", question, retrieval=RetrievalSettings(**weights)).evidence  # type: ignore[arg-type]
    return found[0].document if found else ""


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("When does the boat depart?", "ferry.txt"),  # no word in common with the answer
        ("Who looked after the lamp of the tower?", "keeper.txt"),
        ("E-4417", "code.txt"),  # no meaning to an embedding model
        ("시중은행 전환에 예비인가가 필요한가요?", "bank.txt"),  # a language the starter model does not know
        ("黑豹队丢了多少分?", "team.txt"),
        ("¿Cuántas intercepciónes hubo en la temporada?", "casa.txt"),
    ],
)
def test_either_channel_finds_what_the_other_does_not(shelf: Library, question: str, document: str) -> None:
    assert first(shelf, question) == document


def test_each_passage_says_which_channels_found_it(shelf: Library) -> None:
    found = shelf.search("c", "E-4417 pump", k=3).evidence
    assert found[0].document == "code.txt"
    assert found[0].channels == ("meaning", "words")
    assert all(evidence.channels == ("meaning",) for evidence in found[1:])
    assert 1.0 >= found[0].score > found[1].score > found[2].score > 0.0


def test_by_vectors_alone_a_score_is_the_cosine(shelf: Library) -> None:
    found = shelf.search("c", "When does the boat depart?", retrieval=RetrievalSettings(vector_weight=1.0))
    assert found.evidence[0].document == "ferry.txt"
    whole = shelf.search("c", "When does the boat depart?", k=1, retrieval=RetrievalSettings(vector_weight=1.0)).evidence[0]
    assert whole.score == pytest.approx(whole.cosine)
    assert found.evidence[0].channels == ("meaning",)


def test_the_marked_sentence_has_the_words_of_the_question_where_the_model_knows_no_better(shelf: Library) -> None:
    evidence = shelf.search("c", "예비인가는 생략할 수 있나요?", k=1).evidence[0]
    assert evidence.focus is not None
    start, end = evidence.focus
    assert TEXTS["bank.txt"][start:end] == "예비인가는 생략할 수 있다."


@pytest.mark.parametrize(
    "question",
    ['"', '" OR 1 "', "NEAR(a b)", "ferry*", "terms:ferry", "-ferry", "^ferry", "ferry AND", "{}", "';--", "a" * 5000, "()"],
)
def test_no_question_is_a_syntax_error(shelf: Library, question: str) -> None:
    assert shelf.search("c", question, k=2).evidence


def test_words_of_deleted_documents_find_nothing_and_those_of_changed_ones_are_new(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text in ("The heron stands in the reeds.", "The otter swims in the river."):
        path.write_text(text, "utf-8")
        list(library.ingest("c", [Source(str(path), path=path)]))
        terms = [row[0] for row in library.ledger.db.rows("SELECT terms FROM words")]
        assert terms == [text.lower().replace("stands", "stand").replace("swims", "swim").rstrip(".").replace("reeds", "reed")]
    library.delete_documents("c", library.documents("c"))
    assert not library.ledger.db.rows("SELECT 1 FROM words")
    assert not library.ledger.db.rows("SELECT 1 FROM vocabulary")


def test_collections_do_not_see_each_others_words(library: Library) -> None:
    list(library.ingest("a", [Source("a.txt", data=b"The heron stands in the reeds.")]))
    list(library.ingest("b", [Source("b.txt", data=b"The otter swims in the river.")]))
    assert [e.document for e in library.search("a", "otter", k=5).evidence] == ["a.txt"]
