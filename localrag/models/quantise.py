"""Writing a model file anew with another quantisation. Same weights, other bits: decision 7 of the design says why."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from localrag.errors import ModelFileError, ModelLoadError
from localrag.models.devices import cpu_threads
from localrag.models.gguf_file import GGUFFile, read_gguf

# enum llama_ftype in llama.h
FTYPES = {
    "F32": 0,
    "F16": 1,
    "Q4_0": 2,
    "Q4_1": 3,
    "Q8_0": 7,
    "Q5_0": 8,
    "Q5_1": 9,
    "Q4_K_M": 15,
    "Q5_K_M": 17,
    "Q6_K": 18,
}


def quantise(source: Path, target: Path, quantisation: str = "Q8_0") -> GGUFFile:
    """Write `source` as `target` in another quantisation; `target` appears whole or not at all. Returns what was written.

    Where a tensor's rows are no multiple of 256, llama.cpp writes another type in place of a K-quant: `dominant_type` says what
    most of the weights became.
    Raises:
        ModelFileError: the source is damaged, or the result is.
        ModelLoadError: llama.cpp is missing or refused.
    """
    read_gguf(source)
    from localrag.models.llama_library import last_complaint, llama_library

    try:
        library = llama_library()
    except (ImportError, OSError, RuntimeError) as exc:
        raise ModelLoadError(f"llama.cpp cannot be loaded ({exc}). Run `pip install llama-cpp-python`.") from exc
    params = library.llama_model_quantize_default_params()
    params.ftype = FTYPES[quantisation]
    params.nthread = cpu_threads()
    params.allow_requantize = True  # the starter is shipped as Q4_1; without it llama.cpp stops half way
    scratch = target.with_name(target.name + ".tmp")
    try:
        status = library.llama_model_quantize(os.fsencode(source), os.fsencode(scratch), params)
        if status != 0:
            reason = last_complaint() or f"status {status}"
            raise ModelLoadError(
                f"llama.cpp could not write {target.name} as {quantisation}: {reason}. Check the free disk space."
            )
        written = read_gguf(scratch)
        if written.quantisation != quantisation or written.parameters == 0:
            raise ModelFileError(f"llama.cpp wrote {target.name} as {written.quantisation}, not {quantisation}. Update it.")
        scratch.replace(target)
        return replace(written, path=target)
    finally:
        scratch.unlink(missing_ok=True)
