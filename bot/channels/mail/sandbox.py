"""Parses each mail in a child process with limits.

A hostile mail then costs seconds and cannot stop the desk.
"""

import multiprocessing
import resource
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from bot.channels.mail.parse import NO_OWN_WORDS, ParsedMail, dedupe_key, parse
from bot.errors import MissingError
from bot.text.own_words import OwnWords

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

# Seconds for one mail, from when the child is ready.
MAX_PARSE_SECONDS = 5.0
# Seconds for the child to start, so many that no good mail fails on a machine under load.
MAX_START_SECONDS = 60.0
# Address space of the child.
MAX_MEMORY_BYTES = 1024**3
LATE_FAULT = "the mail could not be read in time"
READY = b"ready"


def serve_parser(pipe: Connection, own: OwnWords) -> None:
    """Run the loop of the child process.

    It sends READY once, then receives the bytes of one mail after another and sends a ParsedMail
    for each. `own` recognizes the desk's own replies.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    try:
        pipe.send_bytes(READY)
        while True:
            pipe.send(parse(pipe.recv_bytes(), own))
    except (EOFError, OSError, KeyboardInterrupt):
        return


class SafeParser:
    """Parses in one child, which is started on first use and again after it had to be killed."""

    loop = staticmethod(serve_parser)

    def __init__(self, own: OwnWords = NO_OWN_WORDS, *, seconds: float = MAX_PARSE_SECONDS) -> None:
        self.own = own  # recognizes our replies when they come back
        self.seconds = seconds
        self._context = multiprocessing.get_context("spawn")
        self._child: BaseProcess | None = None
        self._pipe: Connection | None = None

    def parse(self, raw: bytes) -> ParsedMail:
        """Return the parsed mail; one with a fault when the child did not answer in time."""
        try:
            pipe = self._started()
            pipe.send_bytes(raw)
            if pipe.poll(self.seconds):
                parsed = pipe.recv()
                if isinstance(parsed, ParsedMail):
                    return parsed
        except (EOFError, OSError):
            pass
        self.close()
        return ParsedMail(fault=LATE_FAULT, key=dedupe_key(raw))

    def close(self) -> None:
        """End the child."""
        if self._pipe:
            self._pipe.close()
        if self._child:
            self._child.kill()
            self._child.join()
        self._child = self._pipe = None

    def _start_child(self) -> "tuple[Connection, BaseProcess]":
        """Return a new child and the pipe to it.

        MissingError where the system has no more files, memory or processes: that is no fault of
        the mail.
        """
        try:
            parent_end, child_end = self._context.Pipe()
            with child_end:
                child = self._context.Process(
                    target=self.loop, args=(child_end, self.own), daemon=True
                )
                child.start()
        except OSError as error:
            raise MissingError(
                f"no process can be started to read mails ({error.strerror}); see `ulimit -a`"
            ) from None
        return parent_end, child

    def _started(self) -> Connection:
        """Return the pipe to a child that is ready; EOFError when none becomes ready."""
        if self._pipe is None:
            self._pipe, self._child = self._start_child()
            if not self._pipe.poll(MAX_START_SECONDS) or self._pipe.recv_bytes() != READY:
                raise EOFError
        return self._pipe
