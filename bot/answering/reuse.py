"""Caches decisions, so that a message in the same words is decided only once an hour.

A decision depends on the message alone: on its text, its subject, its channel, what was masked,
what it encloses, its signature and its conversation. A decision is reused for a message with the
same channel, subject and text that begins a conversation and has nothing masked, nothing enclosed
and no signature. One decider serves one version of the knowledge; the cache is emptied when the
decider or its judge is replaced.
"""

import hashlib
import threading
import time
import unicodedata
from collections import OrderedDict
from dataclasses import replace
from typing import Protocol

from bot.domain import Answer, Message, PassageSource, Response
from bot.ports import Judge

MOST_KEPT = 4096  # decisions
KEEP_SECONDS = 3600.0  # enough for a surge, and short enough that no text stays long in memory
# Quotation marks and dashes that keyboards and mail programs write in several ways.
SAME_MARKS = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})


class MessageDecider(Protocol):
    """Decides messages, and always in the same way while its `judge` is the same object.

    Where `asks_model` is true, it may decide the same message differently each time.
    """

    @property
    def judge(self) -> Judge: ...

    @property
    def asks_model(self) -> bool: ...

    def respond(self, message: Message) -> Response: ...


class ReusedDecisions:
    """A cache of the latest decisions of one decider, by `decision_key`; safe for many threads."""

    def __init__(self) -> None:
        self._decided_by: tuple[MessageDecider, Judge] | None = None
        self._kept: OrderedDict[bytes, tuple[float, Response]] = OrderedDict()
        self._turn = threading.Lock()

    def respond(self, message: Message, decider: MessageDecider) -> Response:
        """Return the decider's decision on a message, from the cache where it holds one."""
        began = time.monotonic()
        self._forget_others(decider)
        key = b"" if decider.asks_model else decision_key(message)
        if key and (kept := self._find(key, began)):
            return replace(kept, milliseconds=(time.monotonic() - began) * 1000)
        response = decider.respond(message)
        if key and not _may_be_withdrawn(response):
            self._keep(key, began, response)
        return response

    def _forget_others(self, decider: MessageDecider) -> None:
        with self._turn:
            # A desk without wordings gets another judge when it learns what people answered.
            deciders = (decider, decider.judge)
            if self._decided_by is None or any(
                current is not other
                for current, other in zip(deciders, self._decided_by, strict=True)
            ):
                self._decided_by = deciders
                self._kept.clear()

    def _find(self, key: bytes, now: float) -> Response | None:
        with self._turn:
            decided_at, response = self._kept.get(key, (0.0, None))
            return response if response and now - decided_at < KEEP_SECONDS else None

    def _keep(self, key: bytes, now: float, response: Response) -> None:
        with self._turn:
            self._kept[key] = now, response
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT or self._oldest() < now - KEEP_SECONDS:
                self._kept.popitem(last=False)

    def _oldest(self) -> float:
        return next(iter(self._kept.values()))[0]


def _may_be_withdrawn(response: Response) -> bool:
    """Return whether it quotes an answer of the support team, which can be withdrawn any time."""
    quoted = (p for o in response.outcomes if isinstance(o, Answer) for p in o.passages)
    return any(passage.source is PassageSource.TEAM for passage in quoted)


def decision_key(message: Message) -> bytes:
    """Return a hash of what a decision depends on; empty when the decision must not be reused.

    Texts that differ only in white space, empty lines, capitals, or the form of quotation marks and
    dashes have the same key.
    """
    if message.history or message.redactions or message.shown or message.signature:
        return b""
    parts = (message.channel.value, _plain(message.subject), _plain(message.text))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _plain(text: str) -> str:
    lines = unicodedata.normalize("NFC", text).translate(SAME_MARKS).casefold().splitlines()
    return "\n".join(filter(None, (" ".join(line.split()) for line in lines)))
