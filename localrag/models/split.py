"""The parts of a split model, each looked at before llama.cpp opens them."""

from __future__ import annotations

from localrag.errors import ModelFileError
from localrag.models.gguf_file import GGUFFile, read_gguf
from localrag.models.memory import parts

MOST_PARTS = 1_000


def read_parts(first: GGUFFile) -> list[GGUFFile]:
    """The headers of all files of a model, `first` among them; just `first` when the model is whole.

    Raises:
        ModelFileError: this is not the first part, or a part is missing, damaged, out of place or of another model.
    """
    number, count = first.integer("split.no") or 0, first.split_count
    if number > 0:
        raise ModelFileError(
            f"{first.path} is part {number + 1} of a model split into {count:,} files. "
            f"Choose its first part, …-00001-of-{count:05}.gguf."
        )
    if count == 1:
        return [first]
    if count > MOST_PARTS:
        raise ModelFileError(
            f"Model file is damaged: {first.path}: it claims to be split into {count:,} files. Download it again."
        )
    headers = [first]
    for position, path in enumerate(parts(first)[1:], start=2):
        part = read_gguf(path)
        if part.split_count != count or part.integer("split.no") != position - 1:
            place = f"part {(part.integer('split.no') or 0) + 1} of {part.split_count}"
            raise ModelFileError(
                f"The file {path} says that it is {place}, where part {position} of {count} belongs. "
                "Give the parts their own names."
            )
        if part.architecture and part.architecture != first.architecture:
            raise ModelFileError(
                f"The file {path} belongs to another model ({part.architecture}, not {first.architecture}). "
                "Put the parts of one model in one folder."
            )
        headers.append(part)
    names = {tensor.name for part in headers for tensor in part.tensors}
    expected = first.integer("split.tensors.count")
    if len(names) != sum(len(part.tensors) for part in headers) or (expected is not None and expected != len(names)):
        raise ModelFileError(
            f"The parts of {first.path} do not belong together: {len(names):,} different tensors where "
            f"{expected if expected is not None else 'more'} should be. Download all parts again."
        )
    return headers
