"""respond(message) -> Response: decides, without side effects; this is what the evals measure."""

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
from bot.language import detect
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
    like_refused,
    questions_of,
    without_announcements,
    without_chatter,
)
from bot.selection.asking import Asking
from bot.wording import stands_in

CANDIDATES = 3
QUOTED = 2
HITS = 24
MAX_CHARACTERS = 32_000
SURELY_SILENT = 0.4  # how certain the classifier must be that the post says nothing about it
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
        language = detect(message.text)
        notes: list[str] = []
        outcomes = _without_repeats(self._outcomes(message, language, explain, notes), message)
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
        """`passages` with those that must be quoted along with them."""
        ids = [p.id for p in passages]
        return tuple(self.knowledge.passages[i] for i in [*ids, *self.knowledge.companions(ids)])

    def _outcomes(
        self,
        message: Message,
        language: str,
        explain: Callable[[Reading], None] | None,
        notes: list[str],
    ) -> list[Outcome]:
        text = message.text
        if not text.strip():
            return [_escalation(text, EscalationReason.NO_QUESTION)]
        history = [t.text for t in message.history if t.role is Role.USER]
        screened = headed(message.subject, text)
        if len(text) > MAX_CHARACTERS:
            return [_too_long(text, screened)]
        whole = screen(screened, history=history)
        if message.subject:
            history.append(message.subject)
        shown = sample(text)
        own = spoken(text) if shown else text
        readings = self._readings(questions_of(own, shown), language, explain)
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
        """The view of the question with the highest probability."""
        found = [
            Reading(question=question, view=view, judgement=self._judge(view, language))
            for view in segments.views(question)
        ]
        return max(found, key=lambda r: r.judgement.probability)

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


def _without_repeats(outcomes: Sequence[Outcome], message: Message) -> list[Outcome]:
    """An answer that the desk has sent in this conversation did not help: a person goes on."""
    sent = "\n".join(turn.text for turn in message.history if turn.role is Role.DESK)
    return [_asked_again(o) if sent and _is_in(sent, o) else o for o in outcomes]


def _is_in(sent: str, outcome: Outcome) -> bool:
    quotes = outcome.passages if isinstance(outcome, Answer) else ()
    return bool(quotes) and all(stands_in(each, sent) for each in quotes)


def _asked_again(outcome: Outcome) -> Escalation:
    shown = outcome.reason is AnswerReason.PHISHING_SAMPLE
    reason = EscalationReason.PHISHING_SAMPLE if shown else EscalationReason.ASKED_AGAIN
    return _escalation(outcome.question, reason, outcome.probability, outcome.candidates)


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
