"""Measures what a surge of thousands of mails an hour costs people: cards, approvals, answers.

The mails go through the real desk and its journal; a simulated person answers each card once, in
one language for everybody, and chooses beside it whom the answer settles too, as somebody who reads
the wordings would.
"""

import random
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bot.app import App
from bot.domain import Answer, Message
from bot.journal import Case, ReceivedMessage
from bot.outbound import text_of
from bot.staff.case_actions import CaseActions, ReplyKind
from bot.staff.shared_answers import AnswerSharing
from evals.bench_mail import twin
from evals.measuring.schema import CASES, load_cases

QUESTIONS = Path(__file__).parent / "data" / "surge.yaml"
ANSWERED = 40  # questions of the mails that the post answers
OPEN_SHARE = 0.5  # of the mails
KEEP_DAYS = 14
LOOK_EACH = 25  # mails between two looks at which cards there are
CHOICES = 50  # clusters of nearly the same question that a person can choose
GREETINGS = (
    "Hi,\n\n{}",
    "{}",
    "Hello team,\n\n{}\n\nThanks",
    "{}\n\nBest regards\nKim",
    "Dear all,\n{}",
)
SEED = 1  # of which mails come in which order
SUBJECT = "Question about the incident"
MARK = re.compile(r"answer to (\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SurgeMail:
    """One mail of a surge; `question` names what it asks, empty where the post answers it."""

    text: str
    question: str


class KeptOut:
    """A way out that keeps what was handed over, by recipient."""

    def __init__(self) -> None:
        self.mails: dict[str, list[str]] = defaultdict(list)

    def send(self, mail: bytes, *, recipient: str) -> None:
        """Keep it."""
        self.mails[recipient].append(text_of(mail))


@dataclass(slots=True)
class SurgeResult:
    """What became of a surge."""

    mails: int
    cards: set[int] = field(default_factory=set)
    approvals: int = 0
    waiting: int = 0  # mails with an open question that went to a person
    together: int = 0  # of those, cases that stand in a cluster where most ask their question
    settled: int = 0  # of those, askers with exactly one answer of a person
    wrong: int = 0  # askers who got the answer to another question
    doubled: int = 0  # mails that somebody got twice
    seconds: float = 0.0  # from the first mail to the last answer


def draw_mails(answered: Sequence[str], *, count: int, seed: int) -> list[SurgeMail]:
    """Draw mails: half with open questions in all their wordings, half with answered ones."""
    questions = yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))["questions"]
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    mails = []
    for number in range(count):
        if number < count * OPEN_SHARE:
            asked = questions[number % len(questions)]
            text, question = rng.choice(asked["wordings"])["text"], asked["question"]
        else:
            text, question = answered[number % min(ANSWERED, len(answered))], ""
        mails.append(SurgeMail(text=rng.choice(GREETINGS).format(text), question=question))
    rng.shuffle(mails)
    return mails


class Surge:
    """A desk in a surge, and the person who answers its cards."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.out = KeptOut()
        app.desk.delivery.out = self.out
        self.desk, self.journal = app.desk, app.journal
        self.sharing = AnswerSharing(app.desk)
        self.asked: dict[str, str] = {}  # what each sender asks
        self.open: dict[int, str] = {}  # the question of each message that asks an open one
        self.result = SurgeResult(mails=0)

    def take(self, mails: Sequence[SurgeMail]) -> None:
        """Take mails in, each of a sender of its own, and decide and answer them."""
        for mail in mails:
            number = self.result.mails
            self.result.mails += 1
            sender = f"person{number}@{number % 200}.example"
            stored = self.desk.store_message(_received(mail.text, sender, number))
            decided = self.desk.decide_message(stored or 0)
            if decided.case_number:
                self.sharing.share(decided.case_number)
            if mail.question:
                self.asked[sender] = mail.question
                self.open[stored or 0] = mail.question
            if number % LOOK_EACH == 0:
                self.look()
        self.look()
        self._deliver()

    def look(self) -> None:
        """Note which cases have a card of their own."""
        shown = self.journal.cases.read_stamps(days=KEEP_DAYS)
        self.result.cards.update(shown)

    def answer_cards(self) -> None:
        """Answer every card once, for all who ask the same, until none is left."""
        actions = CaseActions(desk=self.desk, enqueue_job=None)
        while case := next(self._cards(), None):
            question = self.open.get(case.message_id, "another question")
            clusters = [
                each.cluster
                for each in self.journal.clusters.list_alike(case.id, limit=CHOICES)
                if self._asks(each.cluster) == question
            ]
            done = actions.send(
                case, ReplyKind.ALL, actor="person", text=f"This is the answer to {question}.",
                version=case.version, clusters=clusters, any_language=True,
            )  # fmt: skip
            if not done:
                raise RuntimeError(f"case {case.id} could not be answered")
            self.result.approvals += 1
            while self.sharing.share_waiting():
                pass
            self.look()
        self._deliver()

    def _deliver(self) -> None:
        """Deliver everything that is due, of which one round takes a part."""
        while self.desk.deliver():
            pass

    def _cards(self) -> Iterator[Case]:
        shown = self.journal.cases.read_stamps(days=KEEP_DAYS)
        found = (self.journal.cases.read(case_id) for case_id in shown)
        return (case for case in found if case and case.open)

    def _asks(self, cluster: int) -> str:
        """Return the question of the case that founded a cluster, as a person would read it."""
        founder = self.journal.cases.read(cluster)
        return self.open.get(founder.message_id, "") if founder else ""

    def finish(self) -> SurgeResult:
        """Return what became of the surge."""
        result = self.result
        questions: dict[int, Counter[str]] = defaultdict(Counter)
        for message_id, question in self.open.items():
            number = self.journal.cases.find_number(message_id)
            case = self.journal.cases.read(number) if number else None
            if case:
                result.waiting += 1
                questions[case.cluster or -case.id][question] += 1
        result.together = sum(max(each.values()) for each in questions.values())
        for sender, question in self.asked.items():
            got = [m.group(1) for text in self.out.mails[sender] if (m := MARK.search(text))]
            result.settled += got == [question]
            result.wrong += any(each != question for each in got)
            result.doubled += len(got) > 1
        for texts in self.out.mails.values():
            result.doubled += len(texts) != len(set(texts))
        return result


def run_surge(surge: Surge, mails: Sequence[SurgeMail]) -> SurgeResult:
    """Take the mails in two halves; after each a person answers all cards."""
    began = time.monotonic()
    half = len(mails) // 2
    for part in (mails[:half], mails[half:]):
        surge.take(part)
        surge.answer_cards()
    surge.result.seconds = time.monotonic() - began
    return surge.finish()


def answered_questions(app: App, most: int = ANSWERED) -> list[str]:
    """Return questions of held-out authors that the desk answers, each of a family of its own."""
    families: dict[str, str] = {}
    for case in load_cases(CASES):
        if len(families) == most:
            break
        if case.lang != "en" or case.kind != "answerable" or case.family in families:
            continue
        outcomes = app.responder.respond(Message(text=case.text, subject=SUBJECT)).outcomes
        if outcomes and all(isinstance(outcome, Answer) for outcome in outcomes):
            families[case.family] = case.text
    return list(families.values())


def bench_surge(app: App, *, count: int) -> None:
    """Print what a surge of `count` mails costs people."""
    with tempfile.TemporaryDirectory() as folder:
        mails = draw_mails(answered_questions(app), count=count, seed=SEED)
        result = run_surge(Surge(twin(app, Path(folder) / "surge")), mails)
    print(
        f"{result.mails} mails, {result.waiting} to a person: {len(result.cards)} cards, "
        f"{result.approvals} approvals, {result.together / max(1, result.waiting):.1%} beside "
        f"their own question, {result.settled} askers settled once, {result.wrong} by another "
        f"answer, {result.doubled} mails twice, {result.seconds:.0f} s"
    )


def _received(text: str, sender: str, number: int) -> ReceivedMessage:
    return ReceivedMessage(
        channel="email", thread_key=f"surge:{number}", key=f"surge:{number}", raw_ref="r",
        verdict="answer", rule="R18", sender=sender, text=text,
        headers={"message_id": f"<surge.{number}@x.example>", "references": "", "subject": SUBJECT},
    )  # fmt: skip
