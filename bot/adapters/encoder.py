"""Defines what turns a text into a vector: a model on this machine, or OpenAI by setting."""

from abc import abstractmethod

import numpy as np
import numpy.typing as npt
from langchain_core.embeddings import Embeddings

Vector = npt.NDArray[np.float32]


class Encoder(Embeddings):
    """Unit vectors of one width, and the name that they are kept under."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Identifies the vectors; those of two names never mix."""

    @abstractmethod
    def vector(self, text: str) -> Vector:
        """The vector of one text."""

    @abstractmethod
    def check(self) -> None:
        """MissingError when no vector can be had."""
