"""Memory estimates, limits of containers, devices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localrag.errors import ModelFileError, ModelLoadError
from localrag.models import memory
from localrag.models.cgroup import cpu_quota, memory_left
from localrag.models.devices import cpu_threads, install_lines
from localrag.models.gguf_facts import ArrayInfo, Tensor, Value
from localrag.models.gguf_file import GGUFFile
from localrag.models.memory import MemoryNeed, available_memory, check_fits, estimate_memory, format_bytes
from localrag.setting_groups import CacheType
from localrag.settings import ModelSettings

MIB = 1 << 20
SMOLLM: dict[str, Value] = {
    "general.architecture": "llama",
    "llama.block_count": 30,
    "llama.context_length": 8192,
    "llama.embedding_length": 576,
    "llama.feed_forward_length": 1536,
    "llama.attention.head_count": 9,
    "llama.attention.head_count_kv": 3,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": ArrayInfo("string", 49152),
}


def gguf(changes: dict[str, Value] | None = None, path: Path = Path("m.gguf")) -> GGUFFile:
    weights = (Tensor("token_embd.weight", (576, 49152), "Q8_0", 0, 100 * MIB),)
    return GGUFFile(SMOLLM | (changes or {}), weights, path, 3, 0, 32, 100 * MIB)


# What llama.cpp reports for SmolLM2-135M: n_ctx, n_batch, flash attention, cache type, compute and KV buffers in MiB.
@pytest.mark.parametrize(
    ("n_ctx", "n_batch", "flash", "cache", "compute", "kv"),
    [
        (512, 512, True, "f16", 98.25, 11.25),
        (4096, 512, True, "f16", 98.25, 90.0),
        (32768, 512, True, "f16", 98.25, 720.0),
        (131072, 512, True, "f16", 141.51, 2880.0),
        (4096, 64, True, "f16", 12.28, 90.0),
        (4096, 128, True, "f16", 24.56, 90.0),
        (4096, 2048, True, "f16", 98.25, 90.0),
        (8192, 512, False, "f16", 166.38, 180.0),
        (32768, 512, False, "f16", 646.38, 720.0),
        (4096, 512, True, "q8_0", 99.38, 47.81),
        (4096, 512, True, "f32", 98.25, 180.0),
    ],
)
def test_on_a_gpu_the_estimate_is_what_llama_cpp_reserves(
    n_ctx: int, n_batch: int, flash: bool, cache: CacheType, compute: float, kv: float
) -> None:
    settings = ModelSettings(
        n_ctx=n_ctx, n_batch=n_batch, n_ubatch=512, cache_type=cache, flash_attn=flash, n_gpu_layers=-1, rope_scaling="linear"
    )
    need = estimate_memory(gguf(), settings)
    assert need.compute / MIB == pytest.approx(compute, rel=0.02)
    assert need.kv / MIB == pytest.approx(kv, rel=0.001)
    assert need.on_gpu == 100 * MIB + need.kv + need.compute


# Growth of RssAnon in MB, measured on one thread: n_ctx, n_batch, cache type, flash attention, growth without the cache.
@pytest.mark.parametrize(
    ("n_ctx", "n_batch", "cache", "flash", "grown"),
    [
        (1024, 512, "f16", True, 34.6),
        (2048, 128, "f16", True, 23.7),
        (4096, 512, "q8_0", True, 37.0),
        (4096, 512, "f16", False, 147.3),
        (2048, 2048, "f16", True, 37.4),
        (2048, 64, "f32", True, 22.2),
    ],
)
def test_in_main_memory_the_estimate_is_what_becomes_resident(
    n_ctx: int, n_batch: int, cache: CacheType, flash: bool, grown: float
) -> None:
    need = estimate_memory(
        gguf(), ModelSettings(n_ctx=n_ctx, n_batch=n_batch, n_ubatch=512, cache_type=cache, flash_attn=flash)
    )
    beside = need.weights - 100 * MIB + need.compute
    assert beside / 1e6 == pytest.approx(grown, rel=0.1)
    assert need.total == need.weights + need.kv + need.compute


def test_weights_that_llama_cpp_repacks_count_twice() -> None:
    rows = Tensor("blk.0.ffn_up.weight", (576, 1536), "Q4_0", 0, 498_000)
    embedding = Tensor("token_embd.weight", (576, 49152), "Q4_0", 0, 16_000_000)
    plain, repacked = (GGUFFile(SMOLLM, tensors, Path("m.gguf"), 3, 0, 32, 1) for tensors in ((embedding,), (embedding, rows)))
    settings = ModelSettings()
    assert estimate_memory(repacked, settings).weights - estimate_memory(plain, settings).weights == 2 * 498_000


def test_n_ctx_zero_is_the_models_own_window() -> None:
    assert estimate_memory(gguf(), ModelSettings(n_ctx=0)) == estimate_memory(gguf(), ModelSettings(n_ctx=8192, n_batch=512))


def test_no_window_is_longer_than_the_model_was_trained_for_unless_its_positions_are_stretched() -> None:
    longest = ModelSettings(n_ctx=8192)
    assert estimate_memory(gguf(), ModelSettings(n_ctx=65_536)) == estimate_memory(gguf(), longest)
    stretched = ModelSettings(n_ctx=65_536, rope_freq_scale=0.125)
    assert estimate_memory(gguf(), stretched).kv == 8 * estimate_memory(gguf(), longest).kv


def test_layers_with_heads_of_their_own_and_without_attention_are_counted() -> None:
    uneven = estimate_memory(gguf({"llama.attention.head_count_kv": [3, 0] * 15}), ModelSettings(n_ctx=4096, n_batch=512))
    assert uneven.kv == estimate_memory(gguf(), ModelSettings(n_ctx=4096, n_batch=512)).kv // 2
    assert estimate_memory(gguf({"llama.full_attention_interval": 3}), ModelSettings(n_ctx=4096, n_batch=512)).kv == 30 * MIB


def test_an_encoder_has_no_cache() -> None:
    changes: dict[str, Value] = {"general.architecture": "bert", "bert.block_count": 6, "bert.attention.head_count": 12}
    assert (
        estimate_memory(
            gguf(changes | {"bert.embedding_length": 384, "bert.pooling_type": 1}), ModelSettings(n_ctx=512, n_batch=256)
        ).kv
        == 0
    )


def test_offloaded_layers_are_counted_for_the_gpu() -> None:
    assert estimate_memory(gguf(), ModelSettings(n_ctx=4096, n_batch=512)).on_gpu == 0
    every = estimate_memory(gguf(), ModelSettings(n_ctx=4096, n_batch=512, n_gpu_layers=-1))
    assert every.on_gpu > every.kv + 100 * MIB
    some = estimate_memory(gguf(), ModelSettings(n_ctx=4096, n_batch=512, n_gpu_layers=10))
    assert some.on_gpu == pytest.approx((100 * MIB + some.kv) * 10 / 31, rel=0.01)


def test_a_quantised_cache_without_flash_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="needs flash attention"):
        ModelSettings(cache_type="q8_0", flash_attn=False)


def test_what_does_not_fit_names_the_largest_window_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    free = 1_000_000_000
    monkeypatch.setattr(memory, "available_memory", lambda: free)
    check_fits(gguf(), ModelSettings(n_ctx=8192))
    with pytest.raises(
        ModelLoadError, match=r"^n_ctx = 1048576 needs 39\.\d GB, 1\.0 GB are free\. Choose n_ctx = (\d+)"
    ) as caught:
        check_fits(gguf(), ModelSettings(n_ctx=1_048_576, rope_scaling="yarn"))
    best = int(str(caught.value).split("n_ctx = ")[2].split(" ")[0])
    check_fits(gguf(), ModelSettings(n_ctx=best, rope_scaling="yarn"))
    with pytest.raises(ModelLoadError):
        check_fits(gguf(), ModelSettings(n_ctx=best + 256, rope_scaling="yarn"))


def test_a_model_that_never_fits_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 50_000_000)
    with pytest.raises(ModelLoadError, match="Choose a smaller model"):
        check_fits(gguf(), ModelSettings(n_ctx=4096))


def test_parts_of_a_split_model_count_together_and_a_missing_one_is_named(tmp_path: Path) -> None:
    first = tmp_path / "big-00001-of-00002.gguf"
    first.write_bytes(bytes(1000))
    with pytest.raises(ModelFileError, match="big-00002-of-00002"):
        estimate_memory(gguf({"split.count": 2}, first), ModelSettings(n_ctx=512, n_batch=512))
    (tmp_path / "big-00002-of-00002.gguf").write_bytes(bytes(500))
    assert estimate_memory(gguf({"split.count": 2}, first), ModelSettings(n_ctx=512, n_batch=512)).weights == 1500 + 400 * 49152
    with pytest.raises(ModelFileError, match="lost its name"):
        estimate_memory(gguf({"split.count": 2}, tmp_path / "renamed.gguf"), ModelSettings(n_ctx=512, n_batch=512))


def test_memory_is_available_here() -> None:
    assert 10_000_000 < available_memory() < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_the_tightest_limit_of_the_control_groups_counts(tmp_path: Path) -> None:
    proc = tmp_path / "cgroup"
    proc.write_text("0::/outer/inner\n")
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    assert memory_left(proc, tmp_path) is None
    assert cpu_quota(proc, tmp_path) is None
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text("400\n")
    (inner.parent / "memory.max").write_text("1000\n")
    (inner.parent / "memory.current").write_text("900\n")
    (inner.parent / "memory.stat").write_text("anon 1\nactive_file 50\ninactive_file 200\n")
    (inner / "cpu.max").write_text("max 100000\n")
    (inner.parent / "cpu.max").write_text("150000 100000\n")
    assert memory_left(proc, tmp_path) == 350
    assert cpu_quota(proc, tmp_path) == 1.5


def test_limits_of_the_first_control_groups_are_read_too(tmp_path: Path) -> None:
    proc = tmp_path / "cgroup"
    proc.write_text("5:memory:/box\n4:cpu,cpuacct:/box\n")
    for controller in ("memory", "cpu"):
        (tmp_path / controller / "box").mkdir(parents=True)
    (tmp_path / "memory" / "box" / "memory.limit_in_bytes").write_text("1000")
    (tmp_path / "memory" / "box" / "memory.usage_in_bytes").write_text("250")
    (tmp_path / "cpu" / "box" / "cpu.cfs_quota_us").write_text("200000")
    (tmp_path / "cpu" / "box" / "cpu.cfs_period_us").write_text("100000")
    assert memory_left(proc, tmp_path) == 750
    assert cpu_quota(proc, tmp_path) == 2.0


def test_threads_stay_within_the_cores_of_this_process() -> None:
    assert 1 <= cpu_threads() <= (os.cpu_count() or 1)


def test_every_gpu_has_its_install_line() -> None:
    assert install_lines()["Metal"] == (
        'CMAKE_ARGS="-DGGML_METAL=on" pip install --force-reinstall --no-cache-dir llama-cpp-python'
    )
    assert set(install_lines()) == {"Metal", "CUDA", "Vulkan"}


def test_sizes_are_written_in_decimal_units() -> None:
    assert [format_bytes(n) for n in (850_000, 144_811_072, 24_100_000_000)] == ["850 kB", "145 MB", "24.1 GB"]
    assert MemoryNeed(1, 2, 3, 6).on_gpu == 0
