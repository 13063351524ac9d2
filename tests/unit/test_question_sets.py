"""Sets of questions: every layout that is read, every line that is refused, and what they expect looked up in documents."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from localrag.errors import QuestionSetError
from localrag.evaluation.folded_text import FoldedText
from localrag.evaluation.gold import Gold, Place, look_up
from localrag.evaluation.question_files import parse_question_set, read_question_set
from localrag.evaluation.question_sets import LABELS, Expected, Question, QuestionSet, write_question_set
from localrag.types import DocumentRecord

LAMP = "The lamp burned whale oil.\r\nLater it burned\n  kerosene, and at last gas. It burned whale oil again."
GUIDE = "The ﬁrst keeper was Ada… She wrote ｋｏｄａｋ on the wall."
BANK = "예비인가는 생략할 수 있다. 黑豹队丢了308分。"
TEXTS = {"1": LAMP, "2": GUIDE, "3": BANK, "4": ""}
RECORDS = [
    DocumentRecord("1", "c", "/notes/lamp.txt", "lamp.txt", characters=len(LAMP), also=("/copy/old lamp.txt",)),
    DocumentRecord("2", "c", "https://example.org/guide", "guide.html", characters=len(GUIDE)),
    DocumentRecord("3", "c", "/notes/은행.txt", "은행.txt", characters=len(BANK)),
    DocumentRecord("4", "c", "/notes/empty.txt", "empty.txt", status="empty"),
]


def parsed(*lines: str | dict[str, object]) -> tuple[Question, ...]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    return parse_question_set(text.encode(), "q").questions


def gold(*lines: str | dict[str, object]) -> tuple[Gold, ...]:
    return look_up(QuestionSet("q", parsed(*lines)), RECORDS, TEXTS.__getitem__)


def ranges(line: dict[str, object]) -> list[list[str]]:
    (one,) = gold({"question": "?", **line})
    return [[TEXTS[place.document_id][place.start : place.end] for place in item] for item in one.ranges]


# Reading


def test_jsonl_with_a_document_a_text_or_a_range() -> None:
    assert parsed(
        {"question": " Which  oil? ", "document": "lamp.txt"},
        {"question": "What did it burn?", "text": "whale oil"},
        {"question": "And then?", "document": "lamp.txt", "start": 40, "end": 58, "note": "other fields are left alone"},
        "",
        {"question": "Who sank?", "answerable": False},
    ) == (
        Question("Which oil?", (Expected(("lamp.txt",), line=1),), line=1),
        Question("What did it burn?", (Expected(text="whale oil", line=2),), line=2),
        Question("And then?", (Expected(("lamp.txt",), start=40, end=58, line=3),), line=3),
        Question("Who sank?", answerable=False, line=5),
    )


def test_jsonl_of_the_chunking_study() -> None:
    references = [
        {"content": "whale oil", "start_index": 16, "end_index": 25},
        {"content": "gas", "start_index": 5, "end_index": 8},
    ]
    (question,) = parsed({"question": "Q?", "corpus": "lamp", "references": references})
    assert question.expected == (Expected(("lamp",), "whale oil", 16, 25, 1), Expected(("lamp",), "gas", 5, 8, 1))


def test_jsonl_with_several_documents_and_ranges() -> None:
    both, either, each = parsed(
        {"question": "a", "documents": ["1", "2"]},
        {"question": "b", "documents": ["1", "2"], "text": "oil"},
        {"question": "c", "ranges": [{"document": "1", "start": 0, "end": 3}, {"document": "2", "text": "Ada"}]},
    )
    assert [one.documents for one in both.expected] == [("1",), ("2",)]
    assert [one.documents for one in either.expected] == [("1", "2")]
    assert each.expected == (Expected(("1",), "", 0, 3, 3), Expected(("2",), "Ada", line=3))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_with_any_delimiter_and_rows_of_the_same_question_made_one(delimiter: str, end: str) -> None:
    rows = [
        ("Question", "document", "text", "answerable"),
        ("Which oil?", "lamp.txt", f'"whale{delimiter} oil{end}""again"""', ""),
        ("Which oil?", "guide.html", "", "true"),
        ("", "", "", ""),
        ("Which oil?", "guide.html", "", ""),
        ("Who sank?", "", "", "no"),
    ]
    data = "\ufeff" + end.join(delimiter.join(row) for row in rows)
    assert parse_question_set(data.encode(), "q.csv").questions == (
        Question(
            "Which oil?",
            (Expected(("lamp.txt",), f'whale{delimiter} oil{end}"again"', line=2), Expected(("guide.html",), line=4)),
            line=2,
        ),
        Question("Who sank?", answerable=False, line=7),
    )


def test_csv_with_ranges_and_short_rows() -> None:
    (one, other) = parsed("start,end,document,question", "3,9,lamp.txt,Which?", ",,lamp.txt,Who?")
    assert one.expected == (Expected(("lamp.txt",), "", 3, 9, 2),)
    assert other.expected == (Expected(("lamp.txt",), line=3),)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "q is empty"),
        ("\ufeff \n", "q is empty"),
        ('[{"question": "a"}]', "q is one JSON list"),
        ('{"question": "a", "document": "d"}\n\n{"question": ', "Line 3 of q is no JSON object"),
        ('{"question": "a", "document": "d"}\n[1]', "Line 2 of q is no JSON object"),
        ('{"question": "\\ud800?", "document": "d"}', "Line 1 of q is no JSON object"),
        ('{"document": "d"}', "Line 1 of q has no question"),
        ('{"question": " ", "document": "d"}', "Line 1 of q has no question"),
        ('{"question": 7, "document": "d"}', "Line 1 of q has no question"),
        ('{"question": "a"}', "Line 1 of q expects nothing"),
        ('{"question": "a", "documents": []}', "Line 1 of q expects nothing"),
        ('{"question": "a", "references": [{"page": 3}]}', "Line 1 of q has a reference that expects nothing"),
        ('{"question": "a", "references": "x"}', "Line 1 of q has references that are no list"),
        ('{"question": "a", "references": []}', "Line 1 of q has references that are no list"),
        ('{"question": "a", "document": 5}', "Line 1 of q names a document that is no text: 5"),
        ('{"question": "a", "document": ""}', "Line 1 of q names a document that is no text"),
        ('{"question": "a", "text": ["x"]}', "Line 1 of q expects a text that is none"),
        ('{"question": "a", "document": "d", "answerable": false}', "Line 1 of q expects something of a question that is not"),
        ('{"question": "a", "document": "d", "answerable": "perhaps"}', "Line 1 of q says answerable is 'perhaps'"),
        ('{"question": "a", "document": "d", "start": 5}', "Line 1 of q has only one of start and end"),
        ('{"question": "a", "document": "d", "start": 5, "end": 5}', "Line 1 of q has the range 5 to 5, which is empty"),
        ('{"question": "a", "document": "d", "start": -1, "end": 5}', "Line 1 of q has -1 for start"),
        ('{"question": "a", "document": "d", "start": true, "end": 5}', "Line 1 of q has True for start"),
        ('{"question": "a", "document": "d", "start": 1, "end": 2.5}', "Line 1 of q has 2.5 for end"),
        ('{"question": "a", "start": 1, "end": 2}', "Line 1 of q has a range in 0 documents"),
        ('{"question": "a", "documents": ["c", "d"], "start": 1, "end": 2}', "Line 1 of q has a range in 2 documents"),
        ('{"question": "a", "text": "x"}\n{"question": "a", "answerable": false}', "Line 2 of q says again whether “a”"),
        ("what,ever\na,b", "Line 1 of q names no columns that are known"),
        ("question\nWho?", "Line 1 of q names no columns that are known"),
        ("Who lived here? The keeper.", "Line 1 of q names no columns that are known"),
        ("question,document", "q holds no question"),
        ("question,document\nWho?,", "Line 2 of q expects nothing"),
        ('question,document\n"Who\nis it?",d\n,d', "Line 4 of q has no question"),
        ("question,document\nWho, where?,d", "Line 2 of q has 3 fields, the header 2"),
        ("question,document,start,end\nWho?,d,one,9", "Line 2 of q has 'one' for start"),
    ],
)
def test_a_wrong_line_is_named_with_what_to_do(text: str, complaint: str) -> None:
    with pytest.raises(QuestionSetError) as raised:
        parse_question_set(text.encode(), "q")
    message = str(raised.value)
    assert message.startswith(complaint)
    assert "\n" not in message
    assert message.endswith(".")


def test_what_is_not_utf8_or_not_there_is_said(tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    with pytest.raises(QuestionSetError, match="does not exist"):
        read_question_set(file)
    file.write_bytes(b"question,document\nWho?,a\nW\xe9r?,b")
    with pytest.raises(QuestionSetError, match=r"Line 3 of q\.csv is not UTF-8"):
        read_question_set(file)


def test_a_set_is_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    questions = parsed(
        {"question": "a", "document": "1", "made_by": "sentences"},
        {"question": "b", "document": "2", "start": 1, "end": 3, "text": "x\u2028y", "made_by": "model"},
        {"question": "c", "answerable": False},
        {"question": "d", "references": [{"text": "t"}, {"documents": ["1", "2"], "text": "u"}]},
    )
    write_question_set(QuestionSet("any", questions), tmp_path / "q.jsonl")
    assert read_question_set(tmp_path / "q.jsonl") == QuestionSet("q.jsonl", questions)
    with pytest.raises(QuestionSetError, match="cannot be written"):
        write_question_set(QuestionSet("any", questions), tmp_path / "none" / "q.jsonl")


def test_the_label_says_what_kind_of_questions_these_are() -> None:
    assert QuestionSet("q", parsed({"question": "a", "text": "t"})).label == "questions of your own"
    made = parsed(
        {"question": "a", "text": "t", "made_by": "sentences"}, {"question": "b", "text": "t", "made_by": "sentences"}
    )
    assert QuestionSet("q", made).label == LABELS["sentences"]
    assert "easier than real questions" in LABELS["sentences"]
    mixed = parsed({"question": "a", "text": "t", "made_by": "model"}, {"question": "b", "text": "t"})
    assert QuestionSet("q", mixed).label == f"1 {LABELS['']}; 1 {LABELS['model']}"


# Looking up


@pytest.mark.parametrize(
    "name",
    ["lamp.txt", "/notes/lamp.txt", "/copy/old lamp.txt", "1", "lamp", "https://example.org/guide", "guide", "empty.txt"],
)
def test_a_document_is_known_by_id_source_name_and_name_without_extension(name: str) -> None:
    (one,) = gold({"question": "?", "document": name})
    assert one.documents == (frozenset({"1" if "lamp" in name or name == "1" else "4" if "empty" in name else "2"}),)
    assert one.ranges == ()


def test_names_are_the_same_however_accents_are_written() -> None:
    assert gold({"question": "?", "document": unicodedata.normalize("NFD", "은행.txt")})[0].documents == (frozenset({"3"}),)


def test_a_text_is_found_whatever_its_white_space_and_width() -> None:
    assert ranges({"text": "it burned kerosene,  and"}) == [["it burned\n  kerosene, and"]]
    assert ranges({"text": "The first keeper was Ada... She"}) == [["The ﬁrst keeper was Ada… She"]]
    assert ranges({"text": "kodak"}) == [["ｋｏｄａｋ"]]
    assert ranges({"text": "생략할 수 있다.\n黑豹队"}) == [["생략할 수 있다. 黑豹队"]]
    assert ranges({"text": "３０８分", "document": "은행"}) == [["308分"]]


def test_every_place_of_a_text_is_an_alternative() -> None:
    assert ranges({"text": "burned whale oil"}) == [["burned whale oil", "burned whale oil"]]
    (one,) = gold({"question": "?", "documents": ["lamp", "guide"], "text": "The"})
    assert one.documents == (frozenset({"1", "2"}),)
    assert {place.document_id for place in one.ranges[0]} == {"1", "2"}


def test_a_range_with_its_text_follows_the_text() -> None:
    (one,) = gold({"question": "?", "document": "1", "start": 70, "end": 79, "text": "whale oil"})
    assert one.ranges == ((Place("1", LAMP.rindex("whale oil"), LAMP.rindex("whale oil") + 9),),)
    (one,) = gold({"question": "?", "document": "1", "start": 0, "end": 9})
    assert one.ranges == ((Place("1", 0, 9),),)


def test_what_is_expected_twice_counts_once() -> None:
    first, second = {"document": "1", "text": "kerosene"}, {"document": "lamp", "text": " kerosene"}
    (one,) = gold({"question": "?", "references": [first, second]})
    assert (len(one.documents), len(one.ranges)) == (1, 1)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"document": "sea.txt"}, "expects the document sea.txt, which is not in the collection"),
        ({"text": "petrol"}, "expects a text that is not in any document: “petrol”"),
        ({"text": "petrol", "document": "lamp"}, "expects a text that is not in lamp: “petrol”"),
        ({"text": "gas", "document": "empty.txt"}, "expects a text that is not in empty.txt"),
        ({"start": 0, "end": 5000, "document": "lamp"}, "expects the range 0 to 5000, and lamp has 99 characters"),
    ],
)
def test_what_is_not_in_the_collection_is_said_with_its_line(line: dict[str, object], complaint: str) -> None:
    with pytest.raises(QuestionSetError, match="Line 2 of q") as raised:
        gold({"question": "fine", "text": "kerosene"}, {"question": "not", **line})
    assert complaint in str(raised.value)


def test_a_name_of_two_documents_is_not_guessed() -> None:
    twins = [*RECORDS, DocumentRecord("9", "c", "/other/lamp.txt", "lamp.txt")]
    with pytest.raises(QuestionSetError, match=r"expects the document lamp.txt, and 2 are named so"):
        look_up(QuestionSet("q", parsed({"question": "?", "document": "lamp.txt"})), twins, TEXTS.__getitem__)


@pytest.mark.parametrize(
    "text",
    ["plain", "a\u00a0b ﬁne ½ … end", "e\u0301te\u0301 ﬁ", "한글 ｶﾞｷﾞ ㎏", "x\u0323\u0307 \ufb01 \u1e9b\u0323", "각", "कि ﬁ"],
)
def test_every_word_of_a_folded_text_leads_back_to_itself(text: str) -> None:
    folded = FoldedText(text)
    for word in text.split():
        assert (text.index(word), text.index(word) + len(word)) in folded.find(word)
