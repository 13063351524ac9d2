"""How much memory a model needs, and whether it is there. All sizes are bytes.

In main memory a page counts once it is touched, so the estimate is of resident memory after the whole window was evaluated.
Weights and KV cache are exact. The rest was measured with SmolLM2-135M (llama-cpp-python 0.3.36; 49,152 tokens, 576 wide,
9 heads) on one thread, as growth of RssAnon without the cache, and is taken apart into vocabulary and compute buffers. MB:

    n_ctx  n_batch  cache  flash  measured  estimated
     1024      512  f16    yes        34.6       32.7
     2048      128  f16    yes        23.7       23.3
     4096      512  q8_0   yes        37.0       35.8
     4096      512  f16    no        147.3      148.5
     2048       64  f32    yes        22.2       21.6

A GPU's memory is taken as a whole: there the buffer counts that llama.cpp reserves for the graph of one micro-batch
(98.25 MiB at n_ctx 4096, n_batch 512 with flash attention; 12.28 with n_batch 64; 166.38 at n_ctx 8192 without).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from localrag.errors import ModelFileError, ModelLoadError
from localrag.models.cgroup import memory_left
from localrag.models.gguf_file import GGUFFile
from localrag.settings import ModelSettings

CACHE_BYTES = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
}
VOCABULARY_BYTES = 400  # of tables for one token, measured with 49,152 tokens and as many merges
REPACKED = frozenset({"Q4_0", "Q4_K", "IQ4_NL"})
"""Types of which llama.cpp's CPU backend makes a copy in another order (ggml-cpu/repack.cpp), on x86 with AVX2 and on ARM."""
CTX_STEP = 256  # llama.cpp rounds n_ctx up to a multiple of this
SMALLEST_CTX = 512
PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes of one loaded model: weights with the vocabulary, KV cache, compute buffers.

    `on_gpu` of them lie in the GPU's memory when layers are offloaded, with the buffers it needs there beside.
    """

    weights: int
    kv: int
    compute: int
    total: int
    on_gpu: int = 0


def estimate_memory(gguf: GGUFFile, settings: ModelSettings) -> MemoryNeed:
    """What loading needs. `n_ctx` 0 takes the model's own window; `n_gpu_layers` -1 is all.

    Sliding-window layers count in full: llama.cpp's default (`swa_full`) keeps them whole.
    Raises:
        ModelFileError: a part of a split model is missing.
    """
    window = -(-(settings.window(gguf.n_ctx_train) or SMALLEST_CTX) // CTX_STEP) * CTX_STEP
    files = sum(part.stat().st_size for part in parts(gguf)) if gguf.split_count > 1 else gguf.weight_bytes
    weights = files + VOCABULARY_BYTES * gguf.n_vocab
    if settings.n_gpu_layers == 0:
        weights += _repacked_bytes(gguf)
    kv = int(window * _kv_numbers(gguf) * CACHE_BYTES[settings.cache_type])
    n_ubatch = min(settings.n_batch, window, settings.n_ubatch)
    compute = _touched_bytes(gguf, window, n_ubatch, settings.flash_attn)
    layers = gguf.n_layers + 1  # llama.cpp counts the output as a layer of its own
    share = min(settings.n_gpu_layers if settings.n_gpu_layers >= 0 else layers, layers) / layers
    on_gpu = int((files + kv) * share)
    if share == 1:
        compute = _reserved_bytes(gguf, window, n_ubatch, settings.flash_attn)
        on_gpu += compute
    return MemoryNeed(weights, kv, compute, weights + kv + compute, on_gpu)


def _kv_numbers(gguf: GGUFFile) -> int:
    """Numbers the cache keeps for one token, all layers together; 0 for encoders."""
    if gguf.kind == "embedding" and not gguf.of_arch("attention.causal") and gguf.architecture.endswith("bert"):
        return 0
    heads = gguf.n_head_kv
    layers = gguf.n_layers // max(gguf.arch_integer("full_attention_interval"), 1)
    per_token = sum(heads[: gguf.n_layers]) if isinstance(heads, list) else heads * layers
    return per_token * (gguf.key_length + gguf.value_length)


def _repacked_bytes(gguf: GGUFFile) -> int:
    """Weights in memory twice, as in the file and repacked: matrices of whole groups of eight rows, but not the embedding."""
    return sum(
        tensor.size
        for tensor in gguf.tensors
        if tensor.type in REPACKED and len(tensor.dims) == 2 and tensor.dims[1] % 8 == 0 and tensor.name != "token_embd.weight"
    )


def _feed_forward(gguf: GGUFFile) -> int:
    """Bytes of one token in the feed-forward stage of the graph."""
    used, expert = gguf.arch_integer("expert_used_count"), gguf.arch_integer("expert_feed_forward_length")
    return 4 * (3 * max(gguf.arch_integer("feed_forward_length"), used * expert) + 2 * gguf.n_embd)


def _touched_bytes(gguf: GGUFFile, window: int, n_ubatch: int, flash_attn: bool) -> int:
    """What an evaluation writes to: of the logits one row, since a prompt is asked for its last alone.

    Stages of the graph share their memory. Without flash attention every head's scores and the mask lie there as f32, and
    the scores once more as f16 in the CPU's work buffer, for the product with the values.
    """
    row = 4 * gguf.n_vocab
    if flash_attn:
        return n_ubatch * (_feed_forward(gguf) + 2 * window) + row
    scores = 4 * window * (gguf.n_head + 1) + 24 * gguf.n_embd
    return n_ubatch * (max(scores, _feed_forward(gguf)) + 2 * window * gguf.n_head) + row


def _reserved_bytes(gguf: GGUFFile, window: int, n_ubatch: int, flash_attn: bool) -> int:
    """What llama.cpp reserves: the largest of three stages of the graph, whose buffers share memory."""
    logits = 4 * (gguf.n_vocab + 2 * gguf.n_embd)
    if flash_attn:
        attention = 2 * window + 48 * gguf.n_embd  # the mask as f16
    else:
        attention = 4 * window * (gguf.n_head + 1) + 24 * gguf.n_embd
    return n_ubatch * max(logits, attention, _feed_forward(gguf)) + 4 * gguf.n_vocab


def parts(gguf: GGUFFile) -> list[Path]:
    """All files of a split model, the file itself when it is whole.

    Raises:
        ModelFileError: a part is missing, or the file name does not say which part it is.
    """
    if gguf.split_count == 1:
        return [gguf.path]
    match = PART.search(gguf.path.name)
    if match is None or int(match[2]) != gguf.split_count:
        raise ModelFileError(
            f"Part of a model split into {gguf.split_count} files has lost its name: {gguf.path}. "
            f"Name it …-00001-of-{gguf.split_count:05}.gguf."
        )
    stem = gguf.path.name[: match.start()]
    found = [gguf.path.with_name(f"{stem}-{n + 1:05}-of-{match[2]}.gguf") for n in range(min(gguf.split_count, 99_999))]
    missing = next((part for part in found if not part.is_file()), None)
    if missing is not None:
        raise ModelFileError(
            f"A part of the split model is missing: {missing}. Put all {gguf.split_count} parts in one folder."
        )
    return found


def available_memory() -> int:
    """Bytes a new model may take without swapping: what the system calls available, within the container's limit."""
    free = _system_available()
    limit = memory_left()
    return free if limit is None else min(free, limit)


def _system_available() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import psutil
    except ImportError:
        # Without psutil only the installed memory is known; half of it is a cautious guess.
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return int(psutil.virtual_memory().available)


def check_fits(gguf: GGUFFile, settings: ModelSettings) -> None:
    """Raise unless the model fits into memory with these settings.

    Raises:
        ModelLoadError: it does not; the sentence names the largest `n_ctx` that fits.
        ModelFileError: a part of a split model is missing.
    """
    free = available_memory()
    need = _host_bytes(gguf, settings)
    if need <= free:
        return
    n_ctx = settings.window(gguf.n_ctx_train)
    sizes = f"needs {format_bytes(need)}, {format_bytes(free)} are free"
    best = _largest_ctx(gguf, settings, n_ctx, free)
    if best is None:
        raise ModelLoadError(f"{gguf.path.name} {sizes}, too few even with n_ctx = {SMALLEST_CTX}. Choose a smaller model.")
    raise ModelLoadError(f"n_ctx = {n_ctx} {sizes}. Choose n_ctx = {best} or less.")


def _host_bytes(gguf: GGUFFile, settings: ModelSettings) -> int:
    """Bytes in main memory. What is offloaded leaves it only when there is a GPU with memory of its own."""
    need = estimate_memory(gguf, settings)
    if need.on_gpu:
        from localrag.models.devices import devices

        if any(device.own_memory for device in devices().gpus):
            return need.total - need.on_gpu
    return need.total


def _largest_ctx(gguf: GGUFFile, settings: ModelSettings, n_ctx: int, free: int) -> int | None:
    """The largest multiple of CTX_STEP below `n_ctx` that fits; need grows with the window, so halving finds it."""
    low, high = SMALLEST_CTX // CTX_STEP, max(n_ctx // CTX_STEP, SMALLEST_CTX // CTX_STEP)

    def fits(steps: int) -> bool:
        return _host_bytes(gguf, settings.model_copy(update={"n_ctx": steps * CTX_STEP})) <= free

    if not fits(low):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low * CTX_STEP


def format_bytes(size: int) -> str:
    """Decimal units as disks and systems show them: 850 kB, 145 MB, 24.1 GB."""
    if size < 1_000_000:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e6:.0f} MB" if size < 1_000_000_000 else f"{size / 1e9:.1f} GB"
