"""Questions made from documents, with and without a model, and what an evaluation says of them."""

from __future__ import annotations

import random

import pytest

from localrag.errors import QuestionSetError
from localrag.evaluation.evaluate import Report, Searching, evaluate, searching_settings
from localrag.evaluation.gold import look_up
from localrag.evaluation.made_questions import LONGEST, choose_sentences, make_questions
from localrag.evaluation.model_questions import question_in, write_questions
from localrag.evaluation.question_sets import LABELS, Expected, Question, QuestionSet
from localrag.evaluation.report_table import report_json, report_table
from localrag.settings import load_settings
from localrag.types import DocumentRecord, Evidence, SearchResult

WORDS = [f"{first}{middle}{last}" for first in "bdfgklmn" for middle in ("ara", "eni", "olu", "ito") for last in "krstnx"]
CHINESE = "黑豹队的防守在本赛季只丢了三百零八分而且在联赛中排名第六。他们在主场赢得了全部八场比赛并且迫使对手失误。\n\n"
CHINESE += "球队的四分卫在决赛当中完成了三次达阵传球而没有失误。他们的教练在赛后表示球队的防守赢得了这场比赛。"
KOREAN = (
    "지방은행이 시중은행으로 전환하려면 금융위원회의 인가를 먼저 받아야 합니다. 예비인가 절차는 필요한 경우 생략할 수 있습니다."
)


def prose(seed: int, sentences: int = 30) -> str:
    chance = random.Random(seed)
    texts = []
    for number in range(sentences):
        words = [*chance.sample(WORDS, 5), "and", "of", "the"]
        chance.shuffle(words)
        texts.append(" ".join(words).capitalize() + "." + ("\n\n" if number % 5 == 4 else " "))
    return "# A heading\n\n" + "".join(texts) + "\n| a | table | row |\n"


HINDI = "द्वीप का पुराना प्रकाशस्तंभ व्हेल के तेल से जलता था। रखवाला हर चार घंटे में लालटेन की घड़ी घुमाता था।"
TEXTS = {f"id-{n}": prose(n) for n in range(6)} | {"zh": CHINESE, "ko": KOREAN, "hi": HINDI, "none": ""}
RECORDS = [
    DocumentRecord(
        key, "c", f"/notes/{key}.txt", f"{key}.txt", language={"zh": "zh", "ko": "ko"}.get(key, "en"), characters=len(text)
    )
    for key, text in TEXTS.items()
]


def made(count: int = 20, seed: int = 0, records: list[DocumentRecord] = RECORDS) -> QuestionSet:
    return make_questions(records, TEXTS.__getitem__, count, seed)


def test_the_same_seed_makes_the_same_questions_in_whatever_order_the_documents_come() -> None:
    assert made() == made(records=RECORDS[::-1])
    assert made() != made(seed=1)
    assert made().label == LABELS["sentences"]
    assert made().name == "20 made from the documents, seed 0"


def test_questions_are_spread_over_the_documents() -> None:
    sources = [question.expected[0].documents[0] for question in made(count=6, records=RECORDS[:6]).questions]
    assert len(set(sources)) == 6


def test_a_question_has_words_of_its_sentence_and_expects_its_range() -> None:
    for question in made(count=40).questions:
        (expected,) = question.expected
        text = TEXTS[expected.documents[0].split("/")[-1].removesuffix(".txt")]
        assert text[expected.start : expected.end] == expected.text
        assert all(word in expected.text for word in question.text.split())
        assert question.text != expected.text
        assert question.made_by == "sentences"
        assert not expected.text.startswith(("#", "|"))
        assert len(expected.text) <= LONGEST


@pytest.mark.parametrize("key", ["zh", "ko", "hi"])
def test_ranges_are_right_in_scripts_without_spaces_or_with_marks(key: str) -> None:
    records = [record for record in RECORDS if record.id == key]
    questions = made(count=10, records=records)
    assert questions.questions
    for gold in look_up(questions, records, TEXTS.__getitem__):
        ((place,),) = gold.ranges
        assert TEXTS[key][place.start : place.end] == gold.question.expected[0].text
        assert all(part in gold.question.expected[0].text for part in gold.question.text.split())
        if key != "zh":  # words are whole
            words = gold.question.expected[0].text.rstrip("।.").split()
            assert all(part in words for part in gold.question.text.split())


def test_a_sentence_that_stands_twice_is_not_asked_for() -> None:
    twice = "The keeper trimmed the lantern of the lighthouse before every winter fog. "
    texts = {"a": twice + prose(1, 6), "b": twice + prose(2, 6)}
    records = [DocumentRecord(key, "c", key, key, language="en", characters=len(text)) for key, text in texts.items()]
    chosen = choose_sentences(records, texts.__getitem__, 100)
    assert chosen
    assert all(one.sentence != twice.strip() for one in chosen)


def test_a_long_document_is_read_in_part_and_its_ranges_are_right() -> None:
    text = "".join(f"{prose(n, 40)}\n" for n in range(120))
    assert len(text) > 200_000
    record = DocumentRecord("a", "c", "a.txt", "a.txt", language="en", characters=len(text))
    chosen = choose_sentences([record], lambda _id: text, 50)
    assert len(chosen) == 50
    assert all(text[one.start : one.end] == one.sentence for one in chosen)
    assert all(text.startswith(one.passage, one.start) and one.passage.startswith(one.sentence) for one in chosen)


@pytest.mark.parametrize("text", ["", "Short.", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22.", "? " * 100])
def test_documents_without_sentences_are_said(text: str) -> None:
    record = DocumentRecord("a", "c", "a.txt", "a.txt", characters=len(text))
    with pytest.raises(QuestionSetError, match="No question can be made from"):
        make_questions([record], lambda _id: text, 5)


# A model's questions

PASSAGE = (
    "The lamp of Marrow Island burned whale oil until 1850, and kerosene after that. The keeper wound it every four hours."
)


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ("Which oil did the lamp of Marrow Island burn?", "Which oil did the lamp of Marrow Island burn?"),
        ('Sure!\n\n**Question:** "Which oil did the lamp burn?"\n\nAnswer: whale oil', "Which oil did the lamp burn?"),
        ("1. What did it burn before kerosene?\n2. Who wound it daily?", "What did it burn before kerosene?"),
        ("What is the answer to this question? Who wound the lamp?", "Who wound the lamp?"),
        ("등대의 램프는 무엇을 태웠습니까?", "등대의 램프는 무엇을 태웠습니까?"),
        ("灯塔的灯烧什么油？", "灯塔的灯烧什么油？"),
        ("The lamp burned whale oil.", ""),
        ("", ""),
        ("Why?", ""),
        ("What does the passage say about the lamp?", ""),
        ("What is the answer to this question?", ""),
        ("The lamp of Marrow Island burned whale oil until 1850?", ""),
        ("Why " + "and why " * 40 + "not?", ""),
    ],
)
def test_only_a_question_of_its_own_is_taken_from_an_answer(answer: str, question: str) -> None:
    assert question_in(answer, PASSAGE, "en") == question


def test_a_model_is_asked_until_there_are_enough_questions() -> None:
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "No idea." if len(prompts) == 2 else f"Who kept the light of tower number {len(prompts)}?"

    events = list(write_questions(RECORDS, TEXTS.__getitem__, ask, 3, model="a model"))
    assert [(one.done, one.total, one.thrown_away) for one in events] == [(1, 3, 0), (1, 3, 1), (2, 3, 1), (3, 3, 1)]
    questions = events[-1].questions
    assert questions is not None
    assert questions.name == "3 written by a model, seed 0"
    assert questions.label == LABELS["model"]
    assert [question.text[-2] for question in questions.questions] == ["1", "3", "4"]
    for prompt, question in zip((prompts[0], prompts[2], prompts[3]), questions.questions, strict=True):
        assert f"\n\n{question.expected[0].text}\n\n" in prompt
    assert len(look_up(questions, RECORDS, TEXTS.__getitem__)) == 3


def test_a_model_that_writes_no_question_is_said() -> None:
    with pytest.raises(QuestionSetError, match="wrote no question that could be used"):
        list(write_questions(RECORDS, TEXTS.__getitem__, lambda _prompt: "No.", 2))


# The evaluation of a search


def evidence(key: str, start: int, end: int) -> Evidence:
    return Evidence(key, f"/notes/{key}.txt", key, start, end, TEXTS[key][start:end], 0.5)


def report_on(
    questions: list[Question], results: dict[str, list[Evidence]], count_tokens: bool = False
) -> tuple[Report, list[int]]:
    searching = Searching(
        find=lambda text: SearchResult(text, tuple(results[text]), 0.9 if text.startswith("a") else 0.1, 0.25),
        documents=RECORDS,
        text_of=TEXTS.__getitem__,
        k=2,
        settings={"k": 2},
        count_tokens=(lambda text: len(text.split())) if count_tokens else None,
    )
    *events, last = evaluate(QuestionSet("three", tuple(questions)), searching)
    assert last.report is not None
    assert all(event.report is None and event.total == len(questions) for event in events)
    return last.report, [event.done for event in [*events, last]]


QUESTIONS = [
    Question("a range", (Expected(("id-1",), start=100, end=200),)),
    Question("a document", (Expected(("id-2",)),)),
    Question("missing", answerable=False),
]
RESULTS = {
    "a range": [evidence("id-2", 0, 100), evidence("id-1", 150, 250)],
    "a document": [evidence("id-1", 0, 50)],
    "missing": [],
}


def test_an_evaluation_counts_every_question_and_ends_with_figures_of_those_they_apply_to() -> None:
    report, done = report_on(QUESTIONS, RESULTS, count_tokens=True)
    assert done == [0, 1, 2, 3]
    assert report.answerable == 2
    values = {
        group: {name: (one.value, one.questions) for name, one in all_of.items()} for group, all_of in report.figures.items()
    }
    assert values["documents"] == {
        "hit@2": (0.5, 2),
        "mrr": (0.25, 2),
        "ndcg@10": (pytest.approx(0.3155, abs=1e-4), 2),
        "recall@2": (0.5, 2),
    }
    assert values["passages"]["mrr"] == (0.5, 1)
    assert values["characters"] == {"recall": (0.5, 1), "precision": (0.25, 1), "iou": (pytest.approx(50 / 250), 1)}
    assert values["unanswerable"] == {"nothing_given": (1.0, 1), "confidence_auc": (1.0, 3)}
    assert values["cost"]["seconds"] == (0.25, 3)
    assert values["cost"]["passages"] == (1.0, 3)
    assert values["cost"]["characters"] == (250 / 3, 3)
    assert report.figures["cost"]["tokens"].value > 0
    assert [row.found for row in report.rows] == [(False, True), (False,), ()]
    assert [row.missed for row in report.rows] == [False, True, False]


def test_what_applies_to_no_question_is_left_out() -> None:
    report, _ = report_on(QUESTIONS[1:2], RESULTS)
    assert set(report.figures) == {"documents", "cost"}
    assert "tokens" not in report.figures["cost"]


def test_the_table_and_the_json_say_what_kind_of_questions_and_which_settings() -> None:
    report, _ = report_on(QUESTIONS, RESULTS)
    table = "\n".join(report_table(report))
    for said in (
        "three (3 questions; questions of your own)",
        "k 2",
        "IoU",
        "20.0 %",
        "told apart by confidence",
        "  a document",
    ):
        assert said in table
    value = report_json(report)
    assert value["questions"] == {
        "name": "three", "label": "questions of your own", "count": 3, "answerable": 2, "unanswerable": 1, "missed": 1,
    }  # fmt: skip
    assert value["settings"] == {"k": 2}
    assert set(value["metrics"]["characters"]["iou"]) == {"value", "low", "high", "questions"}
    assert "rows" not in value
    first, _, last = report_json(report, details=True)["rows"]
    assert first["expected"] == [{"start": 100, "end": 200, "documents": ["id-1"]}]
    assert [one["relevant"] for one in first["evidence"]] == [False, True]
    assert (last["answerable"], last["metrics"], last["tokens"]) == (False, {}, None)


def test_the_settings_told_are_those_the_search_goes_by() -> None:
    settings = load_settings({"k": 7, "least_share": 0.5}, {})
    usual = searching_settings(settings, None, None)
    assert (usual["k"], usual["least_share"], usual["budget_chars"]) == (7, 0.5, None)
    assert usual["vector_weight"] == settings.retrieval.vector_weight
    assert (searching_settings(settings, 3, None)["k"], searching_settings(settings, 3, None)["least_share"]) == (3, 0.0)
    assert searching_settings(settings, None, 900)["budget_chars"] == 900
