"""JSON: values with their keys, records, and what is no JSON after all."""

import json
import random
from contextlib import suppress

import pytest

from localrag.documents import json_reader
from localrag.documents.raw import RawDocument
from localrag.documents.readers import read_document
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import ParsedDocument


def read(text: str, name: str = "data.json") -> ParsedDocument:
    return read_document(text.encode(), name, DocumentSettings())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": {"b": {"c": "deep"}}, "d": 1}, "a.b.c: deep\n\nd: 1"),
        ({"on": True, "off": False, "none": None, "x": 1.50}, "on: true\n\noff: false\n\nnone: null\n\nx: 1.5"),
        ({"tags": ["red", "blue", 3]}, "tags: red, blue, 3"),
        ({"tags": ["two\nlines", "x"]}, "tags[1]: two\nlines\ntags[2]: x"),
        ({"people": [{"name": "Ann"}, {"name": "Bob", "age": 3}]}, "name: Ann\n\nname: Bob\nage: 3"),
        ([{"a": 1}, {"a": 2}], "a: 1\n\na: 2"),
        ([1, 2, 3], "1, 2, 3"),
        ({"a": {"b": [{"c": 1}, [2, 3]]}}, "a.b[1].c: 1\na.b[2]: 2, 3"),
        ({"a\nb": {"": 1}}, 'a b."": 1'),
        ({}, ""),
    ],
)
def test_every_value_stands_with_the_path_of_its_key(value: object, text: str) -> None:
    document = read(json.dumps(value))
    assert (document.type, document.text) == ("json", text)


def test_marks_are_keys_and_records() -> None:
    document = read('{"title": "Staff", "people": [{"n": "Ann"}, {"n": "Bob"}], "year": {"of": 2024}}')
    assert [(mark.location, document.text[mark.start :].split("\n")[0]) for mark in document.marks] == [
        ("title", "title: Staff"),
        ("people › record 1", "n: Ann"),
        ("people › record 2", "n: Bob"),
        ("year", "year.of: 2024"),
    ]
    assert {mark.kind for mark in document.marks} == {"section"}
    assert document.title == "Staff"


def test_json_lines_are_records() -> None:
    document = read('{"q": "one"}\n\n{"q": "two"}\n', "questions.jsonl")
    assert document.text == "q: one\n\nq: two"
    assert [mark.location for mark in document.marks] == ["record 1", "record 2"]
    assert document.title == "questions"


def test_a_broken_line_further_down_is_kept_as_text() -> None:
    document = read('{"q": 1}\n' * 30 + "{broken\n")
    assert document.text.endswith("q: 1\n\n{broken")
    assert document.note == "1 lines are no JSON and were taken as text."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a": NaN, "b": -Infinity}', "a: NaN\n\nb: -Infinity"),
        ('{"a": 1, "a": 2}', "a: 2"),
        ('{"n": 1.2300000000000000000001e400}', "n: 1.2300000000000000000001e400"),
        ('{"s": "\\u0000x\\ud800"}', "s: x\ufffd"),
        ('\ufeff {"a": 1}', "a: 1"),
    ],
)
def test_odd_values_are_kept_as_written(text: str, shown: str) -> None:
    assert read(text).text == shown


def test_a_number_of_a_million_digits_is_a_value() -> None:
    assert read(f'{{"n": {"9" * 1_000_000}}}').text == f"n: {'9' * 1_000_000}"


@pytest.mark.parametrize(
    "text", ["12", '"words"', "null", "{not json}", '{"a": 1,}', "[1] A reference", "[link](b)", '{"a": 1}\nprose', ""]
)
def test_what_is_no_json_is_read_as_text(text: str) -> None:
    document = read(text)
    assert (document.type, document.text) == ("txt", text)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [150, 100_000])
def test_endless_nesting_is_refused(opening: str, depth: int) -> None:
    with pytest.raises(DocumentError, match=r"^data\.json is nested deeper than 100 levels\. .+\.$"):
        read(opening * depth + "1" + {"[": "]", '{"a":': "}"}[opening] * depth)


@pytest.mark.parametrize("text", ["[" * 50_000 + "a" + "](" * 50_000, "[" * 50_000 + "see [x](y)\n"])
def test_many_brackets_make_no_json(text: str) -> None:
    document = read(text)
    assert (document.type, document.text) == ("txt", text)


def test_a_text_that_grows_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_reader, "MAX_CHARS", 100)
    with pytest.raises(DocumentError, match="more than 100 characters"):
        read(json.dumps({"a" * 60: {"b": 1, "c": 2}}))


def test_a_document_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = RawDocument(b'{"a": 1}', "a.json")
    assert json_reader.recognises(raw)
    monkeypatch.setattr(json_reader, "_parse", None)
    assert json_reader.read(raw).text == "a: 1"


@pytest.mark.parametrize("seed", range(200))
def test_mutated_json_is_read_in_some_way(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(b'{"a": [1, {"b": "\\u00e9\\ud83d\\ude00"}], "c": {"d": null}}\n' * chance.randint(1, 3))
    for _ in range(chance.randint(1, 5)):
        data[chance.randrange(len(data))] = chance.choice(b'{}[]",:\\u0 \n\xe9')
    with suppress(DocumentError):
        document = read_document(bytes(data), "a.json", DocumentSettings())
        document.text.encode()
        assert all(0 <= mark.start <= len(document.text) for mark in document.marks)
