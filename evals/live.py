"""`run --model`: the same cases several times; a model may say otherwise each time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bot.errors import InputError
from evals.grade import Seen
from evals.measure import Desk, Say, see
from evals.metrics import Rate
from evals.schema import Case

REPEATS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Several runs: the first is graded, the others tell how steady it is."""

    runs: tuple[tuple[Seen, ...], ...]
    told: str

    @property
    def flips(self) -> Rate:
        """Cases that were not decided alike every time."""
        return flips(self.runs)


def live(cases: Sequence[Case], desk: Desk, *, threads: int, say: Say) -> Live:
    """Ask the model about every case, `REPEATS` times; InputError without one."""
    if not desk.model or desk.budget is None:
        raise InputError("DESK_MODEL is not set: --model measures the model that it names")
    runs = tuple(_once(cases, desk, threads, say) for _ in range(REPEATS))
    return Live(runs=runs, told=_told(flips(runs), desk))


def flips(runs: Sequence[Sequence[Seen]]) -> Rate:
    """Cases whose decision or first quoted passage differs between two runs."""
    found = [len({_decided(seen) for seen in each}) > 1 for each in zip(*runs, strict=True)]
    return Rate(hits=sum(found), of=len(found))


def _decided(seen: Seen) -> tuple[object, ...]:
    return (seen.decision, *(part.quoted[:1] for part in seen.parts))


def _once(cases: Sequence[Case], desk: Desk, threads: int, say: Say) -> tuple[Seen, ...]:
    with ThreadPoolExecutor(threads) as pool:
        found: list[Seen] = []
        for seen in pool.map(lambda case: see(desk, case), cases):
            found.append(seen)
            say(len(found))
    return tuple(found)


def _told(rate: Rate, desk: Desk) -> str:
    assert desk.budget  # noqa: S101 - looked at before
    calls, tokens = desk.budget.spent["calls"], desk.budget.spent["tokens"]
    money = f", cost {tokens * desk.price / 1e6:.4f}" if desk.price else ""
    faults = sum(desk.budget.faults.values())
    return (
        f"{REPEATS} runs, {rate.hits} of {rate.of} cases flipped (at most {rate.upper:.1%}), "
        f"{calls} calls, {faults} faults, {tokens} tokens{money}"
    )
