"""Checks the measured figures against gates.yaml; a gate on a figure without cases is an error.

In CI the file of the base branch is read, so that a change cannot lower its own limits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.errors import InputError
from bot.resources import parse_yaml
from evals.measuring.grade import Graded
from evals.measuring.metrics import MEANINGS, Rate, figures, flat, grouped
from evals.perturbations import PERTURBATIONS

GATES = Path("evals/gates.yaml")
BOUNDS = ("_upper95", "_lower95")

KEPT = "same outcome under"  # scope of the gates of perturbations

NEVER = ("critical_failed", "forbidden", "leaks", "citation_valid")


class GatesError(InputError):
    """The gates file is wrong, or has a gate on a figure that was not measured."""


class Limit(BaseModel):
    """The allowed range of a figure, both ends included; a soft limit only warns."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    min: float | None = None
    max: float | None = None
    soft: bool = False

    def holds(self, value: float) -> bool:
        low = self.min is None or value >= self.min
        return low and (self.max is None or value <= self.max)

    def describe(self) -> str:
        """Return the range as text for a table."""
        ends = [f"≥ {self.min:g}"] if self.min is not None else []
        return " and ".join(ends + ([f"≤ {self.max:g}"] if self.max is not None else []))


class Gates(BaseModel):
    """The gates file: what must hold before a change is accepted."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_regressions: int = Field(ge=0)
    gates: dict[str, Limit] = Field(min_length=1)
    per_slice: dict[str, dict[str, Limit]] = {}
    kept: dict[str, Limit] = {}  # by perturbation: share of cases that keep their outcome
    day_one: dict[str, dict[str, Limit]] = {}  # by posts and language: limits by rate


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate with the value that was measured."""

    name: str
    scope: str  # a slice, or empty for the whole test split
    value: float
    limit: str
    soft: bool
    holds: bool

    @property
    def fails(self) -> bool:
        """Return whether it stops the change."""
        return not self.holds and not self.soft


def read_gates(path: Path = GATES) -> Gates:
    """Return the gates of a file; GatesError names what is wrong in it."""
    try:
        rows = parse_yaml(path.read_text(encoding="utf-8"))
        gates = Gates.model_validate(rows)
    except OSError as error:
        raise GatesError(f"{path}: {error.strerror}; the gates say what a run must reach") from None
    except yaml.YAMLError as error:
        raise GatesError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise GatesError(f"{path}: {where}: {first['msg']}") from None
    for name, limit in _all_limits(gates):
        _check(path, name, limit)
    if unknown := next((name for name in gates.kept if name not in PERTURBATIONS), None):
        raise GatesError(
            f"{path}: kept: no perturbation {unknown!r}; there are {', '.join(PERTURBATIONS)}"
        )
    return gates


def apply(gates: Gates, graded: Sequence[Graded], timings: Mapping[str, float]) -> list[GateResult]:
    """Check every gate on the test split; GatesError for a slice or rate without cases.

    What must never happen (NEVER) is counted over the guard cases too.
    """
    held = [g for g in graded if g.case.split == "test"]
    slices = grouped(held, lambda g: g.case.slice)
    never = flat(figures([g for g in graded if g.case.split in ("test", "guard")]))
    measured = flat(figures(held)) | {n: never[n] for n in NEVER if n in never} | dict(timings)
    checked = [_checked(n, "", limit, measured) for n, limit in gates.gates.items()]
    for name, limits in gates.per_slice.items():
        if name not in slices:
            raise GatesError(f"gates.yaml: per_slice {name}: the slice has no case of split test")
        here = flat(figures(slices[name]))
        checked += [_checked(n, name, limit, here) for n, limit in limits.items()]
    return checked


def apply_kept(gates: Gates, kept: Mapping[str, Rate]) -> list[GateResult]:
    """Check the gates of the perturbations; GatesError when one changed no case at all."""
    if unmeasured := next((name for name, rate in kept.items() if rate.value is None), None):
        raise GatesError(f"gates.yaml: kept {unmeasured}: no case of split test measures it")
    measured = {name: rate.value for name, rate in kept.items() if rate.value is not None}
    return [_checked(name, KEPT, limit, measured) for name, limit in gates.kept.items()]


def regressions(gates: Gates, broken: int) -> GateResult:
    """Check the gate of a comparison; `broken` test cases were right on the base alone."""
    return GateResult(
        name="regressions",
        scope="",
        value=broken,
        limit=f"≤ {gates.max_regressions}",
        soft=False,
        holds=broken <= gates.max_regressions,
    )


def _checked(name: str, scope: str, limit: Limit, measured: Mapping[str, float]) -> GateResult:
    if name not in measured:
        where = f"slice {scope}" if scope else "split test"
        raise GatesError(f"gates.yaml: {name}: no case of {where} measures it")
    value = measured[name]
    return GateResult(
        name=name, scope=scope, value=value, limit=limit.describe(), soft=limit.soft,
        holds=limit.holds(value),
    )  # fmt: skip


def _all_limits(gates: Gates) -> Iterator[tuple[str, Limit]]:
    yield from gates.gates.items()
    for limits in gates.per_slice.values():
        yield from limits.items()


def _check(path: Path, name: str, limit: Limit) -> None:
    plain = next((name.removesuffix(b) for b in BOUNDS if name.endswith(b)), name)
    if plain not in MEANINGS and not name.startswith("ms_p"):
        raise GatesError(f"{path}: {name}: no such figure; there are {', '.join(MEANINGS)}")
    if limit.min is None and limit.max is None:
        raise GatesError(f"{path}: {name}: a gate needs min or max")
