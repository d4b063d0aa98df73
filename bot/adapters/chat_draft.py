"""A language model that words a reply for staff; what it writes is shown to them and never sent."""

import logging
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bot.adapters.chat_model import MAX_MESSAGE, connect, tokens, told
from bot.budget import Budget, SpentError
from bot.corpus import Knowledge
from bot.domain import Passage
from bot.suggestion import Suggestion, suggested

log = logging.getLogger(__name__)
PROMPT = "draft_prompt.txt"
MAX_REPLY = 4_000  # characters


class _Draft(BaseModel):
    model_config = ConfigDict(extra="forbid")
    passages: list[str] = Field(max_length=5)
    reply: str = Field(max_length=MAX_REPLY)


class ChatDrafter:
    """Asks once; counts against the same budget as the selection."""

    def __init__(
        self, name: str, *, knowledge: Knowledge, budget: Budget, options: dict[str, Any],
        deadline: float = 30.0,
    ) -> None:  # fmt: skip
        self.knowledge = knowledge
        self.budget = budget
        self.prompt = (files("bot") / "data" / PROMPT).read_text(encoding="utf-8")
        self._model = connect(name, _Draft, timeout=deadline, options=options)

    def draft(self, text: str) -> Suggestion | None:
        """A wording for a masked message, its sentences marked; None when none can be had."""
        offered = sorted(self.knowledge.offered, key=lambda p: p.id)
        try:
            made = self._ask(text[:MAX_MESSAGE], offered)
        except SpentError:
            return None
        except Exception as error:  # noqa: BLE001 - five unrelated families; none may get out
            log.warning("the model failed", extra={"fault": type(error).__name__})
            return None
        chosen = [p for p in offered if p.id in made.passages]
        found = suggested(made.reply, chosen, self.knowledge)
        return found if found.sentences else None

    def _ask(self, text: str, offered: Sequence[Passage]) -> _Draft:
        with self.budget.call() as spend:
            answer = self._model.invoke([("system", self.prompt), ("user", told(text, offered))])
            spend(tokens(answer.get("raw")))
            made = answer.get("parsed")
            if not isinstance(made, _Draft) or not {p.id for p in offered}.issuperset(
                made.passages
            ):
                raise ValueError("no draft in the answer")
            return made
