"""Each act of staff, over HTTP and over Socket Mode, with SIGKILL after its ack: none is lost, no mail
goes out twice, whatever Slack or the person repeats."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from bot.journal import OutboxState, Stage
from tests.servers.slack_side import ALICE
from tests.support.slack_desk import Process, opened
from tests.support.slack_stand import filled

DETAILS = "Which team do you mean?"
HALF_AN_HOUR = {"minutes": {"choice": {"selected_option": {"value": "30"}}}}


def killed(process: Process, act: Callable[[], Any], delay: float) -> Any:
    """It dies when the act is acknowledged, and comes back."""
    told = act()
    time.sleep(delay)
    process.kill()
    process.again()
    return told


def delivered(process: Process, case: int) -> bool:
    found = process.case(case).delivery
    return found is not None and found.state is OutboxState.SENT


def cases(process: Process, count: int) -> None:
    """So many cards lie there, and each user has the desk's word that a person looks."""
    for _ in range(count):
        process.mail()
    process.until(lambda: len(process.side.cards()) == count)
    process.until(lambda: len(process.sent()) == count)


@pytest.mark.parametrize("delay", [0.0, 0.02])
def test_killed_after_the_ack_of_each_act(process: Process, delay: float) -> None:
    side = process.side
    cases(process, 3)

    killed(process, lambda: side.click(ALICE, "claim", "1:"), delay)
    process.until(lambda: process.case(1).owner == f"slack:{ALICE}")

    value = f"2:{process.case(2).version}"
    killed(process, lambda: side.click(ALICE, "approve", value, stamp="7.7"), delay)
    process.until(lambda: delivered(process, 2))
    side.click(ALICE, "approve", value, stamp="7.7")

    check = side.submit(ALICE, opened(process, "details", 1), filled(DETAILS))["view"]
    told = killed(process, lambda: side.submit(ALICE, check, {}), delay)
    assert "on its way" in json.dumps(told)
    assert process.case(1).stage is Stage.WAITING
    process.until(lambda: delivered(process, 1))
    side.submit(ALICE, check, {})

    window = opened(process, "snooze", 3)
    told = killed(process, lambda: side.submit(ALICE, window, HALF_AN_HOUR), delay)
    assert told == {"response_action": "clear"}
    assert process.case(3).stage is Stage.SNOOZED
    side.submit(ALICE, window, HALF_AN_HOUR)

    process.until(lambda: process.shows("Put off") and process.shows("sent the draft as it was"))
    process.until(lambda: process.shows("Waits for details from the user"))
    time.sleep(0.3)
    assert len(process.sent()) == 3 + 2
    assert sum(DETAILS in mail for mail in process.sent()) == 1
    assert len(side.cards()) == 3
