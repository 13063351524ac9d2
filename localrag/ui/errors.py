"""Errors as one sentence on the page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from localrag.errors import LocalRagError
from localrag.ui import state
from localrag.ui.markup import plain

logger = logging.getLogger(__name__)


@contextmanager
def show_errors(show: Callable[[str], None] | None = None) -> Iterator[None]:
    """Draw an error of ours as its sentence; log anything else and say that it was logged.

    `show` gets the sentence instead: what a click does before the page is drawn has no place of its own to say it.
    """
    say = show or draw_error
    try:
        yield
    except LocalRagError as exc:
        say(str(exc))
    except Exception as exc:
        logger.exception("a page failed")
        say(f"Something failed that should not: {exc}. The log of the app has the details.")


def attempt(act: Callable[..., object], *values: object) -> None:
    """Do what was clicked; what cannot be done is said where the next run draws."""
    state.keep_trouble("")
    with show_errors(state.keep_trouble):
        act(*values)


def draw_error(sentence: str) -> None:
    """Draw a sentence about what failed."""
    st.error(plain(sentence), icon=":material/error:")
