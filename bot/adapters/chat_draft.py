"""A language model that words a reply for staff; what it writes is shown to them and never sent."""

import logging
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bot.adapters.chat_model import MAX_MESSAGE, Chat
from bot.budget import Budget, SpentError
from bot.corpus import Knowledge
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
        self._chat = Chat(name, _Draft, PROMPT, budget=budget, deadline=deadline, options=options)

    def draft(self, text: str) -> Suggestion | None:
        """A wording for a masked message, its sentences marked; None when none can be had."""
        offered = sorted(self.knowledge.offered, key=lambda p: p.id)
        try:
            found = self._chat.ask(text[:MAX_MESSAGE], offered, self._suggestion)
        except SpentError:
            return None
        except Exception as error:  # noqa: BLE001 - five unrelated families; none may get out
            log.warning("the model failed", extra={"fault": type(error).__name__})
            return None
        return found if found.sentences else None

    def _suggestion(self, made: _Draft) -> Suggestion:
        known = {p.id: p for p in self.knowledge.offered}
        if not known.keys() >= set(made.passages):
            raise ValueError("a passage was not offered")
        return suggested(made.reply, [known[i] for i in sorted(made.passages)], self.knowledge)
