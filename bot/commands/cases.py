"""`queue`, `case` and `decide`: what waits for a person, all of it, and what they decide."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from typing import Any

from bot.app import App
from bot.channels.slack.mrkdwn import mask_address
from bot.channels.slack.texts import StaffTexts, read_staff_texts
from bot.domain import EscalationReason, Priority
from bot.errors import DeskError, InputError
from bot.journal import Case, CaseAction, Journal, OutboxState, OutgoingMail
from bot.journal.mail_outbox import NEEDS_PERSON
from bot.journal.transcript import TranscriptEntry, read_audit, read_transcript
from bot.policy.staff_remarks import warnings

FIRST_LINE = 90  # characters
CANDIDATES = 3
BOUNCED = "a bounce came"
# A draft from the post is no answer to these: the card says whom to ask first.
NEVER_BY_DRAFT = frozenset({
    EscalationReason.DANGER, EscalationReason.LEGAL, EscalationReason.PRESS,
    EscalationReason.REGULATOR,
})  # fmt: skip
Confirm = Callable[[str], bool]
"""Shows a text and says whether the person agrees."""


def queue_json(journal: Journal, words: StaffTexts) -> dict[str, Any]:
    """What waits for a person, as the public JSON: cases, the most urgent first; mails; posts."""
    now = datetime.now(UTC)
    open_ = (journal.cases.read(waiting.id) for waiting in journal.cases.list_open())
    stuck = journal.mail_outbox.list_in_state(*NEEDS_PERSON, OutboxState.UNKNOWN)
    return {
        "cases": [_row(case, words, now) for case in open_ if case],
        "mails": [_mail(send) for send in stuck],
        "posts": [
            {"id": post.id, "case": post.case_id, "fault": post.fault}
            for post in journal.slack.list_failed()
        ],
    }  # fmt: skip


def queue_lines(journal: Journal, words: StaffTexts) -> Iterator[str]:
    """The same for a reader."""
    found = queue_json(journal, words)
    if not any(found.values()):
        yield "nothing waits for a person"
        return
    for case in found["cases"]:
        late = "  OVERDUE" if case["overdue"] else ""
        draft = "draft" if case["draft"] else "no draft"
        waited = format_age(timedelta(minutes=case["age_minutes"]))
        yield (
            f"{case['id']:>4}  {case['priority']:<7}{case['topic']:<32}{waited:>7}{late}"
            f"  {case['from']}  {draft}"
        )
        more = f"  (+{case['later']} since)" if case["later"] else ""
        yield f"      {case['first_line']}{more}"
    for mail in found["mails"]:
        yield f"mail {mail['id']} to {mail['to']} is {mail['state']}: {mail['fault'] or BOUNCED}"
    for post in found["posts"]:
        about = f" of case {post['case']}" if post["case"] else ""
        yield (
            f"post {post['id']}{about} did not reach Slack: {post['fault']}; it is tried every hour"
        )
    yield "look with: incident-desk case ID"
    yield "decide with: incident-desk decide ID --approve | --text T | --file F | --dismiss"


def case_lines(app: App, case_id: int) -> Iterator[str]:
    """All of a case; InputError when there is none of this number."""
    case, words = _case(app, case_id), read_staff_texts(app.settings.knowledge)
    reason = words.reasons[EscalationReason(case.reason)]
    yield f"case {case.id}: {words.priorities[Priority(case.priority)]}, {reason.title}"
    yield f"state     {_state(case)}"
    yield f"came      {case.opened_at}" + (f", due {case.due_at}" if case.due_at else "")
    yield f"from      {case.sender}"
    yield f"why       {reason.why}" + (f" Rule: {case.rule}." if case.rule else "")
    yield f"first     {reason.do}"
    if case.masked:
        yield f"removed   {', '.join(case.masked)}"
    yield from _conversation(app, case)
    yield from _candidates(app, case)
    if case.drafted and case.open:
        yield from ("", "--- draft", case.draft.rstrip())
    yield from ("", "--- what was done")
    for noted in read_audit(app.journal.engine, case.id):
        yield f"{noted.at}  {noted.actor:<10}  {noted.event}"
    if case.open:
        ways = "--text T | --file F | --dismiss"
        may = case.drafted and case.reason not in NEVER_BY_DRAFT
        yield f"\ndecide with: incident-desk decide {case.id} {'--approve | ' * may}{ways}"


def decide(
    app: App, case_id: int, *, text: str | None, approve: bool, confirm: Confirm,
    anyway: bool = False,
) -> str:  # fmt: skip
    """Record a person's decision and hand its mail over; says what happened.

    A draft is sent when `confirm` says so, and DeskError is raised when not. InputError names what
    to look at once more in a person's own words, unless `anyway`, and what cannot be decided so.
    """
    case = _case(app, case_id)
    if not case.open:
        raise InputError(f"{case_id} is no open case; `incident-desk queue` lists them")
    if approve:
        _approve(app, case, confirm)
    else:
        _check(app, text, anyway=anyway)
    action = CaseAction.EDITED if text else CaseAction.DISMISSED
    action = CaseAction.APPROVED if approve else action
    said = case.draft if approve else text or ""
    if not app.desk.resolve(case_id, actor="terminal", action=action, text=said):
        raise InputError(f"somebody else decided case {case_id} first")
    sent = app.desk.deliver() if said else 0
    return f"case {case_id} {action}" + (f", {sent} mail sent" if sent else "")


def read_text_file(name: str) -> str:
    """The text of a file that a person wrote; InputError when it cannot be read as one."""
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or 'cannot be read'}") from None
    except UnicodeDecodeError:
        raise InputError(f"{name}: this is no text in UTF-8") from None


def format_age(waited: timedelta) -> str:
    """How long, in the largest unit that says something."""
    minutes = max(0, int(waited.total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def _case(app: App, case_id: int) -> Case:
    case = app.journal.cases.read(case_id)
    if case is None:
        raise InputError(f"there is no case {case_id}; `incident-desk queue` lists the open ones")
    return case


def _approve(app: App, case: Case, confirm: Confirm) -> None:
    """Nothing, or why the draft of this case is not sent."""
    reason = EscalationReason(case.reason)
    if reason in NEVER_BY_DRAFT:
        told = read_staff_texts(app.settings.knowledge).reasons[reason]
        raise InputError(
            f"case {case.id} ({told.title}) is not answered by a draft. {told.do} "
            "Then write with --text or --file, or close it with --dismiss"
        )
    if not case.drafted:
        raise InputError(f"case {case.id} has no draft to approve; write one with --text")
    if not confirm(f"to: {case.sender}\n\n{case.draft.rstrip()}\n"):
        raise DeskError(f"case {case.id} stays open: nothing was sent")
    if _case(app, case.id).version != case.version:
        raise InputError(
            f"case {case.id} has changed meanwhile: look at it again; nothing was sent"
        )


def _check(app: App, text: str | None, *, anyway: bool) -> None:
    """Nothing, or what to look at once more in a person's own words."""
    if text is not None and not text.strip():
        raise InputError("the text is empty; --dismiss closes a case without a mail")
    if text and not anyway and (remarks := warnings(text, app.knowledge)):
        raise InputError(f"{'; '.join(remarks)}. Nothing was sent; --anyway sends it as it stands")


def _row(case: Case, words: StaffTexts, now: datetime) -> dict[str, Any]:
    due = bool(case.due_at) and datetime.fromisoformat(case.due_at) < now
    waited = now - datetime.fromisoformat(case.opened_at)
    return {
        "id": case.id, "priority": case.priority, "reason": case.reason,
        "topic": words.reasons[EscalationReason(case.reason)].title,
        "from": mask_address(case.sender), "opened_at": case.opened_at,
        "age_minutes": max(0, int(waited.total_seconds() // 60)), "due_at": case.due_at,
        "overdue": due, "owner": case.owner, "draft": case.drafted, "later": case.later,
        "first_line": next(iter(case.text.strip().splitlines()), "")[:FIRST_LINE],
    }  # fmt: skip


def _mail(send: OutgoingMail) -> dict[str, Any]:
    to = mask_address(send.recipient)
    return {"id": send.id, "to": to, "state": send.state.value, "fault": send.fault}


def _state(case: Case) -> str:
    if case.decision:
        return f"{case.decision.action} by {case.decision.actor}, {case.decision.at}"
    return f"{case.stage.value}, {case.owner} has it" if case.owner else case.stage.value


def _conversation(app: App, case: Case) -> Iterator[str]:
    """What both sides wrote; the message of the case with its subject and what came with it."""
    own = app.journal.read_message(case.message_id).text
    for said in read_transcript(app.journal.engine, case.id):
        yield ""
        yield f"--- {'we' if said.mail else 'they'} wrote, {said.at}"
        yield case.text if said.text == own and not said.mail else _words(said)


def _words(said: TranscriptEntry) -> str:
    if not said.mail:
        return said.text
    return str(message_from_bytes(said.mail, policy=SMTP).get_content()).rstrip()


def _candidates(app: App, case: Case) -> Iterator[str]:
    known = app.knowledge.passages
    yield from ("", "--- what was asked, and what is nearest in the post")
    for asked in case.questions:
        yield f"{asked.kind}, {asked.reason}, p={asked.probability:.2f}: {asked.text}"
        for passage in (known[i] for i in asked.passages[:CANDIDATES] if i in known):
            yield f"    {passage.id} ({passage.heading})"
            yield f"        {' '.join(passage.text.split())}"
