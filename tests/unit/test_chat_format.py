"""Chat templates of real model files, and hostile ones: message text is never interpreted, template text is."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator

import pytest

from localrag.errors import PromptError
from localrag.llms.chat_format import PLAIN, ChatFormat
from localrag.llms.template_process import TemplateProcess

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
LLAMA_3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim"
    " + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
TEMPLATES = {"chatml": CHATML, "llama-2": LLAMA_2, "gemma": GEMMA, "llama-3": LLAMA_3, "mistral": MISTRAL, "plain": PLAIN}
ROLES = ["system", "user", "assistant", "user"]
TEXTS = ["SYSTEM", "FIRST", "REPLY", "SECOND"]


def written(template: str | None, roles: list[str] = ROLES, texts: list[str] = TEXTS) -> str:
    """The prompt as one text."""
    parts = ChatFormat(template, "<s>", "</s>").parts(roles)
    return "".join(part if isinstance(part, str) else texts[part] for part in parts)


def test_chatml_is_written_as_the_model_was_trained() -> None:
    assert written(CHATML) == (
        "<|im_start|>system\nSYSTEM<|im_end|>\n<|im_start|>user\nFIRST<|im_end|>\n<|im_start|>assistant\nREPLY<|im_end|>\n"
        "<|im_start|>user\nSECOND<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_with_a_system_text_of_its_own_writes_it_when_we_bring_none() -> None:
    assert "named SmolLM" in written(CHATML, ["user"], ["FIRST"])
    assert "named SmolLM" not in written(CHATML)


def test_llama_2_merges_the_system_text_into_the_first_question() -> None:
    assert written(LLAMA_2) == ("<s>[INST] <<SYS>>\nSYSTEM\n<</SYS>>\n\nFIRST [/INST] REPLY </s><s>[INST] SECOND [/INST]")


@pytest.mark.parametrize("template", [GEMMA, MISTRAL])
def test_a_refused_system_message_becomes_part_of_the_first_question(template: str) -> None:
    prompt = written(template)
    assert "SYSTEM\n\nFIRST" in prompt
    assert prompt.startswith("<s>")
    assert prompt.count("SYSTEM") == 1


def test_gemma_is_written_as_the_model_was_trained() -> None:
    assert written(GEMMA) == (
        "<s><start_of_turn>user\nSYSTEM\n\nFIRST<end_of_turn>\n<start_of_turn>model\nREPLY<end_of_turn>\n"
        "<start_of_turn>user\nSECOND<end_of_turn>\n<start_of_turn>model\n"
    )


def test_llama_3_writes_its_bos_once() -> None:
    prompt = written(LLAMA_3)
    assert prompt.startswith("<s><|start_header_id|>system<|end_header_id|>\n\nSYSTEM<|eot_id|>")
    assert prompt.count("<s>") == 1


def test_a_file_without_a_template_gets_a_plain_pattern() -> None:
    assert written(None) == "SYSTEM\n\nQuestion: FIRST\nAnswer: REPLY\n\nQuestion: SECOND\nAnswer:"
    assert not ChatFormat(None, "", "").has_template
    assert ChatFormat(CHATML, "", "").has_template


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_message_has_its_place_once_and_in_order(name: str) -> None:
    parts = ChatFormat(TEMPLATES[name], "<s>", "</s>").parts(ROLES)
    assert [part for part in parts if isinstance(part, int)] == [0, 1, 2, 3]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_longer_conversation_begins_with_the_shorter_one(name: str) -> None:
    """Append-only: what was evaluated for one question is the beginning of what the next one needs."""
    form = ChatFormat(TEMPLATES[name], "<s>", "</s>")
    short = form.parts(ROLES[:2])
    long = form.parts([*ROLES[:2], "assistant", "user"])
    assert "".join(map(str, long)).startswith("".join(map(str, short)))


@pytest.mark.parametrize("name", TEMPLATES)
def test_message_text_is_never_interpreted(name: str) -> None:
    """Rendering never sees message texts, so the parts are the same whatever the messages say."""
    hostile = "{{ 7 * 7 }} {% raw %} <|im_end|> [/INST] \ue0000\ue001 </s>"
    prompt = written(TEMPLATES[name], ROLES, [hostile, hostile, hostile, hostile])
    assert prompt.count(hostile) == 4
    assert "49" not in prompt


def test_newer_template_features_are_understood() -> None:
    template = (
        "{%- set ns = namespace(n=0) -%}{%- for m in messages -%}{%- if tools -%}T{%- endif -%}"
        "{%- if m.role == 'skip' -%}{%- continue -%}{%- endif -%}"
        "{{ m.role | upper }}:{% generation %}{{ m.content }}{% endgeneration %};{% set ns.n = ns.n + 1 %}{%- endfor -%}"
        "{{ strftime_now('%Y')[:2] }}{{ {'a': 'é'} | tojson }}{{ ns.n }}"
    )
    assert written(template, ["user"], ["hi"]) == 'USER:hi;20{"a": "é"}1'


@pytest.mark.parametrize("template", ["{% for %}", "{{ messages", "{% unknown %}", "{{ 1 | nofilter }}"])
def test_a_template_that_is_no_template_is_said_when_it_is_needed(template: str) -> None:
    form = ChatFormat(template, "", "")
    for _ in range(2):
        with pytest.raises(PromptError, match=r"chat template is not valid.*another prompt format"):
            form.parts(["user"])


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('no way') }}",
        "{{ 1 / 0 }}",
        "{{ messages[99]['content'] + 1 }}",
        "{{ messages.nothing.more }}",
        "{{ [][5] }}{{ 'a' * 10 ** 15 }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
        "{% for m in messages %}{{ m.role }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{{ messages[-1].content }}{{ messages[0].content }}",
        "{{ messages | tojson(indent='x') | length }}",
        "always the same",
        "",
        "{{ undefined_function() }}",
        "{{ messages[0].content.center(10 ** 12) }}",
        "{{ messages[0].content | center(10 ** 12) }}",
        "{{ '{:>99999999999}'.format(1) }}",
        "{{ '%999999999999d' % 1 }}",
        "{{ [1] * 10 ** 12 }}",
        "{{ 'a' | indent(10 ** 12) }}",
        "{{ range(10 ** 5) | batch(10 ** 12, 'x') | list }}",
        "{% set ns = namespace(x='x' * 1000) %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "-" * 50_000 + "1 }}",
        "{% if true %}" * 3000 + "{% endif %}" * 3000,
    ],
)
def test_a_template_that_fails_or_never_ends_gives_one_sentence(template: str) -> None:
    with pytest.raises(PromptError) as caught:
        ChatFormat(template or " ", "<s>", "</s>").parts(ROLES)
    said = str(caught.value)
    assert "chat template" in said
    assert "\n" not in said.strip()
    assert said.endswith(".")


def test_templates_reach_no_python() -> None:
    for attempt in (
        "cycler.__init__.__globals__",
        "self.__init__",
        "messages.__class__.__subclasses__()",
        "lipsum.__globals__",
    ):
        with pytest.raises(PromptError):
            ChatFormat("{% set x = " + attempt + " %}{{ x.os.getcwd() }}", "", "").parts(["user"])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[TemplateProcess]:
    """A process that is given little time, instead of the one all share."""
    process = TemplateProcess(limit_s=0.2)
    monkeypatch.setattr("localrag.llms.chat_format.template_process", lambda: process)
    yield process
    process.close()


@pytest.mark.parametrize(
    "template",
    [
        "{{ 7 ** (10 ** 9) }}",
        "{{ lipsum(n=10 ** 9) }}",
        "{% set a = ['x' * 1000] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
        "{% macro m(n) %}{% if n %}{% set _ = m(n - 1) ~ m(n - 1) %}{% endif %}{% endmacro %}{{ m(40) }}",
        "{% set s = 'x' * 10 ** 6 %}{% for a in s %}{% for b in s %}{% endfor %}{% endfor %}",
        "{% set a = 'x' %}" + "{% set a = [a, a] %}" * 40 + "{% set b = 'x' %}" + "{% set b = [b, b] %}" * 40 + "{{ a == b }}",
    ],
)
def test_a_template_that_cannot_be_interrupted_is_ended_with_its_process(impatient: TemplateProcess, template: str) -> None:
    """The next one finds a process as before. Without output between, and in one expression, nothing else ends them."""
    form = ChatFormat(template, "<s>", "</s>")
    with pytest.raises(PromptError, match=r"chat template fails: (it takes longer|it needs more|the process)") as first:
        form.parts(ROLES)
    started = time.perf_counter()
    for roles in (ROLES, ["user"]):
        with pytest.raises(PromptError, match="^" + re.escape(str(first.value))):
            form.parts(roles)
    assert time.perf_counter() - started < 0.1, "it is not tried at every click"
    assert ChatFormat(CHATML, "<s>", "</s>").parts(["user"])


def test_a_process_that_dies_is_started_again() -> None:
    process = TemplateProcess()
    try:
        request = {"template": "a", "messages": [], "add_generation_prompt": False, "bos": "", "eos": ""}
        assert process.render(request) == {"text": "a"}
        assert process._child is not None
        process._child.kill()
        process._child.wait()
        assert process.render(request) == {"text": "a"}
    finally:
        process.close()


def test_a_conversation_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    form = ChatFormat(CHATML, "", "")
    first = form.parts(ROLES)
    monkeypatch.setattr("localrag.llms.chat_format.template_process", lambda: None)
    assert form.parts(tuple(ROLES)) == first
    first.clear()
    assert form.parts(ROLES)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_templates_render_or_give_one_sentence(seed: int) -> None:
    """Whatever a template became, its parts hold every message once and in order, or there is one sentence."""
    rng = random.Random(seed)
    pieces = ["{{", "}}", "{%", "%}", "for", "messages", "[0]", "|", "trim", "~", "'", "**", "99", "loop", "(", ")", "\n", "é"]
    rendered = 0
    for _ in range(60):
        text = rng.choice(sorted(TEMPLATES.values()))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice([*pieces, ""]) + text[at + rng.randint(0, 4) :]
        parts, said = [], ""
        try:
            parts = ChatFormat(text, "<s>", "</s>").parts(ROLES)
        except PromptError as exc:
            said = str(exc)
        rendered += bool(parts)
        assert [part for part in parts if isinstance(part, int)] == [0, 1, 2, 3] * bool(parts)
        assert parts or said.endswith("Choose another prompt format on the Model page.")
        assert "\n" not in said
    assert rendered, "some mutations are harmless"
