"""`python -m evals day_one`: what the desk makes of a post that it never saw, before any question.

The ranker that ships reads the incidents of five authors from whom nothing was learned, and the
shipped post without its questions. Nothing is fitted here and nothing is chosen. Gates hold what
was measured, less what another sample may take from it.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.answering.transfer import Transfer, read_transfer
from bot.app import App
from bot.settings import read_settings
from evals.fitting.incidents import (
    LabelledIncident,
    folders,
    read_labelled_incident,
    shipped_incident,
)
from evals.gates import GateResult, GatesError, Limit, read_gates
from evals.measuring.light import query_cache
from evals.measuring.metrics import Rate
from evals.measuring.schema import CASES, load_cases
from evals.reporting.console import bounds, figure_text
from evals.transfer import ScoredQuestion, find_chances, score_incident

UNSEEN, SHIPPED, ENGLISH, OTHER = "unseen", "shipped", "en", "other"
HEAD = (
    "| posts | answered rightly | wrong of answered | beside of answered | silent ones answered | "
    "right passage first | among three |\n|---|---|---|---|---|---|---|"
)
IN_THREE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedQuestion:
    """A question, and whether the desk would have answered it."""

    scored: ScoredQuestion
    answered: bool


def day_one(argv: Sequence[str]) -> int:
    """Print a row for each incident, language and all together; 1 where a gate fails."""
    parser = argparse.ArgumentParser(
        prog="python -m evals day_one", description="The reader of a new post, on unseen incidents."
    )
    parser.parse_args(argv)
    gates = read_gates().day_one
    app = App(read_settings(), _say)
    encoder, learned = query_cache(app), read_transfer()
    incidents = {
        path.name: (UNSEEN, read_labelled_incident(path, encoder.name, encoder.embed_documents))
        for path in folders(held_out=True)
    }
    cases = [case for case in load_cases(CASES) if case.split == "test" and case.text]
    shipped = shipped_incident(app.knowledge.post, cases, encoder.name, encoder.embed_documents)
    incidents[SHIPPED] = (SHIPPED, shipped)
    encoder.save()
    decided = {
        name: (group, decide_incident(incident, learned))
        for name, (group, incident) in incidents.items()
    }
    _say(HEAD)
    _say("\n".join(table_rows(decided)))
    checked = list(check_gates(gates, measure_incidents(decided)))
    _say("\n".join(_told(each) for each in checked))
    return 1 if any(each.fails for each in checked) else 0


def decide_incident(incident: LabelledIncident, learned: Transfer) -> list[DecidedQuestion]:
    """What the ranker makes of each question of an incident, at the threshold that ships."""
    scored = score_incident(incident, learned)
    chances = find_chances(learned, scored)
    return [
        DecidedQuestion(
            scored=each,
            answered=chance
            >= (learned.threshold if each.asked.language == "en" else learned.threshold_other),
        )
        for each, chance in zip(scored, chances.tolist(), strict=True)
    ]


def rates(decided: Sequence[DecidedQuestion]) -> dict[str, Rate]:
    """The rates of the table, by their names in the gates."""
    asked = [each for each in decided if each.scored.asked.answerable]
    silent = [each for each in decided if not each.scored.asked.answerable]
    answered = [each.scored for each in decided if each.answered]
    places = [each.scored.passage_place for each in asked]
    return {
        "right": _rate((each.answered and each.scored.right for each in asked), len(asked)),
        "wrong": _rate((each.wrong for each in answered), len(answered)),
        "beside": _rate((not each.right and each.related for each in answered), len(answered)),
        "silent": _rate((each.answered for each in silent), len(silent)),
        "first": _rate((place == 0 for place in places), len(places)),
        "in_three": _rate((place < IN_THREE for place in places), len(places)),
    }


def _rate(hits: Iterable[bool], of: int) -> Rate:
    return Rate(hits=sum(hits), of=of)


def measure_incidents(
    decided: Mapping[str, tuple[str, Sequence[DecidedQuestion]]],
) -> dict[str, dict[str, Rate]]:
    """The rates of the unseen incidents and of the shipped one, by group and language."""
    measured = {}
    for group in (UNSEEN, SHIPPED):
        every = [each for of, found in decided.values() if of == group for each in found]
        for language in (ENGLISH, OTHER):
            mine = [e for e in every if (e.scored.asked.language == "en") == (language == ENGLISH)]
            measured[f"{group}_{language}"] = rates(mine)
        measured[group] = rates(every)
    return measured


def table_rows(decided: Mapping[str, tuple[str, Sequence[DecidedQuestion]]]) -> Iterator[str]:
    """A line for each incident, and one for each group and language."""
    for name, (_, found) in decided.items():
        yield _row(name, rates(found))
    for name, found_rates in measure_incidents(decided).items():
        yield _row(f"**{name}**", found_rates)


def check_gates(
    gates: Mapping[str, Mapping[str, Limit]], measured: Mapping[str, Mapping[str, Rate]]
) -> Iterator[GateResult]:
    """Each gate against what was measured; GatesError for one that asks about nothing."""
    if not gates:
        raise GatesError("gates.yaml: day_one has no gate")
    for scope, limits in gates.items():
        for name, limit in limits.items():
            rate = measured.get(scope, {}).get(name)
            if rate is None or rate.value is None:
                raise GatesError(f"gates.yaml: day_one {scope} {name}: nothing is measured by it")
            yield GateResult(
                name=name, scope=scope, value=rate.value, limit=limit.describe(), soft=limit.soft,
                holds=limit.holds(rate.value),
            )  # fmt: skip


def _row(name: str, found: Mapping[str, Rate]) -> str:
    cells = " | ".join(f"{figure_text(rate)} {bounds(rate)}" for rate in found.values())
    return f"| {name} | {cells} |"


def _told(each: GateResult) -> str:
    state = "holds" if each.holds else "warns" if each.soft else "FAILS"
    return f"{state}  {each.scope} {each.name}: {each.value:.3f}, {each.limit}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
