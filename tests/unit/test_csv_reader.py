"""Tables as text: the text stays as it is, and groups of rows can be cited."""

import random

import pytest

from localrag.documents.delimited import rows
from localrag.documents.readers import read_document
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import ParsedDocument

TABLE = "name,city,price\n" + "".join(f"n{number},Rome,{number}\n" for number in range(2, 46))


def read(text: str, name: str = "table.csv", declared: str = "") -> ParsedDocument:
    document = read_document(text.encode(), name, DocumentSettings(), declared)
    assert document.text == text
    return document


def places(text: str, name: str = "table.csv") -> list[tuple[str, str]]:
    document = read(text, name)
    assert document.type == "csv"
    assert all(mark.kind == "section" for mark in document.marks)
    return [(text[mark.start :].split("\n")[0], mark.location) for mark in document.marks]


def test_groups_of_rows_are_marked_with_the_names_of_the_columns() -> None:
    assert places(TABLE) == [
        ("name,city,price", "rows 1 to 20: name, city, price"),
        ("n21,Rome,21", "rows 21 to 40: name, city, price"),
        ("n41,Rome,41", "rows 41 to 45: name, city, price"),
    ]
    assert read(TABLE).title == "table"


def test_quoted_line_breaks_belong_to_their_row() -> None:
    text = 'a,b\r\n"one\r\ntwo ""x""\r\n",2\r\n' + 'c,"d,\n"\r\n' * 30
    starts = [location for _, location in places(text)]
    assert starts == ["rows 1 to 20: a, b", "rows 21 to 32: a, b"]
    assert [row.fields for row in rows(text, ",")][1] == ['one\r\ntwo "x"\r\n', "2"]


def test_rows_together_are_the_text_whatever_stands_in_it() -> None:
    chance = random.Random(7)
    for _ in range(500):
        text = "".join(chance.choice(',;\t|"\n\r\\ab 1é\x0b\x85\u2028') for _ in range(chance.randrange(200)))
        for delimiter in ",;\t|":
            found = list(rows(text, delimiter))
            assert "".join(text[row.start : row.end] for row in found) == text
        try:
            assert read_document(text.encode(), "a.csv", DocumentSettings()).text == text
        except DocumentError as error:
            assert "binary" in str(error)  # noqa: PT017  the only refusal


def test_a_quote_that_is_never_closed_ends_with_its_line() -> None:
    text = "a,b\n" + '"open,1\n' + "c,d\n" * 500
    found = list(rows(text, ","))
    assert (len(found), found[1].fields, found[2].fields) == (502, ['"open', "1"], ["c", "d"])
    many = ('"open,1\n' + "c,d\n" * 300) * 80
    assert len(list(rows(many, ","))) == many.count("\n")


def test_a_field_longer_than_the_csv_module_takes_is_no_error() -> None:
    text = "a,b\n" + "x" * 200_000 + ",1\nc,d\n"
    assert [len(row.fields) for row in rows(text, ",")] == [2, 2, 2]
    assert read(text).type == "csv"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a;b\n1,5;2\n2,5;3\n", ": a, b"),
        ("a\tb, c\n1\t2\n", ": a, b, c"),
        ("a|b\n1|2\n", ": a, b"),
        ("sep=;\na;b\n1;2\n", ": a, b"),
        ("1,2\n3,4\n", ""),
        ("a,a\n3,4\n", ""),
        ("이름,도시\n가,나\n", ": 이름, 도시"),
        (f"{'x' * 50},{'y' * 50}\n1,2\n", f": {'x' * 50}, {'y' * 27}…"),
    ],
)
def test_delimiter_and_header_are_found(text: str, names: str) -> None:
    count = text.removeprefix("sep=;\n").count("\n")
    assert [location for _, location in places(text)] == [f"rows 1 to {count}{names}"]


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        (TABLE, "table.txt", "csv"),
        (TABLE, "table", "csv"),
        ("a\tb\n1\t2\n3\t4\n", "t.txt", "csv"),
        ("a;b;c\n1;2;3\n3;4;5\n", "t.xls", "csv"),
        ("Report of May\n\na,b\n1,2\n3,4\n5,6\n", "t.csv", "csv"),
        ("name\nAnn\nBo\n", "t.csv", "csv"),
        ("", "t.csv", "txt"),
        ("A long sentence of some kind that goes on and on. " * 10, "t.csv", "txt"),
        ("Roses are red, my love\nViolets are blue, my dear\nSugar is sweet, my own\n", "poem.txt", "txt"),
        ("Dear Ann, dear Bo\nWe came, we saw\nIt was late, too\nSo we left, again\nYours, always\n", "t.txt", "txt"),
        ("2024-05-03 12:00:00,123 started\n2024-05-03 12:00:01,200 ended\n" * 5, "app.log", "txt"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", "t.txt", "txt"),
        ("a,b\n1,2\n", "t.txt", "txt"),
    ],
)
def test_prose_with_commas_is_no_table(text: str, name: str, kind: str) -> None:
    assert read(text, name).type == kind


def test_a_declared_type_counts_like_the_name() -> None:
    assert read("a,b\n1,2\n", "https://h.org/export", "text/csv; charset=utf-8").type == "csv"
