"""Gives cases the answer that a person gave to another case that asks the same, each once.

The answer is stored with the decision of that person; what remains is done from the journal alone,
a few cases at a time, and can be repeated after a crash at any point.
"""

import logging

from bot.corpus.limits import Scope
from bot.desk import STALE_DRAFT, Desk
from bot.errors import BlockedError
from bot.journal import Case, Reply, SharedAnswer

log = logging.getLogger(__name__)
MOST_AT_ONCE = 100  # cases that are looked at in one go
# Caps on the mails to everybody, or to one domain: the case is tried again later. The other caps
# say that one person gets too many mails: then somebody looks at the case.
PASSING_CAPS = frozenset({Scope.ALL, Scope.DOMAIN})


class AnswerSharing:
    """Shares the answers of one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.clusters = desk.journal.clusters
        self.cases = desk.journal.cases
        self._beyond = 0  # the last case that was looked at; the next ones are those beyond it

    def share_waiting(self, *, limit: int = MOST_AT_ONCE) -> int:
        """Give waiting cases the answers to their questions; return how many were looked at."""
        waiting = self.clusters.list_waiting(limit=limit, beyond=self._beyond)
        for case_id in waiting:
            if self.share(case_id) is Scope.ALL:
                break
            self._beyond = case_id
        if len(waiting) < limit:
            self._beyond = 0
        return len(waiting)

    def share(self, case_id: int) -> Scope | None:
        """Give an open case the shared answer to its question, if there is one that fits.

        A case that the answer does not fit leaves its cluster, so that a person reads it. Return
        the cap of PASSING_CAPS that forbids a mail for now, so that the case is tried again later;
        else None.
        """
        if not (answer := self.clusters.find_answer(case_id)):
            return None
        case = self.cases.read(case_id)
        if case is None or not case.open:
            return None
        if not _agrees(answer, case):
            self.clusters.leave(case_id, "another passage is nearer")
            return None
        try:
            reply = self._compose(answer, case)
        except BlockedError:
            self.clusters.leave(case_id, "the answer was stopped")
            return None
        cap = self.cases.share_answer(case_id, answer, reply)
        if cap and cap not in PASSING_CAPS:
            self.clusters.leave(case_id, f"cap {cap}")
            return None
        if cap is None:
            log.info("an answer was shared", extra={"case_id": case_id, "of_case": answer.case_id})
        return cap

    def _compose(self, answer: SharedAnswer, case: Case) -> Reply:
        text = self._draft(answer, case) if answer.passages else answer.text
        stored = self.desk.journal.read_message(case.message_id)
        turn = "person" + (f":{case.round}" if case.round else "")
        return self.desk.compose_personal(stored, text, turn=turn)

    def _draft(self, answer: SharedAnswer, case: Case) -> str:
        """Return the approved passages in the templates of the asker's language.

        BlockedError where the post has changed since, or the outbound check stops it.
        """
        same_post = answer.knowledge == self.desk.knowledge.version
        text = self.desk.draft_with(case, answer.passages) if same_post else ""
        if not text:
            raise BlockedError(STALE_DRAFT)
        return text


def _agrees(answer: SharedAnswer, case: Case) -> bool:
    """Return whether the desk's own candidates for a case support the shared answer.

    They do if the first of the approved passages is among those nearest to a question of the case.
    For a person's own words they cannot tell, and the result is True: that rests on the similarity
    of the questions.
    """
    if not answer.passages:
        return True
    asked = (question for question in case.questions if question.kind == "escalation")
    return any(answer.passages[0] in question.passages for question in asked)
