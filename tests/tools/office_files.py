"""Builds Office Open XML files part by part, with things in them that office programs write and libraries do not."""

from __future__ import annotations

import io
import random
import zipfile

from localrag.documents.readers import read_document
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MC = "http://schemas.openxmlformats.org/markup-compatibility/2006"
STRICT = {
    W: "http://purl.oclc.org/ooxml/wordprocessingml/main",
    P: "http://purl.oclc.org/ooxml/presentationml/main",
    A: "http://purl.oclc.org/ooxml/drawingml/main",
    S: "http://purl.oclc.org/ooxml/spreadsheetml/main",
    R: "http://purl.oclc.org/ooxml/officeDocument/relationships",
}


def package(parts: dict[str, str]) -> bytes:
    """A ZIP archive of these parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def strict(data: bytes) -> bytes:
    """The same package in the strict form of the standard."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    for old, new in STRICT.items():
        parts = {name: text.replace(old, new) for name, text in parts.items()}
    return package(parts)


def relations(**targets: str) -> str:
    """A table of relationships: id="kind target"."""
    rows = (
        f'<Relationship Id="{identity}" Type="{R}/{target.split()[0]}" Target="{target.split()[1]}"/>'
        for identity, target in targets.items()
    )
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{"".join(rows)}</Relationships>'
    )


def word(text: str, style: str = "", properties: str = "") -> str:
    """A paragraph of a Word document."""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def word_part(root: str, content: str) -> str:
    return f'<w:{root} xmlns:w="{W}" xmlns:r="{R}" xmlns:mc="{MC}" xmlns:v="urn:schemas-microsoft-com:vml">{content}</w:{root}>'


def docx(body: str, parts: dict[str, str] | None = None, **targets: str) -> bytes:
    """A Word document with this body, further parts, and the relationships of the body to them."""
    return package(
        {
            "_rels/.rels": relations(r="officeDocument word/document.xml"),
            "word/document.xml": word_part("document", f"<w:body>{body}</w:body>"),
            "word/_rels/document.xml.rels": relations(**targets),
            **(parts or {}),
        }
    )


def shape(text: str, placeholder: str = "") -> str:
    """A shape of a slide; `placeholder` is its type, "none" for one without a type, "" for a text box."""
    kind = "" if placeholder == "none" else f' type="{placeholder}"'
    mark = f"<p:ph{kind}/>" if placeholder else ""
    paragraphs = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
    return f"<p:sp><p:nvSpPr><p:nvPr>{mark}</p:nvPr></p:nvSpPr><p:txBody>{paragraphs}</p:txBody></p:sp>"


def slide_part(content: str, root: str = "sld") -> str:
    spaces = f'xmlns:p="{P}" xmlns:a="{A}" xmlns:r="{R}" xmlns:mc="{MC}"'
    return f"<p:{root} {spaces}><p:cSld><p:spTree>{content}</p:spTree></p:cSld></p:{root}>"


def pptx(slides: list[str], parts: dict[str, str] | None = None, order: list[int] | None = None) -> bytes:
    """A presentation; `order` lists the numbers of the slides as they are shown."""
    shown = "".join(f'<p:sldId id="{256 + n}" r:id="s{n}"/>' for n in order or range(1, len(slides) + 1))
    listed = f"<p:sldIdLst>{shown}</p:sldIdLst>"
    return package(
        {
            "ppt/presentation.xml": f'<p:presentation xmlns:p="{P}" xmlns:r="{R}">{listed}</p:presentation>',
            "ppt/_rels/presentation.xml.rels": relations(
                **{f"s{n}": f"slide slides/slide{n}.xml" for n in range(1, len(slides) + 1)}
            ),
            **{f"ppt/slides/slide{n}.xml": slide_part(content) for n, content in enumerate(slides, start=1)},
            **(parts or {}),
        }
    )


def xlsx(rows: str, strings: str = "", styles: str = "", parts: dict[str, str] | None = None, name: str = "Data") -> bytes:
    """A workbook with one sheet."""
    sheets = f'<sheets><sheet name="{name}" r:id="a"/></sheets>'
    return package(
        {
            "xl/workbook.xml": f'<workbook xmlns="{S}" xmlns:r="{R}">{sheets}</workbook>',
            "xl/_rels/workbook.xml.rels": relations(
                a="worksheet worksheets/sheet1.xml", b="sharedStrings sharedStrings.xml", c="styles styles.xml"
            ),
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{S}"><sheetData>{rows}</sheetData></worksheet>',
            "xl/sharedStrings.xml": f'<sst xmlns="{S}">{strings}</sst>',
            "xl/styles.xml": f'<styleSheet xmlns="{S}">{styles}</styleSheet>',
            **(parts or {}),
        }
    )


def mutations(data: bytes, count: int, seed: int) -> list[bytes]:
    """Damaged copies: cut off, with bytes changed, or with a piece moved; the same ones for the same seed."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        copy = bytearray(data)
        kind = chance.randrange(4)
        if kind == 0:
            del copy[chance.randrange(4, len(copy)) :]
        elif kind == 1:
            start = chance.randrange(len(copy))
            del copy[start : start + chance.randrange(1, 200)]
        else:
            for _ in range(1 if kind == 2 else 20):
                copy[chance.randrange(len(copy))] = chance.randrange(256)
        found.append(bytes(copy))
    return found


def text_mutations(text: str, count: int, seed: int) -> list[str]:
    """Damaged copies of a part's XML, to be packed again: the archive itself is sound."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        start, length = chance.randrange(len(text)), chance.randrange(1, 40)
        piece = chance.choice(["", "<", ">", "&", '"', "9" * 30, "\U0001f600", text[-length:], "-1", "</w:p>", "NaN"])
        found.append(text[:start] + piece + text[start + length :])
    return found


def outcome(data: bytes, name: str) -> str:
    """The type a document was read as, or the sentence of its refusal; any other exception is the test's failure."""
    try:
        return read_document(data, name, DocumentSettings()).type
    except DocumentError as error:
        return str(error)
