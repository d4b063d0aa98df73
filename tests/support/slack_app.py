"""An app whose Slack talks to the Slack of a test instead of slack.com."""

from functools import cached_property
from typing import Unpack

from typing_extensions import override

from bot.app import App, Parts
from bot.channels.slack import Slack, SlackAccess, SlackIntervals
from bot.settings import Settings


class SlackApp(App):
    """An app with this access and these intervals; its settings need no tokens of Slack."""

    def __init__(
        self,
        settings: Settings,
        access: SlackAccess,
        intervals: SlackIntervals,
        **given: Unpack[Parts],
    ) -> None:
        super().__init__(settings, **given)
        self.access = access
        self.intervals = intervals

    @cached_property
    @override
    def slack(self) -> Slack:
        return Slack(
            self.access, self.desk, home=self.settings.home, intervals=self.intervals,
            enqueue_job=self.jobs.enqueue_decision_delivery, model=self.suggestion_model,
            recall=self.recall_batches,
        )  # fmt: skip
