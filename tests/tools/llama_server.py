"""A real llama.cpp server for the tests, built once a machine from the source inside llama-cpp-python's sdist.

`python -m tests.tools.llama_server` builds it when it is missing and prints where it lies. The result is kept outside
the repository, in `$LOCALRAG_TEST_CACHE` (default: the user's cache folder), by llama-cpp-python's version.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "llama-cpp-python"
TARGETS = ("llama-server", "llama-bench")
FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DCMAKE_C_FLAGS=-U__AMX_INT8__",  # docs/decisions/012
    "-DCMAKE_CXX_FLAGS=-U__AMX_INT8__",
)


def cache_dir() -> Path:
    """Where things that outlive a test run are kept."""
    given = os.environ.get("LOCALRAG_TEST_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "localrag-tests"


def binary(name: str = "llama-server") -> Path:
    """Where the program lies once it is built."""
    return cache_dir() / f"llama.cpp-{importlib.metadata.version(PACKAGE)}" / name


def build() -> Path:
    """Build both programs unless they are there; about six minutes on two cores."""
    if all(binary(name).exists() for name in TARGETS):
        return binary()
    version = importlib.metadata.version(PACKAGE)
    target = binary().parent
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="llama.cpp-") as scratch_name:
        scratch = Path(scratch_name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*pip, f"{PACKAGE}=={version}", "-d", scratch_name], check=True)
        with tarfile.open(next(scratch.glob("*.tar.gz"))) as sdist:
            sdist.extractall(scratch, filter="data")
        source = next(scratch.glob("llama_cpp_python-*/vendor/llama.cpp"))
        subprocess.run(["cmake", "-S", str(source), "-B", str(scratch / "build"), *FLAGS], check=True)
        jobs = str(os.cpu_count() or 1)
        subprocess.run(["cmake", "--build", str(scratch / "build"), "-j", jobs, "--target", *TARGETS], check=True)
        for name in TARGETS:
            built = scratch / "build" / "bin" / name
            shutil.copy2(built, target / f"{name}.new")
            (target / f"{name}.new").replace(target / name)
    return binary()


if __name__ == "__main__":
    print(build())
