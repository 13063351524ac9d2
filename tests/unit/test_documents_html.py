"""HTML: main text, metadata, marks; however the page is built."""

import time

import pytest

from localrag.documents import html_page
from localrag.documents.readers import read_document
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import ParsedDocument

FILLER = "The main text of this page goes on for a while so that it outweighs everything around it. " * 3


def read(html: str, name: str = "page.html") -> ParsedDocument:
    return read_document(html.encode(), name, DocumentSettings(), "text/html")


def text_of(html: str) -> str:
    return read(f"<html><body>{html}</body></html>").text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one <b>two</b>\n three</p><p>four</p>", "one two three\n\nfour"),
        ("<p>a<b>b</b>c</p>", "abc"),
        ("one<br>two<br><br>three", "one\ntwo\n\nthree"),
        ("<div>a<div>b</div>c</div>", "a\n\nb\n\nc"),
        ("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>after", "- a\n- b\n  - c\n- d\n\nafter"),
        ('<ol start="3"><li><p>a</p><p>more</p></li><li>b</ol>', "3. a\n\nmore\n4. b"),
        ("<ul><li></li><li>b</li></ul>", "- b"),
        ("<table><tr><th>a<th>b<tr><td><p>1</p><td>2</table>x", "a | b\n1 | 2\n\nx"),
        ("<table><tr><td>a<td><td>c</table>", "a |  | c"),
        ("<table><tr><td><table><tr><td>x<td>y</table><td>z</table>", "x | y\n\nz"),
        ("<pre>\nif x:\n    y = 1\n\n    z</pre>b", "if x:\n    y = 1\n\n    z\n\nb"),
        ("<pre><span>a\r\n</span><br>b</pre>", "a\n\nb"),
        ("<dl><dt>Term<dd>Meaning</dl>", "Term\nMeaning"),
        ("&lt;p&gt; &amp;amp; &hellip;&#8217;&#x1F600;&nbsp;x", "<p> &amp; …’😀 x"),
        ("co\u00adop\u200berate", "cooperate"),
        ("<ruby>漢字<rt>かんじ</rt></ruby>", "漢字"),
        ("&#xD800;x", "\ufffdx"),
        ("<p>a<![CDATA[b]]>c<!-- d --></p>", "ac"),
    ],
)
def test_elements_become_readable_text(html: str, text: str) -> None:
    assert text_of(html) == text


@pytest.mark.parametrize(
    "html",
    [
        "<script>no</script>",
        "<style>no</style>",
        "<noscript>no</noscript>",
        "<template><p>no</p></template>",
        "<nav><a href=/>no</a></nav>",
        "<header><nav>no</nav><h1>no</h1></header>",
        "<footer>no</footer>",
        "<form><label>no</label><input value=no></form>",
        "<button>no</button>",
        "<select><option>no</select>",
        "<p hidden>no</p>",
        '<p aria-hidden="true">no</p>',
        '<div style="color:red; DISPLAY : none">no</div>',
        '<div role="navigation">no</div>',
        '<div class="toc"><ul><li>no</ul></div>',
        '<div class="top menu"><a>no</a> <a>no</a></div>',
        '<ul id="breadcrumbs"><li><a>no</a></ul>',
        "<svg><title>no</title><text>no</text></svg>",
        "<textarea>no</textarea>",
    ],
)
def test_what_is_not_the_main_text_is_dropped(html: str) -> None:
    assert text_of(f"{html}<p>{FILLER}</p>{html}") == FILLER.strip()


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ("<header><h1>Guide</h1><p>An introduction.</p></header>", "An introduction."),
        ("<article><header><h1>Title</h1></header></article>", "Title"),
        ('<div class="menu">The soup of the day, and bread.</div>', "soup"),
        ("<aside>A remark beside the text.</aside>", "remark"),
        ("<blockquote>Words<footer>their author</footer></blockquote>", "their author"),
        ("<details><summary>More</summary>folded away</details>", "folded away"),
    ],
)
def test_what_only_looks_like_chrome_is_kept(html: str, kept: str) -> None:
    assert kept in text_of(f"{html}<p>{FILLER}</p>")


def test_the_article_is_taken_when_it_holds_most_of_the_text() -> None:
    page = f"<div>around it</div><main><div>beside it</div><article><p>{FILLER}</p></article></main><div>below it</div>"
    assert text_of(page) == FILLER.strip()


def test_many_articles_are_all_kept() -> None:
    page = "".join(f"<article><p>Story number {n} is told here.</p></article>" for n in range(5))
    assert text_of(page).count("Story") == 5


def test_a_page_inside_one_form_or_hidden_until_loaded_still_has_its_text() -> None:
    assert text_of(f"<form action=x><p>{FILLER}</p></form>") == FILLER.strip()
    assert read(f"<html><body style='display:none'><p>{FILLER}").text == FILLER.strip()


def test_headings_make_marks_with_their_path_at_the_heading() -> None:
    document = read(
        "<html><body><p>before</p><h1>Planning<a hidden>#</a></h1><p>x</p><h2>\n Task <i>Decomposition</i> </h2>"
        "<p>y</p><h1>Memory</h1>"
    )
    assert [(document.text[mark.start :].split("\n")[0], mark.location) for mark in document.marks] == [
        ("Planning", "Planning"),
        ("Task Decomposition", "Planning › Task Decomposition"),
        ("Memory", "Memory"),
    ]


def test_metadata_is_the_pages_own() -> None:
    document = read(
        '<!DOCTYPE html><html lang="de-DE"><head><meta property="og:description" content="second">'
        '<meta name="Description" content=" first\n line "><title> The &amp; title </title></head>'
        "<body><svg><title>no</title></svg>x"
    )
    assert (document.title, document.description, document.language) == ("The & title", "first line", "de-DE")


def test_missing_metadata_is_empty_and_the_title_falls_back() -> None:
    document = read("<html><body><h2>Only heading</h2>x")
    assert (document.title, document.description, document.language) == ("Only heading", "", "")
    assert read("<html><body>x", "some/report.html").title == "report"


def test_a_sentence_with_inline_code_stays_one_paragraph() -> None:
    html = (
        "<p>Task decomposition can be done (1) by LLM with simple prompting like <code>&quot;Steps for XYZ.\\n1.&quot;</code>, "
        "<code>&quot;What are the subgoals?&quot;</code>, (2) by using task-specific instructions.</p>"
    )
    assert text_of(html) == (
        'Task decomposition can be done (1) by LLM with simple prompting like "Steps for XYZ.\\n1.", '
        '"What are the subgoals?", (2) by using task-specific instructions.'
    )


@pytest.mark.parametrize(
    "html",
    [
        "<",
        "<html",
        "<!DOCTYPE html>",
        "<html><body><p>a</b></i><p",
        "<html></html></html>",
        "<html><p <p <p>",
        "<html>&#0;&#99999999;",
    ],
)
def test_malformed_pages_are_read_without_an_error(html: str) -> None:
    document = read(html)
    assert document.text == document.text.strip()


def test_a_legacy_page_is_decoded_by_its_own_declaration() -> None:
    html = '<html><meta http-equiv="Content-Type" content="text/html; charset=euc-kr"><p>페이지를 찾을 수 없습니다'
    assert read_document(html.encode("euc-kr"), "a.html", DocumentSettings()).text == "페이지를 찾을 수 없습니다"


def test_fifty_thousand_nested_elements_are_no_recursion() -> None:
    page = "<html><body>" + "<div>" * 50_000 + "<p>deep inside</p>" + "</div>" * 50_000 + "<p>after</p>"
    assert read(page).text == "deep inside\n\nafter"


@pytest.mark.parametrize(
    "piece",
    ["<div>", "<p><b><i>x", "<table><tr><td>", "<ul><li>", "<div class=menu>", "<h1>", "<a", "<!--", "<form>", "&", "<pre>"],
)
def test_hostile_markup_is_read_in_linear_time(piece: str) -> None:
    started = time.perf_counter()
    read("<html><body>" + piece * (60_000 // len(piece)) + "x")
    assert time.perf_counter() - started < 2.0


def test_markup_that_would_take_forever_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_page, "PARSE_LIMIT_S", 0.05)
    page = "<html><body>" + "<div>" * 60_000 + "</span>" * 60_000
    with pytest.raises(DocumentError, match=r"^The HTML of page\.html is too tangled.*\.$"):
        read(page)
