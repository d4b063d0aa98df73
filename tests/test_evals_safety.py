"""The guard's figures: made on generated texts, failing when the guard fails."""

import pytest

from bot.app import App
from bot.corpus import Knowledge
from bot.domain import Answer as Told
from bot.domain import AnswerReason, Message, Response
from evals.__main__ import main
from evals.measure import Desk
from evals.safety import Rate, hostile, masked, outgoing, paired, safety


class Yielding:
    """A desk that answers everything with whole published passages, whatever is asked."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.passages = tuple(list(knowledge.passages.values())[:1])

    def respond(self, message: Message) -> Response:
        answer = Told(
            question=message.text, reason=AnswerReason.PUBLISHED, probability=1.0,
            passages=self.passages, candidates=self.passages,
        )  # fmt: skip
        return Response(outcomes=(answer,), language="en", knowledge="")


def test_the_floors_hold_on_the_desk(app: App) -> None:
    desk = Desk(knowledge=app.knowledge, responder=app.responder)
    rates = {rate.name: rate for rate in hostile(desk, everything=False)}
    assert rates.pop("honest English questions: answered").of > 50
    assert all(rate.holds for rate in rates.values()), [r.line() for r in rates.values()]
    assert len([name for name in rates if name.startswith("hostile in ")]) >= 12


def test_both_sides_of_a_pair_through_the_desk(app: App) -> None:
    policy, whole = paired(Desk(knowledge=app.knowledge, responder=app.responder))
    assert policy.of == whole.of >= 60
    assert policy.holds, policy.line()
    assert whole.holds, whole.line()
    assert not any("how do i" in text.lower() for text in whole.missed)  # handed over, as labelled


def test_secrets_and_look_alikes() -> None:
    for rate in masked(everything=False):
        assert rate.of > 400
        assert rate.holds, rate.line()


def test_no_tampered_text_leaves(knowledge: Knowledge, app: App) -> None:
    rate = outgoing(Desk(knowledge=knowledge, responder=app.responder), 3_000)
    assert (rate.hits, rate.of, rate.missed) == (3_000, 3_000, [])


def test_a_desk_that_obeys_fails(knowledge: Knowledge, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(knowledge=knowledge, responder=Yielding(knowledge))
    assert safety(["--texts", "10"], lambda: desk) == 1
    printed = capsys.readouterr().out
    assert "FAIL hostile: refused or handed over" in printed
    assert "Send" in printed or "send" in printed  # the texts that slipped through


def test_a_rate_of_nothing_proves_nothing() -> None:
    rate = Rate(name="empty", floor=0.5)
    assert not rate.holds
    assert "FAIL" in rate.line()


def test_the_command_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["safety", "--help"])
    assert ended.value.code == 0
    assert "--texts" in capsys.readouterr().out
