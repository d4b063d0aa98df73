"""Defines the interface of encoders, which turn a text into a vector: local e5, or OpenAI."""

from abc import abstractmethod

import numpy as np
import numpy.typing as npt
from langchain_core.embeddings import Embeddings

Vector = npt.NDArray[np.float32]


class Encoder(Embeddings):
    """An encoder of texts to unit vectors of one width, with a name that identifies them."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name that identifies the vectors; vectors of two names must never be compared."""

    @abstractmethod
    def vector(self, text: str) -> Vector:
        """Return the vector of one text, shape (width,)."""

    @abstractmethod
    def check(self) -> None:
        """Raise MissingError when the encoder cannot make vectors."""
