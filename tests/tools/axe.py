"""axe-core, which finds what a page keeps from people who use a keyboard, a screen reader or little contrast.

Fetched once from the npm registry into the tests' cache folder, checked, and used by the tests alone (MPL-2.0; not shipped).
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.tools.llama_server import cache_dir

VERSION = "4.10.3"
ADDRESS = f"https://registry.npmjs.org/axe-core/-/axe-core-{VERSION}.tgz"
SHA512 = "Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg=="
"""The integrity that the registry states for this version, in Base64."""
FETCH_TIMEOUT_S = 60
_RUN = """async () => {
    const found = await axe.run(document, {resultTypes: ['violations']});
    return found.violations.flatMap(rule => rule.nodes.map(node => ({
        rule: rule.id, impact: node.impact || rule.impact, target: node.target.flat().join(' '),
        html: node.html.slice(0, 300), message: node.failureSummary,
    })));
}"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One element that breaks one rule."""

    rule: str
    impact: str
    target: str
    html: str
    message: str

    def __str__(self) -> str:
        return f"{self.impact} {self.rule}: {self.target}\n  {self.html}\n  {self.message}"


def script_path() -> Path:
    """Where the script is kept once it was fetched."""
    return cache_dir() / f"axe-core-{VERSION}.min.js"


def fetch() -> Path:
    """The script's path; downloads it when it is not there yet."""
    path = script_path()
    if path.is_file():
        return path
    with urllib.request.urlopen(ADDRESS, timeout=FETCH_TIMEOUT_S) as answer:
        packed = answer.read()
    if base64.b64encode(hashlib.sha512(packed).digest()).decode() != SHA512:
        raise ValueError(f"{ADDRESS} is not the file that was published: its SHA-512 differs. Nothing was kept.")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        part = path.with_suffix(".part")
        part.write_bytes(member.read())
    part.replace(path)
    return path


def findings(page: Page) -> list[Finding]:
    """What axe-core has against the page as it stands."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(script_path().read_text("utf-8"))
    found: list[dict[str, Any]] = page.evaluate(_RUN)
    return [Finding(**each) for each in found]
