"""respond(message) -> Response: decides, without side effects; this is what the evals measure."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import assert_never

from bot.answering import segmentation
from bot.answering.clarification import find_clarification
from bot.answering.contacts import ContactReader
from bot.answering.evidence import HITS, QUOTED
from bot.answering.interpretation import (
    InterpretedQuestion,
    ScreenedQuestion,
    best_view,
    is_about_sample,
    is_probable_refusal,
    language_of,
    last_question,
    questions_of,
    without_announcements,
    without_chatter,
)
from bot.answering.negative_feedback import says_it_did_not_help, with_feedback
from bot.answering.open_question import LoneQuestion, find_lone_question
from bot.answering.reply import stands_in
from bot.answering.requests import DOUBTFUL, LEARNED, RequestReader, RequestReading
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
from bot.llm.consult import Consultation
from bot.policy import (
    Escalate,
    Refuse,
    SecretMention,
    Verdict,
    asks_if_genuine,
    classify_secret_mention,
    closes_nothing,
    demand_of_others,
    demands_our_word,
    is_filter_report,
    link_of_others,
    material,
    only_thanks,
    quoted_phishing_query,
    screen,
    shows_suspicious,
    urgent,
    wants_person,
    with_subject,
    without_quotes,
)
from bot.policy.quotes import shown_mail
from bot.ports import Judge, Judgement, Lookup, Retriever, Selected, Selector
from bot.text.clean import CleanText, clean_message

CANDIDATES = 3
MAX_CHARACTERS = 32_000
SURELY_SILENT = 0.4  # how certain the classifier must be that the post says nothing about it
PASSED_ON = "---------- Forwarded message ----------"  # above what the asker shows us
PREFIXED = re.compile(r"^\s*[^\W\d_]{1,9}\s?(?:\[\d+\])?[:：]")  # Re: is of an earlier mail
TELLING = 6  # words of a subject that says more than what the mail is about
OPEN = frozenset(
    {EscalationReason.UNSURE, EscalationReason.NOT_IN_POST, EscalationReason.OFF_TOPIC}
)
# What a victim who only asks about a mail is not refused for: the post's rules answer them.
SPARED = frozenset({RefusalReason.VOUCHING, RefusalReason.IMPERSONATION, RefusalReason.REQUEST})


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
        requests: RequestReader | None = None,
        contacts: ContactReader | None = None,
    ) -> None:
        self.knowledge = knowledge
        self.retriever = retriever
        self.judge = judge
        self.selector = selector
        self.local = local  # for what is refused, where the usual one asks a vendor
        # None where no encoder can be had: then the rules alone decide.
        self.request_reader = requests
        self.contact_reader = contacts
        self.asking = Consultation(selector, knowledge) if selector else None

    def respond(
        self, message: Message, explain: Callable[[InterpretedQuestion], None] | None = None
    ) -> Response:
        """The outcomes of one message, in the order of its questions."""
        began = time.perf_counter()
        # A reply of ours that comes back is neither a question nor a demand of the asker.
        said = clean_message(self.knowledge.own_words.without(message.text))
        language = language_of(said.own, message.history)
        notes: list[str] = []
        decided = self._outcomes(message, said, language, explain, notes)
        outcomes = _without_repeats(decided, message)
        outcomes = with_feedback(outcomes, message, said.own, self.knowledge)
        before = any(map(wants_person, map(without_quotes, self._user_turns(message))))
        asks = any(map(wants_person, (message.subject, without_quotes(said.own))))
        if before or asks or any(o.reason is EscalationReason.WANTS_PERSON for o in outcomes):
            outcomes = _for_a_person(outcomes)
        return Response(
            outcomes=tuple(outcomes),
            clarification="" if before else self._clarification(outcomes, message, language),
            silenced=before,
            language=language if language in self.knowledge.templates else "en",
            knowledge=self.knowledge.version,
            redactions=message.redactions,
            milliseconds=(time.perf_counter() - began) * 1000,
            notes=tuple(notes),
        )

    def find_lone_question(self, message: Message, response: Response) -> LoneQuestion | None:
        """Return the open question of a message that may be answered together with others' ones.

        None where there is none, or where no encoder can be had to compare it by.
        """
        if not self.request_reader:
            return None
        own = clean_message(self.knowledge.own_words.without(message.text)).own
        return find_lone_question(
            message, own, response.outcomes, self._read_requests(message, own)
        )

    @property
    def asks_model(self) -> bool:
        """Return whether a language model has a say, which may not say the same twice."""
        return self.asking is not None

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
        explain: Callable[[InterpretedQuestion], None] | None,
        notes: list[str],
    ) -> list[Outcome]:
        text = said.whole
        history = self._user_turns(message)
        screened = with_subject(message.subject, text)
        if unread := _unread(message, said, screened):
            return [unread]
        whole = _verdict_on_whole(message, said, history)
        requests = self._read_requests(message, said.own)
        if whole is None and _closes(message, said, requests):
            return []
        if message.subject:
            history.append(message.subject)
        if not (said.own or whole or message.shown):
            return [_escalation(text, EscalationReason.NO_QUESTION)]
        own = said.own or text
        quoted = quoted_phishing_query(own) or material(own)
        shown = quoted or _passed_on(message)
        suspicious = shows_suspicious(own, message.shown)
        own = without_quotes(own) if quoted else own
        asked = questions_of(
            own, shown, subject=_told_in_subject(message),
            asked_before=_told_before(self._user_turns(message)),
        )  # fmt: skip
        requests = None if shown else requests  # what is shown speaks for others
        asked += requests.beside(asked) if requests else []
        readings = self._readings(asked, shown, explain)
        if calls := _urgent(whole, requests):
            return self._with_rules([self._screened(readings[0], calls)])
        # What the reader of requests has not seen, it cannot deny.
        hidden = bool(said.removed) and not screen(with_subject(message.subject, said.own))
        verdicts = _verdicts(
            readings, whole, screened, history, own, requests=requests, hidden=hidden
        )
        decided = self._decided(
            own, readings, verdicts, language, notes, held_secret=bool(message.redactions)
        )
        outcomes = self._with_rules(decided)
        reported = shown and (suspicious or any(map(is_about_sample, asked)))
        return [_with_sample(o) for o in outcomes] if reported else outcomes

    def _with_rules(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Who gave a secret away reads the post's rules while a person is called."""
        given = next((o for o in outcomes if o.reason is EscalationReason.SECRET_GIVEN), None)
        if given is None or any(isinstance(o, Answer) for o in outcomes):
            return outcomes
        judged = self._judge(demand_of_others())
        rules = self._candidates(judged)[:QUOTED]
        if not rules or judged.probability < self.judge.threshold_for("en"):
            return outcomes
        answer = Answer(
            question=given.question,
            reason=AnswerReason.PHISHING_SAMPLE,
            probability=judged.probability,
            passages=self.complete(rules),
            candidates=given.candidates,
        )
        return [*outcomes, answer]

    def _read_requests(self, message: Message, own: str) -> RequestReading | None:
        """What the message asks for; the subject of a first mail is a sentence of its own.

        A complaint about an answer asks for nothing: it has a reason of its own.
        """
        if not self.request_reader or not own.strip() or says_it_did_not_help(own):
            return None
        subject = "" if PREFIXED.match(message.subject) else message.subject
        before = self._user_turns(message)
        return self.request_reader.read(own, before[-1] if before else "", subject.strip())

    def _user_turns(self, message: Message) -> list[str]:
        """What the asker wrote before, without our replies that came back."""
        own_words = self.knowledge.own_words
        return [own_words.without(t.text) for t in message.history if t.role is Role.USER]

    def _decided(
        self, own: str, readings: list[InterpretedQuestion], verdicts: list[Verdict | None],
        language: str, notes: list[str], *, held_secret: bool,
    ) -> list[Outcome]:  # fmt: skip
        asked = without_announcements(without_chatter(readings, verdicts))
        if not any(verdicts):
            asked = self._selected(own, [r for r, _ in asked], language, notes)
        several = len(asked) > 1
        return [
            self._decide(r, v, language, held_secret=held_secret, several=several) for r, v in asked
        ]

    def _readings(
        self,
        found: list[Question],
        shown: str,
        explain: Callable[[InterpretedQuestion], None] | None,
    ) -> list[InterpretedQuestion]:
        readings = [self._read(q, shown if is_about_sample(q) else "") for q in found]
        for reading in readings:
            (explain or _ignore)(reading)
        return readings

    def _selected(
        self, text: str, readings: list[InterpretedQuestion], language: str, notes: list[str]
    ) -> list[ScreenedQuestion]:
        """The readings with a model's word on each, and on questions that only it has seen."""
        if not self.asking or any(map(is_probable_refusal, readings)):
            return [(r, None) for r in readings]
        selected = self.asking.ask(text)
        asked = [r.question.text for r in readings]
        notes.append(f"{MODEL_NOTE}{self.asking.came(selected, asked)}")
        missed = self.asking.unread(selected, [r.view for r in readings])
        more = [(self._read(Question(text=span)), screen(span)) for span in missed]
        every = [*((r, None) for r in readings), *more]
        return [(self._weighed(self.asking, r, selected, language), v) for r, v in every]

    def _weighed(
        self, asking: Consultation, reading: InterpretedQuestion, said: Selected, language: str
    ) -> InterpretedQuestion:
        ours = tuple(self.knowledge.quotable(list(reading.judgement.passages)))
        judged, confirmed = asking.weigh(
            reading.question.text, replace(reading.judgement, passages=ours), said,
            threshold=self.judge.threshold_for(language),
        )  # fmt: skip
        return replace(reading, judgement=judged, confirmed=confirmed)

    def _read(self, question: Question, shown: str = "") -> InterpretedQuestion:
        """The question under the view that decides it.

        `shown` says in English what kind of mail it is about; that is a view of its own.
        """
        found = [
            InterpretedQuestion(question=question, view=view, judgement=self._judge(view))
            for view in segmentation.views(question)
        ]
        best = best_view(found)
        if not shown:
            return best
        about = InterpretedQuestion(
            question=question, view=shown, judgement=self._judge(shown), shown=True
        )
        return max(best, about, key=lambda reading: reading.judgement.probability)

    def _judge(self, view: str) -> Judgement:
        stays = self.local if self.local and isinstance(screen(view), Refuse) else None
        used = stays or Lookup(retriever=self.retriever, judge=self.judge)
        return used.judge.judge(view, used.retriever.search(view, limit=HITS))

    def _decide(
        self,
        reading: InterpretedQuestion,
        verdict: Verdict | None,
        language: str,
        *,
        held_secret: bool,
        several: bool,
    ) -> Outcome:
        if verdict:
            return self._screened(reading, verdict)
        judged = reading.judgement
        if is_probable_refusal(reading):
            verdict = Refuse(reason=RefusalReason.REQUEST, rule="reads like a refused request")
            return self._screened(reading, verdict)
        candidates, fitting = self._answering(reading)
        probability = judged.probability
        if language not in self.knowledge.templates:
            reason = EscalationReason.LANGUAGE
        elif not self._may_quote(judged, language):
            reason = EscalationReason.UNSURE
        elif fitting and probability >= self._threshold(reading, language, held_secret=held_secret):
            return Answer(
                question=reading.question.text,
                reason=AnswerReason.PUBLISHED,
                probability=probability,
                passages=self.complete(
                    candidates[: judged.quoted_among_several if several else judged.quoted]
                ),
                candidates=candidates,
            )
        else:
            reason = self._unanswered(judged)
        return _escalation(reading.question.text, reason, probability, candidates)

    def _answering(self, reading: InterpretedQuestion) -> tuple[tuple[Passage, ...], bool]:
        """The passages that may answer, best first, and whether the evidence speaks for them.

        Who asks whether a caller or a link is ours gets what the post says of messages, or a
        person: a "No" of the post about the incident would be our word on a stranger.
        """
        found = self._candidates(reading.judgement)
        # Alone, "Was that you?" says nothing of the caller whom the sentence before names.
        views = {reading.view, *segmentation.views(reading.question)}
        if not self.contact_reader or not any(map(self.contact_reader.asks_who_it_is, views)):
            return found, bool(found)
        advice = self.advice_on_messages()
        kept = tuple(passage for passage in found if passage in advice)
        return kept or advice, bool(kept)

    def advice_on_messages(self) -> tuple[Passage, ...]:
        """The passages that say what to make of messages which claim to be ours, best first."""
        about_links, about_demands = map(self._judge, (link_of_others(), demand_of_others()))
        found = (*self._candidates(about_links)[:QUOTED], *self._candidates(about_demands)[:1])
        return tuple(dict.fromkeys(found))

    def _unanswered(self, judged: Judgement) -> EscalationReason:
        if judged.label == Act.OFF_TOPIC:
            return EscalationReason.OFF_TOPIC
        silent = judged.label in self.knowledge.silent_topics and judged.certainty >= SURELY_SILENT
        return EscalationReason.NOT_IN_POST if silent else EscalationReason.UNSURE

    def _threshold(
        self, reading: InterpretedQuestion, language: str, *, held_secret: bool
    ) -> float:
        """The probability from which on a question is answered.

        What our own evidence lacks in another language, a model that confirms makes up for. The
        strict threshold is that of somebody who wrote a secret. What points back to another
        sentence, perhaps a rumour that nobody may confirm, has the threshold half-way to it: on
        authors that were left out that keeps two of three wrong answers to such questions from
        going out, and six of 161 right ones.
        """
        in_english = reading.confirmed or reading.shown
        threshold = self.judge.threshold_for("en" if in_english else language)
        asked = reading.question
        points = segmentation.rests_on_context(asked) and not is_about_sample(asked)
        strict = max(threshold, self.judge.strict_threshold)
        if held_secret:
            return strict
        return (threshold + strict) / 2 if points else threshold

    def _screened(self, reading: InterpretedQuestion, verdict: Verdict) -> Outcome:
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

    def _clarification(self, outcomes: Sequence[Outcome], message: Message, language: str) -> str:
        """What the reply asks back; empty for nothing."""

        def read(question: Question) -> tuple[tuple[Passage, ...], bool]:
            reading = self._read(question)
            threshold = self._threshold(reading, language, held_secret=bool(message.redactions))
            found = self._candidates(reading.judgement)
            return found, reading.judgement.probability >= threshold

        return find_clarification(
            outcomes, written=(message.text, message.subject, *self._user_turns(message)),
            sent=[turn.text for turn in message.history if turn.role is Role.DESK],
            language=language, knowledge=self.knowledge, read=read,
        )  # fmt: skip

    def _candidates(self, judgement: Judgement) -> tuple[Passage, ...]:
        ids = self.knowledge.quotable(list(judgement.passages))
        known = (self.knowledge.passages[i] for i in ids[:CANDIDATES])
        return tuple(passage for passage in known if self.knowledge.stands(passage))

    def _may_quote(self, judgement: Judgement, language: str) -> bool:
        """May all that was judged to answer be quoted now, to somebody who writes so?"""
        ids = self.knowledge.quotable(list(judgement.passages))[: judgement.quoted]
        best = [self.knowledge.passages[i] for i in ids]
        return all(self.knowledge.stands(p) and self.knowledge.speaks(p, language) for p in best)


def _verdict_on_whole(message: Message, said: CleanText, history: Sequence[str]) -> Verdict | None:
    """What the policy says of the whole message, boilerplate included.

    Of a sentence that was taken for boilerplate, a demand or a cry for help counts as anywhere
    else, so that neither can be hidden in a disclaimer. That a disclaimer speaks of the law is no
    matter for a lawyer.
    """
    verdict = screen(with_subject(message.subject, said.whole), history=history)
    if not said.removed or not isinstance(verdict, Escalate):
        return verdict
    if verdict.priority is Priority.PAGE:
        return verdict
    return screen(with_subject(message.subject, said.own), history=history)


def _verdicts(
    readings: Sequence[InterpretedQuestion],
    whole: Verdict | None,
    screened: str,
    history: Sequence[str],
    own: str,
    *,
    requests: RequestReading | None,
    hidden: bool,
) -> list[Verdict | None]:
    """The policy's word on each reading; that on the whole message where it has none on any.

    What was learned of requests overrules a rule that it surely denies, and speaks where no rule
    does; `hidden` says that a rule was met only by what was taken for boilerplate.
    """
    rules = [whole if r.view == screened else screen(r.view, history=history) for r in readings]
    found = rules
    if requests:
        found = [_weighed(v, r, requests) for r, v in zip(readings, rules, strict=True)]
    if whole and not any(rules):
        found[-1] = whole if hidden or not requests else _weighed(whole, readings[-1], requests)
    return [_spared(v, own) for v in found]


def _weighed(
    rule: Verdict | None, reading: InterpretedQuestion, requests: RequestReading
) -> Verdict | None:
    """The verdict of rules and reading together.

    Who names a secret only to ask for facts about it is not refused by what was learned alone.
    """
    verdict = requests.weigh(rule, reading.question)
    learned = isinstance(verdict, Refuse) and verdict.rule == LEARNED
    facts = learned and classify_secret_mention(reading.view) is SecretMention.FACTS
    # "Are you sure?" is too short to be doubted: what it points back to says what it asks.
    vague = verdict == DOUBTFUL and bool(reading.question.context)
    return None if facts or vague else verdict


def _urgent(whole: Verdict | None, requests: RequestReading | None) -> Escalate | None:
    """The verdict that calls somebody, whatever else is asked."""
    if isinstance(whole, Escalate) and whole.priority is not Priority.NORMAL:
        return None if requests and requests.denies(whole) else whole
    return requests.urgent if requests and whole is None else None


def _told_in_subject(message: Message) -> str:
    """The subject where it tells something that a question of the text may point back to."""
    if len(message.subject.split()) < TELLING or PREFIXED.match(message.subject):
        return ""
    return message.subject


def _told_before(turns: Sequence[str]) -> str:
    """What the asker asked last; a demand that is refused says nothing of the next question."""
    asked = last_question(turns)
    return "" if isinstance(screen(asked), Refuse) else asked


def _passed_on(message: Message) -> str:
    """In English what kind of mail the asker forwards or encloses; empty where none is."""
    if not message.shown:
        return ""
    text = f"{PASSED_ON}\n{message.shown}"
    return quoted_phishing_query(text) or material(text)


def _closes(message: Message, said: CleanText, requests: RequestReading | None) -> bool:
    """Does the message say nothing but thanks? A masked secret, or another subject, is more.

    "Yes, please do" closes nothing above a text that it quotes: it says what that text asks.
    """
    own = said.own
    if message.redactions or message.shown or closes_nothing(message.subject):
        return False
    if only_thanks(own):
        return True
    spoken = segmentation.spoken_sentences(own)
    # "Best regards" alone was meant to be more; of other scripts words cannot be counted.
    more_than_a_close = any(len(s.split()) > segmentation.FEW or not s.isascii() for s in spoken)
    silent = more_than_a_close and bool(requests and requests.is_silent)
    return silent and not isinstance(screen(shown_mail(said.whole)), Refuse)


def _spared(verdict: Verdict | None, own: str) -> Verdict | None:
    """The verdict, unless it refuses somebody who only asks whether a mail is genuine."""
    if not isinstance(verdict, Refuse) or verdict.reason not in SPARED:
        return verdict
    return None if asks_if_genuine(own) and not demands_our_word(own) else verdict


def _for_a_person(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Every outcome as one that a person decides; a refusal is given beside it."""
    made: list[Outcome] = []
    for each in outcomes:
        if isinstance(each, Escalation) and each.reason not in OPEN | {EscalationReason.LANGUAGE}:
            made.append(each)
            continue
        if isinstance(each, Refusal) and each.reason is not RefusalReason.REQUEST:
            made.append(each)
        made.append(
            _escalation(
                each.question, EscalationReason.WANTS_PERSON, each.probability, each.candidates
            )
        )
    return made


def _without_repeats(outcomes: Sequence[Outcome], message: Message) -> list[Outcome]:
    """Where the best passage was sent in this conversation, it did not help: a person goes on."""
    sent = "\n".join(turn.text for turn in message.history if turn.role is Role.DESK)
    return [_asked_again(o) if sent and _is_in(sent, o) else o for o in outcomes]


def _is_in(sent: str, outcome: Outcome) -> bool:
    quotes = outcome.passages if isinstance(outcome, Answer) else ()
    return bool(quotes) and stands_in(quotes[0], sent)


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


def _unread(message: Message, said: CleanText, screened: str) -> Escalation | None:
    """A message that is not read question by question: empty, too long, a filter's report."""
    text = said.whole
    if not text.strip() and not message.shown:
        return _escalation(text, EscalationReason.NO_QUESTION)
    if len(text) > MAX_CHARACTERS:
        held = _escalation(text[:MAX_CHARACTERS], EscalationReason.TOO_LONG)
    elif is_filter_report(text):
        held = _escalation(text, EscalationReason.HELD)
    else:
        return None
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


def _ignore(_reading: InterpretedQuestion) -> None:
    """Nobody asked for an explanation."""
