import pytest

from bot.budget import Bounds, Budget, SpentError
from bot.errors import SettingsError
from bot.settings import Settings


def spend(budget: Budget, tokens: int = 10) -> None:
    with budget.call() as tell:
        tell(tokens)


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
