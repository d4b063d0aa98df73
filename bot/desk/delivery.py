"""Delivers the mails of the outbox, each once, and finds out what became of those in doubt.

Each step can be repeated after a crash at any point: a mail of unknown fate is never sent blindly.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable

from bot.desk.checkpoints import Checkpoint
from bot.errors import DeliveryError, MissingError, RefusedError, UncertainError
from bot.journal import Journal, OutgoingMail
from bot.outbound import Outbound
from bot.ports import MailOut

log = logging.getLogger(__name__)
RETRY_SECONDS = 60  # before the only further attempt where the journal has no limits
MAX_BROKEN_DELIVERIES = 3  # attempts for one mail that may end in an unforeseen error
DIED = "the process died while delivering it"
NOT_OURS = "the stored reply is not what the desk may send; it was stopped"


def cannot_tell(_header: str) -> bool | None:
    """Return None: whether a mail was sent cannot be found out."""
    return None


class Delivery:
    """Hands mails of the outbox over to `out`, after one more check of their bytes.

    `was_sent` returns whether the mail with a Message-ID was sent, None when nobody can tell.
    """

    def __init__(
        self,
        journal: Journal,
        outbound: Outbound,
        out: MailOut,
        *,
        was_sent: Callable[[str], bool | None],
        on_checkpoint: Callable[[Checkpoint], None],
    ) -> None:
        self.journal = journal
        self.outbound = outbound
        self.out = out
        self.was_sent = was_sent
        self.on_checkpoint = on_checkpoint
        self.worker = f"terminal-{os.getpid()}"
        self.on_delivery: Callable[[OutgoingMail, int], None] | None = None
        self.looks_first = False  # after a restore the journal may not know what was sent
        self._in_hand: list[int] = []  # ids of mails that a thread of this process is delivering

    def deliver(self, conversation_id: int | None = None) -> int:
        """Deliver every mail that is due, and return how many the server accepted.

        An error in one delivery stops no other. MissingError when the journal does not answer.
        """
        due = self.journal.mail_outbox.list_due(conversation_id=conversation_id)
        return sum(self._deliver_safely(mail) for mail in due)

    def settle_interrupted(self, mails: Iterable[OutgoingMail]) -> None:
        """Find out what became of mails whose delivery was interrupted; none is sent blindly."""
        for mail in mails:
            sent = self._was_sent(mail)
            if sent:
                self.journal.mail_outbox.mark_sent(mail.id)
            elif sent is None:
                if self.journal.mail_outbox.mark_unknown(mail.id, DIED, attempt=mail.attempts):
                    log.error("a mail is of unknown fate", extra={"outbox_id": mail.id})
            elif mail.attempts > len(self._retry_waits):
                self.journal.mail_outbox.mark_failed(mail.id, DIED, attempt=mail.attempts)
            else:
                self.journal.mail_outbox.retry_later(
                    mail.id, "never delivered", seconds=0, attempt=mail.attempts
                )

    def recheck_unknown(self, mail: OutgoingMail, fault: str) -> bool:
        """Look once more for a mail of unknown fate; return True when only a person can tell."""
        sent = self._was_sent(mail)
        if sent:
            self.journal.mail_outbox.mark_sent(mail.id)
        elif sent is None:
            return self.journal.mail_outbox.mark_unresolved(mail.id, fault, attempt=mail.attempts)
        else:
            self._retry_later(mail, fault)
        return False

    def list_abandoned(self, seconds: float) -> list[OutgoingMail]:
        """Return mails that this process claimed `seconds` ago or earlier and does not deliver now.

        The journal was away when their result was to be stored; `settle_interrupted` finds it out.
        """
        in_hand = set(self._in_hand)
        claimed = self.journal.mail_outbox.list_claimed_by([self.worker], seconds=seconds)
        return [mail for mail in claimed if mail.id not in in_hand.union(self._in_hand)]

    def _deliver_safely(self, listed: OutgoingMail) -> bool:
        """Deliver one mail; any error on the way becomes a state of the outbox."""
        self._in_hand.append(listed.id)
        began = time.time_ns()
        mail = listed
        try:
            self.on_checkpoint(Checkpoint.CLAIMING)
            claimed = self.journal.mail_outbox.claim(listed.id, self.worker)
            if claimed is None:
                return False
            mail = claimed
            accepted = self._deliver_mail(mail)
        except MissingError:
            raise  # the journal is away; maintenance settles the mail when it is back
        except Exception as error:
            log.exception(
                "a delivery broke", extra={"outbox_id": mail.id, "fault": type(error).__name__}
            )
            self._settle_broken(mail, f"the delivery broke ({type(error).__name__})")
            return False
        else:
            if accepted and self.on_delivery:
                self.on_delivery(mail, began)
            return accepted
        finally:
            self._in_hand.remove(listed.id)

    def _settle_broken(self, mail: OutgoingMail, fault: str) -> None:
        """Settle a mail after an unforeseen error, which leaves open whether it was accepted."""
        sent = self._was_sent(mail)
        if sent:
            self.journal.mail_outbox.mark_sent(mail.id)
        elif sent is None:
            self.journal.mail_outbox.mark_unknown(mail.id, fault, attempt=mail.attempts)
        else:
            self._retry_later(mail, fault, max_retries=MAX_BROKEN_DELIVERIES)

    def _was_sent(self, mail: OutgoingMail) -> bool | None:
        """Return whether a mail was sent; None when nobody can tell or the look-up failed."""
        try:
            return self.was_sent(mail.header)
        except Exception as error:
            log.exception(
                "a send could not be looked up",
                extra={"outbox_id": mail.id, "fault": type(error).__name__},
            )
            return None

    def _deliver_mail(self, mail: OutgoingMail) -> bool:
        self.on_checkpoint(Checkpoint.CLAIMED)
        if not self._may_go(mail):
            return False
        try:
            self.out.send(mail.body, recipient=mail.recipient)
        except UncertainError as error:
            self.journal.mail_outbox.mark_unknown(mail.id, str(error), attempt=mail.attempts)
        except RefusedError as error:
            self.journal.mail_outbox.mark_failed(mail.id, str(error), attempt=mail.attempts)
        except DeliveryError as error:
            self._retry_later(mail, str(error))
        else:
            self.on_checkpoint(Checkpoint.DELIVERED)
            self.journal.mail_outbox.mark_sent(mail.id)
            self.on_checkpoint(Checkpoint.SENT)
            return True
        log.warning("not delivered", extra={"outbox_id": mail.id, "attempts": mail.attempts})
        return False

    def _may_go(self, mail: OutgoingMail) -> bool:
        """Return whether a claimed mail may be delivered; where not, store its new state."""
        if self.looks_first and self._was_sent(mail):
            self.journal.mail_outbox.mark_sent(mail.id)
            log.warning("it was sent before the restore", extra={"outbox_id": mail.id})
            return False
        # The bytes are checked again, because the journal may have been changed since the decision.
        try:
            number = self.journal.cases.find_number(mail.message_id or 0)
            allowed = self.outbound.check_mail(
                mail.body, automatic=mail.automatic, case_number=number
            ).allowed
        except Exception as error:
            fault = f"the outbound check broke ({type(error).__name__})"
            log.exception("a check broke", extra={"outbox_id": mail.id})
            self._retry_later(mail, fault, max_retries=MAX_BROKEN_DELIVERIES)
            return False
        if not allowed:
            self.journal.mail_outbox.mark_failed(mail.id, NOT_OURS, attempt=mail.attempts)
            log.error("a stored reply was stopped", extra={"outbox_id": mail.id})
        return allowed

    def _retry_later(
        self, mail: OutgoingMail, fault: str, *, max_retries: int | None = None
    ) -> None:
        """Retry a mail later, at most `max_retries` times; after the last a person gets a case."""
        waits, tried = self._retry_waits[:max_retries], mail.attempts
        if tried > len(waits):
            self.journal.mail_outbox.mark_failed(mail.id, fault, attempt=tried)
            return
        self.journal.mail_outbox.retry_later(
            mail.id, fault, seconds=waits[max(tried, 1) - 1], attempt=tried
        )

    @property
    def _retry_waits(self) -> tuple[int, ...]:
        """Return the seconds before each further attempt to deliver a mail."""
        return self.journal.limits.retry_seconds if self.journal.limits else (RETRY_SECONDS,)
