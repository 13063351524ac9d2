"""Libraries of the notebook that write to standard error whatever happens, kept quiet while they are measured."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """No word about packages nobody maintains any more, and none about a browser name that is not set."""
    agent = logging.getLogger("langchain_community.utils.user_agent")
    before = agent.level
    agent.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        agent.setLevel(before)


@contextlib.contextmanager
def quiet_standard_error() -> Iterator[None]:
    """Nothing of this process reaches standard error, from C either: GPT4All lists the GPU libraries it did not find.

    For the main thread of a command; another thread's messages would be lost too.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with open(os.devnull, "w", encoding="utf-8") as sink, contextlib.redirect_stderr(sink):
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
