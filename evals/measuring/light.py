"""Builds a desk for a changed copy of the knowledge, learned by the light fit without an index.

All vectors come from one file beside the index, those of the cases too, so that the same desk is
made and measured again in seconds.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from bot.adapters.cached_encoder import CachedEncoder
from bot.adapters.encoder import Vector
from bot.adapters.exact_retriever import Exact
from bot.answering.fit import Learned, can_learn, learn
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
    """Keeps the vectors of questions too; a served desk does not, because nobody asks twice."""

    @override
    def vector(self, text: str) -> Vector:
        return np.asarray(self.vectors([text])[0])

    @override
    def save(self) -> None:
        """Keep all that was ever made: each command asks for other texts."""
        self.used = {**self._kept, **self.used}
        super().save()

    @override
    def embed_query(self, text: str) -> list[float]:
        return self.vector(text).tolist()  # type: ignore[no-any-return]


def query_cache(app: App) -> QueryCache:
    """The app's encoder behind the file of the evaluations; what is indexed is not made again."""
    return QueryCache(app.encoder, app.settings.home / VECTORS, app.say)


@dataclass(frozen=True, kw_only=True)
class LightDesk:
    """A measured desk, what it learned and how many seconds that took."""

    desk: EvaluatedDesk
    learned: Learned
    seconds: float


def light_desk(
    knowledge: Knowledge, encoder: QueryCache, *, threshold: float | None = None
) -> LightDesk:
    """Learn `knowledge`; InputError where it holds too little. `threshold` replaces the chosen."""
    if not can_learn(knowledge):
        raise InputError(f"{knowledge.folder}: there are too few wordings to learn from")
    began = time.perf_counter()
    learned = learn(knowledge, encoder.vectors)
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
    """Each case through the desk, graded."""
    seen = run_cases(cases, desk, lambda: desk, jobs=1, say=_quiet)
    return [grade(case, done) for case, done in zip(cases, seen, strict=True)]


def _quiet(_done: int) -> None:
    """No counter: a desk is measured in seconds."""
