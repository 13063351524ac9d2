"""GPT4All in this process keeps the contract of backends."""

from __future__ import annotations

import pytest

from localrag.llms.base import LoadedModel
from localrag.llms.gpt4all import GPT4AllModel, build
from localrag.models.starter import starter_chat
from localrag.settings import ModelSettings
from tests.conftest import MODELS_DIR
from tests.integration.llm_contract import LLMContract

pytestmark = pytest.mark.models


class TestGPT4All(LLMContract):
    def make(self, **settings: object) -> LoadedModel:
        given = {"llm": "gpt4all", "model_path": starter_chat(MODELS_DIR), "n_threads": 1}
        return build(ModelSettings.model_validate(given | settings))

    def gone(self, model: LoadedModel) -> bool:
        assert isinstance(model, GPT4AllModel)
        return model._session.closed
