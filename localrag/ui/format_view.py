"""A prompt format: what its template says, and the way to one of one's own."""

from __future__ import annotations

import streamlit as st

from localrag.engine import Engine
from localrag.llms.chat_format import MODEL
from localrag.llms.formats import FAMILIES, FormatChoice
from localrag.ui import state
from localrag.ui.errors import show_errors

HEIGHT_PX = 240


def format_label(name: str) -> str:
    """A format's name as people know it."""
    return "The model's own" if name == MODEL else FAMILIES.get(name, f"{name} (yours)")


def format_choice(engine: Engine) -> str:
    """The box of prompt formats; returns the name of the one picked."""
    names = engine.formatting.formats.names()
    current = engine.settings.answer.template
    options = names if current in names else [*names, current]
    state.prepare_box(state.FORMAT_BOX, options, current)
    text = "How the parts of a conversation are set apart for the model. The wrong one makes any model ramble."
    return str(st.selectbox("prompt format", options, format_func=format_label, help=text, key=state.FORMAT_BOX))


def format_editor(engine: Engine, name: str, choice: FormatChoice | None) -> FormatChoice | None:
    """Draw the template, to be read, changed and kept under a name of one's own; returns it as it stands in the editor."""
    formats = engine.formatting.formats
    own = name in formats.kept()
    with st.expander("The template, and a format of your own", type="compact"):
        if choice is None:
            st.caption("The template lies in the model's file. Begin with one of the known formats to write your own.")
            return None
        st.caption(
            "Jinja over `messages` (role and content), `add_generation_prompt`, `bos_token` and `eos_token`."
            " It is tried before it is kept."
        )
        text = st.text_area("template", choice.template, height=HEIGHT_PX, key=f"w_format_text_{name}")
        title = st.text_input("name", name if own else "", placeholder="my-format", key=f"w_format_name_{name}")
        with st.container(horizontal=True, gap="small"):
            if st.button("Keep", icon=":material/save:", disabled=not title.strip(), key="w_format_keep"):
                with show_errors():
                    kept = formats.keep(title, text)
                    state.show_in_box(state.FORMAT_BOX, kept.name)
                    state.notify(f"The prompt format {kept.name} is kept. Apply uses it.")
                    st.rerun()
            used = name == engine.settings.answer.template
            help_text = "It is in use: apply another one first." if used else None
            if own and st.button("Delete", icon=":material/delete:", disabled=used, help=help_text, key="w_format_delete"):
                with show_errors():
                    formats.delete(name)
                    state.show_in_box(state.FORMAT_BOX, engine.settings.answer.template)
                    st.rerun()
        return choice if text == choice.template else FormatChoice(title.strip() or "in the editor", text)
