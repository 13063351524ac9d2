"""A bundle's file: what is written is read again, and nothing of a hostile one is believed."""

from __future__ import annotations

import io
import json
import os
import random
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localrag.documents import bundle
from localrag.documents.bundle import (
    Counts,
    Embedding,
    Manifest,
    Packed,
    Range,
    Splitting,
    from_line,
    sentence_type,
    to_line,
)
from localrag.documents.bundle_reading import BundleFile
from localrag.documents.bundle_writing import write_bundle
from localrag.documents.ingest import Control
from localrag.embeddings.base import Spans, Vectors, unit
from localrag.errors import StoreError
from localrag.types import Mark, SourceRecord

DIMENSION = 8
TEXT = 'The "drill" has 31 months.\nÄrger 한글 😀 \u2028 and a tab\t. Its motor is from Oslo.'
Members = dict[str, bytes]


def packed(number: int = 0, text: str = TEXT, chunks: tuple[Range, ...] | None = None) -> Packed:
    if chunks is None:
        chunks = (Range(0, 26, "Top › Sub", 1), Range(27, len(text), "", None))
    return Packed(
        sha256=f"{number:064x}",
        type="txt",
        title=f"Title {number}",
        description="",
        language="en",
        reader="2",
        splitter="sentences-1 500/0",
        status="indexed" if chunks else "empty",
        error="" if chunks else "It holds no text.",
        note="",
        pages=0,
        added="2026-01-02T03:04:05+00:00",
        sources=(SourceRecord(f"a{number}.txt", f"a{number}.txt", added="2026"), SourceRecord(f"b{number}", "b", added="2026")),
        text=text,
        marks=(Mark(0, "Top › Sub"), Mark(27, "page 2", 2, "page")),
        chunks=chunks,
    )


@dataclass
class Parcel:
    """Contents that a test makes up."""

    packed: list[Packed]
    rows: Vectors
    known: list[tuple[int, Spans, Vectors]]
    with_vectors: bool = True

    @property
    def manifest(self) -> Manifest:
        counts = Counts(
            documents=len(self.packed),
            chunks=sum(len(p.chunks) for p in self.packed),
            sentences=sum(len(spans) for _, spans, _ in self.known),
            characters=0,
        )
        return Manifest(
            format=1,
            product="LocalRAG 0",
            created="2026",
            collection="work",
            embedding=Embedding(identity="fake:8", name="fake", dimension=DIMENSION),
            settings=Splitting(reader="2", splitter="sentences-1 500/0", chunk_chars=500, chunk_overlap=0),
            counts=counts,
            vectors=self.with_vectors,
            paths=False,
        )

    def documents(self) -> Iterator[Packed]:
        yield from self.packed

    def vectors(self) -> Iterator[Vectors]:
        for at in range(0, len(self.rows), 3):
            yield self.rows[at : at + 3]

    def sentences(self) -> Iterator[tuple[int, Spans, Vectors]]:
        yield from self.known


def parcel(documents: int = 3, with_vectors: bool = True) -> Parcel:
    numbers = np.random.default_rng(1)
    rows = unit(numbers.normal(size=(2 * documents, DIMENSION)).astype(np.float32))
    known = [
        (at, [(0, 4), (5, 20)], unit(numbers.normal(size=(2, DIMENSION)).astype(np.float32)))
        for at in range(2 * documents)
        if at != 1
    ]
    return Parcel([packed(n) for n in range(documents)], rows, known if with_vectors else [], with_vectors)


def write(contents: Parcel, path: Path) -> Path:
    for _ in write_bundle(contents, path, Control()):
        pass
    return path


def read(path: Path) -> tuple[Manifest, list[Packed], Vectors, list[tuple[int, Spans, Vectors]]]:
    with BundleFile(path, 200) as found:
        documents = list(found.documents())
        vectors = [*found.vectors(), np.empty((0, found.manifest.embedding.dimension), np.float32)]
        return found.manifest, documents, np.concatenate(vectors), list(found.sentences())


def members(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packing(path: Path, content: Members) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def refused(path: Path) -> str:
    """The one sentence or two a bundle is refused with."""
    with pytest.raises(StoreError) as caught:
        read(path)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 500
    return said


@pytest.mark.parametrize("documents", [0, 1, 300])
def test_what_is_written_is_read_again(tmp_path: Path, documents: int) -> None:
    sent = parcel(documents)
    manifest, found, vectors, sentences = read(write(sent, tmp_path / "a.localrag"))
    assert found == sent.packed
    assert manifest.counts == Counts(
        documents=documents, chunks=2 * documents, sentences=2 * len(sent.known), characters=documents * len(TEXT)
    )
    assert np.abs(vectors - sent.rows).max(initial=0) < 5e-4
    assert [(row, list(spans)) for row, spans, _ in sentences] == [(row, list(spans)) for row, spans, _ in sent.known]
    assert all(float((a[2] * b[2]).sum(axis=1).min()) > 0.999 for a, b in zip(sentences, sent.known, strict=True))


def test_a_document_without_text_goes_along(tmp_path: Path) -> None:
    sent = Parcel([packed(0, "", ()), packed(1)], parcel(1).rows, [])
    assert read(write(replace_marks(sent), tmp_path / "a.localrag"))[1][0].error == "It holds no text."


def replace_marks(sent: Parcel) -> Parcel:
    sent.packed[0] = replace(sent.packed[0], marks=())
    return sent


def test_vectors_can_be_left_out(tmp_path: Path) -> None:
    path = write(parcel(3, with_vectors=False), tmp_path / "a.localrag")
    assert set(members(path)) == {"manifest.json", "documents.jsonl"}
    manifest, found, vectors, sentences = read(path)
    assert (manifest.vectors, len(found), len(vectors), sentences) == (False, 3, 0, [])


def test_vectors_are_what_numpy_reads_without_us(tmp_path: Path) -> None:
    sent = parcel(3)
    content = members(write(sent, tmp_path / "a.localrag"))
    rows = np.load(io.BytesIO(content["vectors.npy"]), allow_pickle=False)
    assert rows.shape == (6, DIMENSION)
    assert rows.dtype == np.float16
    sentences = np.load(io.BytesIO(content["sentences.npy"]), allow_pickle=False)
    assert sentences["chunk"].tolist() == [row for row, spans, _ in sent.known for _ in spans]
    assert [json.loads(line)["title"] for line in content["documents.jsonl"].decode().split("\n") if line] == [
        "Title 0",
        "Title 1",
        "Title 2",
    ]


def test_a_cosine_of_written_vectors_changes_by_less_than_a_ten_thousandth(tmp_path: Path) -> None:
    numbers = np.random.default_rng(3)
    rows = unit(numbers.normal(size=(400, DIMENSION)).astype(np.float32))
    question = rows[0]
    found = read(write(Parcel([packed(n) for n in range(200)], rows, []), tmp_path / "a.localrag"))[2]
    assert float(np.abs(unit(found) @ question - rows @ question).max()) < 1e-3
    wide = unit(numbers.normal(size=(1000, 384)).astype(np.float32))
    assert float(np.abs(unit(wide.astype(np.float16).astype(np.float32)) @ wide[0] - wide @ wide[0]).max()) < 1e-4


def test_a_file_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    path = write(parcel(1), tmp_path / "a.localrag")
    before = path.read_bytes()

    class Failing(Parcel):
        def vectors(self) -> Iterator[Vectors]:
            yield self.rows[:3]
            raise StoreError("the index is gone")

    sent = parcel(3)
    with pytest.raises(StoreError, match="index is gone"):
        write(Failing(sent.packed, sent.rows, sent.known), path)
    assert path.read_bytes() == before
    control = Control()
    for _ in write_bundle(parcel(50), path, control):
        control.cancel()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.localrag"]
    with pytest.raises(StoreError, match=r"nowhere.*cannot be written"):
        write(parcel(1), tmp_path / "nowhere" / "a.localrag")


def test_memory_is_bounded_while_many_chunks_go_through(tmp_path: Path) -> None:
    chunks = tuple(Range(at, at + 9, "", None) for at in range(0, 5_000, 10))
    rows = unit(np.ones((500, 256), np.float32))

    class Many(Parcel):
        @property
        def manifest(self) -> Manifest:
            made = super().manifest
            return made.model_copy(update={"embedding": Embedding(identity="x", name="x", dimension=256)})

        def documents(self) -> Iterator[Packed]:
            for n in range(40):
                yield replace(packed(n, "ten chars " * 500, chunks), marks=())

        def vectors(self) -> Iterator[Vectors]:
            for _ in range(40):
                yield rows

    tracemalloc.start()
    try:
        path = write(Many([], np.empty((0, 256), np.float32), []), tmp_path / "a.localrag")
        with BundleFile(path, 200) as found:
            assert sum(len(p.chunks) for p in found.documents()) == 20_000
            assert sum(len(part) for part in found.vectors()) == 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000  # the vectors alone are 20 MB as they are read


# Hostile and damaged files


def change_manifest(**changes: Any) -> Callable[[Members], None]:
    def change(content: Members) -> None:
        made = json.loads(content["manifest.json"])
        for name, value in changes.items():
            group, _, inner = name.partition("__")
            if inner:
                made[group][inner] = value
            else:
                made[group] = value
        content["manifest.json"] = json.dumps(made).encode()

    return change


def change_line(change: Callable[[dict[str, Any]], object]) -> Callable[[Members], None]:
    """Change what the first document's line says."""

    def apply(content: Members) -> None:
        first, *others = content["documents.jsonl"].split(b"\n")
        line = json.loads(first)
        change(line)
        content["documents.jsonl"] = b"\n".join([json.dumps(line).encode(), *others])

    return apply


def change_rows(change: Callable[[Any], object], name: str = "vectors.npy") -> Callable[[Members], None]:
    def apply(content: Members) -> None:
        rows = np.load(io.BytesIO(content[name])).copy()
        changed = change(rows)
        out = io.BytesIO()
        np.save(out, rows if changed is None else changed)
        content[name] = out.getvalue()

    return apply


def put(name: str, data: bytes) -> Callable[[Members], None]:
    def apply(content: Members) -> None:
        content[name] = data

    return apply


def set_item(at: Any, value: Any) -> Callable[[Any], None]:
    def apply(rows: Any) -> None:
        rows[at] = value

    return apply


HOSTILE: dict[str, Callable[[Members], object]] = {
    "no manifest": lambda c: c.pop("manifest.json"),
    "no documents": lambda c: c.pop("documents.jsonl"),
    "no vectors": lambda c: c.pop("vectors.npy"),
    "no sentences": lambda c: c.pop("sentences.npy"),
    "a member above": put("../../evil.txt", b"x"),
    "an absolute member": put("/etc/evil", b"x"),
    "manifest no JSON": put("manifest.json", b"{"),
    "manifest a list": put("manifest.json", b"[]"),
    "manifest nested": put("manifest.json", b"[" * 500_000),
    "manifest long": put("manifest.json", b" " * 2_000_000),
    "manifest bytes": put("manifest.json", b"\xff\xfe\x00"),
    "format a word": change_manifest(format="1"),
    "format zero": change_manifest(format=0),
    "dimension huge": change_manifest(embedding__dimension=10**9),
    "dimension below": change_manifest(embedding__dimension=-1),
    "dimension other": change_manifest(embedding__dimension=DIMENSION + 1),
    "more documents said": change_manifest(counts__documents=4),
    "fewer documents said": change_manifest(counts__documents=2),
    "more chunks said": change_manifest(counts__chunks=7),
    "fewer chunks said": change_manifest(counts__chunks=5),
    "more text said": change_manifest(counts__characters=10**6),
    "more sentences said": change_manifest(counts__sentences=10**30),
    "fewer sentences said": change_manifest(counts__sentences=1),
    "lines no JSON": put("documents.jsonl", b"nonsense\n" * 3),
    "lines random": put("documents.jsonl", random.Random(1).randbytes(100_000)),
    "line cut": lambda c: c.update({"documents.jsonl": c["documents.jsonl"][:-40]}),
    "last newline cut": lambda c: c.update({"documents.jsonl": c["documents.jsonl"][:-1]}),
    "empty lines": lambda c: c.update({"documents.jsonl": b"\n" + c["documents.jsonl"]}),
    "line nested": put("documents.jsonl", b'{"text": "", "marks": ' + b"[" * 200_000 + b"\n"),
    "a document twice": lambda c: put("documents.jsonl", (c["documents.jsonl"].split(b"\n")[0] + b"\n") * 3)(c),
    "a source twice": change_line(lambda d: d["sources"].append(d["sources"][0])),
    "a source of another": change_line(lambda d: d["sources"][0].update(source="a1.txt")),
    "no source": change_line(lambda d: d["sources"].clear()),
    "an empty source": change_line(lambda d: d["sources"][0].update(source="")),
    "hash no hash": change_line(lambda d: d.update(sha256="../..")),
    "a field missing": change_line(lambda d: d.pop("title")),
    "title a number": change_line(lambda d: d.update(title=1)),
    "status strange": change_line(lambda d: d.update(status="replaced")),
    "empty with chunks": change_line(lambda d: d.update(status="empty")),
    "half a character": change_line(lambda d: d.update(text="\ud800" + d["text"][1:])),
    "half a character in the title": change_line(lambda d: d.update(title="\ud800")),
    "chunk after the end": change_line(lambda d: d["chunks"][1].__setitem__(1, len(TEXT) + 1)),
    "chunk before the start": change_line(lambda d: d["chunks"][0].__setitem__(0, -1)),
    "chunk backwards": change_line(lambda d: d["chunks"][0].__setitem__(1, 0)),
    "chunk no number": change_line(lambda d: d["chunks"][0].__setitem__(0, 1.5)),
    "chunk twice": change_line(lambda d: d["chunks"].__setitem__(1, d["chunks"][0])),
    "chunk of few parts": change_line(lambda d: d["chunks"][0].pop()),
    "chunks everywhere": change_line(lambda d: d.update(chunks=[[a, b, "", None] for b in range(60) for a in range(b)])),
    "half a character in a source": change_line(lambda d: d["sources"][0].update(source="\udfff")),
    "half a character in a place": change_line(lambda d: d["chunks"][0].__setitem__(2, "\udfff")),
    "page of many digits": change_line(lambda d: d["chunks"][0].__setitem__(3, 10**30)),
    "pages of too many digits": put("documents.jsonl", b'{"text": "", "pages": ' + b"9" * 10_000 + b"}\n"),
    "pages true": change_line(lambda d: d.update(pages=True)),
    "mark outside": change_line(lambda d: d["marks"][1].__setitem__(0, 10**9)),
    "marks backwards": change_line(lambda d: d["marks"].reverse()),
    "mark strange": change_line(lambda d: d["marks"][0].__setitem__(3, "code")),
    "vector NaN": change_rows(set_item((3, 2), np.nan)),
    "vector infinite": change_rows(set_item((3, 2), np.inf)),
    "vector long": change_rows(set_item(2, 3.0)),
    "vectors few": change_rows(lambda rows: rows[:-1]),
    "vectors many": change_rows(lambda rows: np.concatenate([rows, rows])),
    "vectors cut": lambda c: c.update({"vectors.npy": c["vectors.npy"][:-3]}),
    "vectors longer": lambda c: c.update({"vectors.npy": c["vectors.npy"] + b"\0" * 100}),
    "vectors of 64 bits": change_rows(lambda rows: rows.astype(np.float64)),
    "vectors by column": change_rows(np.asfortranarray),
    "vectors no header": put("vectors.npy", b"\x93NUMPY\x01\x00\xff\xff"),
    "vectors header evil": put("vectors.npy", b"\x93NUMPY\x01\x00\x1a\x00__import__('os').abort()\n   "),
    "vectors nothing": put("vectors.npy", b""),
    "vectors of objects": change_rows(lambda rows: np.array([[print] * DIMENSION] * 6, object)),
    "sentence of no chunk": change_rows(set_item(-1, (99, 0, 4, [1] * DIMENSION)), "sentences.npy"),
    "sentence outside": change_rows(set_item(0, (0, 0, 400, [1] * DIMENSION)), "sentences.npy"),
    "sentence backwards": change_rows(set_item(0, (0, 4, 4, [1] * DIMENSION)), "sentences.npy"),
    "sentences in disorder": change_rows(lambda rows: rows[::-1], "sentences.npy"),
    "sentences cut": lambda c: c.update({"sentences.npy": c["sentences.npy"][:-3]}),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_file_is_refused_in_a_sentence(tmp_path: Path, how: str) -> None:
    content = members(write(parcel(3), tmp_path / "good.localrag"))
    HOSTILE[how](content)
    assert "bad.localrag" in refused(packing(tmp_path / "bad.localrag", content))


def test_a_file_of_a_newer_version_says_what_to_do(tmp_path: Path) -> None:
    content = members(write(parcel(1), tmp_path / "good.localrag"))
    content["manifest.json"] = json.dumps({"format": 2, "product": "LocalRAG 9.0", "else": {}}).encode()
    said = refused(packing(tmp_path / "new.localrag", content))
    assert "LocalRAG 9.0" in said
    assert "Update" in said


def test_a_text_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    content = members(write(parcel(1), tmp_path / "good.localrag"))
    content["documents.jsonl"] = b'{"text": "' + b"x" * 20_000_000 + b'"}\n'
    path = packing(tmp_path / "bomb.localrag", content)
    assert path.stat().st_size < 100_000
    assert "unpacks to more" in refused(path)


@pytest.mark.parametrize("part", ["[]", "{}", "[0,0,0,0]", '["",""]'])
def test_a_line_of_brackets_exhausts_no_memory(part: str) -> None:
    line = '{"text": "", "marks": [' + ",".join([part] * 4_000_000) + "]}"
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="too much beside its text"):
            from_line(line)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_line_of_many_chunks_is_no_such_line() -> None:
    chunks = tuple(Range(at, at + 1, "page 1, rows 2 to 31", 1) for at in range(100_000))
    sent = replace(packed(0, "a\ud7ff[{" * 25_000, chunks), marks=())
    assert from_line(to_line(sent)) == sent


def test_a_document_longer_than_the_settings_allow_says_which_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = packed(0, "long " * 300_000, (Range(0, 4, "", None), Range(5, 9, "", None)))
    path = write(Parcel([sent], parcel(1).rows, []), tmp_path / "a.localrag")
    with pytest.raises(StoreError, match="max_document_mb"), BundleFile(path, 1) as found:
        list(found.documents())
    monkeypatch.setattr(bundle, "MAX_REST_CHARS", 1_000)
    content = members(path)
    content["documents.jsonl"] = random.Random(1).randbytes(600_000).hex().encode()
    packing(path, content)
    with pytest.raises(StoreError, match="max_document_mb"), BundleFile(path, 1) as found:
        list(found.documents())


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write(parcel(1), tmp_path / "a.localrag")
    data = members(path)["documents.jsonl"]
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("documents.jsonl", data)
    assert "two members" in refused(path)


def test_a_file_cut_off_anywhere_or_of_other_bytes_is_refused(tmp_path: Path) -> None:
    whole = write(parcel(20), tmp_path / "good.localrag").read_bytes()
    path = tmp_path / "bad.localrag"
    for share in range(20):
        path.write_bytes(whole[: len(whole) * share // 20])
        refused(path)
    for seed in range(5):
        path.write_bytes(random.Random(seed).randbytes(5_000))
        refused(path)


def test_a_file_with_a_flipped_byte_is_refused_or_says_the_same(tmp_path: Path) -> None:
    sent = parcel(4)
    whole = write(sent, tmp_path / "good.localrag").read_bytes()
    path, dice = tmp_path / "bad.localrag", random.Random(7)
    refusals = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        try:
            assert read(path)[1] == sent.packed
        except StoreError:
            refusals += 1
    assert refusals > 200


@pytest.mark.parametrize("name", ["missing.localrag", "", "\0"])
def test_no_file_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="There is no file"):
        BundleFile(tmp_path / name, 200)


def test_a_line_is_the_same_document_again() -> None:
    assert from_line(to_line(packed(3))) == packed(3)


def test_sentences_take_twelve_bytes_and_one_a_dimension() -> None:
    assert sentence_type(384).itemsize == 396
