"""Messages written another way: what is changed, what is counted, what the gates ask."""

from pathlib import Path

import pytest

from bot.app import App
from bot.corpus.messages import MessageKind
from evals.gates import GATES, GatesError, apply_kept, read_gates
from evals.measuring.grade import DeskResult
from evals.measuring.measure import EvaluatedDesk, run_case
from evals.measuring.metrics import Rate
from evals.measuring.schema import Case
from evals.perturbations import PERTURBATIONS, kept_outcomes, slipped, wrapped

TEXT = (
    "We run a small shop and wonder, after everything that was in the papers about the analytics "
    "vendor last week, whether the passwords of our customers were exposed in the incident?"
)


def case(text: str) -> Case:
    return Case(
        id=text[:8], family=text[:8], slice="s", author="a", split="test", text=text,
        kind=MessageKind.UNANSWERABLE,
    )  # fmt: skip


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_perturbation_changes_the_text_the_same_way_each_time(name: str) -> None:
    perturb = PERTURBATIONS[name]
    assert perturb(TEXT) != TEXT
    assert perturb(TEXT) == perturb(TEXT)


@pytest.mark.parametrize("width", [60, 72, 78])
def test_wrapping_moves_no_word(width: int) -> None:
    broken = wrapped(f"Hello,\n\n{TEXT}", width)
    assert broken.split() == f"Hello, {TEXT}".split()
    assert max(map(len, broken.split("\n"))) <= width


def test_a_slip_exchanges_two_letters_of_a_long_word() -> None:
    pairs = [(a, b) for a, b in zip(TEXT.split(), slipped(TEXT).split(), strict=True) if a != b]
    assert pairs
    assert all(sorted(a) == sorted(b) and a[0] == b[0] and len(a) > 5 for a, b in pairs)


def test_a_wrapped_question_keeps_its_outcome(app: App) -> None:
    desk = EvaluatedDesk(knowledge=app.knowledge, responder=app.responder)
    cases = [case(TEXT), case("Short?")]
    seen = [run_case(desk, one) for one in cases]
    # The short one is not changed, and so not counted.
    assert kept_outcomes(cases, seen, desk, ["wrapped_60"]) == {"wrapped_60": Rate(hits=1, of=1)}


def test_another_decision_is_no_kept_outcome(app: App) -> None:
    desk = EvaluatedDesk(knowledge=app.knowledge, responder=app.responder)
    before = DeskResult(decision="refuse", reason="secret", parts=(), reply="")
    kept = kept_outcomes([case(TEXT)], [before], desk, ["greeting"])
    assert kept == {"greeting": Rate(hits=0, of=1)}


def test_the_gates_ask_for_the_wraps_and_for_each_other_perturbation() -> None:
    kept = read_gates(GATES).kept
    assert set(kept) == set(PERTURBATIONS)
    assert all(kept[name].min == 0.99 for name in kept if name.startswith("wrapped"))


def test_too_few_kept_outcomes_fail_the_run() -> None:
    gates = read_gates(GATES)
    kept = {name: Rate(hits=1, of=1) for name in gates.kept} | {"wrapped_72": Rate(hits=9, of=10)}
    assert [c.name for c in apply_kept(gates, kept) if c.fails] == ["wrapped_72"]


def test_a_perturbation_that_changes_no_case_is_an_error() -> None:
    gates = read_gates(GATES)
    with pytest.raises(GatesError, match="greeting"):
        apply_kept(gates, {name: Rate(hits=0, of=0) for name in gates.kept if name == "greeting"})


def test_a_gate_of_an_unknown_perturbation_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "gates.yaml"
    path.write_text("max_regressions: 0\ngates: {leaks: {max: 0}}\nkept: {mirrored: {min: 1}}\n")
    with pytest.raises(GatesError, match="mirrored"):
        read_gates(path)
