"""Source code and configuration: the text unchanged, with a mark at every top-level definition and every 50 lines."""

from __future__ import annotations

import io
import re
from itertools import accumulate, pairwise

from localrag.documents.code_definitions import Definition, definitions
from localrag.documents.raw import RawDocument, short_title, words
from localrag.documents.row_groups import range_label
from localrag.types import Mark, ParsedDocument

TYPE = "code"
# About a screen: a citation of more lines would be none.
_SECTION_LINES = 50
_LANGUAGES = words(
    "py pyi pyw pyx js mjs cjs jsx ts mts cts tsx vue svelte java kt kts scala groovy gradle c h cc cpp cxx hh hpp hxx ino cu "
    "m mm cs vb fs fsx go rs rb rake php phtml swift dart lua pl pm r jl hs ml mli ex exs erl clj cljs lisp el scm rkt nim zig "
    "sol d pas f f90 f95 for asm s v vhd vhdl tcl awk sed sh bash zsh ksh fish ps1 psm1 bat cmd sql graphql proto thrift "
    "css scss sass less yaml yml toml ini cfg conf properties editorconfig env tf hcl cmake mk mak dockerfile diff patch "
    "xml xsd xsl xslt rss atom wsdl plist tex sty cls bib"
)
_NAMES = {
    "makefile": "mk",
    "gnumakefile": "mk",
    "dockerfile": "dockerfile",
    "containerfile": "dockerfile",
    "cmakelists": "cmake",
    "jenkinsfile": "groovy",
    "rakefile": "rb",
    "gemfile": "rb",
}
_MEDIA_TYPES = {
    "text/css": "css",
    "text/javascript": "js",
    "text/ecmascript": "js",
    "text/xml": "xml",
    "application/xml": "xml",
    "application/rss+xml": "xml",
    "application/atom+xml": "xml",
    "text/x-python": "py",
    "text/x-c": "c",
    "text/x-java-source": "java",
    "text/x-sh": "sh",
    "text/x-sql": "sql",
    "text/yaml": "yaml",
}
_SHEBANG = re.compile(r"#!\s*(?:/[\w./+-]*/)?(?:env\s+(?:-S\s+)?)?(?P<program>[A-Za-z]+)")
_PROGRAMS = {"python": "py", "node": "js", "deno": "ts", "perl": "pl", "ruby": "rb", "php": "php", "lua": "lua", "rscript": "r"}
_XML = re.compile(r"\s*<\?xml\s", re.IGNORECASE)


def recognises(raw: RawDocument) -> bool:
    """By its extension or well-known name, its declared type, a line that names its interpreter, or an XML declaration."""
    return _language(raw) != "" and bool(raw.text.strip())


def read(raw: RawDocument) -> ParsedDocument:
    """Title: the name of the file with its extension. Lines count from 1."""
    text = raw.text
    # As editors count them: \n, \r and \r\n only.
    kept = list(io.StringIO(text, newline=""))
    starts = list(accumulate((len(line) for line in kept), initial=0))
    lines = [line.rstrip("\r\n") for line in kept]
    found = list(definitions(lines, _language(raw)))
    if not found or found[0].line > 0:
        found.insert(0, Definition(0, ""))
    marks: list[Mark] = []
    for definition, following in pairwise([*found, Definition(len(lines), "")]):
        label = f" · {definition.label}" if definition.label else ""
        for first in range(definition.line, following.line, _SECTION_LINES):
            last = min(first + _SECTION_LINES, following.line)
            if not first < last or not any(line.strip() for line in lines[first:last]):
                continue
            while not lines[last - 1].strip():
                last -= 1
            marks.append(Mark(starts[first], range_label(first + 1, last, "line") + label, kind="section"))
    name = f"{raw.stem}{raw.suffix}" if raw.suffix else raw.stem
    return ParsedDocument(text, TYPE, title=short_title(name), marks=tuple(marks))


def _language(raw: RawDocument) -> str:
    """The usual extension of the language without its dot; "" when it is no code."""
    if raw.suffix[1:] in _LANGUAGES:
        return raw.suffix[1:]
    if raw.suffix in {"", ".txt"} and (named := _NAMES.get(raw.stem.lower(), "")):
        return named if raw.suffix == "" or named == "cmake" else ""
    if raw.media_type in _MEDIA_TYPES:
        return _MEDIA_TYPES[raw.media_type]
    if raw.suffix:
        return ""
    if shebang := _SHEBANG.match(raw.text):
        return _PROGRAMS.get(shebang["program"].lower(), "sh")
    return "xml" if _XML.match(raw.text) else ""
