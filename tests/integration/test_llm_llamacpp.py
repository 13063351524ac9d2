"""llama.cpp in this process keeps the contract of backends."""

from __future__ import annotations

import pytest

from localrag.llms.base import LoadedModel
from localrag.llms.llamacpp import LlamaCppModel, build
from localrag.models.starter import starter_chat
from localrag.settings import ModelSettings
from tests.conftest import MODELS_DIR
from tests.integration.llm_contract import LLMContract

pytestmark = pytest.mark.models


class TestLlamaCpp(LLMContract):
    def make(self, **settings: object) -> LoadedModel:
        return build(ModelSettings.model_validate({"model_path": starter_chat(MODELS_DIR), "n_threads": 1} | settings))

    def gone(self, model: LoadedModel) -> bool:
        assert isinstance(model, LlamaCppModel)
        return not model.context.pointer and not model._model.pointer
