"""Searching by meaning and by words, in a real ledger and a real Chroma."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from localrag.documents.source import Source, sources_at
from localrag.errors import StoreError
from localrag.library import Library
from localrag.retrieval.confidence import LEAST_CHUNKS
from localrag.settings import RetrievalSettings, Settings
from localrag.types import SearchFilter
from tests.tools.kill_corpus import sentences

OILS = ("whale", "seal", "herring")
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


POST = Path(__file__).with_name("seed_post.html")
QUESTION = "What are the approaches to Task Decomposition?"


@pytest.fixture
def posted(real_settings: Settings) -> Iterator[Library]:
    library = Library(real_settings)
    list(library.ingest("c", sources_at(str(POST))))
    yield library
    library.close()


def test_the_first_span_is_the_sentence_that_names_the_approaches(posted: Library) -> None:
    first = posted.search("c", QUESTION).evidence[0]
    assert first.focus is not None
    text = posted.ledger.text(first.document_id)
    assert " ".join(text[slice(*first.focus)].split()).startswith("Task decomposition has three common approaches")
    assert first.given
    assert first.location.endswith("Breaking work into steps")


PLANS = """# Notes on agents

## Planning

A large job has many parts. An agent has to know them all and think ahead.

### Task decomposition

Chain of thought has become a common way to get more out of a model on hard tasks. The model is told to think step by step,
which turns a large job into several small ones.

A tree of thoughts goes further and tries several ideas at each step. The search goes through them by breadth or by depth, and
a classifier or a vote judges each state.

Task decomposition can be done (1) by the model itself with a short prompt, (2) with instructions made for the job, such as
"Write an outline." for a novel, or (3) with what people put in.

Quite another way leaves long plans to a planner outside the model. It writes the problem in a language for planners.

## Memory

Memory is what serves to get, store, keep and later find information.
"""
GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"


def test_a_heading_does_not_make_the_sentence_before_it_the_answer(real_settings: Settings) -> None:
    """The words of "Task decomposition" stand beside "think ahead", and the answer stands far below them."""
    library = Library(real_settings)
    try:
        list(library.ingest("own", [Source("plans.md", data=PLANS.encode())]))
        list(library.ingest("mixed", [Source("plans.md", data=PLANS.encode()), *sources_at(str(GUIDE))]))
        list(library.ingest("post", [*sources_at(str(POST)), *sources_at(str(GUIDE))]))
        for collection, answer in (
            ("own", "Task decomposition can be done (1)"),
            ("mixed", "Task decomposition can be done (1)"),
            ("post", "Task decomposition has three common"),
        ):
            first = library.search(collection, QUESTION).evidence[0]
            assert first.given
            assert first.focus is not None
            assert library.ledger.text(first.document_id, *first.focus).startswith(answer)
    finally:
        library.close()


def test_a_sentence_longer_than_every_budget_of_the_settings_is_given_and_the_rest_keeps_to_them(
    real_settings: Settings,
) -> None:
    long = "The heron of the lagoon eats " + "small silver fish and " * 300 + "frogs."
    library = Library(real_settings.with_values({"chunk_chars": 20_000}))
    try:
        list(library.ingest("c", [Source("a.txt", data=f"{long}\n\nIt rains on the hills at noon.\n".encode())]))
        asked = "What does the heron of the lagoon eat?"
        evidence = library.search("c", asked, count_tokens=len, retrieval=RetrievalSettings(read_share=0.2, least_share=0.1))
        assert long in [e.text for e in evidence.evidence if e.given]
        assert sum(len(e.text) for e in evidence.evidence if e.text != long) <= 800
        assert not evidence.note
        strict = library.search("c", asked, budget_chars=700)
    finally:
        library.close()
    assert all(len(e.text) <= 700 for e in strict.evidence)
    assert strict.note == (
        f"The sentence that fits the question best, in a.txt, takes {len(long):,} of the 700 that are allowed, and is left out:"
        " nothing is cut inside a sentence. Allow more."
    )


@pytest.mark.parametrize("question", [QUESTION, "What does a memory keep?", "How long is a wedding list?", "tools"])
def test_spans_are_the_documents_own_text_and_never_overlap(posted: Library, question: str) -> None:
    evidence = posted.search("c", question, retrieval=RetrievalSettings(least_share=0.3)).evidence
    assert evidence
    for span in evidence:
        assert span.text == posted.ledger.text(span.document_id)[span.start : span.end]
        assert span.focus is None or span.start <= span.focus[0] < span.focus[1] <= span.end
    taken = sorted((span.document_id, span.start, span.end) for span in evidence)
    assert all(one[0] != other[0] or one[2] <= other[1] for one, other in pairwise(taken))
    for given in (True, False):
        scores = [span.score for span in evidence if span.given == given]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("overlap", [40, 200])
def test_passages_that_overlap_make_spans_that_do_not(real_settings: Settings, overlap: int) -> None:
    library = Library(real_settings.with_values({"chunk_overlap": overlap, "chunk_chars": 300}))
    try:
        list(library.ingest("c", sources_at(str(POST))))
        for share in (0.2, 0.6):
            chosen = RetrievalSettings(least_share=share, read_share=share + 0.2)
            evidence = library.search("c", QUESTION, retrieval=chosen).evidence
            taken = sorted((span.start, span.end) for span in evidence)
            assert all(one[1] <= other[0] for one, other in pairwise(taken))
            whole = library.ledger.text(evidence[0].document_id)
            assert all(span.text == whole[span.start : span.end] for span in evidence)
    finally:
        library.close()


def test_a_document_of_headings_alone_is_found(library: Library) -> None:
    list(library.ingest("c", [Source("a.md", data=b"# Heron house\n\n## Reed garden\n")]))
    list(library.ingest("c", [Source("b.md", data=b"# Otter\n\nThe otter swims in the river all day long.\n")]))
    first = library.search("c", "Where is the reed garden?").evidence[0]
    assert (first.document, first.text.strip("# ")) == ("a.md", "Reed garden")


def test_a_copy_can_be_named_by_any_of_its_names(library: Library, tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("The heron stands in the reeds.", "utf-8")
    list(library.ingest("c", sources_at(str(tmp_path), include=["*.txt"])))
    assert library.find_document("c", "two.txt").id == library.find_document("c", "one.txt").id


def test_a_question_of_a_thousand_pages_is_refused_and_a_long_one_is_quick(shelf: Library) -> None:
    with pytest.raises(StoreError, match=r"The question has 1,000,000 characters, 20,000 are allowed\. Shorten it\."):
        shelf.search("c", "x" * 1_000_000)
    long = "The ferry to Marrow Island. " * 700
    assert shelf.search("c", long).evidence[0].document == "ferry.txt"


def test_what_the_model_reads_keeps_to_its_tokens_and_the_rest_is_shown_beside_it(posted: Library) -> None:
    def count(text: str) -> int:
        return 2 + len(text) // 3

    few = RetrievalSettings(evidence_tokens=120, read_share=0.2, least_share=0.2)
    evidence = posted.search("c", QUESTION, retrieval=few, count_tokens=count).evidence
    given, aside = [e for e in evidence if e.given], [e for e in evidence if not e.given]
    assert given
    assert aside
    assert sum(count(e.text) for e in given) <= 120
    assert sum(len(e.text) for e in evidence) <= few.evidence_chars


@pytest.mark.parametrize("budget", [60, 300, 1500])
def test_spans_for_a_budget_in_characters_fit_it(posted: Library, budget: int) -> None:
    result = posted.search("c", QUESTION, budget_chars=budget)
    assert sum(len(e.text) for e in result.evidence) <= budget
    assert all(e.given for e in result.evidence)
    assert bool(result.evidence) == (budget >= 300) == (not result.note)


def test_a_filter_leaves_only_its_documents(shelf: Library) -> None:
    ids = {record.source: record.id for record in shelf.documents("c")}
    everywhere = shelf.search("c", "When does the boat depart?", k=6).evidence
    assert everywhere[0].document == "ferry.txt"
    only = SearchFilter(documents=(ids["keeper.txt"], ids["code.txt"]))
    for asked in ({"k": 6}, {}):
        found = shelf.search("c", "When does the boat depart?", filters=only, **asked).evidence
        assert {e.document for e in found} <= {"keeper.txt", "code.txt"}
        assert found
    with pytest.raises(StoreError, match="No document with text in the collection c fits what was asked for"):
        shelf.search("c", "boat", filters=SearchFilter(types=("pdf",)))
    spanish = shelf.search("c", "boat", filters=SearchFilter(languages=("ES",))).evidence
    assert [e.document for e in spanish] == ["casa.txt"]


def test_with_diversity_what_is_new_comes_before_what_repeats(real_settings: Settings) -> None:
    twins = {f"{n}.txt": f"The ferry to Marrow Island leaves at eight o'clock. Copy {n}." for n in "ab"}
    texts = twins | {"c.txt": "The ferry carries forty cars and a lorry to the mainland on Sundays."}
    library = Library(real_settings)
    try:
        list(library.ingest("c", [Source(name, data=text.encode()) for name, text in texts.items()]))
        plain = [e.document for e in library.search("c", "When does the ferry leave?", k=3).evidence]
        spread = RetrievalSettings(diversity=0.6)
        new = [e.document for e in library.search("c", "When does the ferry leave?", k=3, retrieval=spread).evidence]
    finally:
        library.close()
    assert plain[2] == "c.txt"
    assert new[1] == "c.txt"


def test_a_collection_knows_how_far_it_holds_an_answer(real_settings: Settings) -> None:
    chance = random.Random(4)
    facts = [f"The lighthouse of {name} burns {oil} oil." for name, oil in zip("Alby Bora Cress".split(), OILS, strict=True)]
    texts = [f"{sentences(chance, 40)} {fact}" for fact in facts for _ in range(6)]
    library = Library(real_settings)
    try:
        list(library.ingest("c", [Source(f"{n}.txt", data=text.encode()) for n, text in enumerate(texts)]))
        record = library.collection("c")
        assert record.chunks >= LEAST_CHUNKS
        assert library.calibrations.get(record.id, record.index_name) is not None
        there = library.search("c", "Which oil does the lighthouse of Bora burn?").confidence
        nothing_asked = library.search("c", "the of in").confidence
        not_there = library.search("c", "Who painted the ceiling of the Sistine Chapel?").confidence
    finally:
        library.close()
    least = RetrievalSettings().least_confidence
    assert not_there < least < there
    assert nothing_asked < least


def test_a_document_that_is_replaced_in_the_middle_of_a_search_is_searched_as_it_is_now(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A span over two passages is read from the document's text, which may have changed since its sentences were found."""
    old, new = (" ".join(f"The {word} heron {n} answers." for n in range(60)) for word in ("grey", "white"))
    list(library.ingest("c", [Source("a.txt", data=old.encode())]))
    read, changed = library.ledger.text, []

    def text(document_id: str, start: int = 0, end: int = 2**31 - 1) -> str:
        if not changed:
            changed.append(1)
            list(library.ingest("c", [Source("a.txt", data=new.encode())]))
        return read(document_id, start, end)

    monkeypatch.setattr(library.ledger, "text", text)
    everything = RetrievalSettings(least_share=0.0, read_share=0.0)
    evidence = library.search("c", "Which heron answers?", retrieval=everything).evidence
    assert changed
    assert evidence
    assert all("grey" not in e.text for e in evidence)
