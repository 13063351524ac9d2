"""The Model page's group on how questions are put: format, prompt, and the tokens that come of them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from localrag.engine import Engine
from localrag.errors import PromptError
from localrag.llms.formats import FormatChoice
from localrag.prompts.hub import HubPrompt
from localrag.settings import AnswerSettings
from localrag.ui.format_preview import format_preview
from localrag.ui.format_view import format_choice, format_editor
from localrag.ui.markup import plain
from localrag.ui.prompt_library import prompt_choice, prompt_library
from localrag.ui.prompt_view import prompt_view


def prompt_controls(engine: Engine) -> dict[str, Any]:
    """Draw the group; returns the values that are picked, by the settings' names. Only Apply uses them."""
    template = format_choice(engine)
    form, known = _chosen(engine, AnswerSettings(template=template))
    edited = format_editor(engine, template, form[0]) if known else None
    prompt = prompt_choice(engine)
    (_, found), there = _chosen(engine, AnswerSettings(prompt=prompt))
    if there:
        prompt_view(found)
        prompt_library(engine, prompt, found)
    if known and there:
        format_preview(engine, edited, found)
    return {"template": template, "prompt": prompt}


def _chosen(engine: Engine, picked: AnswerSettings) -> tuple[tuple[FormatChoice | None, HubPrompt | None], bool]:
    """What these settings name, and whether it is there; what is not is said."""
    try:
        return engine.formatting.chosen(picked), True
    except PromptError as exc:
        st.error(plain(str(exc)), icon=":material/error:")
        return (None, None), False
