"""The Model page's group on how questions are put: format, prompt, and the tokens that come of them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from localrag.engine import Engine
from localrag.errors import PromptError
from localrag.settings import AnswerSettings
from localrag.ui.format_preview import format_preview
from localrag.ui.format_view import format_choice, format_editor
from localrag.ui.markup import plain
from localrag.ui.prompt_library import prompt_choice, prompt_library
from localrag.ui.prompt_view import prompt_view


def prompt_controls(engine: Engine) -> dict[str, Any]:
    """Draw the group; returns the values that are picked, by the settings' names. Only Apply uses them."""
    template, prompt = format_choice(engine), prompt_choice(engine)
    picked = AnswerSettings(template=template, prompt=prompt)
    choice = found = None
    try:
        choice, found = engine.formatting.chosen(picked)
    except PromptError as exc:
        st.error(plain(str(exc)), icon=":material/error:")
    else:
        prompt_view(found)
        format_editor(engine, template, choice)
        prompt_library(engine, prompt, found)
        format_preview(engine, choice, found)
    return {"template": template, "prompt": prompt}
