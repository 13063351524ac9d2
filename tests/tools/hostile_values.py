"""What a model file should not hold: numbers at the edges of their types, chat templates, keys that change its meaning."""

from __future__ import annotations

import math
import struct

from localrag.models.gguf_types import ARRAY, STRING
from tests.tools.gguf_layout import string, strings

NUMBERS = (0, 1, 2, 3, 7, 31, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
FLOATS = (0.0, -0.0, -1.0, 1.0, 1e-30, 1e30, -1e30, math.nan, math.inf, -math.inf, 1e-5)
TEMPLATES = (
    b"",
    b"{{",
    b"{% for m in messages %}",
    b"{% for i in range(10**12) %}x{% endfor %}",
    b"{{ 'x' * 10**11 }}",
    b"{{ 9 ** 9 ** 9 ** 9 }}",
    b"{{ ('%' ~ 10**9 ~ 'd') % 1 }}",
    b"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    b"{{ messages.__class__.__mro__ }}",
    b"{{ raise_exception('no') }}",
    b"{{ 'abc'.center(10**11) }}",
    b"{{ '{:>9999999999}'.format(1) }}",
    b"{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
    b"\xff\xfe\x00{{ bos_token }}",
    b"{{ messages[0].content }}" * 20_000,
    b"{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
)
ADDED: tuple[tuple[str, int, bytes], ...] = (
    ("llama.expert_count", 4, struct.pack("<I", 8)),
    ("llama.expert_count", 4, struct.pack("<I", 2**31)),
    ("llama.expert_used_count", 4, struct.pack("<I", 2)),
    ("llama.pooling_type", 4, struct.pack("<I", 1)),
    ("llama.pooling_type", 4, struct.pack("<I", 4)),
    ("llama.pooling_type", 4, struct.pack("<I", 99)),
    ("llama.rope.scaling.type", STRING, string(b"nonsense")),
    ("llama.rope.scaling.type", STRING, string(b"yarn")),
    ("llama.rope.scaling.type", STRING, string(b"longrope")),
    ("llama.rope.scaling.factor", 6, struct.pack("<f", math.nan)),
    ("llama.rope.scaling.original_context_length", 4, struct.pack("<I", 0)),
    ("llama.attention.key_length", 4, struct.pack("<I", 0)),
    ("llama.attention.key_length", 4, struct.pack("<I", 2**31)),
    ("llama.attention.value_length", 4, struct.pack("<I", 63)),
    ("llama.attention.causal", 7, b"\0"),
    ("llama.attention.sliding_window", 4, struct.pack("<I", 1)),
    ("llama.attention.scale", 6, struct.pack("<f", math.nan)),
    ("llama.nextn_predict_layers", 4, struct.pack("<I", 2**31)),
    ("llama.nextn_predict_layers", 4, struct.pack("<I", 1)),
    ("llama.classifier.output_labels", ARRAY, strings([b"a", b"b"])),
    ("split.count", 2, struct.pack("<H", 3)),
    ("split.count", 2, struct.pack("<H", 65_535)),
    ("split.no", 2, struct.pack("<H", 1)),
    ("split.count", 4, struct.pack("<I", 2)),
    ("general.type", STRING, string(b"adapter")),
    ("general.type", STRING, string(b"mmproj")),
    ("general.alignment", 4, struct.pack("<I", 64)),
    ("general.alignment", 10, struct.pack("<Q", 32)),
    ("general.alignment", 4, struct.pack("<I", 2**31)),
    ("tokenizer.ggml.suppress_tokens", ARRAY, struct.pack("<IQ3i", 5, 3, -1, 2**30, 5)),
    ("tokenizer.ggml.eot_token_id", 4, struct.pack("<I", 2**31)),
    ("tokenizer.ggml.fim_pre_token_id", 4, struct.pack("<I", 49_151)),
    ("tokenizer.ggml.precompiled_charsmap", ARRAY, struct.pack("<IQ", 0, 3) + b"abc"),
    ("tokenizer.ggml.scores", ARRAY, struct.pack("<IQ2f", 6, 2, 1.0, math.nan)),
    ("nested", ARRAY, struct.pack("<IQ", ARRAY, 1) + struct.pack("<IQI", 4, 1, 7)),
)
