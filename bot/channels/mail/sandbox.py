"""Parses each mail in a child with limits: a hostile one costs seconds, not the desk."""

import multiprocessing
import resource
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from bot.channels.mail.parse import ParsedMail, dedupe_key, parse

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

SECONDS = 5.0
MEMORY = 1024**3
LATE = "the mail could not be read in time"


class SafeParser:
    """One child, started on first use and again after it had to be killed."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._context = multiprocessing.get_context("spawn")
        self._child: BaseProcess | None = None
        self._pipe: Connection | None = None

    def parse(self, raw: bytes) -> ParsedMail:
        """The parsed mail; a fault when the child did not answer in time."""
        pipe = self._started()
        try:
            pipe.send_bytes(raw)
            if pipe.poll(self.seconds):
                found = pipe.recv()
                if isinstance(found, ParsedMail):
                    return found
        except (EOFError, OSError):
            pass
        self.close()
        return ParsedMail(fault=LATE, key=dedupe_key(raw))

    def close(self) -> None:
        """End the child."""
        if self._pipe:
            self._pipe.close()
        if self._child:
            self._child.kill()
            self._child.join()
        self._child = self._pipe = None

    def _started(self) -> Connection:
        if self._pipe is None:
            self._pipe, theirs = self._context.Pipe()
            self._child = self._context.Process(target=_serve, args=(theirs,), daemon=True)
            self._child.start()
            theirs.close()
        return self._pipe


def _serve(pipe: Connection) -> None:
    """The child's loop: a mail in, a ParsedMail out, until the pipe closes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        while True:
            pipe.send(parse(pipe.recv_bytes()))
    except (EOFError, OSError, KeyboardInterrupt):
        return
