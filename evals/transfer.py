"""Implements `transfer`: makes bot/data/transfer.npz and measures it on authors left out.

Each author's incidents in turn are left out when maps and weights are learned, and are then scored;
the thresholds are chosen on these scores alone. The incidents of the held-out authors and the
shipped one are measured only on request, because nothing may be chosen by their results.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bot.answering.calibration import lowest_threshold
from bot.answering.evidence import QUOTED
from bot.answering.transfer import TRANSFER, Embed, Transfer, TransferRanker
from bot.app import App
from bot.corpus import Knowledge
from bot.corpus.questions import Act
from bot.policy import screen
from bot.resources import data_path
from bot.settings import read_settings
from evals.fitting.incidents import (
    IncidentQuestion,
    LabelledIncident,
    folders,
    hash_incidents,
    read_labelled_incident,
    shipped_incident,
)
from evals.fitting.labelled import JudgedQuestion, fit_answered_weights
from evals.fitting.transfer_maps import learn_transfer, weighed
from evals.measuring.schema import CASES, load_cases
from evals.measuring.stats import lower_bound, upper_bound

PLACES = (1, 3, 5, 10)
# The largest share of wrong answers allowed for any post. Incidents differ: where all left-out ones
# together had 1.0 to 2.3 % wrong, the worst of the eighteen had 6 to 8 %. So for all together only
# a quarter of it is allowed.
WORST = 0.04
TOGETHER = WORST / 5  # of all left-out authors, with one more wrong answer counted
LABELLED = 0.03 / 4  # the same once people have answered some of the questions
SURE = 0.6  # probability of `refuse` from which the desk refuses without a word for a secret
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredQuestion:
    """A question with its evidence, and whether quoting the first two passages would be right."""

    asked: IncidentQuestion
    pair: str  # unique over all incidents
    unit_place: int  # rank of the first unit that answers, from 0
    passage_place: int
    right: bool
    related: bool
    screened: bool  # the policy decides it, whatever the evidence says
    features: tuple[float, ...]
    refuses: float  # probability of the kind `refuse`

    @property
    def wrong(self) -> bool:
        return not self.right and not self.related


def transfer(argv: Sequence[str]) -> int:
    """Learn, choose the thresholds, write the file and print the tables; return 0."""
    parser = argparse.ArgumentParser(prog="python -m evals transfer")
    parser.add_argument(
        "--held-out", action="store_true", help="also measure what nothing may be chosen by"
    )
    arguments = parser.parse_args(argv)
    app = App(read_settings(), _say)
    learned = make(
        app.encoder.name, app.encoder.embed_documents, app.knowledge, held_out=arguments.held_out
    )
    data_path(TRANSFER).write_bytes(learned.to_bytes())
    return 0


def make(encoder: str, embed: Embed, knowledge: Knowledge, *, held_out: bool) -> Transfer:
    """Return what is learned from the incidents with the vectors of `embed`; print the tables."""
    paths = folders(held_out=False)
    data = hash_incidents(paths)
    incidents = [read_labelled_incident(path, encoder, embed) for path in paths]
    _say(f"{len(incidents)} incidents, {sum(len(i.asked) for i in incidents)} questions")
    left_out = {
        author: learn_transfer(
            [i for i in incidents if i.author != author], encoder=encoder, data=data
        )
        for author in sorted({each.author for each in incidents})
    }
    scored = [s for each in incidents for s in score_incident(each, left_out[each.author])]
    authors = [each.author for each in incidents for _ in each.asked]
    chances = np.zeros(len(scored))
    for author, maps in left_out.items():
        mine = np.array([a == author for a in authors])
        left_out[author] = _weighed(maps, _picked(scored, ~mine))
        chances[mine] = find_chances(left_out[author], _picked(scored, mine))
    learned = _weighed(learn_transfer(incidents, encoder=encoder, data=data), scored)
    learned = _with_thresholds(learned, scored, authors, chances)
    learned, judged = fit_answered_weights(learned, incidents, left_out, wrong_of_answered=LABELLED)
    _say(f"thresholds {learned.threshold:.3f}, other languages {learned.threshold_other:.3f}")
    _report("left-out authors (thresholds chosen here)", scored, chances, learned)
    _report_labelled(judged, learned.labelled_threshold)
    if held_out:
        for name, kept in _unseen(encoder, embed, knowledge).items():
            seen = [s for each in kept for s in score_incident(each, learned)]
            _report(name, seen, find_chances(learned, seen), learned)
    return learned


def _unseen(encoder: str, embed: Embed, knowledge: Knowledge) -> dict[str, list[LabelledIncident]]:
    cases = [case for case in load_cases(CASES) if case.split == "test" and case.text]
    kept = [read_labelled_incident(path, encoder, embed) for path in folders(held_out=True)]
    shipped = shipped_incident(knowledge.post, cases, encoder, embed)
    return {"held-out authors": kept, "the shipped incident": [shipped]}


def score_incident(incident: LabelledIncident, learned: Transfer) -> list[ScoredQuestion]:
    """Return the questions of an incident, each with the evidence that `learned` finds for it."""
    judge = TransferRanker(incident.index, learned)
    refuse = learned.kinds.index(Act.REFUSE.value)
    scored = []
    for asked, vector in zip(incident.asked, incident.vectors, strict=True):
        evidence = judge.evidence(vector, asked.text)
        units = [int(i) for i in np.argsort(-evidence.units, kind="stable")]
        quoted = set(evidence.order[:QUOTED])
        near = asked.related_passages | asked.gold_passages
        scored.append(
            ScoredQuestion(
                asked=asked,
                pair=asked.pair and f"{incident.name} {asked.pair}",
                unit_place=_place(units, asked.gold),
                passage_place=_place(evidence.order, asked.gold_passages),
                right=asked.answerable and bool(quoted & asked.gold_passages),
                related=bool(quoted & near),
                screened=screen(asked.text) is not None,
                features=evidence.features,
                refuses=float(evidence.kinds[refuse]),
            )
        )
    return scored


def _place(order: Sequence[int], gold: frozenset[int]) -> int:
    return next((place for place, each in enumerate(order) if each in gold), len(order))


def _weighed(learned: Transfer, scored: Sequence[ScoredQuestion]) -> Transfer:
    evidence = np.array([s.features for s in scored])
    return weighed(learned, evidence, np.array([s.right for s in scored]))


def find_chances(learned: Transfer, scored: Sequence[ScoredQuestion]) -> npt.NDArray[np.float64]:
    """Return the probability for each question; 0 where the policy decides it."""
    return np.array([0.0 if s.screened else learned.probability(s.features) for s in scored])


def _with_thresholds(
    learned: Transfer,
    scored: Sequence[ScoredQuestion],
    authors: Sequence[str],
    chances: npt.NDArray[np.float64],
) -> Transfer:
    """Return `learned` with the lowest thresholds that keep to the allowed shares of wrong answers.

    All authors together must stay within TOGETHER, and each author within WORST: the share of wrong
    answers differs by author more than by incident, and a new post has another author.
    """
    english = np.array([s.asked.language == "en" for s in scored])
    wrong = np.array([s.wrong for s in scored])
    by = np.array(authors)
    chosen = []
    for mine in (english, ~english):
        together = lowest_threshold(chances[mine], wrong[mine], TOGETHER)
        alone = [
            lowest_threshold(chances[mine & (by == a)], wrong[mine & (by == a)], WORST, spare=0)
            for a in sorted(set(authors))
        ]
        chosen.append(max(together, *alone))
    return replace(learned, threshold=chosen[0], threshold_other=chosen[1])


def _picked(scored: Sequence[ScoredQuestion], which: Flags) -> list[ScoredQuestion]:
    return [each for each, taken in zip(scored, which.tolist(), strict=True) if taken]


def _report(
    name: str, scored: Sequence[ScoredQuestion], chances: npt.NDArray[np.float64], learned: Transfer
) -> None:
    """Print how well passages are found and decided on, for English and for other languages."""
    english = np.array([s.asked.language == "en" for s in scored])
    _say(f"\n## {name}")
    for language, which, fixed in (
        ("English", english, learned.threshold),
        ("other languages", ~english, learned.threshold_other),
    ):
        mine = _picked(scored, which)
        if not mine:
            continue
        asked = [s for s in mine if s.asked.answerable]
        _say(f"{language}: {len(mine)} messages, {len(asked)} of them answerable")
        for label, places in (
            ("right unit", [s.unit_place for s in asked]),
            ("right passage", [s.passage_place for s in asked]),
        ):
            found = [f"{k}: {_rate(sum(p < k for p in places), len(places))}" for k in PLACES]
            _say(f"  {label} among {'; '.join(found)}")
        _decided(mine, chances[which], fixed)
        _curve(mine, chances[which])


def _decided(
    mine: Sequence[ScoredQuestion], chances: npt.NDArray[np.float64], fixed: float
) -> None:
    answered = _picked(mine, chances >= fixed)
    asked = sum(s.asked.answerable for s in mine)
    pairs: dict[str, list[bool]] = {}
    for each, chance in zip(mine, chances.tolist(), strict=True):
        if each.pair:
            good = chance >= fixed and each.right if each.asked.answerable else chance < fixed
            pairs.setdefault(each.pair, []).append(good)
    whole = [all(sides) for sides in pairs.values() if len(sides) > 1]
    _say(
        f"  at {fixed:.3f}: right {_rate(sum(s.right for s in answered), asked)}; "
        f"wrong of answered {_rate(sum(s.wrong for s in answered), len(answered))}; "
        f"beside {_rate(sum(not s.right and s.related for s in answered), len(answered))}; "
        f"pairs, both sides {_rate(sum(whole), len(whole))}"
    )
    sure = [s for s in mine if s.refuses >= SURE]
    refuse = [s for s in mine if s.asked.kind == Act.REFUSE]
    hit = sum(s.asked.kind == Act.REFUSE for s in sure)
    _say(f"  surely refused: {hit} of {len(refuse)} requests, and {len(sure) - hit} other messages")


def _report_labelled(judged: Sequence[JudgedQuestion], fixed: float) -> None:
    """Print how well is decided where people have answered a part of the questions."""
    answered = [each for each in judged if each.probability >= fixed]
    could = sum(each.right for each in judged)
    _say(
        f"\n## left-out authors, a fifth to three fifths of the questions answered by people\n"
        f"at {fixed:.3f}: right, of those whose first two passages are, "
        f"{_rate(sum(each.right for each in answered), could)}; "
        f"wrong of answered {_rate(sum(each.wrong for each in answered), len(answered))}"
    )


def _curve(mine: Sequence[ScoredQuestion], chances: npt.NDArray[np.float64]) -> None:
    """Print what other thresholds would give; the bounds printed before are for the fixed one."""
    asked = sum(s.asked.answerable for s in mine)
    points = []
    for fixed in np.arange(0.4, 0.96, 0.05):
        answered = _picked(mine, chances >= fixed)
        right, wrong = sum(s.right for s in answered), sum(s.wrong for s in answered)
        points.append(
            f"{fixed:.2f} {right}/{asked} {wrong}+{len(answered) - right - wrong}/{len(answered)}"
        )
    _say(f"  threshold, right, wrong + beside of answered: {'; '.join(points)}")


def _rate(hits: int, of: int) -> str:
    """Return a rate as text: percentage, counts, and the two one-sided 95 % bounds."""
    if not of:
        return "none"
    low, high = 100 * lower_bound(hits, of), 100 * upper_bound(hits, of)
    return f"{100 * hits / of:.1f} % ({hits}/{of}; {low:.1f}–{high:.1f})"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
