"""Simulates people who answer questions of labelled incidents, to weigh such answers as evidence.

Of each incident some questions are answered as people answer what the desk hands over, a few of
them wrongly; the others measure the ranker that learns from these answers. One side of each minimal
pair is left out, because nobody writes in pairs.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bot.answering.calibration import Weights, fit_evidence_weights, lowest_threshold
from bot.answering.evidence import QUOTED
from bot.answering.labelled_ranker import AnsweredQuestions, LabelledRanker
from bot.answering.transfer import Transfer, TransferRanker
from bot.corpus.questions import Act
from evals.fitting.incidents import IncidentQuestion, LabelledIncident

SHARES = (0.2, 0.4, 0.6)  # of an incident's questions that people answered
DRAWS = 4  # of the questions that they answered, for each share
WRONG_LABELS = 0.05  # share of answers by people that are wrong
# Requests that are refused, urgent matters and thanks are decided without the ranker, so they are
# no open questions.
DECIDED_BEFORE = frozenset({Act.REFUSE.value, Act.ESCALATE.value, Act.CHATTER.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedQuestion:
    """A question as a ranker judged it that had learned some answered questions."""

    incident: str
    author: str
    text: str
    features: tuple[float, ...]
    probability: float
    right: bool
    wrong: bool


def fit_answered_weights(
    learned: Transfer,
    incidents: Sequence[LabelledIncident],
    left_out: Mapping[str, Transfer],
    *,
    wrong_of_answered: float,
) -> tuple[Transfer, list[JudgedQuestion]]:
    """Return `learned` with weights and threshold for posts of which people answered questions.

    `left_out` holds for each author the transfer model that never saw that author. Of the answers
    at the threshold, at most the share `wrong_of_answered` is wrong, with one further question
    counted as wrong each time it was judged. Also returns each question as it was judged by a
    ranker, and with weights, that never saw its author.
    """
    plain = _judge_questions(incidents, lambda author: left_out[author])
    by_author = {
        author: _with(left_out[author], _weights([e for e in plain if e.author != author]))
        for author in left_out
    }
    judged = _judge_questions(incidents, lambda author: by_author[author])
    threshold = lowest_threshold(
        np.array([each.probability for each in judged]),
        np.array([each.wrong for each in judged]),
        wrong_of_answered,
        spare=round(len(judged) / len({(each.incident, each.text) for each in judged})),
    )
    return replace(_with(learned, _weights(plain)), labelled_threshold=threshold), judged


def _weights(judged: Sequence[JudgedQuestion]) -> Weights:
    evidence = np.array([each.features for each in judged])
    return fit_evidence_weights(evidence, np.array([each.right for each in judged]))


def _with(learned: Transfer, weights: Weights) -> Transfer:
    return replace(
        learned,
        labelled_mean=weights.mean.astype(np.float32),
        labelled_spread=weights.spread.astype(np.float32),
        labelled_coefficients=weights.coefficients.astype(np.float32),
    )


def _judge_questions(
    incidents: Sequence[LabelledIncident], transfer_for: Callable[[str], Transfer]
) -> list[JudgedQuestion]:
    return [
        judged
        for incident in incidents
        for draw in range(DRAWS)
        for judged in _judge_after_shares(
            incident, TransferRanker(incident.index, transfer_for(incident.author)), draw
        )
    ]


def _judge_after_shares(
    incident: LabelledIncident, judge: TransferRanker, draw: int
) -> Iterator[JudgedQuestion]:
    """Yield the unanswered questions as they are read after each of SHARES was answered."""
    rng = random.Random(draw)  # noqa: S311 - the same draw each time
    order = _without_pairs(incident.asked, rng)
    answers = {place: _answer(incident, judge, place, rng) for place in order}
    last = round(max(SHARES) * len(order))
    for share in SHARES:
        known = order[: round(share * len(order))]
        labels = AnsweredQuestions(
            texts=tuple(incident.asked[place].text for place in known),
            vectors=incident.vectors[known],
            answers=tuple(answers[place] for place in known),
        )
        ranker = LabelledRanker(judge, labels)
        for place in order[last:]:
            yield _judge_question(incident, ranker, place)


def _without_pairs(asked: Sequence[IncidentQuestion], rng: random.Random) -> list[int]:
    """Return the places of the open questions in random order, with one side of each pair."""
    order = [place for place, each in enumerate(asked) if each.kind not in DECIDED_BEFORE]
    rng.shuffle(order)
    sides = {asked[place].pair: place for place in order if asked[place].pair}
    return [place for place in order if sides.get(asked[place].pair, place) == place]


def _answer(
    incident: LabelledIncident, judge: TransferRanker, place: int, rng: random.Random
) -> tuple[int, ...]:
    """Return the passages that a person sends: the draft if it answers, else one that does.

    The share WRONG_LABELS is wrong. It is empty when the post has no answer and the person writes
    their own words.
    """
    asked = incident.asked[place]
    draft = tuple(judge.evidence(incident.vectors[place], asked.text).order[:QUOTED])
    gold = asked.gold_passages if asked.answerable else frozenset[int]()
    good = bool(gold & set(draft))
    if rng.random() < WRONG_LABELS:
        others = [p for p in range(len(incident.index.passages)) if p not in gold]
        return (rng.choice(others),) if good else draft
    if not gold:
        return ()
    return draft if good else (min(gold),)


def _judge_question(
    incident: LabelledIncident, ranker: LabelledRanker, place: int
) -> JudgedQuestion:
    asked, vector = incident.asked[place], incident.vectors[place]
    evidence = ranker.evidence(ranker.ranker.evidence(vector, asked.text), vector)
    quoted = set(evidence.order[:QUOTED])
    right = asked.answerable and bool(quoted & asked.gold_passages)
    near = asked.related_passages | asked.gold_passages
    return JudgedQuestion(
        incident=incident.name, author=incident.author, text=asked.text, features=evidence.features,
        probability=ranker.probability(evidence.features), right=right,
        wrong=not right and not quoted & near,
    )  # fmt: skip
