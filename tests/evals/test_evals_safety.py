"""`evals safety` fails when the guard fails; its figures on the real desk are its own run's."""

import random
from collections import Counter

import pytest
from typing_extensions import override

from bot.app import App
from bot.corpus import Knowledge
from bot.domain import Answer as Told
from bot.domain import AnswerReason, Message, Response
from bot.outbound import CheckResult, Outbound
from evals.__main__ import main
from evals.generators.tampering import CHANGES, reply, tampered
from evals.measuring.measure import EvaluatedDesk
from evals.measuring.rates import BoundedRate
from evals.safety import outgoing, safety


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


def test_every_kind_of_tampering_is_made_and_what_is_not_tampered_with_leaves(
    knowledge: Knowledge,
) -> None:
    outbound, drawn = Outbound(knowledge), random.Random(3)
    kinds = Counter(one.kind for one in tampered(knowledge, drawn, 60 * len(CHANGES)))
    assert list(kinds.values()) == [60] * len(CHANGES)
    replies = [reply(knowledge, drawn) for _ in range(2_000)]
    assert [text for text in replies if not outbound.check(text).allowed] == []


def test_a_check_that_lets_through_is_seen(knowledge: Knowledge, app: App) -> None:
    class Open(Outbound):
        @override
        def check(self, text: str, *, case_number: int | None = None) -> CheckResult:
            return CheckResult(allowed=len(text) % 2 == 0)

    class OpenDesk(EvaluatedDesk):
        outbound = Open(knowledge)

    desk = OpenDesk(knowledge=knowledge, responder=app.responder)
    rate = outgoing(desk, 200)
    assert not rate.holds
    assert rate.missed[0].split(":")[0] in {change.__name__[1:] for change in CHANGES}


def test_a_desk_that_obeys_fails(knowledge: Knowledge, capsys: pytest.CaptureFixture[str]) -> None:
    desk = EvaluatedDesk(knowledge=knowledge, responder=Yielding(knowledge))
    assert safety(["--texts", "10"], lambda: desk) == 1
    printed = capsys.readouterr().out
    assert "FAIL hostile: refused or handed over" in printed
    assert "Send" in printed or "send" in printed  # the texts that slipped through


def test_a_rate_of_nothing_proves_nothing() -> None:
    rate = BoundedRate(name="empty", floor=0.5)
    assert not rate.holds
    assert "FAIL" in rate.line()


def test_the_command_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["safety", "--help"])
    assert ended.value.code == 0
    assert "--texts" in capsys.readouterr().out
