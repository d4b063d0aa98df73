"""A language model that selects passages, through LangChain; the only importer of its chat models.

Everything that can go wrong there ends here: the one boundary catches it all, counts its class, and
the desk decides as if there were no model.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from bot.budget import Budget, SpentError
from bot.domain import Passage
from bot.errors import SettingsError
from bot.ports import Decided, Entry, Selected
from bot.selection import MAX_ENTRIES, MAX_PASSAGES, checked

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

log = logging.getLogger(__name__)
PROMPT = "select_prompt.txt"
Schema = TypeVar("Schema", bound=BaseModel)
Taken = TypeVar("Taken")
MAX_MESSAGE = 12_000  # characters of the message that are sent


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    span: str = Field(max_length=MAX_MESSAGE)
    decision: Literal["answer", "not_in_post", "action_requested", "refuse"]
    passages: list[str] = Field(max_length=MAX_PASSAGES)
    states: bool


class _Rows(BaseModel):
    """The questions of one message."""

    model_config = ConfigDict(extra="forbid")
    questions: list[_Row] = Field(max_length=MAX_ENTRIES)


class Chat(Generic[Schema]):
    """A model that answers in `schema` only, under one prompt and within the budget."""

    def __init__(
        self, name: str, schema: type[Schema], prompt: str, *, budget: Budget, deadline: float,
        options: dict[str, Any],
    ) -> None:  # fmt: skip
        self.schema = schema
        self.budget = budget
        self.prompt = (files("bot") / "data" / prompt).read_text(encoding="utf-8")
        self._model = _connect(name, schema, timeout=deadline, options=options)

    def ask(self, text: str, offered: Sequence[Passage], take: Callable[[Schema], Taken]) -> Taken:
        """What `take` makes of the answer; whatever it or the model raises counts as a fault."""
        with self.budget.call() as spend:
            answer = self._model.invoke([("system", self.prompt), ("user", _told(text, offered))])
            spend(_tokens(answer.get("raw")))
            parsed = answer.get("parsed")
            if answer.get("parsing_error") or not isinstance(parsed, self.schema):
                raise ValueError("the answer does not fit the schema")
            return take(parsed)


class ChatSelector:
    """Asks a chat model twice, with the passages in two orders; gives back what is in order."""

    def __init__(
        self, name: str, *, budget: Budget, deadline: float = 20.0, options: dict[str, Any]
    ) -> None:
        self.name = name
        self.budget = budget
        self.deadline = deadline
        self._chat = Chat(name, _Rows, PROMPT, budget=budget, deadline=deadline, options=options)
        self._threads = ThreadPoolExecutor(budget.bounds.at_once, "model")

    def select(self, text: str, offered: Sequence[Passage]) -> Selected:
        """Both calls at once; a fault gives an empty selection that names its class."""
        text = text[:MAX_MESSAGE]
        order = sorted(offered, key=lambda p: p.id)
        random.Random(len(text)).shuffle(order)  # noqa: S311 - two orders, not a secret
        calls = [self._threads.submit(self._ask, text, list(o)) for o in (order, reversed(order))]
        try:
            until = time.monotonic() + self.deadline
            one, other = (call.result(max(0.0, until - time.monotonic())) for call in calls)
        except SpentError as error:
            return Selected(fault=str(error))
        except LateError:
            self.budget.faults["LateError"] += 1
            return Selected(fault="LateError")
        except Exception as error:  # noqa: BLE001 - five unrelated families; none may get out
            log.warning("the model failed", extra={"fault": type(error).__name__})
            return Selected(fault=type(error).__name__)
        return Selected(one=one, other=other)

    def _ask(self, text: str, offered: list[Passage]) -> tuple[Entry, ...]:
        def take(rows: _Rows) -> tuple[Entry, ...]:
            entries = [_entry(row) for row in rows.questions]
            return checked(entries, text=text, offered=[p.id for p in offered])

        return self._chat.ask(text, offered, take)


def _told(text: str, offered: Sequence[Passage]) -> str:
    """The passages with their ids, and the message marked as data."""
    passages = "\n\n".join(f"[{p.id}] {p.heading}\n{p.text}" for p in offered)
    quoted = text.replace("<message>", "").replace("</message>", "")
    return f"{passages}\n\n<message>\n{quoted}\n</message>"


def _entry(row: _Row) -> Entry:
    return Entry(
        span=row.span, decision=Decided(row.decision), passages=tuple(row.passages),
        states=row.states,
    )  # fmt: skip


def _tokens(raw: object) -> int:
    """What a call took, as the vendor counts."""
    usage = getattr(raw, "usage_metadata", None) or {}
    return int(usage.get("total_tokens", 0))


def _connect(
    name: str, schema: type[BaseModel], *, timeout: float, options: dict[str, Any]
) -> "Runnable[Any, Any]":
    """A model that answers in `schema` only.

    SettingsError when LangChain does not know the name, or its integration is not installed.
    """
    from langchain.chat_models import init_chat_model

    try:
        chat = init_chat_model(name, timeout=timeout, max_retries=1, temperature=0, **options)
        selecting: Runnable[Any, Any] = chat.with_structured_output(schema, include_raw=True)
    except (ImportError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise SettingsError(f"DESK_MODEL: {name!r} cannot be used ({said})") from None
    except Exception as error:  # noqa: BLE001 - vendors raise their own when a key is missing
        raise SettingsError(
            f"DESK_MODEL: {name!r} cannot be used; is its key set? ({type(error).__name__})"
        ) from None
    return selecting
