"""Asks a language model to translate what users write, for staff; the text is never sent."""

import logging
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

from bot.adapters.chat_model import Chat, at_most, told_of
from bot.corpus.limits import shipped_limits
from bot.llm.budget import Budget, SpentError
from bot.redact import redact

log = logging.getLogger(__name__)
PROMPT = "translation_prompt.txt"
MAX_TRANSLATION = 16_000  # characters


class _Translation(BaseModel):
    model_config = ConfigDict(extra="forbid")
    english: Annotated[str, at_most(MAX_TRANSLATION)]


class ChatTranslator:
    """A translator that asks a chat model once a message, within the budget of the selection."""

    def __init__(
        self, name: str, *, budget: Budget, options: dict[str, Any], deadline: float = 0
    ) -> None:
        seconds = deadline or shipped_limits().model.draft_seconds
        self._chat = Chat[_Translation](
            name, PROMPT, budget=budget, deadline=seconds, options=options
        )

    def translate(self, text: str) -> str:
        """Return a masked message in English, with secrets masked again; empty when this fails."""
        try:
            return self._chat.ask(
                _Translation, told_of(text), [], lambda made: redact(made.english.strip()).text
            )
        except SpentError:
            return ""
        except Exception as error:  # noqa: BLE001 - five unrelated families; none may get out
            log.warning("the model failed", extra={"fault": type(error).__name__})
            return ""
