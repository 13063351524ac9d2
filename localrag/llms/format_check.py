"""Whether a prompt format and a model's tokenizer agree, in sentences; and which format a file without one may want."""

from __future__ import annotations

from collections import Counter

from localrag.errors import PromptError
from localrag.llms.base import LoadedModel, TemplatedModel, Vocabulary
from localrag.llms.chat_format import CONVERSATION, MARK, MODEL, ChatFormat
from localrag.llms.formats import FAMILIES, stop_texts
from localrag.llms.thinking import CONTROL_MARKS

# Tokens that only the vocabularies of one family hold, the most telling first.
_BY_TOKENS = (
    ("phi-4", ("<|im_start|>", "<|im_sep|>")),
    ("chatml", ("<|im_start|>", "<|im_end|>")),
    ("llama-3", ("<|start_header_id|>", "<|eot_id|>")),
    ("gemma", ("<start_of_turn>", "<end_of_turn>")),
    ("phi-3", ("<|assistant|>", "<|end|>")),
    ("mistral", ("[INST]", "[/INST]")),
)
_BY_NAME = (
    ("zephyr", ("zephyr", "tinyllama", "stablelm")),
    ("vicuna", ("vicuna", "wizardlm")),
    ("alpaca", ("alpaca",)),
    ("mistral", ("mistral", "mixtral")),
    ("llama-2", ("llama-2", "llama2", "codellama")),
)
_WORDS_OF_ZEPHYR = frozenset({"<|system|>", "<|user|>", "<|assistant|>"})
MOST_NAMED = 5


def guess_family(vocabulary: Vocabulary, name: str) -> str | None:
    """The family a model without a template most likely belongs to, by its tokens or else its name; None when nothing tells."""
    found = next((family for family, marks in _BY_TOKENS if all(_single(vocabulary, mark) for mark in marks)), None)
    if found == "chatml" and "qwen" in name.casefold():
        return "qwen"
    if found is not None:
        return found
    known = name.casefold().replace("_", "-")
    return next((family for family, words in _BY_NAME if any(word in known for word in words)), None)


def format_warnings(form: ChatFormat | None, model: LoadedModel) -> list[str]:
    """Where a format and the model do not agree, one sentence each; empty when all is well.

    `form` is what `formats.format_of` gives: None for a model that applies its own template where we do not see it.
    """
    if form is None or not isinstance(model, TemplatedModel):
        return [f"{model.name} applies a template of its own, so the prompt format chosen here is not used."]
    found = _guessed(form, model)
    try:
        parts = form.parts(CONVERSATION)
        found += _unknown_marks(parts, model.vocabulary, form)
        found += _other_marks(parts, model, form)
        found += _endless(form, model.vocabulary)
        found += _double_bos(parts, model)
        if not form.takes_system():
            found.append(f"{form.title} has no place for the instruction, so it is put in front of the first question.")
    except PromptError as exc:
        found.append(_failing(form, str(exc)))
    return found


def thinking_tokens(vocabulary: Vocabulary) -> frozenset[int]:
    """Control tokens that tell a model's thinking from its answer; being such, they have no text unless it is asked for."""
    found = {}
    for mark in CONTROL_MARKS:
        tokens = vocabulary.tokenize(mark, special=True)
        if len(tokens) == 1 and vocabulary.is_control(tokens[0]):
            found[mark] = tokens[0]
    if not found.keys() & {"<|channel|>", "<|channel>"}:  # the others mean something else in other families
        found = {mark: token for mark, token in found.items() if mark not in CONTROL_MARKS[-5:]}
    return frozenset(found.values())


def _guessed(form: ChatFormat, model: TemplatedModel) -> list[str]:
    if form.has_template or form.name != MODEL:
        return []
    family = guess_family(model.vocabulary, model.name)
    if family is None:
        return [f"{model.name} brings no chat template, so the plain pattern of questions and answers is used."]
    return [
        f"{model.name} brings no chat template, so the plain pattern of questions and answers is used; by its tokens or name it"
        f" most likely wants the prompt format {family} ({FAMILIES[family]})."
    ]


def _failing(form: ChatFormat, reason: str) -> str:
    """What to say of a template that cannot write a conversation: it may still write a single question."""
    try:
        form.parts(CONVERSATION[:2])
    except PromptError:
        return reason
    return f"{form.title} cannot write a conversation, only a single question; a second question will fail: {reason}"


def _other_marks(parts: list[str | int], model: TemplatedModel, form: ChatFormat) -> list[str]:
    """Control tokens by which the model's own template sets messages apart, and the format does not."""
    if form.name == MODEL or not model.format.has_template:
        return []
    try:
        trained = Counter(MARK.findall(_text(model.format.parts(CONVERSATION))))
    except PromptError:
        return []
    vocabulary, written = model.vocabulary, _text(parts)
    start = vocabulary.token_text(vocabulary.bos) if vocabulary.add_bos else ""  # is there, whoever writes it
    missing = [
        mark
        for mark, count in trained.items()
        if mark != start and 2 * written.count(mark) < count and _single(vocabulary, mark)  # Llama 2 takes some tokens along
    ]
    if not missing:
        return []
    named = " ".join(missing[:MOST_NAMED])
    return [f"The model's own template sets messages apart with {named}, which the prompt format {form.name} does not write."]


def _text(parts: list[str | int]) -> str:
    return "".join(part for part in parts if isinstance(part, str))


def _unknown_marks(parts: list[str | int], vocabulary: Vocabulary, form: ChatFormat) -> list[str]:
    text = _text(parts)
    # [INST] and <<SYS>> are words in Llama 2, and so are the roles of Zephyr, which end at the vocabulary's own end token.
    marks = [mark for mark in dict.fromkeys(MARK.findall(text)) if not mark.startswith(("[", "<<"))]
    if "<|end|>" not in text:
        marks = [mark for mark in marks if mark not in _WORDS_OF_ZEPHYR]
    strange = [mark for mark in marks if not _single(vocabulary, mark)]
    if not strange:
        return []
    named = " ".join(strange[:MOST_NAMED]) + (f" and {len(strange) - MOST_NAMED} more" if len(strange) > MOST_NAMED else "")
    return [f"{form.title} writes {named}, which this model's tokenizer does not know as one token, only as letters."]


def _endless(form: ChatFormat, vocabulary: Vocabulary) -> list[str]:
    after = form.after_answer()
    tokens = vocabulary.tokenize(after, special=True)
    if any(vocabulary.is_end(token) for token in tokens):
        return []
    stops = stop_texts(form, vocabulary)
    if not stops:
        return [f"{form.title} writes nothing after an answer, so nothing tells where an answer ends but the longest answer."]
    mark = vocabulary.tokenize(stops[0], special=True)
    if len(mark) == 1 and vocabulary.is_control(mark[0]):
        return [
            f"{form.title} ends an answer with {stops[0]}, which is no end of generation to this model: it may not stop there."
        ]
    return []


def _double_bos(parts: list[str | int], model: TemplatedModel) -> list[str]:
    first = next((part for part in parts if isinstance(part, str)), "") if parts and isinstance(parts[0], str) else ""
    tokens = model.vocabulary.tokenize(first, special=True)
    tokens = [*model.bos_tokens(tokens), *tokens]
    bos = model.vocabulary.bos
    if bos < 0 or tokens[:2] != [bos, bos]:
        return []
    return ["The prompt would begin with two start tokens, which makes answers worse: the template writes it twice."]


def _single(vocabulary: Vocabulary, mark: str) -> bool:
    return len(vocabulary.tokenize(mark, special=True)) == 1
