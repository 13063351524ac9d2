"""How the vectors of tokens become the vector of a text, and the token that must end a text whose last token is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from localrag.errors import EmbeddingError

POOLING_CODES = {"mean": 1, "cls": 2, "last": 3}  # enum llama_pooling_type in llama.h
POOLING_LAST = POOLING_CODES["last"]
END_OF_TEXT = "<|endoftext|>"


def pooling_code(stated: str | None, of_family: str | None) -> int:
    """llama.cpp's number: what the file states, else how the model's family pools, else the mean.

    Raises:
        EmbeddingError: the file states that its model ranks, which gives a score and no vector.
    """
    if stated == "rank":
        raise EmbeddingError("This model ranks passages (pooling rank) and gives no vectors. Choose an embedding model.")
    return POOLING_CODES.get(stated or "") or POOLING_CODES[of_family or "mean"]


def end_token(pooling: int, eos: int, tokenize: Callable[[str], Sequence[int]]) -> int | None:
    """The token a text must end with; None where llama.cpp's tokenizer and the pooling leave nothing to do.

    Models that pool the last token were trained with one end token there. With `add_special`, llama.cpp appends the
    vocabulary's EOS to BPE and SPM tokens only where the file sets `tokenizer.ggml.add_eos_token`; files converted
    before gguf-py read that from the tokenizer's template (llama.cpp pull requests 14029 and 14314) do not, and of
    Qwen3-Embedding they name <|im_end|> as EOS, where the model was trained on <|endoftext|>. So that one is taken
    where the vocabulary has it. `tokenize` gives the tokens of marker text.
    """
    if pooling != POOLING_LAST:
        return None
    known = tokenize(END_OF_TEXT)
    if len(known) == 1:
        return known[0]
    return eos if eos >= 0 else None


def ended(tokens: Sequence[int], end: int | None) -> list[int]:
    """The tokens with `end` at their end, once."""
    return [*tokens] if end is None or (tokens and tokens[-1] == end) else [*tokens, end]
