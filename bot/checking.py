"""What an operator asks for: a mail's fate, the queue, a decision, the desk's health."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bot.app import App
from bot.budget import NOT_ASKED
from bot.channels.mail.intake import Read, read
from bot.channels.mail.rules import Verdict
from bot.channels.mail.sandbox import SafeParser
from bot.domain import Message
from bot.errors import DeskError, InputError, MissingError
from bot.journal import Journal, OutboxState
from bot.journal.sends import NEEDS_PEOPLE
from bot.language import detect
from bot.outbound.rehearsal import stopped
from bot.rendering import as_json
from bot.settings import MailKind
from bot.staff_text import warnings
from bot.wording import word

SPOKEN = frozenset({Verdict.ANSWER, Verdict.HOLD})
NO_FIT = "none for these questions: strict rules decide; run `python -m evals fit`"
NOT_OUR_VECTORS = "not used with DESK_EMBEDDINGS: strict rules decide"
NO_AUTHENTICATION = "not authenticated (local mailbox); set DESK_AUTHSERV_ID for real mail"
FREE_BYTES = 500 * 1024 * 1024
CLOCK_SECONDS = 60
STUCK_SECONDS = 120
LEASE_SECONDS = 10.0


class MailCheck:
    """Runs mails through parser, rules and responder; stores and sends nothing."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.parser = SafeParser()
        self.policy = app.mail_policy

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.parser.close()

    def file(self, name: str) -> dict[str, Any]:
        """The public JSON of one mail; OSError when the file cannot be read."""
        found = read(Path(name).read_bytes(), self.parser, self.policy)
        verdict = found.ruling.verdict
        return {
            "file": name,
            "verdict": verdict.value,
            "rule": found.ruling.rule,
            "visible": found.visible,
            "subject": found.subject,
            "from": found.sender,
            "lang": detect(found.redaction.text),
            "response": self._response(found) if verdict in SPOKEN else None,
        }

    def _response(self, found: Read) -> dict[str, Any]:
        message = Message(
            text=found.redaction.text, redactions=found.redaction.spans, subject=found.heading
        )
        response = self.app.responder.respond(message)
        return as_json(response, word(response, self.app.knowledge))


def queue_lines(journal: Journal) -> Iterator[str]:
    """The open cases with their age, the most urgent first; then mails that did not go through."""
    waiting, now = journal.cases.queue(), datetime.now(UTC)
    stuck = journal.sends.in_state(*NEEDS_PEOPLE, OutboxState.UNKNOWN)
    dead = journal.slack.dead()
    if not waiting and not stuck and not dead:
        yield "nothing waits for a person"
        return
    for case in waiting:
        text = " ".join(case.text.split())[:90]
        late = "  OVERDUE" if case.due_at and datetime.fromisoformat(case.due_at) < now else ""
        waited = age(now - datetime.fromisoformat(case.opened_at))
        about = f"{case.priority:<7}{case.reason:<16}{waited:>7}{late}"
        yield f"{case.id:>4}  {about}  {case.sender}"
        yield f"      {text}" + (f"  (+{case.later} since)" if case.later else "")
    for send in stuck:
        yield f"mail {send.id} to {send.recipient} is {send.state}: {send.fault or 'a bounce came'}"
    for post in dead:
        about = f" of case {post.case_id}" if post.case_id else ""
        yield f"post {post.id}{about} did not reach Slack: {post.fault}; it is tried every hour"
    yield "decide with: incident-desk decide ID --approve | --text TEXT | --dismiss"


def age(waited: timedelta) -> str:
    """How long, in the largest unit that says something."""
    minutes = max(0, int(waited.total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def reconcile(app: App) -> Iterator[str]:
    """Finish from the journal alone what a crash left: jobs may be lost, rows are not."""
    with app.jobs.alone():
        desk, journal = app.desk, app.journal
        if app.jobs.shared:
            left = journal.sends.orphans(LEASE_SECONDS)
        else:
            left = journal.sends.in_state(OutboxState.SENDING)  # by nobody who still lives
        desk.settle(left)
        undecided = journal.undecided()
        faults = sum(not _worked(app, message_id) for message_id in undecided)
        sent = desk.deliver()
    unknown = len(journal.sends.in_state(OutboxState.UNKNOWN))
    yield f"{len(undecided) - faults} messages decided, {faults} left for a person"
    yield f"{sent} mails handed over, {len(left)} looked up, {unknown} of unknown fate"


def _worked(app: App, message_id: int) -> bool:
    try:
        app.desk.work(message_id)
    except MissingError:
        raise
    except DeskError as error:
        app.journal.fail(message_id, type(error).__name__)
        return False
    return True


def decide(app: App, case_id: int, *, text: str | None, approve: bool, anyway: bool = False) -> str:
    """Record a person's decision and hand its mail over; says what happened.

    InputError names what to look at once more in a person's own words, unless `anyway`.
    """
    waiting = next((w for w in app.journal.cases.queue() if w.id == case_id), None)
    if waiting is None:
        raise InputError(f"{case_id} is no open case; `incident-desk queue` lists them")
    if text is not None and not text.strip():
        raise InputError("the text is empty; --dismiss closes a case without a mail")
    if text and not anyway and (remarks := warnings(text, app.knowledge)):
        raise InputError(f"{'; '.join(remarks)}. Nothing was sent; --anyway sends it as it stands")
    if approve and not waiting.draft:
        raise InputError(f"case {case_id} has no draft to approve; write one with --text")
    action = "approved" if approve else "edited" if text else "dismissed"
    said = waiting.draft if approve else text or ""
    if not app.desk.resolve(case_id, actor="terminal", action=action, text=said):
        raise InputError(f"somebody else decided case {case_id} first")
    sent = app.desk.deliver() if said else 0
    return f"case {case_id} {action}" + (f", {sent} mail sent" if sent else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `doctor`."""

    name: str
    good: bool
    says: str


def examine(app: App) -> Iterator[Finding]:
    """Knowledge, replies, fit, model, index, journal, disk."""
    knowledge = app.knowledge
    yield Finding(
        name="knowledge", good=True,
        says=f"{knowledge.version}, {len(knowledge.passages)} passages, "
        f"languages {', '.join(sorted(knowledge.templates))}",
    )  # fmt: skip
    stays = next(stopped(app.outbound), "")
    yield Finding(
        name="replies", good=not stays,
        says=f"the outbound check stops replies; {stays}" if stays else "every kind may leave",
    )  # fmt: skip
    fit = app.fit
    yield Finding(
        name="fit", good=fit is not None,
        says=f"threshold {fit.threshold:.3f}" if fit else _no_fit(app),
    )  # fmt: skip
    yield _model(app)
    counts = app.journal.counts()
    yield Finding(
        name="journal", good=True,
        says=f"{app.journal.engine.dialect.name}, {counts['message']} messages, "
        f"{counts['outbox']} replies, {len(app.journal.workers.alive())} at work",
    )  # fmt: skip
    yield from _journal(app.journal)
    free = shutil.disk_usage(app.settings.home).free
    yield Finding(
        name="disk", good=free > FREE_BYTES, says=f"{free // 2**20} MB free in {app.settings.home}"
    )
    yield _chat_model(app)
    yield from _mail(app)
    if app.slack:
        for line in app.slack.examine():
            yield Finding(name=line.name, good=line.good, says=line.says)


def _no_fit(app: App) -> str:
    return NO_FIT if app.settings.own_embeddings else NOT_OUR_VECTORS


def _chat_model(app: App) -> Finding:
    """The model's state in the desk that runs, as its own process counts what it spends."""
    model = app.settings.model
    if not model or not app.selector:
        return Finding(name="chat model", good=True, says="none; works without")
    try:
        told = _metrics(app.settings.http_port)
    except (OSError, HTTPException):
        return Finding(name="chat model", good=True, says=f"{model}: set; no desk runs here")
    numbers = dict(line.rsplit(" ", 1) for line in told.splitlines() if line[:1] not in ("#", ""))
    asked = numbers.get("desk_model_open") == "1.0"
    why = next((w for s, w in NOT_ASKED.items() if numbers.get(f"desk_model_{s}") == "1.0"), "")
    says = "is asked" if asked else f"is not asked now ({why}); the desk decides alone"
    if numbers.get("desk_model_believed") == "0.0":
        says += "; its yes does not count, as it confirmed what the post does not say"
    spent = [numbers.get(f"desk_model_{name}", "0") for name in ("calls", "tokens")]
    calls, tokens = (int(float(number)) for number in spent)
    budget = app.budget.bounds
    says += f"; {calls} of {budget.calls} calls, {tokens} of {budget.tokens} tokens in this hour"
    return Finding(name="chat model", good=asked, says=f"{model}: {says}")


def _metrics(port: int) -> str:
    """What the desk on this machine counts; asked directly, for a proxy does not reach it."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=2)) as line:
        line.request("GET", "/metrics")
        return line.getresponse().read().decode("utf-8", "replace")


def _mail(app: App) -> Iterator[Finding]:
    """The mailbox, where it is a real one."""
    if app.settings.mail is MailKind.LOCAL:
        trusted = app.settings.authserv_id
        yield Finding(
            name="sender", good=True,
            says=f"authentication results of {trusted}" if trusted else NO_AUTHENTICATION,
        )  # fmt: skip
        return
    for name, good, says in app.selftest():
        yield Finding(name=name, good=good, says=says)


def _journal(journal: Journal) -> Iterator[Finding]:
    """Clock, messages that nobody decides, mails that did not go through."""
    ahead = journal.ahead()
    yield Finding(
        name="clock", good=ahead < CLOCK_SECONDS,
        says="right" if ahead < CLOCK_SECONDS else f"{ahead:.0f} s behind what the journal saw",
    )  # fmt: skip
    forgotten = len(journal.forgotten(STUCK_SECONDS))
    yield Finding(
        name="jobs", good=not forgotten,
        says=f"{forgotten} conversations wait; run `incident-desk serve` or `reconcile`"
        if forgotten else "nothing waits that should not",
    )  # fmt: skip
    stuck = len(journal.sends.in_state(*NEEDS_PEOPLE, OutboxState.UNKNOWN))
    yield Finding(
        name="sends", good=not stuck,
        says=f"{stuck} did not go through; `incident-desk queue` shows them" if stuck else "fine",
    )  # fmt: skip


def _model(app: App) -> Finding:
    try:
        app.encoder.check()
        return Finding(
            name="model",
            good=True,
            says=f"{app.encoder.name}, {app.chroma.count()} records indexed",
        )
    except DeskError as error:
        return Finding(name="model", good=False, says=str(error))
