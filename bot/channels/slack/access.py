"""What a workspace is given: its tokens and people, the pace, and a model where there is one."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.channels.slack.client import BASE
from bot.domain import HealthLine
from bot.llm.budget import NOT_ASKED
from bot.llm.suggestion import Suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackAccess:
    """The workspace: what was set."""

    bot_token: str = field(repr=False)
    app_token: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    channel: str
    staff: frozenset[str]
    oncall: tuple[str, ...] = ()
    base_url: str = BASE


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionModel:
    """A language model, as far as staff see it."""

    draft: Callable[[str], Suggestion | None]
    state: Callable[[], str]  # `open`, or why it is not asked

    def health(self) -> HealthLine:
        """Its line in App Home."""
        state = self.state()
        if state == "open":
            return HealthLine(name="model", good=True, says="is asked")
        why = NOT_ASKED.get(state, state)
        return HealthLine(
            name="model", good=False, says=f"is not asked, {why}; the desk decides alone"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackIntervals:
    """How often each thing is looked after, in seconds."""

    post: float = 1.0  # between two posts in a channel
    compare: float = 1.0  # between two comparisons of the cards with the journal
    socket: float = 1.0
    repair: float = 30.0
    backoff: tuple[float, ...] = (1.0, 2.0, 5.0, 15.0, 60.0)
