"""Implements `team_answers`: measures which questions get an approved answer of the support team.

Ten answers on which the shipped post is silent are added to a copy of its knowledge, as if two
people had approved them. A hundred paraphrases of their questions are then asked, and the held-out
cases. Held-out cases that get an answer of the team are listed, because a few ask the same.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bot.answering.fit import can_learn
from bot.app import App
from bot.corpus import Knowledge, load
from bot.corpus.team_answers import PREFIX, TeamAnswer, TeamAnswerState, Trial, write_team_answer
from bot.errors import InputError
from bot.resources import parse_yaml
from bot.settings import read_settings
from evals.measuring.grade import Graded
from evals.measuring.light import light_desk, measure_cases, query_cache
from evals.measuring.metrics import Rate
from evals.measuring.schema import CASES, Case, load_cases
from evals.reporting.console import bounds, figure_text

DATA = Path("evals/data/team_answers.yaml")
FIRST_CASE = 9001  # above the numbers of real cases


def team_answers(argv: Sequence[str]) -> int:
    """Print how many paraphrases got their answer, another one or none; return 0, without gates."""
    parser = argparse.ArgumentParser(
        prog="python -m evals team_answers", description="Who gets an answer of the support team."
    )
    parser.parse_args(argv)
    app = App(read_settings(), _say)
    encoder = query_cache(app)
    rows = parse_yaml(DATA.read_text(encoding="utf-8"))
    held = [case for case in load_cases(CASES) if case.split == "test"]
    with tempfile.TemporaryDirectory() as place:
        knowledge = copy_with(app.knowledge, Path(place) / "knowledge", rows)
        if not can_learn(knowledge):
            raise InputError(f"{knowledge.folder}: there are too few wordings to learn from")
        desk = light_desk(knowledge, encoder).desk
        asked = list(paraphrases(rows))
        results = measure_cases([case for _, case in asked], desk)
        others = measure_cases(held, desk)
    encoder.save()
    right = [_quotes(each) == {name} for (name, _), each in zip(asked, results, strict=True)]
    answered = sum(each.answered for each in results)
    _tell("paraphrases that get their answer", sum(right), len(asked))
    _tell("of the answered ones, with another text", answered - sum(right), answered)
    taken = [each for each in others if _takes(each)]
    _tell("held-out cases that get an answer of the team", len(taken), len(others))
    _say("\n".join(f"{min(_quotes(each))}  {each.case.id}  {each.case.text}" for each in taken))
    for (name, case), is_right, each in zip(asked, right, results, strict=True):
        if not is_right:
            _say(f"{name}  {each.seen.decision}  {each.seen.probability:.2f}  {case.text}")
    return 0


def copy_with(knowledge: Knowledge, folder: Path, rows: Sequence[dict[str, str]]) -> Knowledge:
    """Return a copy of the knowledge in which these answers of the team are in use."""
    shutil.copytree(knowledge.folder, folder)
    for number, row in enumerate(rows, FIRST_CASE):
        answer = TeamAnswer(
            case=number, question=row["question"], answer=row["answer"], language="en",
            answered_by="a", answered_at="2026-01-02T00:00:00+00:00", proposed_by="a",
            proposed_at="2026-01-02T00:00:00+00:00", state=TeamAnswerState.APPROVED,
            approved_by="b",
        )  # fmt: skip
        trial = Trial(of=answer.digest, at="", questions=0, answers_itself=True)
        write_team_answer(folder, answer.model_copy(update={"trial": trial}))
    return load(folder)


def paraphrases(rows: Sequence[dict[str, list[str]]]) -> Sequence[tuple[str, Case]]:
    """Return for each paraphrase the id of the passage that answers it, and its case."""
    return [
        (
            f"{PREFIX}{number}",
            Case.model_validate(
                {
                    "id": f"{number}-{place}", "family": str(number), "slice": "team",
                    "author": "team", "split": "test", "text": text, "kind": "unanswerable",
                    "lang": {8: "de", 9: "es"}.get(place, "en"),
                }
            ),
        )
        for number, row in enumerate(rows, FIRST_CASE)
        for place, text in enumerate(row["asked"])
    ]  # fmt: skip


def _quotes(graded: Graded) -> set[str]:
    return {name for part in graded.seen.parts for name in part.quoted}


def _takes(graded: Graded) -> bool:
    return any(name.startswith(PREFIX) for name in _quotes(graded))


def _tell(what: str, hits: int, of: int) -> None:
    rate = Rate(hits=hits, of=of)
    _say(f"{what}: {figure_text(rate)} {bounds(rate)}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
