"""Log lines are JSON with ids, and say nothing of anybody's text."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from bot.errors import SettingsError
from bot.logs import start_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, own = logging.getLogger(), logging.getLogger("bot")
    handlers, levels = root.handlers[:], (root.level, own.level)
    made = io.StringIO()
    start_logging("info", made)
    yield made
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])


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


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    logging.getLogger("bot.x").debug("detail")
    logging.getLogger("library").info("detail")
    assert lines(stream) == []


def test_a_wrong_level_names_its_setting() -> None:
    with pytest.raises(SettingsError, match="DESK_LOG"):
        start_logging("loud")
