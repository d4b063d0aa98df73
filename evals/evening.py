"""Implements `evening`: measures the desk after an evening's work on its questions.

The shipped knowledge is reduced to some English wordings and near questions of each intent and
topic, without labelled messages. The light fit learns it, and the held-out cases of `test` measure
it. Where a rule has to be chosen, the labelled messages of the knowledge measure it instead.
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from bot.answering.calibration import lowest_threshold, weigh_across
from bot.answering.fit import LearnedFit
from bot.app import App
from bot.corpus import Knowledge, LabelledMessage, load
from bot.corpus.messages import ANSWERED
from bot.resources import parse_yaml
from bot.settings import read_settings
from evals.measuring.grade import Graded, Verdict
from evals.measuring.light import (
    ENGLISH,
    QueryCache,
    light_desk,
    measure_cases,
    query_cache,
)
from evals.measuring.metrics import Rate, figures
from evals.measuring.schema import CASES, Case, load_cases
from evals.reporting.console import bounds, figure_text

WORDINGS = (3, 10, 40, 300)  # the most of an intent
NEAR = 15  # near questions of an intent, wordings of a silent topic or an act, at most
FIGURES = ("right_en", "wrong", "beside", "pairs", "in_three", "right_other", "wrong_other")
TARGETS = (0.02, 0.03, 0.04, 0.05, 0.06, 0.08)  # share of wrong answers allowed on wordings
TARGET_HEAD = (
    "| wordings | wrong allowed on wordings | threshold | right | wrong | beside |\n"
    "|---|---|---|---|---|---|"
)
HEAD = f"| wordings | threshold | {' | '.join(FIGURES)} |\n|---|---|{'---|' * len(FIGURES)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EveningResult:
    """The graded cases of a desk that learned a number of wordings, with its fit."""

    learned: LearnedFit
    graded: tuple[Graded, ...]

    @property
    def threshold(self) -> float:
        """Return the probability from which on the desk answers in English."""
        return self.learned.fit.calibration.threshold


def evening(argv: Sequence[str]) -> int:
    """Print a row for each number of wordings and return 0; no gate applies."""
    parser = argparse.ArgumentParser(
        prog="python -m evals evening", description="A desk that knows a few wordings alone."
    )
    parser.add_argument("--wordings", type=int, action="append", help="of an intent, at most")
    parser.add_argument(
        "--messages", action="store_true",
        help="on the labelled messages of the knowledge, under thresholds of several targets",
    )  # fmt: skip
    arguments = parser.parse_args(argv)
    app = App(read_settings(), _say)
    encoder = query_cache(app)
    held = [case for case in load_cases(CASES) if case.split == "test"]
    cases = list(as_cases(app.knowledge.messages)) if arguments.messages else held
    _say(TARGET_HEAD if arguments.messages else HEAD)
    for count in arguments.wordings or WORDINGS:
        with tempfile.TemporaryDirectory() as place:
            knowledge = copy_evening(app.knowledge, Path(place) / "knowledge", count)
            result = measure_evening(knowledge, encoder, cases)
            name = f"{count} ({len(knowledge.wordings)} in all)"
            _say(
                "\n".join(target_rows(name, result))
                if arguments.messages
                else evening_row(name, result)
            )
    encoder.save()
    return 0


def measure_evening(
    knowledge: Knowledge, encoder: QueryCache, cases: Sequence[Case]
) -> EveningResult:
    """Return the result of a desk that learned this knowledge on these cases."""
    light = light_desk(knowledge, encoder)
    graded = measure_cases(cases, light.desk)
    return EveningResult(learned=light.learned, graded=tuple(graded))


def copy_evening(knowledge: Knowledge, folder: Path, count: int) -> Knowledge:
    """Return a copy with at most `count` English wordings an intent and no labelled messages."""
    shutil.copytree(
        knowledge.folder, folder, ignore=shutil.ignore_patterns("messages", "exercises")
    )
    for path in (folder / "questions").glob("*.yaml"):
        entries = parse_yaml(path.read_text(encoding="utf-8")) or []
        for entry in entries:
            asked = count if "intent" in entry else NEAR
            for block in ("ask", "say"):
                if block in entry:
                    entry[block] = {"en": _spread(entry[block].get("en", ""), asked)}
            if "near" in entry:
                entry["near"] = _spread_over(entry["near"], NEAR)
        kept = [entry for entry in entries if _has_text(entry)]
        path.write_text(yaml.safe_dump(kept, allow_unicode=True), encoding="utf-8")
    return load(folder)


def as_cases(messages: Iterable[LabelledMessage]) -> Iterable[Case]:
    """Yield the labelled messages as cases of the split `fit`."""
    for each in messages:
        yield Case(
            id=each.id, family=each.id, slice="messages", author=each.author, split="fit",
            lang=each.lang, text=each.text, kind=each.kind, gold=each.gold, related=each.related,
            pair=each.pair, questions=each.questions,
        )  # fmt: skip


def evening_row(name: str, result: EveningResult) -> str:
    """Return one row of the table."""
    values = figures(result.graded)
    cells = [f"{figure_text(values[figure])} {bounds(values[figure])}" for figure in FIGURES]
    return f"| {name} | {result.threshold:.3f} | {' | '.join(cells)} |"


def target_rows(name: str, result: EveningResult) -> Iterable[str]:
    """Yield the rates of English cases under a threshold chosen on wordings alone, by target.

    They show how much easier, or harder, wordings are than messages of other people.
    """
    english = [s for s in result.learned.scored if s.language == ENGLISH]
    _, chances = weigh_across(english)
    wrong = np.array([s.wrong for s in english], dtype=bool)
    cases = [g for g in result.graded if g.case.lang == ENGLISH and not g.case.asks_several]
    asked = sum(g.case.kind in ANSWERED for g in cases)
    for target in TARGETS:
        threshold = lowest_threshold(chances, wrong, target)
        answered = [g for g in cases if g.seen.open and g.seen.probability >= threshold]
        count = Counter(g.if_answered for g in answered)
        rates = (
            Rate(hits=count[Verdict.CORRECT], of=asked),
            *(Rate(hits=count[v], of=len(answered)) for v in (Verdict.WRONG, Verdict.BESIDE)),
        )
        cells = [f"{figure_text(rate)} {bounds(rate)}" for rate in rates]
        yield f"| {name} | {target:.0%} | {threshold:.3f} | {' | '.join(cells)} |"


def _spread(lines: str, count: int) -> str:
    """Return at most `count` lines at even distances, because neighbours are often variants."""
    kept = [line for line in lines.splitlines() if line.strip()]
    if len(kept) <= count:
        return "\n".join(kept)
    return "\n".join(kept[i * len(kept) // count] for i in range(count))


def _spread_over(blocks: dict[str, str], count: int) -> dict[str, str]:
    """Return at most `count` lines of all blocks together, a proportional share of each."""
    every = [(key, line) for key, lines in blocks.items() for line in lines.splitlines() if line]
    kept = every if len(every) <= count else [every[i * len(every) // count] for i in range(count)]
    return {key: "\n".join(line for k, line in kept if k == key) for key in dict(kept)}


def _has_text(entry: dict[str, object]) -> bool:
    asked = entry.get("ask") or entry.get("say")
    return isinstance(asked, dict) and any(asked.values())


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
