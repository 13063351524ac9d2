"""The short catalogue of models that can be downloaded by name. Reading it makes no request."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from localrag.errors import DownloadError
from localrag.models.model_download import CATALOGUE, Order


@dataclass(frozen=True, slots=True)
class Offer:
    """A model of the catalogue. `bytes` are fetched; `need` is the memory it takes, roughly, with 4,096 tokens of context.

    `sha256` is empty where it is not known for sure. `starter`: a wheel of the Python package index, as the set-up takes it.
    """

    name: str
    title: str
    kind: Literal["chat", "embedding"]
    file: str
    address: str
    bytes: int
    licence: str
    languages: str
    parameters: str
    quantisation: str
    n_ctx_train: int
    need: int
    sha256: str
    good_for: str
    starter: bool = False

    @property
    def order(self) -> Order:
        """What to download; not for a starter."""
        return Order(self.address, self.sha256, CATALOGUE, self.file, self.bytes)


@functools.cache
def offers() -> tuple[Offer, ...]:
    """The catalogue, smallest models first."""
    text = resources.files("localrag.models").joinpath("offers.toml").read_text("utf-8")
    return tuple(Offer(**entry) for entry in tomllib.loads(text)["offer"])


def find_offer(name: str) -> Offer:
    """The model of that name, whatever its case.

    Raises:
        DownloadError: there is none; the sentence lists those there are.
    """
    for offer in offers():
        if name.strip().casefold() in (offer.name, offer.file.casefold()):
            return offer
    known = ", ".join(offer.name for offer in offers())
    raise DownloadError(f"{name[:100]!r} is neither an http address nor a name in the catalogue. Its names are {known}.")
