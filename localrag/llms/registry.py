"""Which chat backends there are."""

from __future__ import annotations

from localrag.llms.base import LoadedModel
from localrag.llms.kept_states import KeptStates
from localrag.models.trials import Trials
from localrag.settings import ModelSettings


def check_model(settings: ModelSettings) -> None:
    """A cheap look at the model the settings name, before anything is unloaded.

    Raises:
        ModelFileError, ModelLoadError: it cannot be used, and why.
    """
    if settings.llm == "llamacpp":
        from localrag.llms import llamacpp

        llamacpp.check(settings)
    elif settings.llm == "gpt4all":
        from localrag.llms import gpt4all

        gpt4all.check(settings)
    elif settings.llm == "server":
        from localrag.llms import server

        server.check(settings)
    elif settings.llm == "llamafile":
        from localrag.llms import llamafile

        llamafile.check(settings)


def load_model(settings: ModelSettings, trials: Trials | None = None, states: KeptStates | None = None) -> LoadedModel:
    """Load the model the settings name (`model_path` resolved); slow. A file not among `trials` is tried in a child first.

    `states` keeps evaluated conversations.

    Raises:
        ModelFileError, ModelLoadError: it cannot be used, and why; nothing stays in memory.
    """
    if settings.llm == "fake":
        from localrag.llms import fake

        return fake.build(settings)
    if settings.llm == "gpt4all":
        from localrag.llms import gpt4all

        return gpt4all.build(settings, trials)
    if settings.llm == "server":
        from localrag.llms import server

        return server.build(settings)
    if settings.llm == "llamafile":
        from localrag.llms import llamafile

        return llamafile.build(settings)
    from localrag.llms import llamacpp

    return llamacpp.build(settings, trials, states)


def unsupported(llm: str) -> tuple[str, ...]:
    """Settings that a backend has no place for; changing them does nothing."""
    from localrag.llms import gpt4all

    return gpt4all.UNSUPPORTED if llm == "gpt4all" else ()


def list_server_models(settings: ModelSettings) -> list[str]:
    """The names of the models the server of the settings lists; ModelLoadError when it cannot be asked."""
    from localrag.llms import server

    return server.server_models(settings)


def llamafile_log() -> str:
    """The last lines the llamafile wrote that was started last; empty before one was."""
    from localrag.llms import llamafile

    return llamafile.log_tail()
