"""Asks a language model to word a reply; the text is shown to staff and never sent."""

import logging
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

from bot.adapters.chat_model import Chat, at_most, told_of
from bot.corpus import Knowledge
from bot.corpus.limits import shipped_limits
from bot.llm.budget import Budget, SpentError
from bot.ports import DraftedWording

log = logging.getLogger(__name__)
PROMPT = "draft_prompt.txt"
MAX_REPLY = 4_000  # characters


class _Draft(BaseModel):
    model_config = ConfigDict(extra="forbid")
    passages: Annotated[list[str], at_most(5)]
    reply: Annotated[str, at_most(MAX_REPLY)]


class ChatDrafter:
    """A drafter that asks a chat model once a message, within the budget of the selection."""

    def __init__(
        self, name: str, *, knowledge: Knowledge, budget: Budget, options: dict[str, Any],
        deadline: float = 0,
    ) -> None:  # fmt: skip
        self.knowledge = knowledge
        self.budget = budget
        seconds = deadline or shipped_limits().model.draft_seconds
        self._chat = Chat[_Draft](name, PROMPT, budget=budget, deadline=seconds, options=options)

    def draft(self, text: str) -> DraftedWording | None:
        """Return a wording for a masked message, with the passages that the model names for it.

        The result is None when the model fails or its budget is spent.
        """
        offered = sorted(self.knowledge.offered, key=lambda p: p.id)
        try:
            return self._chat.ask(_Draft, told_of(text), offered, self._wording)
        except SpentError:
            return None
        except Exception as error:  # noqa: BLE001 - five unrelated families; none may get out
            log.warning("the model failed", extra={"fault": type(error).__name__})
            return None

    def _wording(self, draft: _Draft) -> DraftedWording:
        offered = {p.id: p for p in self.knowledge.offered}
        if not offered.keys() >= set(draft.passages):
            raise ValueError("a passage was not offered")
        return DraftedWording(
            text=draft.reply, passages=tuple(offered[i] for i in sorted(draft.passages))
        )
