"""What this installation of llama.cpp can compute on, and how to get one that uses the GPU."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from dataclasses import dataclass
from typing import Any

from localrag.errors import ModelLoadError
from localrag.models.cgroup import cpu_quota

# enum ggml_backend_dev_type in ggml-backend.h
DEVICE_KINDS = {0: "cpu", 1: "gpu", 2: "integrated gpu", 3: "accelerator"}

# CMake options: README of llama-cpp-python 0.3.36.
BUILD_FLAGS = {"Metal": "-DGGML_METAL=on", "CUDA": "-DGGML_CUDA=on", "Vulkan": "-DGGML_VULKAN=on"}


@dataclass(frozen=True, slots=True)
class Device:
    """One device of ggml; memory in bytes, 0 when the driver does not say."""

    name: str
    description: str
    kind: str
    memory_free: int
    memory_total: int

    @property
    def own_memory(self) -> bool:
        """Whether its memory is apart from main memory (Metal reports "gpu" but shares it)."""
        return self.kind == "gpu" and sys.platform != "darwin"


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """`reason` says in a sentence why no layer can go to a GPU; empty when it can."""

    gpu_offload: bool
    devices: tuple[Device, ...]
    system_info: str
    reason: str

    @property
    def gpus(self) -> tuple[Device, ...]:
        return tuple(device for device in self.devices if "gpu" in device.kind)


@functools.cache
def devices() -> DeviceReport:
    """Ask llama.cpp what it was built for and what it finds; the answer is kept for the life of the process.

    Raises:
        ModelLoadError: llama.cpp is not installed or cannot be loaded.
    """
    try:
        from localrag.models.llama_library import llama_library

        library = llama_library()
    except (ImportError, OSError, RuntimeError) as exc:
        raise ModelLoadError(f"llama.cpp cannot be loaded ({exc}). Run `pip install llama-cpp-python`.") from exc
    offload = bool(library.llama_supports_gpu_offload())
    found = _list_devices()
    if not offload:
        reason = "llama.cpp was installed without GPU support, so all layers run on the CPU."
    elif not any("gpu" in device.kind for device in found):
        reason = "llama.cpp was built with GPU support but finds no GPU, so all layers run on the CPU. Check the driver."
    else:
        reason = ""
    info = (library.llama_print_system_info() or b"").decode("utf-8", "replace").strip()
    return DeviceReport(offload, found, info, reason)


def _list_devices() -> tuple[Device, ...]:
    """The devices of ggml's registry (ggml-backend.h); llama_cpp does not bind these functions, so they are bound here."""
    from llama_cpp._ggml import libggml

    try:
        count = _bind(libggml, "ggml_backend_dev_count", ctypes.c_size_t)
        get = _bind(libggml, "ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
        name = _bind(libggml, "ggml_backend_dev_name", ctypes.c_char_p, ctypes.c_void_p)
        description = _bind(libggml, "ggml_backend_dev_description", ctypes.c_char_p, ctypes.c_void_p)
        kind = _bind(libggml, "ggml_backend_dev_type", ctypes.c_int, ctypes.c_void_p)
        sizes = ctypes.POINTER(ctypes.c_size_t)
        memory = _bind(libggml, "ggml_backend_dev_memory", None, ctypes.c_void_p, sizes, sizes)
    except AttributeError:
        return ()  # a build that keeps these functions in another library; what it can offload is still known
    found = []
    for index in range(count()):
        device = get(index)
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        memory(device, ctypes.byref(free), ctypes.byref(total))
        label, words = ((text or b"").decode("utf-8", "replace") for text in (name(device), description(device)))
        found.append(Device(label, words, DEVICE_KINDS.get(kind(device), "other"), free.value, total.value))
    return tuple(found)


def _bind(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = result, list(arguments)
    return function


def install_lines() -> dict[str, str]:
    """The pip line that builds llama.cpp for each kind of GPU."""
    return {
        name: f'CMAKE_ARGS="{flag}" pip install --force-reinstall --no-cache-dir llama-cpp-python'
        for name, flag in BUILD_FLAGS.items()
    }


def cpu_threads() -> int:
    """Cores this process may use: its affinity, within the container's quota. At least 1.

    More threads than that make every one of them wait for the others (measured: 40 to 1.6 chunks/s).
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    quota = cpu_quota()
    return max(1, min(cores, int(quota) if quota else cores))
