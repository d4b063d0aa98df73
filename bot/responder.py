"""respond(message) -> Response: decides, without side effects; this is what the evals measure."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import assert_never

from bot import segments
from bot.corpus import Knowledge
from bot.corpus.questions import Act
from bot.domain import (
    MODEL_NOTE,
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Hit,
    Message,
    Outcome,
    Passage,
    Priority,
    Question,
    Refusal,
    RefusalReason,
    Response,
    Role,
)
from bot.policy import (
    Escalate,
    Refuse,
    Verdict,
    headed,
    sample,
    screen,
    spoken,
    urgent,
)
from bot.ports import Judge, Judgement, Lookup, Retriever, Selected, Selector
from bot.readings import (
    Asked,
    Reading,
    best_view,
    language_of,
    like_refused,
    questions_of,
    without_announcements,
    without_chatter,
)
from bot.selection.asking import Asking
from bot.text.clean import CleanText, clean_message

CANDIDATES = 3
QUOTED = 2
HITS = 24
MAX_CHARACTERS = 32_000
SURELY_SILENT = 0.4  # how certain the classifier must be that the post says nothing about it
PASSED_ON = "---------- Forwarded message ----------"  # above what the asker shows us
PREFIXED = re.compile(r"^\s*[^\W\d_]{1,9}\s?(?:\[\d+\])?[:：]")  # Re: is of an earlier mail
TELLING = 6  # words of a subject that says more than what the mail is about
OPEN = frozenset({EscalationReason.UNSURE, EscalationReason.NOT_IN_POST})


class Responder:
    """Selects published passages for each question, or says why it does not."""

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        retriever: Retriever,
        judge: Judge,
        selector: Selector | None = None,
        local: Lookup | None = None,
    ) -> None:
        self.knowledge = knowledge
        self.retriever = retriever
        self.judge = judge
        self.selector = selector
        self.local = local  # for what is refused, where the usual one asks a vendor
        self.asking = Asking(selector, knowledge) if selector else None

    def respond(
        self, message: Message, explain: Callable[[Reading], None] | None = None
    ) -> Response:
        """The outcomes of one message, in the order of its questions."""
        began = time.perf_counter()
        # A reply of ours that comes back is neither a question nor a demand of the asker.
        said = clean_message(self.knowledge.own_words.without(message.text))
        language = language_of(said.own, message.history)
        notes: list[str] = []
        outcomes = self._outcomes(message, said, language, explain, notes)
        return Response(
            outcomes=tuple(outcomes),
            language=language if language in self.knowledge.templates else "en",
            knowledge=self.knowledge.version,
            redactions=message.redactions,
            milliseconds=(time.perf_counter() - began) * 1000,
            notes=tuple(notes),
        )

    @property
    def believed(self) -> bool:
        """Does a model's yes count? Without a model there is none to doubt."""
        return self.asking is None or self.asking.trust.good

    def near(self, view: str, limit: int = 5) -> tuple[Hit, ...]:
        """The nearest wordings, for --explain."""
        return self.retriever.search(view, limit=limit)

    def complete(self, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        """`passages` without repeats, and with those that must be quoted along with them."""
        known = self.knowledge
        ids = known.without_alternatives([p.id for p in passages])
        whole = known.without_alternatives([*ids, *known.companions(ids)])
        return tuple(known.passages[i] for i in whole)

    def _outcomes(
        self,
        message: Message,
        said: CleanText,
        language: str,
        explain: Callable[[Reading], None] | None,
        notes: list[str],
    ) -> list[Outcome]:
        text = said.whole
        if not text.strip() and not message.shown:
            return [_escalation(text, EscalationReason.NO_QUESTION)]
        own_words = self.knowledge.own_words
        history = [own_words.without(t.text) for t in message.history if t.role is Role.USER]
        screened = headed(message.subject, text)
        if len(text) > MAX_CHARACTERS:
            return [_too_long(text, screened)]
        whole = _verdict_on_whole(message, said, history)
        if message.subject:
            history.append(message.subject)
        if not (said.own or whole or message.shown):
            return [_escalation(text, EscalationReason.NO_QUESTION)]
        own = said.own or text
        quoted = sample(own)
        shown = quoted or (sample(f"{PASSED_ON}\n{message.shown}") if message.shown else "")
        own = spoken(own) if quoted else own
        found = questions_of(own, shown, earlier=_told_in_subject(message))
        readings = self._readings(found, language, explain)
        if isinstance(whole, Escalate) and whole.priority is not Priority.NORMAL:
            return [self._screened(readings[0], whole)]
        views = (r.view for r in readings)
        verdicts = [whole if v == screened else screen(v, history=history) for v in views]
        if whole and not any(verdicts):
            verdicts[-1] = whole
        outcomes = self._decided(own, readings, verdicts, language, notes)
        return [_with_sample(o) for o in outcomes] if shown else outcomes

    def _decided(
        self, own: str, readings: list[Reading], verdicts: list[Verdict | None],
        language: str, notes: list[str],
    ) -> list[Outcome]:  # fmt: skip
        asked = without_announcements(without_chatter(readings, verdicts))
        if not any(verdicts):
            asked = self._selected(own, [r for r, _ in asked], language, notes)
        return [self._decide(r, v, language) for r, v in asked]

    def _readings(
        self,
        found: list[Question],
        language: str,
        explain: Callable[[Reading], None] | None,
    ) -> list[Reading]:
        readings = [self._read(q, language) for q in found]
        for reading in readings:
            (explain or _ignore)(reading)
        return readings

    def _selected(
        self, text: str, readings: list[Reading], language: str, notes: list[str]
    ) -> list[Asked]:
        """The readings with a model's word on each, and on questions that only it has seen."""
        if not self.asking or any(map(like_refused, readings)):
            return [(r, None) for r in readings]
        selected = self.asking.ask(text)
        asked = [r.question.text for r in readings]
        notes.append(f"{MODEL_NOTE}{self.asking.came(selected, asked)}")
        missed = self.asking.unread(selected, [r.view for r in readings])
        more = [(self._read(Question(text=span), language), screen(span)) for span in missed]
        every = [*((r, None) for r in readings), *more]
        return [(self._weighed(self.asking, r, selected, language), v) for r, v in every]

    def _weighed(self, asking: Asking, reading: Reading, said: Selected, language: str) -> Reading:
        ours = tuple(self.knowledge.quotable(list(reading.judgement.passages)))
        judged, confirmed = asking.weigh(
            reading.question.text, replace(reading.judgement, passages=ours), said,
            threshold=self.judge.threshold_for(language),
        )  # fmt: skip
        return replace(reading, judgement=judged, confirmed=confirmed)

    def _read(self, question: Question, language: str) -> Reading:
        """The question under the view that decides it."""
        found = [
            Reading(question=question, view=view, judgement=self._judge(view, language))
            for view in segments.views(question)
        ]
        return best_view(found)

    def _judge(self, view: str, language: str) -> Judgement:
        text = self.knowledge.plain(view, language)
        stays = self.local if self.local and isinstance(screen(view), Refuse) else None
        used = stays or Lookup(retriever=self.retriever, judge=self.judge)
        return used.judge.judge(text, used.retriever.search(text, limit=HITS))

    def _decide(self, reading: Reading, verdict: Verdict | None, language: str) -> Outcome:
        if verdict:
            return self._screened(reading, verdict)
        judged = reading.judgement
        if like_refused(reading):
            verdict = Refuse(reason=RefusalReason.REQUEST, rule="reads like a refused request")
            return self._screened(reading, verdict)
        candidates = self._candidates(judged)
        probability = judged.probability
        if language not in self.knowledge.templates:
            reason = EscalationReason.LANGUAGE
        elif candidates and probability >= self._threshold(reading, language):
            return Answer(
                question=reading.question.text,
                reason=AnswerReason.PUBLISHED,
                probability=probability,
                passages=self.complete(candidates[:QUOTED]),
                candidates=candidates,
            )
        else:
            reason = self._unanswered(judged)
        return _escalation(reading.question.text, reason, probability, candidates)

    def _unanswered(self, judged: Judgement) -> EscalationReason:
        if judged.label == Act.OFF_TOPIC:
            return EscalationReason.OFF_TOPIC
        silent = judged.label in self.knowledge.silent_topics and judged.certainty >= SURELY_SILENT
        return EscalationReason.NOT_IN_POST if silent else EscalationReason.UNSURE

    def _threshold(self, reading: Reading, language: str) -> float:
        """What our own evidence lacks in another language, a model that confirms makes up for."""
        return self.judge.threshold_for("en" if reading.confirmed else language)

    def _screened(self, reading: Reading, verdict: Verdict) -> Outcome:
        candidates = self._candidates(reading.judgement)
        match verdict:
            case Refuse():
                return Refusal(
                    question=reading.question.text,
                    reason=verdict.reason,
                    probability=reading.judgement.probability,
                    candidates=candidates,
                )
            case Escalate():
                made = _escalation(
                    reading.question.text,
                    verdict.reason,
                    reading.judgement.probability,
                    candidates,
                )
                return replace(made, priority=verdict.priority)
            case _:
                assert_never(verdict)

    def _candidates(self, judgement: Judgement) -> tuple[Passage, ...]:
        ids = self.knowledge.quotable(list(judgement.passages))
        return tuple(self.knowledge.passages[i] for i in ids[:CANDIDATES])


def _verdict_on_whole(message: Message, said: CleanText, history: Sequence[str]) -> Verdict | None:
    """What the policy says of the whole message, boilerplate included.

    Of a sentence that was taken for boilerplate, a demand or a cry for help counts as anywhere
    else, so that neither can be hidden in a disclaimer. That a disclaimer speaks of the law is no
    matter for a lawyer.
    """
    verdict = screen(headed(message.subject, said.whole), history=history)
    if not said.removed or not isinstance(verdict, Escalate):
        return verdict
    if verdict.priority is Priority.PAGE:
        return verdict
    return screen(headed(message.subject, said.own), history=history)


def _told_in_subject(message: Message) -> str:
    """The subject where it tells something that a question of the text may point back to."""
    if len(message.subject.split()) < TELLING or PREFIXED.match(message.subject):
        return ""
    return message.subject


def _with_sample(outcome: Outcome) -> Outcome:
    """Staff see by the reason that the message holds a suspicious mail."""
    match outcome:
        case Answer():
            return replace(outcome, reason=AnswerReason.PHISHING_SAMPLE)
        case Escalation() if outcome.reason in OPEN:
            return replace(outcome, reason=EscalationReason.PHISHING_SAMPLE)
        case _:
            return outcome


def _too_long(text: str, screened: str) -> Escalation:
    """For a person to read; at once where the text says that it cannot wait."""
    held = _escalation(text[:MAX_CHARACTERS], EscalationReason.TOO_LONG)
    verdict = urgent(screened)
    return replace(held, reason=verdict.reason, priority=verdict.priority) if verdict else held


def _escalation(
    question: str,
    reason: EscalationReason,
    probability: float = 0.0,
    candidates: tuple[Passage, ...] = (),
) -> Escalation:
    return Escalation(
        question=question,
        reason=reason,
        priority=Priority.NORMAL,
        probability=probability,
        candidates=candidates,
    )


def _ignore(_reading: Reading) -> None:
    """Nobody asked for an explanation."""
