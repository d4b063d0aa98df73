"""Implements `first_day`: measures how fast a desk without wordings learns from people's answers.

The shipped post without its questions gets a stream of a thousand messages, drawn from its labelled
messages and the held-out cases. Simulated people answer what the desk hands over, and one label in
twenty is wrong. After each batch of labels the desk is measured on the next messages.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bot.adapters.exact_retriever import Exact
from bot.answering.judges import LabelledJudge, TransferredJudge
from bot.answering.responder import Responder
from bot.answering.transfer import TransferRanker, UnitIndex, read_transfer
from bot.app import App
from bot.corpus import Knowledge, load, records_of
from bot.corpus.units import units_of
from bot.settings import read_settings
from evals.evening import as_cases
from evals.measuring.grade import Graded
from evals.measuring.label_stream import LENGTH, WRONG_LABELS, FirstDay, StreamResults, draw_stream
from evals.measuring.light import QueryCache, measure_cases, query_cache
from evals.measuring.measure import EvaluatedDesk
from evals.measuring.schema import CASES, HELD_OUT, Case, load_cases
from evals.reporting.charts import draw_learning
from evals.reporting.console import bounds, figure_text

HEAD = (
    "| labels | answered by people | answered rightly by itself | wrong of answered | beside |\n"
    "|---|---|---|---|---|"
)
WITHOUT = ("questions", "messages", "exercises", "translations")  # of the knowledge folder
# Limits: the largest share of wrong answers at any checkpoint, and the smallest share of the stream
# that is answered rightly after LATER labels.
MOST_WRONG, LEAST_RIGHT, LATER = 0.03, 0.25, 200


def first_day(argv: Sequence[str]) -> int:
    """Print a row for each number of labels; return 1 when a limit is missed, else 0."""
    parser = argparse.ArgumentParser(
        prog="python -m evals first_day", description="What approving drafts teaches a new desk."
    )
    parser.add_argument("--seed", type=int, action="append", help="of the stream; several are one")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the curve as SVG")
    arguments = parser.parse_args(argv)
    app = App(read_settings(), _say)
    encoder = query_cache(app)
    held = [case for case in load_cases(CASES) if case.split in HELD_OUT]
    cases = [*as_cases(app.knowledge.messages), *held]
    with tempfile.TemporaryDirectory() as place:
        knowledge = copy_bare(app.knowledge, Path(place) / "knowledge")
        played = [play(knowledge, encoder, cases, seed) for seed in arguments.seed or (0,)]
    encoder.save()
    curve = [join(points) for points in zip(*played, strict=False)]
    _say(HEAD)
    for point in curve:
        _say(stream_row(point))
    if arguments.plot:
        points = [(p.labels, p.right.value or 0.0, p.wrong.value or 0.0) for p in curve]
        arguments.plot.write_text(draw_learning(points), encoding="utf-8")
    missed = list(list_missed(curve))
    _say("\n".join(missed) if missed else "the floors hold")
    return 1 if missed else 0


def copy_bare(knowledge: Knowledge, folder: Path) -> Knowledge:
    """Return a copy of the knowledge as on its first day: without questions and messages."""
    shutil.copytree(knowledge.folder, folder, ignore=shutil.ignore_patterns(*WITHOUT))
    return load(folder)


def play(
    knowledge: Knowledge, encoder: QueryCache, cases: Sequence[Case], seed: int
) -> list[StreamResults]:
    """Play one stream, drawn by `seed`, and return the checkpoints."""
    stream, authors = draw_stream(cases, seed)
    _say(
        f"seed {seed}: {len(stream)} of {LENGTH} messages; the common questions are worded by "
        f"{authors} hands, {WRONG_LABELS:.0%} of the labels are wrong"
    )
    post = knowledge.post
    index = UnitIndex.of(
        units_of(post.passages), title=post.title, encoder=encoder.name, embed=encoder.vectors
    )
    records = records_of(knowledge)
    retriever = Exact(encoder, records, encoder.vectors([record.text for record in records]))

    def run(some: Sequence[Case], judge: TransferredJudge | LabelledJudge) -> Sequence[Graded]:
        responder = Responder(knowledge=knowledge, retriever=retriever, judge=judge)
        return measure_cases(some, EvaluatedDesk(knowledge=knowledge, responder=responder))

    ranker = TransferRanker(index, read_transfer())
    day = FirstDay(knowledge=knowledge, ranker=ranker, encoder=encoder, run=run, seed=seed)
    return day.play(stream)


def join(points: Sequence[StreamResults]) -> StreamResults:
    """Return one checkpoint that counts the same checkpoint of several streams together."""
    return StreamResults(
        labels=points[0].labels,
        asked=sum(point.asked for point in points) // len(points),
        graded=tuple(graded for point in points for graded in point.graded),
    )


def stream_row(point: StreamResults) -> str:
    """Return one row of the table."""
    rates = (point.right, point.wrong, point.beside)
    cells = " | ".join(f"{figure_text(rate)} {bounds(rate)}" for rate in rates)
    return f"| {point.labels} | {point.asked} | {cells} |"


def list_missed(curve: Sequence[StreamResults]) -> Sequence[str]:
    """Return a sentence for each limit that is missed."""
    missed = [
        f"after {point.labels} labels {point.wrong.value:.1%} of the answers are wrong, "
        f"{MOST_WRONG:.0%} are allowed"
        for point in curve
        if (point.wrong.value or 0.0) > MOST_WRONG
    ]
    missed += [
        f"after {point.labels} labels {point.right.value:.1%} of the stream are answered rightly, "
        f"{LEAST_RIGHT:.0%} are wanted"
        for point in curve
        if point.labels == LATER and (point.right.value or 0.0) < LEAST_RIGHT
    ]
    return missed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
