"""What llama.cpp is told when it loads a file: how, and without its kernels for AMX."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from localrag.models.llama_library import Model
from localrag.models.starter import starter_chat

pytestmark = pytest.mark.models

WITHOUT_AMX = """
import sys
import llama_cpp
said = llama_cpp.llama_print_system_info()
llama_cpp.llama_print_system_info = lambda: said + b"AMX_INT8 = 1 | "
from localrag.models.llama_library import llama_library
library = llama_library()
params = (library.llama_model_default_params(), library.llama_cpp.llama_model_default_params())
assert not any(one.use_extra_bufts for one in params)
llama = library.Llama(sys.argv[1], n_ctx=256, verbose=False)
llama.eval(llama.tokenize(b"A prompt of more than one token, as every prompt is."))
print(llama.n_tokens)
"""


def _maps(path: Path) -> bool:
    return str(path) in Path("/proc/self/maps").read_text()


def _locked_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmLck:")).split()[1])


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells what is mapped and locked")
def test_a_file_is_mapped_and_locked_as_it_is_asked_for(models_dir: Path) -> None:
    path = starter_chat(models_dir).resolve()
    for use_mmap in (True, False):
        with closing(Model(path, use_mmap=use_mmap)):
            assert _maps(path) == use_mmap
    import resource

    size_kb, allowed = path.stat().st_size / 1024, resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    for use_mmap in (True, False):
        before = _locked_kb()
        with closing(Model(path, use_mmap=use_mmap, use_mlock=True)):
            locked = _locked_kb() - before
        with closing(Model(path, use_mmap=use_mmap)):
            # Of a buffer that is not mapped, llama.cpp leaves the first page locked.
            assert _locked_kb() - before <= (0 if use_mmap else resource.getpagesize() / 1024)
        if allowed == resource.RLIM_INFINITY or allowed > 2 * path.stat().st_size:
            assert locked > 0.9 * size_kb


def test_a_library_with_amx_loads_every_model_without_it(models_dir: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_AMX, str(starter_chat(models_dir))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5
