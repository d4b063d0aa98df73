"""Formats logs as one JSON object a line, with ids and numbers and never a text of a person.

The event is the constant format string of the log call, without its arguments, and the fields are a
closed list. Of a library's message only the logger's name is kept, because it may quote its input.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO

from typing_extensions import override

from bot.errors import SettingsError
from bot.infra.throttle import Throttle

FIELDS = (
    "kind", "task",
    "message_id", "conversation_id", "outbox_id", "case_id", "event_id", "verdict", "rule", "cap",
    "state", "worker", "attempts", "count", "seconds", "fault", "port",
    "outcome", "reason", "milliseconds", "version", "incident", "mode", "reader", "knowledge",
)  # fmt: skip
OWN = ("bot", "__main__")


class JsonFormatter(logging.Formatter):
    """Formats a log record as a JSON line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        own = record.name.partition(".")[0] in OWN
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": str(record.msg) if own else "said something",
        }
        line |= {name: record.__dict__[name] for name in FIELDS if record.__dict__.get(name)}
        if record.exc_info and record.exc_info[0] and "fault" not in line:
            line["fault"] = record.exc_info[0].__name__
        return json.dumps(line, default=str)


class LibraryFilter(logging.Filter):
    """Lets one line a minute through of each library's logger; its count is how many there were.

    A library logs each failed call, so an outage of a service would fill the log with lines that
    say nothing; our own lines say what is wrong.
    """

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._tick = tick
        self._said: dict[str, Throttle] = {}

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is one of our own, or a library's that is due."""
        if record.name.partition(".")[0] in OWN:
            return True
        count = self._said.setdefault(record.name, Throttle(self._tick)).count()
        record.count = count
        return count > 0


def start_logging(level: str, stream: IO[str] | None = None) -> None:
    """Send every log line to `stream`, stderr by default; SettingsError for an unknown level."""
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise SettingsError(f"DESK_LOG: {level!r} is no level; use DEBUG, INFO, WARNING or ERROR")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(LibraryFilter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("bot").setLevel(number)
    # A line that cannot be written is dropped, because logging's own error report would quote it.
    logging.raiseExceptions = False
