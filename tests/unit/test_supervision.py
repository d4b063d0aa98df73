"""An outage is a state and at most a line a minute, however often something fails in it."""

import errno
import logging

import pytest

from bot.infra.supervision import LOG_SECONDS, OutageLog

TIMES = 960  # a minute; each lasts a sixteenth of a second, which floats add without error


class Ticks:
    """A clock of seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def test_a_lasting_outage_is_one_line_a_minute(
    ticks: Ticks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    outages = OutageLog(tick=ticks)
    for _ in range(10):
        for _ in range(TIMES):
            outages.record_failure("storing", OSError())
            ticks.now += LOG_SECONDS / TIMES
    assert outages.list_faults() == ["storing: fails (OSError)"]
    assert len(caplog.records) == 10
    assert [vars(record)["count"] for record in caplog.records] == [1] + [TIMES] * 9


def test_what_fails_and_works_in_turn_is_two_lines_a_minute(
    ticks: Ticks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    outages = OutageLog(tick=ticks)
    for _ in range(TIMES):
        outages.record_failure("storing", OSError())
        outages.record_success("storing")
        ticks.now += LOG_SECONDS / TIMES
    assert outages.list_faults() == []
    assert [record.message for record in caplog.records] == [
        "a task fails and is tried again",
        "a task works again",
    ]


def test_one_outage_does_not_silence_another(
    ticks: Ticks, caplog: pytest.LogCaptureFixture
) -> None:
    outages = OutageLog(tick=ticks)
    for name in ("storing", "sending", "storing"):
        outages.record_failure(name, OSError())
    assert [vars(record)["task"] for record in caplog.records] == ["storing", "sending"]


def test_an_error_of_the_system_is_named_in_its_own_words_and_no_other_is_quoted(
    ticks: Ticks,
) -> None:
    outages = OutageLog(tick=ticks)
    outages.record_failure("storing", OSError(errno.ENOSPC, "", "/home/ana@x.example"))
    outages.record_failure("taking", ValueError("ana@x.example"))
    assert outages.list_faults() == [
        "storing: fails (OSError: No space left on device)",
        "taking: fails (ValueError)",
    ]
