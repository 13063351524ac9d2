"""Source code: the text stays as it is, and definitions can be cited by their lines."""

import random

import pytest

from localrag.documents.readers import read_document
from localrag.settings import DocumentSettings
from localrag.types import ParsedDocument


def read(text: str, name: str, declared: str = "") -> ParsedDocument:
    document = read_document(text.encode(), name, DocumentSettings(), declared)
    assert document.text == text or document.type == "html"
    return document


def places(text: str, name: str) -> list[str]:
    document = read(text, name)
    assert document.type == "code"
    assert all(mark.kind == "section" for mark in document.marks)
    return [mark.location for mark in document.marks]


PYTHON = '''"""About."""
import os


# Why it is.
@decorator
class Foo(Base):
    def method(self):
        pass


async def run(): ...
x = 1
'''


def test_marks_stand_at_top_level_definitions_with_what_is_right_above_them() -> None:
    document = read(PYTHON, "src/main.py")
    assert [mark.location for mark in document.marks] == [
        "lines 1 to 2",
        "lines 5 to 9 · class Foo",
        "lines 12 to 13 · def run",
    ]
    assert [PYTHON[mark.start :].split("\n")[0] for mark in document.marks] == [
        '"""About."""',
        "# Why it is.",
        "async def run(): ...",
    ]
    assert (document.title, document.language) == ("main.py", "")


@pytest.mark.parametrize(
    ("text", "name", "labels"),
    [
        (
            "export default async function* go() {\n}\nconst f = async (x) => 1\nclass A {}\n",
            "a.ts",
            ["function go", "f()", "class A"],
        ),
        ("func (s *Server) Start() {\n}\ntype Foo struct {\n}\n", "a.go", ["func Start", "type Foo struct"]),
        (
            "/// doc\n#[derive(X)]\npub struct A<T> {\n}\npub(crate) fn b() {}\nimpl<T> C for A<T> {}\n",
            "a.rs",
            ["struct A<T>", "fn b", "impl C for A<T>"],
        ),
        (
            "#include <x>\nint add(int a,\n  int b)\n{\n}\nint no(int);\nstruct s {\n};\nvoid A::b() {\n}\n",
            "a.cpp",
            ["add()", "struct s", "A::b()"],
        ),
        ("public final class A {\n  void b() {}\n}\ninterface C {}\n", "A.java", ["class A", "interface C"]),
        ("module M\nend\ndef go?\nend\n", "a.rb", ["module M", "def go?"]),
        ("run() {\n}\nfunction stop {\n}\n", "a.sh", ["run()", "stop()"]),
        (
            "CREATE OR REPLACE VIEW v AS\nselect 1;\ncreate table if not exists t (a int);\n",
            "a.sql",
            ["CREATE OR REPLACE VIEW v", "create table if not exists t"],
        ),
        ("f <- function(x) {\n}\n", "a.R", ["f()"]),
        ("\\section{One}\ntext\n\\subsection*{Two}\n", "a.tex", ["section One", "subsection Two"]),
        ("[tool.ruff]\na = 1\n[[x]]\n", "a.toml", ["tool.ruff", "x"]),
        ("(defun go (x)\n  1)\n", "a.el", ["defun go"]),
    ],
)
def test_definitions_of_many_languages(text: str, name: str, labels: list[str]) -> None:
    assert [place.partition(" · ")[2] for place in places(text, name) if "·" in place] == labels


def test_long_stretches_are_marked_every_fifty_lines() -> None:
    assert places("a: 1\n" * 120, "a.yaml") == ["lines 1 to 50", "lines 51 to 100", "lines 101 to 120"]
    long_class = "class A:\n" + "    x = 1\n" * 60
    assert places(long_class, "a.py") == ["lines 1 to 50 · class A", "lines 51 to 61 · class A"]


@pytest.mark.parametrize(
    ("text", "name", "declared", "kind"),
    [
        ("#!/usr/bin/env python3\nprint(1)\n", "tool", "", "code"),
        ("#!/bin/sh\necho\n", "tool", "", "code"),
        ("all:\n\techo\n", "Makefile", "", "code"),
        ("project(x)\n", "CMakeLists.txt", "", "code"),
        ('<?xml version="1.0"?>\n<feed/>\n', "feed", "", "code"),
        ("<feed/>", "feed.xml", "", "code"),
        ("a { }", "https://h.org/style", "text/css", "code"),
        ('<?xml version="1.0"?><html><body>x</body></html>', "page.xml", "", "html"),
        ("<html><body>x</body></html>", "https://h.org/index.php", "text/html", "html"),
        ("#! is how it begins\n", "notes.txt", "", "txt"),
        ("", "a.py", "", "txt"),
        ("x", "makefile.txt", "", "txt"),
    ],
)
def test_code_is_known_by_name_type_or_first_line(text: str, name: str, declared: str, kind: str) -> None:
    assert read(text, name, declared).type == kind


def test_xml_in_another_character_set_is_read() -> None:
    text = '<?xml version="1.0" encoding="euc-kr"?>\n<rss><title>구라치다 걸리면 펲</title></rss>\n'
    assert read_document(text.encode("cp949"), "feed.xml", DocumentSettings()).text == text


def test_marks_are_in_order_and_at_line_starts_whatever_the_text() -> None:
    chance = random.Random(3)
    words = [
        "class A",
        "def f(",
        "\n",
        "\n",
        "\r\n",
        "\r",
        "    ",
        "# c",
        "@d",
        "int x(int",
        "{",
        "}",
        "[a]",
        "func ",
        "\u2028",
        "const a = (",
    ]
    for suffix in ("py", "c", "js", "go", "sql", "toml", "sh", "tex", "el", "css"):
        for _ in range(60):
            text = "x" + "".join(chance.choice(words) for _ in range(chance.randrange(150)))
            document = read_document(text.encode(), f"a.{suffix}", DocumentSettings())
            starts = [mark.start for mark in document.marks]
            assert starts == sorted(set(starts))
            assert all(start == 0 or text[start - 1] in "\r\n" for start in starts)
