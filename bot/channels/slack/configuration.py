"""Defines what the Slack channel is configured with: workspace, people, intervals and a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.channels.slack.client import BASE
from bot.domain import EscalationReason, HealthLine
from bot.llm.budget import NOT_ASKED
from bot.staff.case_actions import HOLD_SECONDS
from bot.staff.suggestion import Suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackAccess:
    """The tokens, channel and people of one workspace, as they were set."""

    bot_token: str = field(repr=False)
    app_token: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    channel: str
    staff: frozenset[str]
    oncall: tuple[str, ...] = ()
    contacts: Mapping[EscalationReason, str] = field(default_factory=dict)  # whom staff call
    model_price: float = 0.0  # for a million tokens; 0 where it is not set
    base_url: str = BASE


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionModel:
    """The language model that suggests wordings to staff, and translates for them.

    `draft` returns a suggestion for a masked text, or None; `translate` returns the text in
    English, or an empty text; `state` returns `open`, or the reason why the model is not asked now.
    """

    draft: Callable[[str], Suggestion | None]
    state: Callable[[], str]
    translate: Callable[[str], str] | None = None

    def health(self) -> HealthLine:
        """Return the line about the model in App Home."""
        state = self.state()
        if state == "open":
            return HealthLine(name="model", good=True, says="is asked")
        why = NOT_ASKED.get(state, state)
        return HealthLine(
            name="model", good=False, says=f"is not asked, {why}; the desk decides alone"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackIntervals:
    """How often each task is done, in seconds."""

    post: float = 1.0  # between two posts in a channel; Slack takes one a second
    compare: float = 1.0  # between two comparisons of the cards with the journal
    socket: float = 1.0  # between two looks at the connection of Socket Mode
    repair: float = 30.0  # before a post is tried again that failed because of a wrong set-up
    undo: float = HOLD_SECONDS
    # Before each further attempt of a post.
    backoff: tuple[float, ...] = (1.0, 2.0, 5.0, 15.0, 60.0)
