"""Simulates the first day of an incident: a stream of messages, and people who answer.

The incident is the shipped one; what reads a post without questions was not fitted to it. Its
questions and labelled messages are removed from the knowledge. Its labelled messages and cases are
the stream: twelve questions that many ask, in the words of several authors, and others asked once.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bot.adapters.encoder import Encoder
from bot.answering.evidence import QUOTED
from bot.answering.examples import views_of
from bot.answering.judges import LabelledJudge, TransferredJudge
from bot.answering.labelled_ranker import FEWEST_LABELS, AnsweredQuestions, LabelledRanker
from bot.answering.transfer import TransferRanker
from bot.corpus import Knowledge
from bot.corpus.messages import ANSWERED
from evals.measuring.grade import Graded, Verdict
from evals.measuring.metrics import Rate
from evals.measuring.schema import Case

CHECKPOINTS = (0, 25, 50, 100, 200, 400)  # labels after which the desk is measured
LENGTH = 1000  # messages of the stream
# Messages after each batch that measure the desk, at most and at least; it learns from them later.
MEASURED, FEWEST_MEASURED = 300, 100
COMMON, COMMON_SHARE = 12, 0.7  # questions that many ask, and their share of the stream
WRONG_LABELS = 0.05  # share of answers by people that are wrong
Judged = Callable[[Sequence[Case], "TransferredJudge | LabelledJudge"], Sequence[Graded]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResults:
    """The results on the next messages of the stream, after so many labels."""

    labels: int
    asked: int  # messages that people answered for them, in their own words too
    graded: tuple[Graded, ...]

    @property
    def right(self) -> Rate:
        """Return the rate of messages that the desk answered rightly by itself."""
        return Rate(hits=self._count(Verdict.CORRECT), of=len(self.graded))

    @property
    def wrong(self) -> Rate:
        """Return the rate of its answers that are wrong."""
        return Rate(hits=self._count(Verdict.WRONG), of=self._answered)

    @property
    def beside(self) -> Rate:
        """Return the rate of its answers that are related but do not answer the question."""
        return Rate(hits=self._count(Verdict.BESIDE), of=self._answered)

    @property
    def _answered(self) -> int:
        return sum(graded.answered for graded in self.graded)

    def _count(self, verdict: Verdict) -> int:
        return sum(graded.answered and graded.verdict is verdict for graded in self.graded)


def draw_stream(cases: Sequence[Case], seed: int) -> tuple[list[Case], int]:
    """Return a stream of messages in random order, and how many authors wrote the common ones.

    No message comes twice. Minimal pairs are left out, because nobody writes in pairs. Messages
    that the same passages answer count as one question; the twelve most frequent are the common
    ones.
    """
    rng = random.Random(seed)  # noqa: S311 - the stream must be the same each time
    pool = [c for c in cases if not c.pair and c.text and not c.turns and not c.asks_several]
    pool = [case for case in pool if len(case.gold) <= 1]
    often = Counter(_meaning(case) for case in pool if case.gold).most_common(COMMON)
    meanings = {meaning for meaning, _ in often}
    common = [case for case in pool if _meaning(case) in meanings]
    rare = [case for case in pool if _meaning(case) not in meanings]
    count = min(int(LENGTH * COMMON_SHARE), len(common))
    authors = len({case.author for case in common})
    stream = rng.sample(common, count)
    stream += rng.sample(rare, min(int(count * (1 - COMMON_SHARE) / COMMON_SHARE), len(rare)))
    rng.shuffle(stream)
    return stream, authors


def _meaning(case: Case) -> tuple[str, ...]:
    return tuple(sorted(case.gold[0])) if case.gold else ()


class FirstDay:
    """A simulation: people answer what the desk hands over, and it learns after each batch."""

    def __init__(
        self, *, knowledge: Knowledge, ranker: TransferRanker, encoder: Encoder, run: Judged,
        seed: int,
    ) -> None:  # fmt: skip
        self.knowledge = knowledge
        self.ranker = ranker
        self.encoder = encoder
        self.run = run
        self.rng = random.Random(seed)  # noqa: S311 - the same labels each time
        self.places = {name: i for i, name in enumerate(ranker.index.passages)}
        self.labels: list[tuple[str, tuple[int, ...]]] = []

    def play(self, stream: Sequence[Case]) -> list[StreamResults]:
        """Return the results at each checkpoint for which enough messages are left to measure."""
        results, rest = [], list(stream)
        for labels in CHECKPOINTS:
            judge = self._judge()
            while rest and sum(bool(answer) for _, answer in self.labels) < labels:
                case = rest.pop(0)
                self._answer(self.run([case], judge)[0])
            if len(rest) < FEWEST_MEASURED:
                break
            graded = tuple(self.run(rest[:MEASURED], self._judge()))
            results.append(StreamResults(labels=labels, asked=len(self.labels), graded=graded))
        return results

    def _judge(self) -> TransferredJudge | LabelledJudge:
        vector = self.encoder.embed_query
        texts = tuple(text for text, _ in self.labels)
        labels = AnsweredQuestions(
            texts=texts, vectors=np.array([vector(text) for text in texts], dtype=np.float32),
            answers=tuple(answer for _, answer in self.labels),
        )  # fmt: skip
        if labels.answered < FEWEST_LABELS:
            return TransferredJudge(ranker=self.ranker, vector=vector)
        return LabelledJudge(ranker=LabelledRanker(self.ranker, labels), vector=vector)

    def _answer(self, graded: Graded) -> None:
        """Record a person's answer to an open question that was handed over.

        The share WRONG_LABELS of the answers is wrong.
        """
        if graded.answered or not graded.seen.open:
            return
        case, gold = graded.case, {p for group in graded.case.gold for p in group}
        draft = [p for part in graded.seen.parts for p in part.candidates[:QUOTED]]
        good = bool(gold & set(self.knowledge.quotable(draft)))
        sent: Sequence[str] = ()
        if self.rng.random() < WRONG_LABELS:  # approved without reading, or the wrong one picked
            others = [name for name in self.places if name not in gold]
            sent = draft if draft and not good else [self.rng.choice(others)]
        elif case.kind in ANSWERED:
            sent = draft if good else case.gold[0][:1]
        answer = tuple(self.places[name] for name in sent)
        self.labels.append((views_of(case.text)[0], answer))
