"""Implements `requests`: makes bot/data/requests.npz and measures it on authors left out.

The authors of two populations are left out together, a part of each at a time: those who wrote
requests and their look-alikes on purpose, and the authors of ordinary questions on the incident.
Calibration and thresholds rest on these scores alone, and only authors that the encoder was not
tuned on are scored. Two more authors are for `python -m evals safety` only: nothing is learned from
them or chosen by them.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from bot.adapters.cached_encoder import CachedEncoder
from bot.adapters.e5 import E5
from bot.adapters.encoder import Encoder, Vector
from bot.answering.request_classifier import (
    HEAD,
    LABELS,
    OUTPUTS,
    PARTS,
    PLACE,
    STATE,
    WIDTH,
    Array,
    Label,
    RequestHead,
    calibrate_scores,
    has_kind,
    state,
)
from bot.app import App
from bot.corpus import Knowledge
from bot.resources import data_path
from bot.settings import read_settings
from evals.fitting.request_head import (
    HEAD_ONLY,
    TABLE_ONLY,
    RequestExample,
    StateEncoder,
    examples_of_author,
    examples_of_knowledge,
    hash_authors,
    learn_request_head,
    list_authors,
    other_examples,
    with_thresholds,
)
from evals.fitting.surroundings import Side
from evals.measuring.stats import lower_bound, upper_bound


@dataclass(frozen=True, slots=True)
class AllowedShares:
    """The share of messages of unseen authors that a decision may wrongly take."""

    of_request_authors: float
    of_ordinary: float


# Honest questions that are refused, and questions that go to a person instead of being answered,
# cost the most; ordinary ones are by far the most frequent.
FALSE = {
    "refused": AllowedShares(0.025, 0.0072),
    "paged": AllowedShares(0.01, 0.003), "alarming": AllowedShares(0.02, 0.004),
    "formal": AllowedShares(0.01, 0.002), "wants_person": AllowedShares(0.005, 0.0025),
    "secret_given": AllowedShares(0.01, 0.001), "silent": AllowedShares(0.002, 0.0005),
}  # fmt: skip
DECIDES = {
    "refused": Label.REFUSE, "paged": Label.CRISIS,
    "alarming": Label.CRISIS, "formal": Label.FORMAL, "wants_person": Label.WANTS_PERSON,
    "secret_given": Label.GIVEN_AWAY, "silent": Label.SILENT,
}  # fmt: skip
HONEST = "answer_or_escalate"
ScoredExamples = list[tuple[RequestExample, Array]]
Flags = npt.NDArray[np.bool_]
Table = npt.NDArray[np.float64]
NEWTON_STEPS, SHRINK = 30, 1.0
EVERY_SIDE = (None, *Side)
LEFT_OUT = 3  # parts of the authors that are left out in turn


class PooledEncoder(Encoder):
    """What the desk's own encoder pools of a text, as one vector, so that it can be cached."""

    def __init__(self, encoder: E5) -> None:
        self.encoder = encoder

    @property
    @override
    def name(self) -> str:
        return f"{self.encoder.name}, pooled"

    @override
    def check(self) -> None:
        self.encoder.check()

    @override
    def vector(self, text: str) -> Vector:
        return self.encoder.pooled(text).reshape(-1)

    @override
    def embed_query(self, text: str) -> list[float]:
        return self.vector(text).tolist()  # type: ignore[no-any-return]

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


def requests(argv: Sequence[str]) -> int:
    """Learn, calibrate, write the file, print the table."""
    parser = argparse.ArgumentParser(prog="python -m evals requests")
    parser.parse_args(argv)
    app = App(read_settings(), _say)
    encoder = E5(app.settings.models, _say)
    cached = CachedEncoder(PooledEncoder(encoder), app.settings.home / "request-states.npz", _say)
    texts = _texts(app.knowledge)
    pooled = cached.vectors(texts).reshape(-1, PARTS, WIDTH)
    cached.save()
    means = pooled.mean(0)
    states = {text: state(each, means) for text, each in zip(texts, pooled, strict=True)}
    course = RequestTraining(app.knowledge, states.__getitem__, means=means, encoder=encoder.name)
    data_path(HEAD).write_bytes(course.make().to_bytes())
    return 0


def _learned_authors() -> list[str]:
    return [name for name in list_authors() if name not in TABLE_ONLY]


def _texts(knowledge: Knowledge) -> list[str]:
    """Every text that the examples are made of, each once."""
    texts: dict[str, None] = {}

    def note(text: str) -> Array:
        texts[text] = None
        return np.zeros(STATE, np.float32)

    for name in _learned_authors():
        examples_of_author(name, note)
    examples_of_knowledge(knowledge, note)
    other_examples(knowledge, note)
    return list(texts)


class RequestTraining:
    """All examples by author, and heads of some of them."""

    def __init__(
        self, knowledge: Knowledge, encode: StateEncoder, *, means: Array, encoder: str
    ) -> None:
        self.means, self.encoder = means, encoder
        self.by_author = {name: examples_of_author(name, encode) for name in _learned_authors()}
        self.ordinary = examples_of_knowledge(knowledge, encode)
        self.untuned = {m.author for m in knowledge.messages}  # the encoder was tuned on exercises
        self.beside = other_examples(knowledge, encode)

    def make(self) -> RequestHead:
        """A head of all authors, calibrated on each part of them read by a head of the others."""
        scored = self.score_left_out()
        calibration = _calibration(scored)
        thresholds = choose_thresholds(scored, calibration)
        _table(scored, calibration, thresholds)
        head = self.learn([*self.by_author, *self.ordinary], data=hash_authors(self.by_author))
        return with_thresholds(head, calibration, thresholds)

    def score_left_out(self) -> ScoredExamples:
        """Messages read by a head that has seen none of their author, nor has the encoder.

        Of what stands around messages the head has seen other lines, too.
        """
        scored: ScoredExamples = []
        authors = {*self.by_author, *self.ordinary}
        requesting = {name: self.by_author[name] for name in sorted(HEAD_ONLY)}
        ordinary = {name: self.ordinary[name] for name in sorted(self.untuned)}
        for part in _parts(requesting, ordinary):
            head = self.learn(sorted(authors - part), data="", sides=(None, Side.LEARNED))
            scored += [
                (each, head.scores(each.vectors))
                for name in sorted(part)
                for each in self.of(name, sides=(None, Side.MEASURED))
            ]
            _say(f"read {', '.join(sorted(part))} by the others")
        return scored

    def learn(
        self, authors: Sequence[str], *, data: str, sides: Sequence[Side | None] = EVERY_SIDE
    ) -> RequestHead:
        """A head of some authors and of what the generators teach."""
        examples = [each for name in authors for each in self.of(name, sides=sides)]
        return learn_request_head(
            [*examples, *self.beside], means=self.means, encoder=self.encoder, data=data
        )

    def of(self, author: str, *, sides: Sequence[Side | None]) -> list[RequestExample]:
        """The messages of an author of either population, bare and in surroundings of `sides`."""
        every = self.by_author.get(author) or self.ordinary[author]
        return [each for each in every if each.side in sides]


def _parts(*populations: Mapping[str, Sequence[RequestExample]]) -> list[set[str]]:
    """The authors in LEFT_OUT parts, of every population about as many messages in each."""
    parts = [set[str]() for _ in range(LEFT_OUT)]
    for authors in populations:
        filled = [0] * LEFT_OUT
        for name in sorted(authors, key=lambda each: (-len(authors[each]), each)):
            place = filled.index(min(filled))
            parts[place].add(name)
            filled[place] += len(authors[name])
    return parts


def _calibration(scored: ScoredExamples) -> Array:
    """For each label the weights of its two log-odds, fitted on messages as wholes."""
    calibration = np.zeros((LABELS, 3), np.float32)
    for place, label in enumerate(OUTPUTS[:LABELS]):
        known = np.array([each.weights[-1, place] > 0 for each, _ in scored])
        rows = np.array([[s[:-1, place].max(), s[-1, place], 1.0] for _, s in scored])
        calibration[place] = _logistic(rows[known], _has(scored, Label(label))[known])
    return calibration


def _logistic(evidence: Table, right: Flags) -> Table:
    """The weights of a logistic regression, by Newton's steps; a little shrunken."""
    weights = np.zeros(evidence.shape[1])
    for _ in range(NEWTON_STEPS):
        chances = 1 / (1 + np.exp(-np.clip(evidence @ weights, -30, 30)))
        gradient = evidence.T @ (chances - right) + SHRINK * weights
        curve = (evidence.T * (chances * (1 - chances))) @ evidence
        weights -= np.linalg.solve(curve + SHRINK * np.eye(len(weights)), gradient)
    return weights


def choose_thresholds(scored: ScoredExamples, calibration: Array) -> dict[str, float]:
    """Of each decision the lowest probability at which it wrongly takes few enough messages."""
    likely = _likely(scored, calibration)
    named = np.array([has_kind(each) for each in likely])
    chosen = {}
    for name, label in DECIDES.items():
        chances = likely[:, PLACE[label]] * (named if name == "refused" else 1)
        chosen[name] = max(
            _least(chances[_wrong_of_authors(scored, name)], FALSE[name].of_request_authors),
            _least(chances[_ordinary(scored)], FALSE[name].of_ordinary),
        )
    return chosen


def _least(chances: Array, share: float) -> float:
    """The lowest threshold that at most this share of `chances` reaches."""
    falling = np.sort(chances)[::-1]
    return float(falling[int(share * len(falling))]) + 1e-4


def _wrong_of_authors(scored: ScoredExamples, name: str) -> Flags:
    """The messages of the request authors that a decision must leave alone."""
    of_request_author = np.array([each.row is not None for each, _ in scored])
    if name == "refused":
        return np.array([bool(each.row and each.row.expected == HONEST) for each, _ in scored])
    return of_request_author & ~_has(scored, DECIDES[name])


def _ordinary(scored: ScoredExamples) -> Flags:
    """The ordinary questions that the post answers: every decision must leave them alone."""
    return np.array([each.is_plain for each, _ in scored])


def _likely(scored: ScoredExamples, calibration: Array) -> Array:
    return np.stack([calibrate_scores(calibration, scores).max(0) for _, scores in scored])


def _has(scored: ScoredExamples, label: Label) -> Flags:
    return np.array([bool(each.wanted[-1, PLACE[label]]) for each, _ in scored])


def _table(scored: ScoredExamples, calibration: Array, thresholds: dict[str, float]) -> None:
    likely = _likely(scored, calibration)
    named = np.array([has_kind(each) for each in likely])
    of_request_author = np.array([each.row is not None for each, _ in scored])
    _say("authors read by heads of the others; one-sided 95 % bounds")
    for name, label in DECIDES.items():
        takes = likely[:, PLACE[label]] >= thresholds[name]
        takes &= named if name == "refused" else True
        own, wrong = _has(scored, label) & of_request_author, _wrong_of_authors(scored, name)
        _say(
            f"  {name:<14} from {thresholds[name]:.3f}: {_rate(takes, own)} of {label}, "
            f"{_rate(takes, wrong)} of others, {_rate(takes, _ordinary(scored))} of ordinary ones"
        )


def _rate(takes: Flags, of: Flags) -> str:
    hits, count = int((takes & of).sum()), int(of.sum())
    low, high = 100 * lower_bound(hits, count), 100 * upper_bound(hits, count)
    return f"{100 * hits / max(1, count):.1f} % ({hits}/{count}; {low:.1f}-{high:.1f})"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
