"""Builds a desk for a changed copy of the knowledge, learned by the light fit without an index.

All vectors, those of the cases too, are cached in one file beside the index, so that a second run
builds and measures the same desk in seconds.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from bot.adapters.cached_encoder import CachedEncoder
from bot.adapters.encoder import Vector
from bot.adapters.exact_retriever import Exact
from bot.answering.fit import LearnedFit, can_learn, learn_fit
from bot.answering.judges import FittedJudge
from bot.answering.responder import Responder
from bot.app import App
from bot.corpus import Knowledge, records_of
from bot.errors import InputError
from evals.measuring.grade import Graded, grade
from evals.measuring.measure import EvaluatedDesk, run_cases
from evals.measuring.schema import Case

VECTORS = "eval-vectors.npz"
ENGLISH = "en"


class QueryCache(CachedEncoder):
    """An encoder that also caches question vectors; in service questions hardly ever repeat."""

    @override
    def vector(self, text: str) -> Vector:
        return np.asarray(self.vectors([text])[0])

    @override
    def save(self) -> None:
        """Save all vectors, also unused ones, because each command needs other texts."""
        self.used = {**self._kept, **self.used}
        super().save()

    @override
    def embed_query(self, text: str) -> list[float]:
        return self.vector(text).tolist()  # type: ignore[no-any-return]


def query_cache(app: App) -> QueryCache:
    """Return the app's encoder with the vector file of the evaluations as a second cache."""
    return QueryCache(app.encoder, app.settings.home / VECTORS, app.say)


@dataclass(frozen=True, kw_only=True)
class LightDesk:
    """A desk to measure, what it learned and how many seconds the learning took."""

    desk: EvaluatedDesk
    learned: LearnedFit
    seconds: float


def light_desk(
    knowledge: Knowledge, encoder: QueryCache, *, threshold: float | None = None
) -> LightDesk:
    """Return a desk that learned `knowledge`; InputError when it holds too little.

    `threshold` replaces the threshold that the fit chose.
    """
    if not can_learn(knowledge):
        raise InputError(f"{knowledge.folder}: there are too few wordings to learn from")
    began = time.perf_counter()
    learned = learn_fit(knowledge, encoder.vectors)
    seconds = time.perf_counter() - began
    judge = FittedJudge(fit=learned.fit, vector=encoder.embed_query, threshold=threshold)
    desk = EvaluatedDesk(
        knowledge=knowledge,
        responder=_responder(knowledge, encoder, judge),
        threshold=judge.threshold_for(ENGLISH),
        fitted=True,
    )
    return LightDesk(desk=desk, learned=learned, seconds=seconds)


def _responder(knowledge: Knowledge, encoder: QueryCache, judge: FittedJudge) -> Responder:
    records = records_of(knowledge)
    vectors = encoder.vectors([record.text for record in records])
    return Responder(
        knowledge=knowledge, retriever=Exact(encoder, records, vectors), judge=judge,
    )  # fmt: skip


def measure_cases(cases: Sequence[Case], desk: EvaluatedDesk) -> list[Graded]:
    """Return the grades of the cases, each run through the desk."""
    seen = run_cases(cases, desk, lambda: desk, jobs=1, say=_quiet)
    return [grade(case, done) for case, done in zip(cases, seen, strict=True)]


def _quiet(_done: int) -> None:
    """Show no progress, because the desk is measured in seconds."""
