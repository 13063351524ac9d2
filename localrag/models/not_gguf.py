"""What a file is when it is not GGUF, told from its first bytes."""

from __future__ import annotations

# The magics of llama.cpp before GGUF (August 2023), as they stand in the file: a little-endian uint32 of these letters.
OLD_MODELS = {b"lmgg": "GGML", b"fmgg": "GGMF", b"tjgg": "GGJT"}
OLD_OTHERS = {b"algg": "a LoRA adapter in the old GGLA format", b"nsgg": "a saved session of llama.cpp (GGSN), not a model"}
CONVERTER = "convert_llama_ggml_to_gguf.py"
"""In llama.cpp's repository since 2023. The quantised formats of its time are those of GGJT version 3."""
NEWEST_OLD = 3
UNFINISHED = (
    ".part",
    ".partial",
    ".crdownload",
    ".download",
    ".opdownload",
    ".incomplete",
    ".aria2",
    ".tmp",
    ".!qb",
    ".filepart",
)

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
    if head[:4] in OLD_MODELS:
        return _old(head)
    if head[:4] in OLD_OTHERS:
        return f"{OLD_OTHERS[head[:4]]}. Choose a .gguf file of a model"
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
    first = head[:4]
    readable = first.isascii() and first.decode("latin-1").isprintable()
    shown = f"“{first.decode('ascii')}”" if readable else f"the bytes {first.hex(' ')}"
    return f"not a GGUF file: it starts with {shown}. Choose a .gguf file"


def _old(head: bytes) -> str:
    """What an old file is, and what it takes to become a GGUF: llama.cpp has not read it since August 2023."""
    name = OLD_MODELS[head[:4]]
    version = int.from_bytes(head[4:8], "little") if name != "GGML" else 0
    told = f"{name} version {version}" if 0 < version < 10 else name
    if name == "GGJT" and version == NEWEST_OLD:
        way = f"or convert it with llama.cpp's {CONVERTER} if it is a LLaMA model"
    else:
        way = f"for llama.cpp's {CONVERTER} takes LLaMA models this old only in F16 or F32"
    return f"in the old {told} format, which llama.cpp no longer reads. Best download the model as GGUF, {way}"


def is_unfinished(name: str) -> bool:
    """Whether a file name is one that browsers and download tools give to what they have not finished."""
    return name.lower().endswith(UNFINISHED)
