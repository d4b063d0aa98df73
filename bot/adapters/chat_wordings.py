"""Asks a language model for wordings of a passage's questions; a person reviews them."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

from bot.adapters.chat_model import Chat, at_most
from bot.corpus.limits import shipped_limits
from bot.domain import Passage
from bot.errors import DeskError
from bot.llm.budget import NOT_ASKED, Budget, SpentError
from bot.redact import redact
from bot.text.printable import printable_line

PROMPT = "wordings_prompt.txt"
MAX_ASKED, MAX_NEAR, MAX_GAPS = 40, 15, 8  # the most questions of each kind, as in the prompt
MAX_QUESTION = 200  # characters; a longer text is no usable wording
SPENT = "the model is not asked any more: {why}; go on later"
FAILED = "the model gave nothing that can be used ({fault})"


class _Wordings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ask: Annotated[list[str], at_most(2 * MAX_ASKED)]
    near: Annotated[list[str], at_most(2 * MAX_NEAR)]
    gaps: Annotated[list[str], at_most(2 * MAX_GAPS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedWordings:
    """Questions on a passage: those it answers, similar ones (near), and those it leaves open."""

    ask: tuple[str, ...]
    near: tuple[str, ...]
    gaps: tuple[str, ...]


class ChatWordings:
    """A source of wordings that asks a chat model once a passage, within the same budget."""

    def __init__(
        self, name: str, *, budget: Budget, options: dict[str, Any], deadline: float = 0
    ) -> None:
        seconds = deadline or shipped_limits().model.draft_seconds
        self._chat = Chat[_Wordings](name, PROMPT, budget=budget, deadline=seconds, options=options)

    def propose(self, passage: Passage) -> ProposedWordings:
        """Return the wordings that the model writes for a passage.

        It raises DeskError when the budget is spent or the model failed.
        """
        try:
            return self._chat.ask(_Wordings, "", [passage], _cleaned)
        except SpentError as error:
            why = NOT_ASKED.get(str(error), str(error))
            raise DeskError(SPENT.format(why=why)) from None
        except Exception as error:  # noqa: BLE001 - five unrelated families; none may get out
            raise DeskError(FAILED.format(fault=type(error).__name__)) from None


def _cleaned(made: _Wordings) -> ProposedWordings:
    return ProposedWordings(
        ask=_lines(made.ask, MAX_ASKED), near=_lines(made.near, MAX_NEAR),
        gaps=_lines(made.gaps, MAX_GAPS),
    )  # fmt: skip


def _lines(texts: list[str], most: int) -> tuple[str, ...]:
    """Return each text once, as one line with secrets masked; none that is empty or too long."""
    lines = (" ".join(printable_line(redact(text).text).split()) for text in texts)
    known = {line.casefold(): line for line in lines if 0 < len(line) <= MAX_QUESTION}
    return tuple(known.values())[:most]
