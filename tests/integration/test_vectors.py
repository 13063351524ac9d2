"""Chroma: cosine space, one embedding model a collection, any number of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings as ChromaSettings

from localrag.embeddings.base import EmbeddingModel, Vectors, unit
from localrag.embeddings.fake import FakeEmbeddings
from localrag.errors import StoreError
from localrag.retrieval.vectors import VectorIndex


@dataclass
class Named(EmbeddingModel):
    """An embedding model by name only: vectors are made by the tests."""

    identity: str = "gguf:one"
    dimension: int = 8
    name: str = "One"

    def embed_texts(self, texts: list[str]) -> Vectors:
        raise NotImplementedError

    def embed_question(self, text: str) -> Vectors:
        raise NotImplementedError


ONE = Named()


def rows(count: int, dimension: int = 8) -> Vectors:
    return unit(np.random.default_rng(3).standard_normal((count, dimension)).astype(np.float32))


@pytest.fixture
def index(tmp_path: Path) -> VectorIndex:
    return VectorIndex(tmp_path / "chroma")


def test_the_space_is_cosine_and_a_score_is_the_similarity(index: VectorIndex) -> None:
    vectors = np.array([[1, 0], [0, 1], [-1, 0], [3, 4]], np.float32)
    model = Named(dimension=2)
    index.put("shelf", model, ["same", "across", "opposite", "longer"], vectors)
    assert index.collection("shelf", model).configuration_json["hnsw"]["space"] == "cosine"
    found = index.nearest("shelf", model, np.array([1, 0], np.float32), 4)
    assert [name for name, _ in found] == ["same", "longer", "across", "opposite"]
    np.testing.assert_allclose([score for _, score in found], [1.0, 0.6, 0.0, -1.0], atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_no_vector_is_lost_behind_many_that_resemble_each_other(index: VectorIndex, seed: int) -> None:
    """With Chroma's own graph one collection in four loses some of these: nothing it links to leads there."""
    random = np.random.default_rng(seed)
    alike = random.standard_normal(64) + 0.05 * random.standard_normal((400, 64))
    vectors = unit(np.vstack([alike, random.standard_normal((5, 64))]).astype(np.float32))
    ids = [f"chunk {number}" for number in range(len(vectors))]
    model = Named(dimension=64)
    for half in (slice(0, 202), slice(202, None)):
        index.put("shelf", model, ids[half], vectors[half])
    assert all(index.finds("shelf", vector) for vector in vectors)


def test_asking_for_more_than_there_is_gives_what_there_is(index: VectorIndex) -> None:
    index.put("shelf", ONE, ["a", "b"], rows(2))
    assert len(index.nearest("shelf", ONE, rows(1)[0], 50)) == 2


@pytest.mark.parametrize("other", [Named("gguf:two", 8, "Two"), Named("gguf:one", 16, "One"), FakeEmbeddings()])
def test_vectors_of_another_model_are_refused_with_both_names(index: VectorIndex, other: EmbeddingModel) -> None:
    index.put("shelf", ONE, ["a"], rows(1))
    vector = rows(1, other.dimension)
    for attempt in (lambda: index.put("shelf", other, ["b"], vector), lambda: index.nearest("shelf", other, vector[0], 1)):
        with pytest.raises(StoreError, match=rf"embedding model One, the settings name {other.name}"):
            attempt()
    assert index.count("shelf") == 1


def test_another_model_is_refused_after_a_restart_too(index: VectorIndex, tmp_path: Path) -> None:
    index.put("shelf", ONE, ["a"], rows(1))
    again = VectorIndex(tmp_path / "chroma")
    assert again.nearest("shelf", ONE, rows(1)[0], 1)[0][0] == "a"
    with pytest.raises(StoreError, match="Switch back"):
        again.collection("shelf", Named("gguf:two", 8, "Two"))


def test_a_collection_in_another_space_is_refused(index: VectorIndex, tmp_path: Path) -> None:
    metadata = {"embedding": ONE.identity, "embedding_name": ONE.name, "dimension": ONE.dimension}
    configuration = {"hnsw": {"space": "l2"}}
    index.client.create_collection("shelf", configuration=configuration, metadata=metadata, embedding_function=None)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="l2, not cosine"):
        index.collection("shelf", ONE)


def test_more_vectors_than_chroma_takes_at_once_go_in(index: VectorIndex) -> None:
    count = int(index.client.get_max_batch_size()) + 700
    assert count > 6000
    names, vectors = [f"c{n}" for n in range(count)], rows(count)
    index.put("shelf", ONE, names, vectors)
    assert index.count("shelf") == count
    assert index.nearest("shelf", ONE, vectors[count - 1], 1)[0] == (f"c{count - 1}", pytest.approx(1.0, abs=1e-4))
    index.remove("shelf", names[:-1])
    assert index.count("shelf") == 1


def test_writing_an_id_again_replaces_its_vector(index: VectorIndex) -> None:
    vectors = rows(2)
    index.put("shelf", ONE, ["a"], vectors[:1])
    index.put("shelf", ONE, ["a"], vectors[1:])
    assert index.count("shelf") == 1
    assert index.nearest("shelf", ONE, vectors[1], 1)[0][1] == pytest.approx(1.0, abs=1e-5)


def test_collections_are_apart_and_dropping_one_leaves_the_other(index: VectorIndex) -> None:
    index.put("one", ONE, ["a"], rows(1))
    index.put("two", ONE, ["b"], rows(1))
    index.drop("one")
    assert (index.count("one"), index.count("two")) == (0, 1)
    index.drop("one")
    index.put("one", Named("gguf:two", 8, "Two"), ["c"], rows(1))
    assert index.count("one") == 1


def test_removing_what_is_not_there_is_no_error(index: VectorIndex) -> None:
    index.remove("nowhere", ["x"])
    index.put("shelf", ONE, ["a"], rows(1))
    index.remove("shelf", ["x", "y"])
    assert (index.count("shelf"), index.count("nowhere")) == (1, 0)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        VectorIndex(tmp_path / "file" / "chroma")


def test_telemetry_is_off(index: VectorIndex) -> None:
    assert isinstance(index.client.get_settings(), ChromaSettings)
    assert index.client.get_settings().anonymized_telemetry is False
    assert chromadb.__version__
