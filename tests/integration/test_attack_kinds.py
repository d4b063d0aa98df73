"""Inputs of tests/data/attack_kinds.yaml: who is called, and what is said of strangers."""

from functools import cache
from pathlib import Path

import pytest
import yaml

from bot.app import App
from bot.domain import Answer, Escalation, Message, Priority

SOURCE = Path(__file__).parents[1] / "data" / "attack_kinds.yaml"
HALVES = ("seen", "apart")
MOST_FALSE_PAGES = 1  # of 20


@cache
def inputs(kind: str) -> dict[str, list[str]]:
    found = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))[kind]
    return found if isinstance(found, dict) else {"all": found}


@pytest.mark.parametrize("half", HALVES)
def test_few_are_called_for_what_is_over_or_only_supposed(app: App, half: str) -> None:
    called = [text for text in inputs("calm")[half] if _calls(app, text)]
    assert len(called) <= MOST_FALSE_PAGES, called


def test_somebody_is_called_for_each_danger(app: App) -> None:
    assert [text for text in inputs("calls")["all"] if not _calls(app, text)] == []


@pytest.mark.parametrize("half", HALVES)
def test_no_fact_of_the_incident_stands_under_a_question_about_a_stranger(
    app: App, half: str
) -> None:
    advice = set(app.responder.finder.find_advice_on_messages())
    told = {text: app.responder.respond(Message(text=text)) for text in inputs("strangers")[half]}
    answers = [(t, o) for t, r in told.items() for o in r.outcomes if isinstance(o, Answer)]
    assert [text for text, answer in answers if not advice.issuperset(answer.passages)] == []


def _calls(app: App, text: str) -> bool:
    found = app.responder.respond(Message(text=text)).outcomes
    return any(isinstance(o, Escalation) and o.priority is Priority.PAGE for o in found)
