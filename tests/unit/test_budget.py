import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.corpus.limits import read_limits
from bot.errors import SettingsError
from bot.llm.budget import Bounds, Budget, SpentError
from bot.settings import Settings
from tests.support.waiting import SAFETY_NET_SECONDS


def spend(budget: Budget, tokens: int = 10) -> None:
    with budget.call() as call:
        call.tell(tokens)


def fail(budget: Budget) -> None:
    with pytest.raises(ValueError, match="bad"), budget.call():
        raise ValueError("bad")


def test_calls_and_tokens_are_counted_for_an_hour() -> None:
    now = [0.0]
    budget = Budget(Bounds(calls=2, tokens=100), lambda: now[0])
    spend(budget)
    spend(budget)
    assert budget.state == "calls_spent"
    with pytest.raises(SpentError, match="calls_spent"):
        spend(budget)
    now[0] = 3601
    assert budget.state == "open"
    spend(budget, 100)
    assert budget.state == "tokens_spent"
    assert budget.faults == {"calls_spent": 1}


def test_failures_in_a_row_open_the_circuit_for_a_while() -> None:
    now = [0.0]
    budget = Budget(Bounds(failures=2, rest=60), lambda: now[0])
    fail(budget)
    spend(budget)
    fail(budget)
    assert budget.state == "open"
    fail(budget)
    assert budget.state == "resting"
    now[0] = 61
    assert budget.state == "open"
    assert budget.faults == {"ValueError": 3}


def test_money_is_a_bound_on_tokens() -> None:
    settings = Settings(model_money=0.5, model_price=2.0)
    assert settings.model_tokens_paid == 250_000
    assert Settings(model_tokens=9).model_tokens_paid == 9
    with pytest.raises(SettingsError, match="DESK_MODEL_PRICE"):
        _ = Settings(model_money=1).model_tokens_paid


class SaidNoError(Exception):
    status_code = 429


def test_a_call_holds_what_it_may_take_until_it_is_known() -> None:
    budget = Budget(Bounds(tokens=100))
    with budget.call(most=60) as one:
        assert budget.hour == (1, 60)
        with pytest.raises(SpentError, match="tokens_spent"), budget.call(most=60):
            pass
        one.tell(10)
    assert budget.hour == (1, 10)
    with budget.call(most=60):
        """Nothing is told: all of it counts."""
    assert budget.hour == (2, 70)
    assert budget.state == "tokens_spent"  # for a call like the last one


def test_what_the_vendor_turned_away_costs_nothing_and_what_broke_costs_all() -> None:
    budget = Budget(Bounds())
    for error, tokens in ((SaidNoError(), 0), (ValueError(), 50)):
        with pytest.raises(type(error)), budget.call(most=50):
            raise error
        assert budget.hour[1] == tokens


def test_no_bound_is_passed_by_calls_at_once() -> None:
    budget = Budget(Bounds(calls=30, tokens=1_000))
    most, inside, seen = 100, threading.Barrier(10), list[int]()

    def one(_: int) -> bool:
        try:
            with budget.call(most=most) as call:
                inside.wait(SAFETY_NET_SECONDS)
                seen.append(budget.hour[1])
                call.tell(most)
        except SpentError:
            return False
        return True

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(one, range(40))) == 10
    assert max(seen) <= 1_000
    assert budget.spent == {"calls": 10, "tokens": 1_000}


def test_calls_that_never_end_leave_the_model_alone() -> None:
    now = [0.0]
    budget = Budget(Bounds(at_once=2, failures=9), lambda: now[0])
    with budget.call(seconds=5), budget.call(seconds=5):
        assert budget.state == "open"
        now[0] = 6
        assert budget.state == "busy"
    assert budget.state == "open"


def test_a_model_that_is_always_late_is_left_alone() -> None:
    now = [0.0]
    budget = Budget(Bounds(failures=2, rest=60), lambda: now[0])
    for _ in range(2):
        with budget.call(seconds=5):
            now[0] += 6
            budget.late()
    assert budget.state == "resting"


def test_the_bounds_are_those_of_the_knowledge(tmp_path: Path) -> None:
    limits = read_limits(tmp_path).model
    assert Bounds.of(limits, calls=600, tokens=2_000_000) == Bounds()
