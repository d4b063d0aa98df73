"""Finds which questions people answered and how, and lets the desk learn from them.

One person answers a question, by approving a draft or in their own words; a second one looks at the
list. What both agree to goes into the knowledge folder, and the next asker is answered with it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bot.answering.reply import stands_in
from bot.answering.staff_signature import without_staff_signature
from bot.corpus import Knowledge
from bot.corpus.learned import append_labels, labelled_question, read_numbers, remove_labels
from bot.corpus.messages import LabelledMessage
from bot.corpus.team_answers import read_team_answers
from bot.errors import InputError
from bot.journal import CaseAction, Journal
from bot.journal.labels import LabelState, PersonalAnswer
from bot.outbound import Outbound, text_of
from bot.redact.anonymize import without_people

TELLING = 3  # a question of fewer words does not say what it asks without the rest of its mail
TWO_PEOPLE = 2  # of whom one answers, and the other agrees that the desk learns from it
NO_LABEL = "is no label that waits; `incident-desk knowledge labels` lists them"
OF_CASE = "is the number of a case; its label is {labels}"
SAME_PERSON = (
    "you answered {count} of these; somebody else has to agree that the desk learns from them"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedLabel:
    """A question that a person answered from the post, for a second person to look at.

    `question` has secrets and people masked. `passages` are those that the person sent; none where
    they wrote their own words, so that the desk hands such questions over.
    """

    number: int
    question: str
    language: str
    passages: tuple[str, ...]
    answered_by: str
    answered_at: str
    case_id: int


class LabelReview:
    """The review of the labels of one desk: answered questions that it may learn from.

    Labels are proposed, and a person accepts or rejects them. Where `alone`, only one person works
    at the desk, who may agree to their own answers.
    """

    def __init__(
        self, *, knowledge: Knowledge, journal: Journal, outbound: Outbound, alone: bool = False
    ) -> None:
        self.knowledge = knowledge
        self.journal = journal
        self.outbound = outbound
        self.alone = alone

    def propose(self) -> tuple[ProposedLabel, ...]:
        """Return the labels that nobody has looked at, oldest first."""
        return tuple(label for _, label in self._proposed())

    def accept(self, numbers: Collection[int], *, actor: str) -> int:
        """Write labels into the knowledge folder and return how many are new.

        InputError for a number that is not proposed, and where `actor` gave one of the answers;
        OSError when the folder cannot be written.
        """
        chosen = self._chosen(numbers)
        own = sum(label.answered_by == actor for _, label in chosen)
        if own and not self.alone:
            raise InputError(SAME_PERSON.format(count=own))
        # The file is written first: a label that a crash leaves undecided is proposed again, and
        # is not written twice.
        added = append_labels(self.knowledge.folder, map(_as_message, (each for _, each in chosen)))
        late = {
            label.number
            for answered, label in chosen
            if not self.journal.labels.decide(
                answered, LabelState.ACCEPTED, label.passages, actor=actor
            )
        }
        rejected = self.journal.labels.list_rejected(late) if late else frozenset[int]()
        return added - remove_labels(self.knowledge.folder, rejected)

    def reject(self, numbers: Collection[int], *, actor: str) -> int:
        """Store that the desk shall not learn from these labels, and return how many are new.

        InputError for a number that is not proposed.
        """
        return sum(
            self.journal.labels.decide(answered, LabelState.REJECTED, label.passages, actor=actor)
            for answered, label in self._chosen(numbers)
        )

    def forget_erased(self) -> int:
        """Remove labels from the folder whose questions are gone from the journal; return how many.

        OSError when the folder cannot be written.
        """
        numbers = read_numbers(self.knowledge.folder)
        gone = self.journal.labels.list_erased(numbers) if numbers else frozenset()
        return remove_labels(self.knowledge.folder, gone) if gone else 0

    def _chosen(self, numbers: Collection[int]) -> list[tuple[PersonalAnswer, ProposedLabel]]:
        proposed = {label.number: (answered, label) for answered, label in self._proposed()}
        if unknown := sorted(set(numbers) - proposed.keys()):
            of_case = [str(n) for n, (_, each) in proposed.items() if each.case_id == unknown[0]]
            says = OF_CASE.format(labels=" and ".join(of_case)) if of_case else NO_LABEL
            raise InputError(f"{unknown[0]} {says}")
        return [proposed[number] for number in sorted(set(numbers))]

    def _proposed(self) -> Iterator[tuple[PersonalAnswer, ProposedLabel]]:
        # A case whose answer was proposed for the knowledge is left out: its label would say that
        # nothing answers the question.
        taken = {each.case for each in read_team_answers(self.knowledge.folder)[0]}
        waiting = self.journal.labels.list_undecided()
        for answered in (each for each in waiting if each.case_id not in taken):
            question = without_people(answered.question)
            passages = self._passages_sent(answered)
            if passages is not None and len(question.split()) >= TELLING:
                yield answered, ProposedLabel(
                    number=answered.number, question=question, language=answered.language or "en",
                    passages=passages, answered_by=answered.answered_by,
                    answered_at=answered.answered_at, case_id=answered.case_id,
                )  # fmt: skip

    def _passages_sent(self, answered: PersonalAnswer) -> tuple[str, ...] | None:
        """Return the passages by which a person answered this question; empty for their own words.

        None where that cannot be told: the mail mixes passages with other words, answers several
        questions, or quotes what has been edited since.
        """
        text = without_staff_signature(text_of(answered.body))
        quoted = [p.id for p in self.knowledge.offered if stands_in(p, text)]
        if answered.action is CaseAction.EDITED and not self.outbound.check(text).allowed:
            return None if quoted or answered.asked > 1 else ()
        sent = tuple(name for name in self._unchanged(answered.candidates) if name in quoted)
        # If a mail answers several questions, only the candidates of each tell which passage
        # answers which.
        return sent or (tuple(quoted) if quoted and answered.asked == 1 else None)

    def _unchanged(self, candidates: Sequence[tuple[str, str]]) -> list[str]:
        known = self.knowledge.passages
        return [
            name for name, version in candidates if name in known and known[name].version == version
        ]


def _as_message(label: ProposedLabel) -> LabelledMessage:
    return labelled_question(
        label.number, label.question, language=label.language, passages=label.passages
    )
