"""Posts a notice to staff about each secret in a mail that the desk answered by itself."""

import time
from collections.abc import Callable

from bot.channels.slack.card_sync import message_arguments
from bot.channels.slack.mrkdwn import escape
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.cards import RenderedMessage
from bot.domain import SecretKind
from bot.journal import Journal
from bot.journal.pasted_secrets import PastedSecretMessage, list_unannounced

SPOKEN = "Somebody pasted a secret into a mail"


class PastedSecretNotices:
    """Posts one notice for each such mail, without the secret and without the sender.

    It looks for mails every `seconds`; `tick` is a monotonic clock.
    """

    def __init__(
        self,
        journal: Journal,
        channel: str,
        seconds: float,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.journal = journal
        self.channel = channel
        self.seconds = seconds
        self.tick = tick
        self._looked_at = -1e9

    def enqueue_due(self) -> None:
        """Enqueue the notices that are due, at most once in the interval."""
        if self.tick() - self._looked_at < self.seconds:
            return
        self._looked_at = self.tick()
        for each in list_unannounced(self.journal.engine, self.journal.clock):
            self.journal.slack.enqueue(
                each.key, channel=self.channel, method="chat.postMessage",
                payload=message_arguments(render_notice(each)),
            )  # fmt: skip


def render_notice(mail: PastedSecretMessage) -> RenderedMessage:
    """Return the notice: the kinds of secrets, what the desk did and what people should do."""
    kinds = ", ".join(SecretKind(kind).words for kind in mail.kinds)
    says = (
        f"🔒 *{SPOKEN}* ({escape(kinds)}). In what the desk stores and shows, it is masked. The "
        "mail itself, with the secret in it, stays in the mailbox under *Processed* until somebody "
        "deletes it there. The desk answered by itself and asked them to revoke the secret."
    )
    return RenderedMessage(blocks=[b.markdown(says)], text=SPOKEN)
