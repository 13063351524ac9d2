"""What a file is when it is not GGUF, told from its first bytes."""

from __future__ import annotations

# The magics of llama.cpp before GGUF (August 2023), as they stand in the file: a little-endian uint32 of these letters.
OLD_MAGICS = {
    b"lmgg": "GGML",
    b"fmgg": "GGMF",
    b"tjgg": "GGJT",
    b"algg": "GGLA (a LoRA adapter)",
    b"nsgg": "GGSN (a saved session)",
}

STARTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the model itself. Run `git lfs pull` or download the file again"),
    (b"PK\x03\x04", "a ZIP archive, perhaps a wheel or a PyTorch checkpoint. Unpack it or convert it to GGUF"),
    (b"\x1f\x8b", "a gzip archive. Unpack it first"),
    (b"\x80\x02", "a Python pickle, perhaps a PyTorch checkpoint. Convert it to GGUF"),
    (b"%PDF", "a PDF document. Choose a .gguf file"),
    (b"FUGG", "a GGUF file with its bytes swapped. Download a little-endian one"),
)


def explain(head: bytes) -> str:
    """A clause that completes "… is": what the file is and what to do. `head` is its first 512 bytes or fewer."""
    if head[:4] in OLD_MAGICS:
        return f"in the old {OLD_MAGICS[head[:4]]} format. Download the model as GGUF"
    for start, clause in STARTS:
        if head.startswith(start):
            return clause
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page, not a model. Download it again, with the link of the file itself"
    if text.startswith((b"<?xml", b"<error")):
        return "an XML message, not a model. Download it again, with the link of the file itself"
    if head[8:10] == b'{"':
        return "a safetensors file. Convert it to GGUF or download the GGUF version"
    if text.startswith(b"{"):
        return "a JSON file. Choose a .gguf file"
    if head and not head.strip(b"\0"):
        return "filled with zeros, as after a broken download. Download it again"
    return f"not a GGUF file: it starts with {head[:4]!r}. Choose a .gguf file"
