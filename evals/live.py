"""Implements `run --model`: runs the cases several times, because a model's choice may vary."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bot.corpus.messages import ANSWERED, MessageKind
from bot.errors import InputError
from bot.llm.budget import Budget
from bot.llm.consult import ConsultationResult
from evals.measuring.grade import DeskResult
from evals.measuring.measure import EvaluatedDesk, Say, run_case
from evals.measuring.metrics import Rate
from evals.measuring.schema import Case

REPEATS = 3
WEIGHED = frozenset(ConsultationResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Several runs of the same cases: the first is graded, the others show its stability."""

    runs: tuple[tuple[DeskResult, ...], ...]
    flips: Rate
    line: str


def live(cases: Sequence[Case], desk: EvaluatedDesk, *, threads: int, say: Say) -> Live:
    """Run every case `REPEATS` times with the model; InputError when none is set."""
    if not desk.model or desk.budget is None:
        raise InputError("DESK_MODEL is not set: --model measures the model that it names")
    runs = tuple(_once(cases, desk, threads, say) for _ in range(REPEATS))
    rate = _flips(runs)
    return Live(runs=runs, flips=rate, line=_describe_runs(rate, desk.budget, desk.price))


def describe_consultations(results: Sequence[DeskResult]) -> str:
    """Return, as a sentence, how many messages the model was asked about.

    It also says how many of them were decided without it, and by which faults.
    """
    asked = [s.model for s in results if s.model]
    faults = Counter(came for came in asked if came not in WEIGHED)
    named = ", ".join(f"{name} {count}" for name, count in sorted(faults.items()))
    return (
        f"asked about {len(asked)} of {len(results)} messages, "
        f"{faults.total()} of them decided without it" + (f" ({named})" if named else "")
    )


def describe_worth(cases: Sequence[Case], seen: Sequence[DeskResult]) -> str:
    """Return, as a sentence, by how much a yes of the model raises the log-odds of an answer.

    It compares how often it says yes where the post answers and where the post is silent.
    """
    heard = [(c, s.model) for c, s in zip(cases, seen, strict=True) if s.model in WEIGHED]
    there = _yes(came for case, came in heard if case.kind in ANSWERED)
    silent = _yes(came for case, came in heard if case.kind is MessageKind.UNANSWERABLE)
    if not there.hits or not silent.of:
        return "too few questions to say what its yes is worth"
    least = math.log(there.lower / silent.upper)
    return (
        f"yes to {there.hits} of {there.of} questions that the post answers and to {silent.hits} "
        f"of {silent.of} on which it is silent: worth {least:.1f} log-odds at least (limits.yaml)"
    )


def _yes(came: Iterable[str]) -> Rate:
    found = [each == ConsultationResult.CONFIRMED for each in came]
    return Rate(hits=sum(found), of=len(found))


def _flips(runs: Sequence[Sequence[DeskResult]]) -> Rate:
    """Return the rate of cases whose decision or first quoted passage differs between runs."""
    found = [len({_decided(seen) for seen in each}) > 1 for each in zip(*runs, strict=True)]
    return Rate(hits=sum(found), of=len(found))


def _decided(seen: DeskResult) -> tuple[object, ...]:
    return (seen.decision, *(part.quoted[:1] for part in seen.parts))


def _once(
    cases: Sequence[Case], desk: EvaluatedDesk, threads: int, say: Say
) -> tuple[DeskResult, ...]:
    with ThreadPoolExecutor(threads) as pool:
        results: list[DeskResult] = []
        for seen in pool.map(lambda case: run_case(desk, case), cases):
            results.append(seen)
            say(len(results))
    return tuple(results)


def _describe_runs(rate: Rate, budget: Budget, price: float) -> str:
    calls, tokens = budget.spent["calls"], budget.spent["tokens"]
    money = f", cost {tokens * price / 1e6:.4f}" if price else ""
    faults = budget.faults.total()
    return (
        f"{REPEATS} runs, {rate.hits} of {rate.of} cases flipped (at most {rate.upper:.1%}), "
        f"{calls} calls, {faults} faults, {tokens} tokens{money}"
    )
