"""Reads what each sentence of a message asks for: a learned head on what the encoder pools.

The head lies in bot/data/requests.npz, made by `python -m evals requests` from messages of several
authors. A sentence is read together with the sentence before it and the whole message, so that a
past event, a report or a question about oneself is told from a demand. Layers in the middle of the
encoder are read beside its last one, which has mostly dropped who is to do what. Each figure is a
probability, calibrated on authors that the head had not seen.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.answering.segmentation import (
    asks,
    split_sentences,
    spoken_sentences,
    without_signature_lines,
)
from bot.domain import EscalationReason, Priority, Question, RefusalReason
from bot.errors import UNREADABLE_ARRAYS, KnowledgeError
from bot.policy import (
    Escalate,
    Refuse,
    SecretMention,
    Verdict,
    classify_secret_mention,
    goes_on,
    screen,
    tells_who_they_are,
    wants_person,
)
from bot.resources import read_bytes

Array = npt.NDArray[np.float32]
Pool = Callable[[str], npt.ArrayLike]  # a text to what the encoder pools of it, PARTS x WIDTH
HEAD = "requests.npz"
AGAIN = "run `python -m evals requests`"
FORMAT = 2  # of the file; raised when its arrays mean something else
WIDTH = 384  # of the encoder
PARTS = 5  # that it pools of a text: means of two layers, maxima of two, and its vector
STATE = PARTS * WIDTH  # numbers of one text
INPUTS = 2 * STATE + WIDTH  # the sentence, the first part of that before it, the whole message
REACH = 10.0  # what states are multiplied by: their numbers are small
MOST_SENTENCES = 40  # that are read: the first and the last ones of a longer message
NEAR = 1.5  # log-odds below the sentence that says most of a label; what says less is not meant
ASKING = re.compile(r"[?？؟]")
WORD = re.compile(r"[^\W\d_]{2}")
ABBREVIATION = re.compile(r"[^\W\d_]{1,4}\.")  # "Tel.", behind which sentences are cut, too
NUMBER = re.compile(r"\d{3}")  # of a case, an order, a telephone
THANKED = 0.5  # probability of thanks
MOST_BESIDE = 4  # sentences that are decided beside the questions
MOST_CHARACTERS = 1_200  # of a text that is encoded; the encoder reads fewer


class Label(StrEnum):
    """What a sentence or a message does; several at once."""

    REFUSE = "refuse"  # any of the next three
    DEMAND = "demand"  # a secret: to give, look up, reset, receive, confirm, check, use
    OTHER_REQUEST = "other_request"  # others' data, an account action, our word, a lure
    INJECTION = "injection"  # instructions to the desk
    CRISIS = "crisis"  # danger, takeover or extortion, now, to the writer
    FORMAL = "formal"  # a lawyer, an authority, the press, a data subject, a vulnerability
    GIVEN_AWAY = "secret_given"  # the writer gave a secret away
    WANTS_PERSON = "wants_person"
    HONEST = "honest"  # a question that may be answered, about passwords and keys as well
    SHOWS_MAIL = "shows_mail"
    THANKS = "thanks"
    OFF_TOPIC = "offtopic"
    NOTHING_ASKED = "nothing_asked"
    SILENT = "silent"  # the whole message needs no reply


REFUSALS = (
    RefusalReason.OTHER_PEOPLE, RefusalReason.ACCOUNT_ACTION, RefusalReason.VOUCHING,
    RefusalReason.DESK_INTERNALS, RefusalReason.IMPERSONATION,
)  # fmt: skip
CRISES = (EscalationReason.DANGER, EscalationReason.TAKEOVER, EscalationReason.EXTORTION)
FORMALITIES = (
    EscalationReason.LEGAL, EscalationReason.REGULATOR, EscalationReason.DATA_SUBJECT,
    EscalationReason.PRESS, EscalationReason.VULNERABILITY,
)  # fmt: skip
OUTPUTS: tuple[str, ...] = (*Label, *REFUSALS, *CRISES, *FORMALITIES)
PLACE = {name: place for place, name in enumerate(OUTPUTS)}
LEARNED = "learned"  # instead of the id of a rule
WANTS_PERSON = Escalate(
    reason=EscalationReason.WANTS_PERSON, priority=Priority.NORMAL, rule=LEARNED
)
DOUBTFUL = Escalate(reason=EscalationReason.UNSURE, priority=Priority.NORMAL, rule=LEARNED)
GIVEN_AWAY = Escalate(reason=EscalationReason.SECRET_GIVEN, priority=Priority.HIGH, rule=LEARNED)
KINDS = [PLACE[label] for label in (Label.DEMAND, Label.OTHER_REQUEST, Label.INJECTION)]
ASKED_FOR = (Label.REFUSE, Label.DEMAND, Label.OTHER_REQUEST, Label.INJECTION)
# Probabilities by which a rule is overruled: HONEST from the first on, and REFUSE below the second,
# or the label of the reason below the bound beside it; chosen on messages of authors that were left
# out. Takeover and extortion are overruled below `alarming` of the head, from which on it would
# alarm somebody itself; danger and the press are not overruled. With 0.45 in place of 0.25 as the
# second, 38 fewer of 3,343 honest messages of theirs are refused, and 59 more of 3,644 requests
# reach a person.
HONESTLY, NO_REQUEST = 0.5, 0.45
NO_OWN_SECRET = 0.25  # in place of the second, where the rule is on the desk's own secrets
OVERRULED_PAGES = frozenset({EscalationReason.TAKEOVER, EscalationReason.EXTORTION})
DENIED_BELOW: dict[EscalationReason, tuple[Label, float]] = {
    EscalationReason.SECRET_GIVEN: (Label.GIVEN_AWAY, 0.01),
    EscalationReason.LEGAL: (Label.FORMAL, 0.04),
    EscalationReason.REGULATOR: (Label.FORMAL, 0.04),
    EscalationReason.DATA_SUBJECT: (Label.FORMAL, 0.04),
    EscalationReason.VULNERABILITY: (Label.FORMAL, 0.04),
}
# Probabilities: from the first of REFUSE or a kind of it on, a person decides what no rule refuses;
# from the second of REFUSE on, it is refused where the words name a secret and ask for no facts. Of
# authors that were left out the second takes 53 requests below `refused`, and 11 honest messages.
# The first costs no right answer of 1,011 messages against one of 0.45, and one of 1,559 others.
DOUBTED, PROBABLE = 0.35, 0.55
SURELY_NONE = 0.15  # below which the classifier of meanings refuses nothing either
# Probabilities of a kind and of REFUSE: a message that reaches neither is read by a person, and not
# refused ("Could you send me the invoice?" is a request of no kind that the desk refuses).
KNOWN, SURE = 0.4, 0.95
# Below this probability of every kind, a sentence that is no question and names no secret asks for
# nothing: of "This is my second mail." the head knows too little.
ASKED_PLAINLY = 0.6
OWN_SECRETS = "internals-secret"  # the rule on who wants keys and passwords of the desk itself
# Probability of a demand from which on who tells their number also asks for something.
DEMANDED = 0.8
REMOVED = "[removed: "  # begins what stands in place of a secret
NEVER = 2.0  # above every probability
LABELS = len(Label)  # the outputs that are calibrated; the others only say which kind


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """A linear map and a hidden layer beside it, from what is read to log-odds of each output."""

    encoder: str  # the name of the encoder whose states it was made with
    data: str  # hash of the messages that it was made from
    means: Array  # PARTS x WIDTH: what the encoder pools of a text on average
    inner: Array  # INPUTS x hidden; a file keeps it in 8 bits
    inner_bias: Array  # hidden
    outer: Array  # hidden x outputs
    direct: Array  # INPUTS x outputs
    bias: Array  # outputs
    calibration: Array  # labels x 3: of the sentence, of the whole message, and the constant
    refused: float  # probability of REFUSE from which on a message is refused
    paged: float  # of CRISIS from which on people are called
    alarming: float  # from which on a person reads it first
    formal: float
    wants_person: float
    secret_given: float
    silent: float

    def scores(self, rows: Array) -> Array:
        """Log-odds of each output; `rows` is n x INPUTS."""
        scaled = REACH * rows
        hidden = np.maximum(scaled @ self.inner + self.inner_bias, 0)
        return np.asarray(hidden @ self.outer + scaled @ self.direct + self.bias, "f4")

    def calibrated(self, scores: Array) -> Array:
        """Probabilities of the labels of each sentence; the last row of `scores` is the whole."""
        return calibrate_scores(self.calibration, scores)

    def to_bytes(self) -> bytes:
        """As a compressed file of plain arrays."""
        file = io.BytesIO()
        arrays = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        arrays |= {n: a.astype(np.float16) for n, a in arrays.items() if a.dtype == np.float32}
        arrays["inner"], arrays["inner_step"] = _in_steps(self.inner)
        np.savez_compressed(file, allow_pickle=False, format=np.array(FORMAT), **arrays)
        return file.getvalue()

    @staticmethod
    def from_bytes(raw: bytes) -> "RequestHead":
        """The opposite of `to_bytes`; KnowledgeError when it is none, or of another version."""
        try:
            with np.load(io.BytesIO(raw)) as stored:
                if int(stored["format"]) != FORMAT:
                    raise KnowledgeError(f"{HEAD} is of another version; {AGAIN}")
                values = {f.name: _value(stored[f.name]) for f in fields(RequestHead)}
                values["inner"] = values["inner"].astype(np.float32) * _value(stored["inner_step"])
                return RequestHead(**values)
        except UNREADABLE_ARRAYS:
            raise KnowledgeError(f"{HEAD} cannot be read; {AGAIN}") from None


@dataclass(frozen=True, kw_only=True)
class ClassifiedRequests:
    """The sentences of a message and the probability of each label for each of them."""

    head: RequestHead
    subject: str  # the first of the sentences, where the mail has one of its own
    sentences: tuple[str, ...]
    probabilities: Array  # sentences x labels
    scores: Array  # (sentences and the whole message) x outputs

    def highest(self, label: Label) -> float:
        """The probability of `label` in the sentence that has the most of it."""
        return float(self.probabilities[:, PLACE[label]].max())

    @property
    def is_silent(self) -> bool:
        """Does the message need no reply, surely? One with a number is for a person's files."""
        text = " ".join(self.sentences)
        silence = self.highest(Label.SILENT)
        # A mere doubt gives way to what is likelier: "thank you, I know enough" asks for nothing.
        doubted = all(v in (None, DOUBTFUL) for v in self.verdicts)
        idle = doubted if silence > self.highest(Label.REFUSE) else not any(self.verdicts)
        sure = silence >= self.head.silent and idle
        numbered = NUMBER.search(text) and not self._thanks_in_words
        return sure and not (ASKING.search(text) or numbered or goes_on(text))

    @property
    def _thanks_in_words(self) -> bool:
        """Does a sentence without a number say thanks? What stands below is then a signature."""
        thanks = self.probabilities[:, PLACE[Label.THANKS]]
        pairs = zip(self.sentences, thanks, strict=True)
        return any(each >= THANKED for sentence, each in pairs if not NUMBER.search(sentence))

    @property
    def urgent(self) -> Escalate | None:
        """The verdict that calls somebody, where a sentence has one."""
        escalations = [v for v in self.verdicts if isinstance(v, Escalate)]
        return next((v for v in escalations if v.priority is Priority.PAGE), None)

    def weigh(self, rule: Verdict | None, question: Question) -> Verdict | None:
        """The verdict on a question, given that of a rule; None where it may be answered.

        A rule holds unless the classifier denies it: then what was learned of the question decides,
        or a person. Without a rule what was learned decides.
        """
        if rule and not self.denies(rule):
            return rule
        # What a rule refuses may be disguised, and disguises the head does not see.
        return self.of(question) or (DOUBTFUL if isinstance(rule, Refuse) else None)

    def denies(self, rule: Verdict) -> bool:
        """Is the message honest, and surely none of what the rule takes it for?

        Of disguised text the head knows nothing: it takes it for no honest question either. Danger
        and the press are never overruled.
        """
        if self.highest(Label.HONEST) < HONESTLY:
            return False
        if isinstance(rule, Refuse):
            least = NO_OWN_SECRET if rule.rule == OWN_SECRETS else NO_REQUEST
            return self.highest(Label.REFUSE) < least
        if rule.reason in OVERRULED_PAGES:
            label, least = Label.CRISIS, self.head.alarming
        else:
            label, least = DENIED_BELOW.get(rule.reason, (Label.HONEST, 0.0))
        # The head has learned too little of subjects to deny what one says by itself.
        return self.highest(label) < least and screen(self.subject) != rule

    def of(self, question: Question) -> Verdict | None:
        """What becomes of a question: the gravest of the verdicts on its sentences."""
        pairs = zip(self.sentences, self.verdicts, strict=True)
        verdicts = [v for sentence, v in pairs if v and _same(sentence, question.text)]
        refusal = next((v for v in verdicts if isinstance(v, Refuse)), None)
        return refusal or next(iter(verdicts), None)

    def beside(self, questions: Sequence[Question]) -> list[Question]:
        """The sentences with a verdict that stand in none of the questions found by their form.

        A subject only names what the text is about: it counts where it is refused or pages. Beside
        a refusal nobody need read what is only doubted.
        """
        refused = any(isinstance(verdict, Refuse) for verdict in self.verdicts)
        pairs = zip(self.sentences, self.verdicts, strict=True)
        remaining = [
            sentence
            for sentence, verdict in pairs
            if verdict
            and (sentence != self.subject or _stands_alone(verdict))
            and not (verdict == DOUBTFUL and refused)
            and not any(_same(sentence, q.text) for q in questions)
        ]
        return [Question(text=sentence) for sentence in remaining[:MOST_BESIDE]]

    @cached_property
    def verdicts(self) -> tuple[Verdict | None, ...]:
        """What the policy makes of each sentence; None where it may be answered."""
        return tuple(self._verdict(index) for index in range(len(self.sentences)))

    def _verdict(self, position: int) -> Verdict | None:
        """The gravest that is likely enough; a sentence that says less of it is not meant."""
        sentence = self.sentences[position]
        if wants_person(sentence):
            return WANTS_PERSON
        label_scores, head = self.scores[:-1, :LABELS], self.head
        says_most = label_scores[position] >= label_scores.max(0) - NEAR
        likely = np.where(says_most, self.probabilities[position], 0)
        refused, doubted = head.refused if has_kind(likely) else NEVER, DOUBTED
        asked = max(likely[PLACE[label]] for label in ASKED_FOR)
        if asked >= min(refused, doubted) and _only_tells(sentence, likely):
            refused = doubted = NEVER
        # Of a secret that is pasted here, and removed, the reply speaks itself.
        pasted = any(REMOVED in each for each in self.sentences)
        ladder: tuple[tuple[Label, float, Verdict], ...] = (
            (Label.CRISIS, head.paged, self._crisis(position, Priority.PAGE)),
            (Label.REFUSE, refused, Refuse(reason=self._refusal(position), rule=LEARNED)),
            (Label.CRISIS, head.alarming, self._crisis(position, Priority.HIGH)),
            (Label.FORMAL, head.formal, self._formal(position)),
            (Label.WANTS_PERSON, head.wants_person, WANTS_PERSON),
            *((label, doubted, DOUBTFUL) for label in ASKED_FOR),
            (Label.GIVEN_AWAY, NEVER if pasted else head.secret_given, GIVEN_AWAY),
        )
        for label, least, verdict in ladder:
            if likely[PLACE[label]] >= least:
                return verdict
        return None

    def _crisis(self, position: int, priority: Priority) -> Escalate:
        return Escalate(reason=self._kind(position, CRISES), priority=priority, rule=LEARNED)

    def _formal(self, position: int) -> Escalate:
        reason = self._kind(position, FORMALITIES)
        return Escalate(reason=reason, priority=Priority.NORMAL, rule=LEARNED)

    def _refusal(self, position: int) -> RefusalReason:
        demand, others, orders = self.probabilities[position][KINDS]
        if max(demand, others, orders) < KNOWN:
            return RefusalReason.REQUEST
        if demand >= max(others, orders):
            return RefusalReason.SECRET
        if orders > others:
            return RefusalReason.DESK_INTERNALS
        return max(REFUSALS, key=lambda kind: self.scores[position, PLACE[kind]])

    def _kind(self, position: int, kinds: Sequence[EscalationReason]) -> EscalationReason:
        both = self.scores[position] + self.scores[-1]
        return max(kinds, key=lambda kind: both[PLACE[kind]])


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestClassifier:
    """A classifier of what messages ask for: a head and the encoder that it was trained with."""

    head: RequestHead
    pool: Pool

    def classify(self, text: str, before: str = "", subject: str = "") -> ClassifiedRequests:
        """What subject and `text` ask for; `before` is what the asker wrote last."""
        own, spoken = select_sentences(text)
        sentences_read = (*filter(None, [subject]), *spoken)
        scores = self.head.scores(build_inputs(sentences_read, own, before, self._state))
        return ClassifiedRequests(
            head=self.head,
            subject=subject,
            sentences=sentences_read,
            probabilities=self.head.calibrated(scores),
            scores=scores,
        )

    def _state(self, text: str) -> Array:
        return state(self.pool(text), self.head.means)


@cache
def packaged_head() -> RequestHead:
    """What ships; KnowledgeError when it cannot be read."""
    return RequestHead.from_bytes(read_bytes(HEAD))


def select_sentences(text: str) -> tuple[str, tuple[str, ...]]:
    """What is read of `text` as a whole, and its sentences: of a long one the first and last ones.

    A greeting, a signature and quoted lines change nothing of what is asked for.
    """
    found = split_sentences(text)
    spoken = spoken_sentences("\n".join(without_signature_lines(found)))
    quotes = any(line.lstrip().startswith(">") for line in text.split("\n"))
    own = text if spoken == found and not quotes else " ".join(spoken) or text
    kept = split_sentences(own) or [own]
    if len(kept) > MOST_SENTENCES:
        half = MOST_SENTENCES // 2
        kept = [*kept[:half], *kept[-half:]]
    return own, tuple(kept)


def state(pooled: npt.ArrayLike, means: Array) -> Array:
    """What is read of one text: each part less its mean, at length one; shape (STATE,)."""
    centred = np.asarray(pooled, np.float32) - means
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True), "f4").reshape(-1)


def build_inputs(
    kept: Sequence[str], whole: str, before: str, embed: Callable[[str], Array]
) -> Array:
    """What the head reads of each sentence and, as the last row, of the whole message.

    `embed` gives the state of a text; `before` is what was written before the sentences `kept`.
    """
    nothing = np.zeros(WIDTH, np.float32)
    message = embed(whole[:MOST_CHARACTERS])
    earlier = embed(before[:MOST_CHARACTERS])[:WIDTH] if before.strip() else nothing
    rows = []
    for sentence in kept:
        own = message if sentence == whole else embed(sentence[:MOST_CHARACTERS])
        rows.append(np.concatenate([own, earlier, message]))
        earlier = own[:WIDTH]
    rows.append(np.concatenate([message, nothing, message]))
    return np.stack(rows)


def calibrate_scores(calibration: Array, scores: Array) -> Array:
    """Probabilities from log-odds: of the sentence and of the whole message, weighed."""
    of_sentences, of_message = scores[:-1, :LABELS], scores[-1:, :LABELS]
    odds = calibration[:, 0] * of_sentences + calibration[:, 1] * of_message + calibration[:, 2]
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))), dtype=np.float32)


def has_kind(likely: Array) -> bool:
    """Is it likely enough what kind of request it is, so that a refusal may name it?"""
    return bool(likely[KINDS].max() >= KNOWN or likely[PLACE[Label.REFUSE]] >= SURE)


def _only_tells(sentence: str, likely: Array) -> bool:
    """Does the sentence ask for nothing: tells what happened, who writes, or what is no secret?

    Such a sentence is never refused. `likely` has the probability of each label for it.
    """
    if asks(sentence):
        return False
    if REMOVED in sentence or not WORD.search(sentence) or ABBREVIATION.fullmatch(sentence.strip()):
        return True
    if likely[PLACE[Label.DEMAND]] < DEMANDED and tells_who_they_are(sentence):
        return True
    kindless = likely[KINDS].max() < ASKED_PLAINLY
    return bool(kindless and classify_secret_mention(sentence) is SecretMention.NOTHING)


def _stands_alone(verdict: Verdict) -> bool:
    """Is the verdict one that a few words may bring about, such as those of a subject?"""
    return isinstance(verdict, Refuse) or verdict.priority is Priority.PAGE


def _same(sentence: str, question: str) -> bool:
    """Is the sentence a part of the question, or that without its greeting?"""
    return sentence in question or question in sentence


def _in_steps(matrix: Array) -> tuple[npt.NDArray[np.int8], Array]:
    """The matrix in whole steps, 127 at most, and the step of each column."""
    step = np.abs(matrix).max(0) / 127 + 1e-9
    return np.round(matrix / step).astype(np.int8), step.astype(np.float32)


def _value(stored: npt.NDArray[Any]) -> Any:
    if stored.ndim:
        return stored.astype(np.float32) if stored.dtype == np.float16 else stored
    return stored.item()
