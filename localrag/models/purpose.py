"""What a sound GGUF file is good for, in sentences: why it cannot answer, or cannot make vectors."""

from __future__ import annotations

from localrag.models.gguf_file import GGUFFile
from localrag.models.llama_names import (
    ARCHITECTURES,
    DIFFUSION,
    ENCODER_DECODERS,
    NAME_ONLY,
    PRE_TOKENIZERS,
    SPEECH,
    TOKENIZERS,
    WITHOUT_VOCABULARY,
    list_is_current,
)
from localrag.models.soundness import check_sound
from localrag.models.soundness_vocabulary import MERGING, token_fault
from localrag.models.split import read_parts

CHAT = "Choose a chat model"
KINDS = {
    "embedding": "an embedding model, which makes vectors of texts",
    "reranker": "a reranker, which sorts passages",
    "projector": "a multimodal projector, the part of a vision or audio model that belongs beside the model itself",
    "vocabulary": "a vocabulary alone, without weights",
    "draft": "a draft model, which only helps another model to answer faster",
}


def why_no_answer(header: GGUFFile) -> str | None:
    """Why this file cannot answer questions here, whatever the settings; None when it should. Memory is another matter.

    Raises:
        ModelFileError: the file or a part of it is damaged, incomplete, or one of the later parts.
    """
    what = _not_a_chat_model(header)
    if what is None:
        return _check_usable(header)
    return f"{header.path} is {what}. {CHAT} on the Model page."


def why_no_vectors(header: GGUFFile) -> str | None:
    """Why this file cannot turn texts into vectors here; None when it should. Chat models can, if badly.

    Raises:
        ModelFileError: as `why_no_answer`.
    """
    if header.kind in ("embedding", "chat"):
        return _check_usable(header)
    return f"{header.path} is {_not_a_chat_model(header) or 'no embedding model'}. Choose an embedding model."


def _not_a_chat_model(header: GGUFFile) -> str | None:
    """A clause that completes "… is", or None."""
    kind, architecture, stated = header.kind, header.architecture, header.text("general.type") or "model"
    if kind == "adapter":
        sort = "a control vector" if "controlvector" in (architecture, stated) else "a LoRA adapter"
        return f"{sort}, which changes a model and is none itself"
    if kind in KINDS:
        return KINDS[kind] if kind in ("projector", "vocabulary") else f"{KINDS[kind]} and cannot answer"
    if stated == "imatrix":
        return "an importance matrix, which llama.cpp's quantiser uses"
    if stated != "model":
        return f"a file of the type {stated[:40]!r}, no model"
    if architecture in SPEECH:
        return f"a speech model ({architecture}) and cannot answer in text"
    if architecture in DIFFUSION:
        return f"a diffusion model ({architecture}), which writes a whole text at once; LocalRAG reads answers word by word"
    if architecture in ENCODER_DECODERS:
        return f"an encoder-decoder model ({architecture}), which LocalRAG does not run"
    if not architecture:
        return "a GGUF file that names no architecture, so no model" if not header.integer("split.no") else None
    if header.tokenizer_model in WITHOUT_VOCABULARY:
        return "a model without a vocabulary, so it cannot read text"
    return None


def _check_usable(header: GGUFFile) -> str | None:
    read_parts(header)
    unknown = _unknown(header)
    if unknown is not None:
        return f"{header.path} needs a newer llama.cpp: {unknown}. Update llama-cpp-python, or choose another model."
    check_sound(header)
    fault = token_fault(header)
    return None if fault is None else f"{header.path} is damaged: {fault}. Download it again."


def _unknown(header: GGUFFile) -> str | None:
    """What of this file the installed llama.cpp does not know; None where nothing can be said without loading it."""
    if not list_is_current():
        return None
    tokenizer, pre = header.tokenizer_model, header.pre_tokenizer
    if header.architecture not in ARCHITECTURES - NAME_ONLY:
        return f"it does not know the architecture {header.architecture[:40]!r}"
    if tokenizer is not None and tokenizer not in TOKENIZERS:
        return f"it does not know the tokenizer {tokenizer[:40]!r}"
    if tokenizer in MERGING and tokenizer != "gemma4" and pre and pre not in PRE_TOKENIZERS:
        return f"it does not know the pre-tokenizer {pre[:40]!r}"
    return None
