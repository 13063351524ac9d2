"""Errors as one sentence on the page."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from localrag.errors import LocalRagError
from localrag.ui.markup import plain

logger = logging.getLogger(__name__)


@contextmanager
def show_errors() -> Iterator[None]:
    """Draw an error of ours as its sentence; log anything else and say that it was logged."""
    try:
        yield
    except LocalRagError as exc:
        st.error(plain(str(exc)), icon=":material/error:")
    except Exception as exc:
        logger.exception("a page failed")
        st.error(
            f"Something failed that should not: {plain(str(exc))}. The log of the app has the details.", icon=":material/error:"
        )
