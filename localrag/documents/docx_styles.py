"""What Word's styles mean: which paragraph is a heading of which level, and which list a style belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from localrag.documents.docx_numbering import ListPlace
from localrag.documents.ooxml import Attributes, XmlTarget, local, value, whole_number

# Word stores built-in styles under English names, whatever its language; other programs and ids of styles are localised.
# "berschrift1" is Word's own id of "Überschrift 1".
_HEADING = re.compile(
    r"(?:heading|ü?berschrift|titre|título|titulo|titolo|tytuł|kop|rubrik|overskrift|otsikko|nagłówek|nadpis|címsor|cmsor|"
    r"başlık|заголовок|επικεφαλίδα|标题|標題|見出し|제목)[ _-]?([1-9])",
    re.IGNORECASE,
)
_TITLE_NAMES = frozenset({"title", "titel", "표제", "표지 제목", "タイトル", "название"})
_BODY_LEVEL = 9
_MAX_CHAIN = 50


class Style(NamedTuple):
    """What a style says itself; None where it inherits."""

    name: str = ""
    based_on: str = ""
    outline: int | None = None
    list_id: str | None = None
    list_level: int | None = None


class Styles(XmlTarget):
    """The paragraph styles of a document."""

    def __init__(self) -> None:
        self.language = ""
        self._styles: dict[str, Style] = {}
        self._id = ""
        self._levels: dict[str, int | None] = {}

    def start(self, tag: str, attributes: Attributes) -> None:
        name, given = local(tag), value(attributes, "val")
        if name == "style":
            self._id = value(attributes, "styleId")
            self._styles[self._id] = Style()
        elif name == "lang" and not self.language:
            self.language = given[:35]
        elif self._id:
            style = self._styles[self._id]
            if name == "name":
                style = style._replace(name=given[:200])
            elif name == "basedOn":
                style = style._replace(based_on=given)
            elif name == "outlineLvl":
                style = style._replace(outline=whole_number(given, _BODY_LEVEL))
            elif name == "numId":
                style = style._replace(list_id=given)
            elif name == "ilvl":
                style = style._replace(list_level=whole_number(given))
            self._styles[self._id] = style

    def end(self, tag: str) -> None:
        if local(tag) == "style":
            self._id = ""

    def heading_level(self, style_id: str) -> int | None:
        """0 for a title, 1 to 9 for headings, None for text: by name and outline level, of the style or one it is based on."""
        if style_id not in self._levels:
            self._levels[style_id] = self._find_level(style_id)
        return self._levels[style_id]

    def list_place(self, style_id: str) -> ListPlace | None:
        """The list that a style puts its paragraphs in; the level is -1 when the list itself says it."""
        for style in self._chain(style_id):
            if style.list_id is not None:
                return ListPlace(style.list_id, -1 if style.list_level is None else style.list_level)
        return None

    def _find_level(self, style_id: str) -> int | None:
        if style_id not in self._styles:
            return _level_of_name(style_id)
        for style in self._chain(style_id):
            if (level := _level_of_name(style.name)) is not None:
                return level
            if style.outline is not None:
                return style.outline + 1 if 0 <= style.outline < _BODY_LEVEL else None
        return _level_of_name(style_id)

    def _chain(self, style_id: str) -> Sequence[Style]:
        """The style and those it is based on; a circle ends."""
        chain: list[Style] = []
        while style_id in self._styles and len(chain) < _MAX_CHAIN:
            chain.append(self._styles[style_id])
            style_id = chain[-1].based_on
        return chain


def _level_of_name(name: str) -> int | None:
    if match := _HEADING.fullmatch(name.strip()):
        return int(match[1])
    return 0 if name.strip().lower() in _TITLE_NAMES else None
