"""Finds who was told what the post no longer says, and composes the mails that correct it.

A sent answer is outdated when it quoted a passage that was corrected or has gone, when the sentence
that answers its question best was added to a passage that it quoted, when the answer would now
quote a passage that is new, or when a new passage has to stand beside one that it quoted. A change
of wording alone makes no answer outdated.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, cached_property

from bot.answering.reply import compose_correction, stands_in, subject_of
from bot.answering.responder import Responder
from bot.corpus import Knowledge
from bot.corpus.changes import ChangeKind, PassageChange, PassageText, changes_since
from bot.desk import Compose
from bot.domain import Answer, Channel, Message, Outcome, Passage
from bot.errors import InputError
from bot.journal import Journal, Reply
from bot.journal.corrections import AnsweredQuestion, Approval, CorrectionContent, SentAnswer
from bot.outbound import Outbound, text_of

LIKELY = 0.2  # the probability from which a passage below the threshold is likely the answer
RankUnits = Callable[[str], Sequence[tuple[str, str]]]
"""Returns the sentences of the post, best answer to a question first: passage id and text."""


class OutdatedReason(StrEnum):
    """The reason why a sent answer is outdated."""

    CORRECTED = "it quoted a passage that was corrected"
    GONE = "it quoted a passage that has gone, or an answer that was withdrawn"
    ADDED = "the sentence that answers best was added later"
    NEW = "a passage that is new belongs to the answer"


class HoldReason(StrEnum):
    """The reason why no correction is sent to somebody who was told something outdated."""

    OPEN_CASE = "a person has this conversation; its case says what has changed"
    ERASED = "everything about them was erased, at their request"
    FORGOTTEN = "their address was taken out, as it was kept long enough"
    BOUNCED = "mail to this address came back"
    OPTED_OUT = "they want no mail that they did not ask for"
    NO_TEXT = "nothing that is published answers it now; write to them yourself"
    DONE = "corrected already"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutdatedAnswer:
    """What one conversation was told that no longer holds, and the mail that corrects it."""

    conversation_id: int
    message_id: int
    recipient: str
    sent_at: str
    why: OutdatedReason
    told: tuple[PassageText, ...]  # as it was quoted
    now: tuple[Passage, ...]  # what the correction quotes
    alike: tuple[Passage, ...] = ()  # what need not be quoted beside it, as it says the same
    text: str  # of the correction; empty where none can be written
    language: str
    held: HoldReason | None = None  # None: the correction can go out
    case_id: int = 0  # the case in which a person may write, where no correction can; 0 for none

    @property
    def correction(self) -> CorrectionContent:
        """Return what the correction tells this conversation, as the journal records it."""
        return CorrectionContent(
            message_id=self.message_id, conversation_id=self.conversation_id,
            passages=tuple((p.id, p.version) for p in self.now),
            alike=tuple((p.id, p.version) for p in self.alike),
        )  # fmt: skip

    @property
    def digest(self) -> str:
        """Return a digest of the correction and of why it is held.

        A person's approval holds for this digest alone.
        """
        return f"{self.correction.digest}:{self.held.name if self.held else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    why: OutdatedReason
    told: tuple[PassageText, ...]
    now: tuple[Passage, ...]

    def is_told(self, known: frozenset[tuple[str, str]]) -> bool:
        """Is all of `now` among the passages (id, version) that corrections told the recipient?"""
        return bool(self.now) and all((p.id, p.version) in known for p in self.now)


class Recall:
    """A search for outdated answers in all that was sent under earlier versions of the knowledge.

    `decided` holds the kinds of changes that a person chooses now, by the ids of their passages;
    what was decided earlier is in the journal.
    """

    def __init__(
        self, *, knowledge: Knowledge, journal: Journal, responder: Responder, outbound: Outbound,
        compose: Compose, rank_units: RankUnits | None = None,
        decided: Mapping[str, ChangeKind] | None = None,
    ) -> None:  # fmt: skip
        self.knowledge = knowledge
        self.journal = journal
        self.responder = responder
        self.outbound = outbound
        self.compose = compose
        self.rank_units = rank_units
        self.decided = decided or {}

    @cached_property
    def changes(self) -> tuple[PassageChange, ...]:
        """Return what became of each text that was ever published, and the new passages."""
        changed = changes_since(self._texts, self.knowledge.standing)
        new = (
            PassageChange(id=i, kind=ChangeKind.NEW, before=None, now=p)
            for i, p in self.knowledge.standing.items()
            if i in self._added_at
        )
        kinds = self._kinds
        return tuple(
            replace(c, kind=self.decided.get(c.id, kinds.get(c.key, c.kind)))
            for c in (*changed, *new)
        )

    @property
    def undecided(self) -> tuple[PassageChange, ...]:
        """Return the changes that nobody has classed and that somebody may have to be told of."""
        quoted, began = self.journal.corrections.list_quoted(), self._began_sending
        return tuple(
            c for c in self.changes
            if c.key not in self._kinds and c.id not in self.decided and (
                (c.id, c.before.version) in quoted if c.before
                else bool(began) and self._added_at[c.id] > began
            )
        )  # fmt: skip

    def find(self) -> Iterator[OutdatedAnswer]:
        """Yield one entry for each conversation that was told something outdated, oldest first."""
        by_conversation: dict[int, tuple[SentAnswer, list[_Finding]]] = {}
        for answer in self.journal.corrections.list_sent_answers():
            if findings := list(self._findings(answer)):
                _, earlier = by_conversation.get(answer.conversation_id, (answer, []))
                by_conversation[answer.conversation_id] = (answer, [*earlier, *findings])
        corrected = self.journal.corrections.list_told()
        unreachable = self.journal.corrections.list_unreachable()
        cases = self.journal.corrections.list_with_open_case()
        for conversation_id, (answer, findings) in by_conversation.items():
            known = corrected.get(conversation_id, frozenset())
            open_ = [each for each in findings if not each.is_told(known)]
            entry = self._entry(answer, open_ or findings)
            held = (
                HoldReason.DONE if not open_
                else HoldReason.OPEN_CASE if conversation_id in cases
                else self._why_untold(answer, unreachable) if entry.text
                else HoldReason.NO_TEXT
            )  # fmt: skip
            by_hand = held is HoldReason.NO_TEXT
            case = self.journal.cases.find_number(answer.message_id) if by_hand else 0
            yield replace(entry, held=held, case_id=case)

    def send(
        self, entries: Sequence[OutdatedAnswer], *, actor: str, per_minute: int, batch: str = ""
    ) -> int:
        """Store the corrections of the entries that are not held; return how many are new.

        Cases that a person has open get a note instead. Nothing is stored twice, so that a `batch`
        may be sent again after a crash.
        """
        ready = [entry for entry in entries if entry.held is None]
        approval = Approval(
            actor=actor, knowledge=self.knowledge.version, per_minute=per_minute, batch=batch
        )
        return self.journal.corrections.enqueue(
            [(entry.correction, self._mail(entry)) for entry in ready],
            [entry.correction for entry in entries if entry.held is HoldReason.OPEN_CASE],
            approval=approval, is_wanted=self._look_again(),
        )  # fmt: skip

    def keep_decided(self, *, actor: str) -> int:
        """Store the kinds of changes that a person chose now; return for how many passages.

        So nobody is asked about them again.
        """
        chosen = [change for change in self.changes if change.id in self.decided]
        for change in chosen:
            self.journal.corrections.decide_kind(change.key, change.kind, actor=actor)
        return len({change.id for change in chosen})

    def _why_untold(self, answer: SentAnswer, unreachable: frozenset[str]) -> HoldReason | None:
        """Return why this recipient gets no correction; None if they get one."""
        if not answer.recipient:
            return HoldReason.ERASED if answer.erased else HoldReason.FORGOTTEN
        if answer.recipient.lower() in unreachable:
            return HoldReason.BOUNCED
        return HoldReason.OPTED_OUT if self.journal.opt_outs.contains(answer.recipient) else None

    def _look_again(self) -> Callable[[CorrectionContent, Reply], bool]:
        """Return whether a correction may still go, by what is known when this is first asked."""
        journal = self.journal
        cases, unreachable = (
            cache(journal.corrections.list_with_open_case),
            cache(journal.corrections.list_unreachable),
        )
        return lambda told, reply: (
            told.conversation_id not in cases()
            and reply.recipient.lower() not in unreachable()
            and not journal.opt_outs.contains(reply.recipient)
        )

    def _mail(self, entry: OutdatedAnswer) -> Reply:
        check = self.outbound.check(entry.text)
        if not check.allowed:
            raise InputError(f"a correction was stopped by the outbound check: {check.why}")
        stored = self.journal.read_message(entry.message_id)
        return self.compose(
            stored, entry.text, subject=subject_of(entry.language, self.knowledge),
            turn=f"correction:{entry.correction.digest}", automatic=True, language=entry.language,
        )  # fmt: skip

    def _entry(self, answer: SentAnswer, findings: Sequence[_Finding]) -> OutdatedAnswer:
        language = self._language_of(text_of(answer.body))
        passages = tuple(dict.fromkeys(p for f in findings for p in f.now))
        now = self.responder.finder.complete(passages)
        return OutdatedAnswer(
            conversation_id=answer.conversation_id, message_id=answer.message_id,
            recipient=answer.recipient, sent_at=answer.sent_at, why=findings[0].why,
            told=tuple(dict.fromkeys(t for f in findings for t in f.told)), now=now,
            alike=tuple(p for p in passages if p not in now),
            text=compose_correction(now, language, self.knowledge) if now else "",
            language=language,
        )  # fmt: skip

    def _findings(self, answer: SentAnswer) -> Iterator[_Finding]:
        questions = answer.questions if answer.automatic else self._quoted_by_person(answer)
        quoted = {each for question in questions for each in question.quoted}
        old = {(c.id, c.before.version) for c in self._changed if c.before}
        new = {i for i, at in self._new.items() if at > answer.sent_at}
        if not quoted or not (new or quoted & old):
            return
        message = self.journal.read_message(answer.message_id)
        # To answer the message again as of today takes long, and few changes need it.
        replay = cache(lambda: self._replay(message.text, message.headers.get("subject", "")))
        for question in questions:
            yield from self._findings_of(question, message.text, replay, new)

    def _quoted_by_person(self, answer: SentAnswer) -> tuple[AnsweredQuestion, ...]:
        """Return the changed texts that a person's mail quotes, found by the words of the mail."""
        text = text_of(answer.body)
        quoted = [c.before for c in self._changed if c.before and _quotes(text, c.before)]
        asked = " ".join(q.question for q in answer.questions)
        return (AnsweredQuestion(question=asked, quoted=tuple((t.id, t.version) for t in quoted)),)

    def _findings_of(
        self, asked: AnsweredQuestion, text: str, replay: Callable[[], Mapping[str, Outcome]],
        new: set[str],
    ) -> Iterator[_Finding]:  # fmt: skip
        if not asked.quoted:
            return
        quoted = set(asked.quoted)
        changed = [c for c in self._changed if c.before and (c.id, c.before.version) in quoted]
        for change in changed:
            if (why := self._why(change, asked.question, text)) and change.before:
                now = (change.now,) if change.now else _best_of(replay().get(asked.question))
                yield _Finding(why=why, told=(change.before,), now=self._quotable(now))
        if not new:
            return
        # Also where what was told has not changed: a passage that a later one overtakes is sent
        # only together with that one, whatever would be the best answer today.
        best = [passage.id for passage in _best_of(replay().get(asked.question))]
        concerned = list(dict.fromkeys([*best, *(passage for passage, _ in asked.quoted)]))
        concerned += self.knowledge.companions(concerned)
        if fresh := tuple(self.knowledge.passages[i] for i in concerned if i in new):
            told = tuple(text for text in self._texts if (text.id, text.version) in quoted)
            yield _Finding(why=OutdatedReason.NEW, told=told, now=fresh)

    def _why(self, change: PassageChange, question: str, text: str) -> OutdatedReason | None:
        match change.kind:
            case ChangeKind.CORRECTION:
                return OutdatedReason.CORRECTED
            case ChangeKind.GONE:
                return OutdatedReason.GONE
            case ChangeKind.ADDITION:
                asked = (question, text)
                fresh = any(self._prefers_fresh(change, each) for each in asked if each.strip())
                return OutdatedReason.ADDED if fresh else None
            case ChangeKind.WORDING | ChangeKind.NEW:
                return None

    def _prefers_fresh(self, change: PassageChange, question: str) -> bool:
        """Is the best answer within the passage a sentence that was added to it?

        Without `rank_units` nobody can tell: then it is assumed, and the person who approves checks
        it.
        """
        if self.rank_units is None:
            return True
        mine = (text for passage, text in self.rank_units(question) if passage == change.id)
        best = next(mine, "")
        return any(sentence in best for sentence in change.fresh)

    def _replay(self, text: str, subject: str) -> dict[str, Outcome]:
        """Return the outcomes that the desk would give the message today, by question."""
        response = self.responder.respond(
            Message(text=text, channel=Channel.EMAIL, subject=subject)
        )
        return {outcome.question: outcome for outcome in response.outcomes}

    def _quotable(self, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        ids = self.knowledge.quotable([p.id for p in passages])
        return tuple(self.knowledge.passages[i] for i in ids)

    def _language_of(self, text: str) -> str:
        """Return the language of a mail of ours: the one whose templates it holds most of."""
        templates = self.knowledge.templates.items()
        best = max(
            templates, key=lambda item: sum(part in text for part in item[1].texts()), default=None
        )
        return best[0] if best else "en"

    @cached_property
    def _changed(self) -> tuple[PassageChange, ...]:
        kinds = (ChangeKind.CORRECTION, ChangeKind.ADDITION, ChangeKind.GONE)
        return tuple(c for c in self.changes if c.kind in kinds)

    @cached_property
    def _new(self) -> dict[str, str]:
        """The ids of new passages, each with the time at which it was first seen.

        Whoever calls one a correction or an addition says that it has to be told; nobody was told
        an earlier text of it. Called a wording, it concerns nobody.
        """
        return {
            c.id: self._added_at[c.id]
            for c in self.changes
            if c.before is None and c.kind is not ChangeKind.WORDING
        }

    @cached_property
    def _kinds(self) -> dict[tuple[str, str, str], ChangeKind]:
        return self.journal.corrections.list_kinds()

    @cached_property
    def _began_sending(self) -> str:
        return self.journal.corrections.first_sent_at()

    @cached_property
    def _texts(self) -> tuple[PassageText, ...]:
        return self.journal.corrections.list_texts()

    @cached_property
    def _added_at(self) -> dict[str, str]:
        """When each passage was first seen, for those that were added after the desk first ran."""
        first: dict[str, str] = {}
        for text in self._texts:
            first.setdefault(text.id, text.seen_at)
        began = min(first.values(), default="")
        return {i: at for i, at in first.items() if at > began}


def _best_of(outcome: Outcome | None) -> tuple[Passage, ...]:
    """Return the passages that answer best today, also where the desk is not sure of them.

    From the probability LIKELY on they count: the recipient should not be left with what they were
    told, and a person looks at the correction before it is sent.
    """
    if isinstance(outcome, Answer):
        return outcome.passages
    return outcome.candidates[:1] if outcome and outcome.probability >= LIKELY else ()


def _quotes(text: str, told: PassageText) -> bool:
    passage = Passage(
        id=told.id, heading=told.heading, text=told.text, sentences=(told.text,), date="",
        language="", version=told.version,
    )  # fmt: skip
    return stands_in(passage, text)
