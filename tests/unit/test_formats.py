"""Prompt formats by name: the families as their makers document them, the user's own, and what is said when one misfits."""

from __future__ import annotations

from pathlib import Path

import pytest

from localrag.errors import PromptError
from localrag.llms.base import TemplatedModel
from localrag.llms.chat_format import MODEL, ChatFormat
from localrag.llms.fake import FakeModel, FakeVocabulary
from localrag.llms.format_check import format_warnings, guess_family, thinking_tokens
from localrag.llms.formats import FAMILIES, FormatChoice, FormatLibrary, Formatted, family, stop_texts, with_format
from localrag.llms.thinking import opened
from localrag.prompts.ahead import opening
from localrag.prompts.plan import plan_prompt
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Evidence, Turn

ROLES = ["system", "user", "assistant", "user"]
TEXTS = ["SYSTEM", "FIRST", "REPLY", "SECOND"]
WRITTEN = {
    "plain": "SYSTEM\n\nQuestion: FIRST\nAnswer: REPLY\n\nQuestion: SECOND\nAnswer:",
    "chatml": (
        "<|im_start|>system\nSYSTEM<|im_end|>\n<|im_start|>user\nFIRST<|im_end|>\n<|im_start|>assistant\nREPLY<|im_end|>\n"
        "<|im_start|>user\nSECOND<|im_end|>\n<|im_start|>assistant\n"
    ),
    "llama-2": "[INST] <<SYS>>\nSYSTEM\n<</SYS>>\n\nFIRST[/INST]REPLY</s><s>[INST]SECOND[/INST]",
    "llama-3": (
        "<|start_header_id|>system<|end_header_id|>\n\nSYSTEM<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nFIRST<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nREPLY<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nSECOND<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "mistral": "[INST]SYSTEM\n\nFIRST[/INST]REPLY</s>[INST]SECOND[/INST]",
    "gemma": (
        "<start_of_turn>user\nSYSTEM\n\nFIRST<end_of_turn>\n<start_of_turn>model\nREPLY<end_of_turn>\n"
        "<start_of_turn>user\nSECOND<end_of_turn>\n<start_of_turn>model\n"
    ),
    "phi-3": (
        "<|system|>\nSYSTEM<|end|>\n<|user|>\nFIRST<|end|>\n<|assistant|>\nREPLY<|end|>\n<|user|>\nSECOND<|end|>\n<|assistant|>\n"
    ),
    "phi-4": (
        "<|im_start|>system<|im_sep|>SYSTEM<|im_end|><|im_start|>user<|im_sep|>FIRST<|im_end|>"
        "<|im_start|>assistant<|im_sep|>REPLY<|im_end|><|im_start|>user<|im_sep|>SECOND<|im_end|><|im_start|>assistant<|im_sep|>"
    ),
    "zephyr": "<|system|>\nSYSTEM</s>\n<|user|>\nFIRST</s>\n<|assistant|>\nREPLY</s>\n<|user|>\nSECOND</s>\n<|assistant|>\n",
    "vicuna": "SYSTEM\n\nUSER:FIRST\nASSISTANT:REPLY</s>\nUSER:SECOND\nASSISTANT:",
    "alpaca": ("SYSTEM\n\n### Instruction:\nFIRST\n\n### Response:\nREPLY\n\n### Instruction:\nSECOND\n\n### Response:\n"),
}
WRITTEN["qwen"] = WRITTEN["chatml"]
WRITTEN["qwen-3-without-thinking"] = WRITTEN["chatml"] + "<think>\n\n</think>\n\n"
OWN = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"


def form_of(template: str, name: str = "mine") -> ChatFormat:
    return ChatFormat(template, "<s>", "</s>", name)


def written(form: ChatFormat, roles: list[str] = ROLES, texts: list[str] = TEXTS) -> str:
    return "".join(part if isinstance(part, str) else texts[part] for part in form.parts(roles))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_written_as_its_makers_document_it(name: str) -> None:
    assert written(form_of(family(name), name)) == WRITTEN[name]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_takes_conversations_of_any_length_and_no_system_text_too(name: str) -> None:
    form = form_of(family(name), name)
    longer = written(form, [*ROLES, "assistant", "user"], [*TEXTS, "AGAIN", "THIRD"])
    if "without" not in name:  # what was empty thinking is none any more
        assert longer.startswith(WRITTEN[name])
    assert longer.index("SECOND") < longer.index("AGAIN") < longer.index("THIRD")
    assert "FIRST" in written(form, ["user"], ["FIRST"])
    assert form.takes_system()


def test_qwen_brings_its_own_system_text_where_there_is_none() -> None:
    assert "created by Alibaba Cloud" in written(form_of(family("qwen")), ["user"], ["FIRST"])
    assert opened(written(form_of(family("qwen-3-without-thinking")))) is None


def test_formats_of_ones_own_are_kept_changed_and_deleted(tmp_path: Path) -> None:
    library = FormatLibrary(tmp_path / "formats")
    assert library.names() == [MODEL, *FAMILIES]
    assert library.choice(MODEL) is None
    kept = library.keep(" My format 2 ", OWN)
    assert FormatLibrary(tmp_path / "formats").choice("My format 2") == kept == FormatChoice("My format 2", OWN)
    changed = library.keep("My format 2", OWN.replace("[", "("))
    assert library.choice("My format 2") == changed
    assert library.names()[-1] == "My format 2"
    library.delete("My format 2")
    assert library.names() == [MODEL, *FAMILIES]
    for act in (library.choice, library.delete):
        with pytest.raises(PromptError, match="My format 2"):
            act("My format 2")


@pytest.mark.parametrize(
    "name",
    ["", " ", "..", "../x", "a/b", "a\\b", ".x", "chatml", "ChatML", "model", "x" * 61, "a\nb", "a\0b", "con", "NUL.x", "x."],
)
def test_a_name_that_cannot_be_used_keeps_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(PromptError, match=r"no name for a prompt format|is shipped"):
        FormatLibrary(tmp_path / "formats").keep(name, OWN)
    assert list(tmp_path.iterdir()) == []


def test_names_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    library = FormatLibrary(tmp_path)
    library.keep("Mine", OWN)
    with pytest.raises(PromptError, match="named Mine already"):
        library.keep("mine", OWN)


@pytest.mark.parametrize(
    "template",
    [
        "",
        "  \n",
        "{% for m in messages %}",
        "always the same",
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{% endfor %}{{ nothing.at.all }}",
        "{{ messages[3].content }}",
        "{# " + "x" * 300_000 + " #}",
        "{% for m in messages %}{{ m.content }}{% endfor %}{{ 'a' * 10 ** 10 }}",
    ],
)
def test_a_template_that_cannot_be_used_leaves_what_was_kept(tmp_path: Path, template: str) -> None:
    library = FormatLibrary(tmp_path)
    kept = library.keep("mine", OWN)
    with pytest.raises(PromptError, match=r"^The prompt format mine .*\.$") as caught:
        library.keep("mine", template)
    assert len(str(caught.value)) < 600
    assert library.choice("mine") == kept
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jinja"]


def test_a_file_that_is_no_text_and_a_folder_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    library = FormatLibrary(tmp_path)
    (tmp_path / "bytes.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(PromptError, match="bytes cannot be read"):
        library.choice("bytes")
    (tmp_path / "file").write_text("")
    with pytest.raises(PromptError, match="could not be kept"):
        FormatLibrary(tmp_path / "file").keep("mine", OWN)


class Words(FakeVocabulary):
    """A vocabulary of control tokens beside the code points; `ends` are ends of generation."""

    def __init__(self, control: tuple[str, ...] = (), ends: tuple[str, ...] = (), add_bos: bool = False) -> None:
        self.control, self.ends, self.add_bos = control, ends, add_bos
        self.bos = self._id("<s>") if "<s>" in control else -1
        self.eos = self._id(ends[0]) if ends else -1

    def _id(self, text: str) -> int:
        return 0x110000 + self.control.index(text)

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        tokens: list[int] = []
        while text:
            mark = next((mark for mark in self.control if special and text.startswith(mark)), None)
            tokens.append(self._id(mark) if mark else ord(text[0]))
            text = text[len(mark) if mark else 1 :]
        return tokens

    def token_text(self, token: int) -> str:
        return self.control[token - 0x110000] if token >= 0x110000 else super().token_text(token)

    def is_end(self, token: int) -> bool:
        return token >= 0x110000 and self.control[token - 0x110000] in self.ends

    def is_control(self, token: int) -> bool:
        return token >= 0x110000


CHATML = Words(("<|im_start|>", "<|im_end|>"), ("<|im_end|>",))
LLAMA = Words(("<s>", "</s>"), ("</s>",), add_bos=True)


def model_of(vocabulary: Words, template: str | None = None, name: str = "some-model") -> FakeModel:
    model = FakeModel(ModelSettings())
    model.name, model.vocabulary = name, vocabulary
    model.format = ChatFormat(template, vocabulary.token_text(vocabulary.bos), vocabulary.token_text(vocabulary.eos))
    model.tokenize = vocabulary.tokenize  # type: ignore[method-assign]
    bos = [vocabulary.bos] if vocabulary.add_bos else []
    model.bos_tokens = lambda first: [] if list(first[:1]) == bos else bos  # type: ignore[method-assign]
    return model


def warned(vocabulary: Words, name: str) -> list[str]:
    model = model_of(vocabulary, family("chatml"))
    return format_warnings(ChatFormat(family(name), "<s>", "</s>", name), model)


def test_a_format_that_fits_is_not_warned_about() -> None:
    assert warned(CHATML, "chatml") == []
    for name in ("llama-2", "vicuna", "zephyr", "alpaca", "plain", "mistral"):
        assert warned(LLAMA, name) == [], name


def test_marks_that_are_no_tokens_are_named() -> None:
    (said,) = warned(LLAMA, "chatml")
    assert "<|im_end|> <|im_start|>" in said or "<|im_start|> <|im_end|>" in said
    assert "does not know as one token" in said
    said, also = warned(CHATML, "llama-3")
    assert "<|eot_id|>" in said
    assert also.endswith("with <|im_start|> <|im_end|>, which the prompt format llama-3 does not write.")


def test_an_end_of_turn_that_ends_nothing_is_named() -> None:
    (said,) = warned(Words(("<|im_start|>", "<|im_end|>")), "chatml")
    assert "<|im_end|>" in said
    assert "may not stop" in said


def test_a_format_that_marks_no_end_is_named() -> None:
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    (said,) = format_warnings(form_of(template), model_of(LLAMA, template))
    assert "nothing after an answer" in said


def test_two_start_tokens_are_named_and_one_is_not() -> None:
    once = "{{ bos_token }}{% for m in messages %}{{ m.content + eos_token }}{% endfor %}"
    assert format_warnings(model_of(LLAMA, once).format, model_of(LLAMA, once)) == []
    (said,) = format_warnings(model_of(LLAMA, "<s>" + once).format, model_of(LLAMA, "<s>" + once))
    assert "two start tokens" in said


def test_a_template_without_a_place_for_the_instruction_is_named() -> None:
    refuses = "{% for m in messages %}{% if m.role == 'system' %}{{ 1 / 0 }}{% endif %}{{ m.content }}</s>{% endfor %}"
    drops = "{% for m in messages if m.role != 'system' %}{{ m.content }}</s>{% endfor %}"
    for template in (refuses, drops):
        (said,) = format_warnings(form_of(template), model_of(LLAMA, template))
        assert "in front of the first question" in said


def test_a_template_that_drops_answers_is_named() -> None:
    template = "{% for m in messages if m.role != 'assistant' %}{{ m.content }}</s>{% endfor %}"
    (said,) = format_warnings(form_of(template), model_of(LLAMA, template))
    assert "a second question will fail" in said
    (said,) = format_warnings(form_of("{{ nothing.at.all }}"), model_of(LLAMA))
    assert said.startswith("The prompt format mine fails")


def test_a_file_without_a_template_says_so_and_a_family_is_suggested_never_taken() -> None:
    model = model_of(CHATML, None)
    (said,) = format_warnings(model.format, model)
    assert "brings no chat template" in said
    assert "chatml (ChatML)" in said
    assert written(model.format) == WRITTEN["plain"]
    (said,) = format_warnings(model_of(LLAMA, None).format, model_of(LLAMA, None))
    assert "most likely" not in said


def test_a_model_with_a_template_of_its_own_elsewhere_says_that_ours_is_not_used() -> None:
    class Server(FakeModel):
        name = "remote"

        def __init__(self) -> None:
            super().__init__(ModelSettings())
            del self.format, self.vocabulary

    server = Server()
    assert not isinstance(server, TemplatedModel)
    assert with_format(server, FormatChoice("chatml", family("chatml"))) is server
    (said,) = format_warnings(None, server)
    assert said == "remote applies a template of its own, so the prompt format chosen here is not used."


@pytest.mark.parametrize(
    ("control", "name", "expected"),
    [
        (("<|im_start|>", "<|im_end|>"), "x", "chatml"),
        (("<|im_start|>", "<|im_end|>"), "Qwen2.5-base", "qwen"),
        (("<|im_start|>", "<|im_end|>", "<|im_sep|>"), "x", "phi-4"),
        (("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), "x", "llama-3"),
        (("<start_of_turn>", "<end_of_turn>"), "x", "gemma"),
        (("<|assistant|>", "<|user|>", "<|end|>"), "x", "phi-3"),
        (("[INST]", "[/INST]"), "x", "mistral"),
        ((), "zephyr-7b-beta", "zephyr"),
        ((), "Vicuna-13B", "vicuna"),
        ((), "Llama_2-7b-chat", "llama-2"),
        ((), "something", None),
    ],
)
def test_a_family_is_guessed_by_tokens_first_and_then_by_name(
    control: tuple[str, ...], name: str, expected: str | None
) -> None:
    assert guess_family(Words(control), name) == expected


def test_what_ends_an_answer_as_text_is_read_from_the_format() -> None:
    def stops(name: str, vocabulary: Words) -> tuple[str, ...]:
        return stop_texts(form_of(family(name), name), vocabulary)

    assert stops("chatml", CHATML) == ()
    assert stops("chatml", LLAMA) == ("<|im_end|>",)
    assert stops("plain", LLAMA) == ("\nQuestion:",)
    assert stops("alpaca", LLAMA) == ("\n### Instruction:",)
    assert stops("vicuna", LLAMA) == ()
    assert stops("vicuna", Words()) == ("</s>",)
    assert stops("gemma", LLAMA) == ("<end_of_turn>",)


def test_control_tokens_of_thinking_are_found_and_no_others() -> None:
    assert thinking_tokens(Words(("<think>", "</think>", "<|end|>", "<|im_end|>"))) == {0x110000, 0x110001}
    gpt_oss = ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>")
    assert thinking_tokens(Words(gpt_oss)) == {0x110000, 0x110001, 0x110002, 0x110003}
    assert thinking_tokens(CHATML) == frozenset()


def test_a_conversation_goes_on_in_another_format_with_the_same_messages() -> None:
    """Tokens of earlier turns are those of their messages; what stands between them is the new format's."""
    model = FakeModel(ModelSettings(n_ctx=4096))
    evidence = Evidence("doc", "/doc.txt", "doc.txt", 0, 9, "Passage 1", 0.5)
    first = plan_prompt(model, "fake", "One?", [evidence], (), AnswerSettings())
    tokens = tuple(map(ord, "Yes."))
    turn = Turn("t", "One?", "Yes.", (evidence,), plan=first, model_id="fake", answer_tokens=tokens)
    other = with_format(model, FormatChoice("chatml", family("chatml")))
    assert isinstance(other, Formatted)
    second = plan_prompt(other, "fake", "Two?", [evidence], (turn,), AnswerSettings())
    text = "".join(map(chr, second.tokens))
    system = next(segment.text for segment in second.segments if segment.kind == "system")
    assert text == (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nContext:\nPassage 1\n\nQuestion: One?<|im_end|>\n"
        "<|im_start|>assistant\nYes.<|im_end|>\n<|im_start|>user\nUse the context above.\nQuestion: Two?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert second.stop[0] == "<|im_end|>"
    assert tuple(second.tokens[: len(opening(other).tokens)]) == opening(other).tokens
    assert [segment.tokens for segment in second.segments if segment.kind == "history"][-1] == tokens
