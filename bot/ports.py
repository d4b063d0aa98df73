"""The places where the outside plugs in; each has two real implementations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.domain import Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the evidence says: passages best first and the probability that the first two answer.

    `label` is the most likely meaning, an intent, a silent topic or a speech act; `certainty` its
    probability.
    """

    probability: float
    passages: tuple[str, ...]
    label: str
    certainty: float = 0.0
    features: tuple[tuple[str, float], ...] = ()


class Retriever(Protocol):
    """Finds the wordings nearest to a text: Chroma (dense), BM25 (no model)."""

    def search(self, text: str, *, limit: int) -> tuple[Hit, ...]: ...


class Judge(Protocol):
    """Weighs the evidence for a text: the fitted judge, the strict one without a fit."""

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement: ...
    def threshold_for(self, language: str) -> float: ...


class MailOut(Protocol):
    """Hands a finished mail over: a Maildir, SMTP."""

    def send(self, mail: bytes, *, recipient: str) -> None: ...
