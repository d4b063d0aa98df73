"""Log lines are JSON with ids, and say nothing of anybody's text."""

import io
import json
import logging

import pytest

from bot.errors import SettingsError
from bot.infra.logs import LibraryFilter, start_logging


@pytest.fixture
def stream() -> io.StringIO:
    made = io.StringIO()
    start_logging("info", made)
    return made


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_with_its_ids(stream: io.StringIO) -> None:
    logging.getLogger("bot.desk").info("decided", extra={"message_id": 3, "text": "my secret"})
    (line,) = lines(stream)
    assert (line["event"], line["message_id"], line["level"]) == ("decided", 3, "info")
    assert "secret" not in stream.getvalue()


def test_what_an_event_was_filled_with_is_left_out(stream: io.StringIO) -> None:
    logging.getLogger("bot.x").warning("not taken: %s", "my secret")
    assert lines(stream)[0]["event"] == "not taken: %s"


def test_a_library_is_only_named(stream: io.StringIO) -> None:
    logging.getLogger("somebody.else").error("cannot parse: my secret")
    (line,) = lines(stream)
    assert (line["logger"], line["event"]) == ("somebody.else", "said something")


def test_an_exception_is_named_not_told(stream: io.StringIO) -> None:
    try:
        int("my secret")
    except ValueError:
        logging.getLogger("bot.x").exception("failed")
    assert lines(stream)[0]["fault"] == "ValueError"
    assert "secret" not in stream.getvalue()


def test_a_line_that_cannot_be_written_is_not_told_of(capfd: pytest.CaptureFixture[str]) -> None:
    """Logging would print the error that was about to be logged, with what it quotes."""
    closed = io.StringIO()
    start_logging("info", closed)
    closed.close()
    try:
        int("my secret")
    except ValueError:
        logging.getLogger("bot.x").exception("failed")
    assert "secret" not in "".join(capfd.readouterr())


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    logging.getLogger("bot.x").debug("detail")
    logging.getLogger("library").info("detail")
    assert lines(stream) == []


def test_a_wrong_level_names_its_setting() -> None:
    with pytest.raises(SettingsError, match="DESK_LOG"):
        start_logging("loud")


def test_a_library_that_repeats_itself_is_one_line_a_minute_and_our_own_lines_all_pass() -> None:
    now = [0.0]
    said = LibraryFilter(lambda: now[0])

    def passed(name: str) -> list[int]:
        lines = [logging.LogRecord(name, logging.ERROR, "", 0, "x", None, None) for _ in range(5)]
        return [int(vars(line).get("count", 0)) for line in lines if said.filter(line)]

    assert passed("bot.desk") == [0] * 5
    assert passed("slack_sdk.web") == [1]
    now[0] = 61.0
    assert passed("slack_sdk.web") == [5]
    assert passed("dbos") == [1]
