"""Implements `queue`, `case` and `decide`: lists waiting cases, shows one, stores a decision."""

import getpass
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bot.app import App
from bot.channels.slack.mrkdwn import mask_address
from bot.corpus import Knowledge
from bot.domain import NO_RULE, EscalationReason, Priority, SecretKind, describe_rule
from bot.errors import DeskError, InputError
from bot.journal import Case, CaseAction, CaseChange, Journal, OutboxState, OutgoingMail, Stage
from bot.journal.case_lists import CaseFilter
from bot.journal.mail_outbox import NEEDS_PERSON
from bot.journal.transcript import TranscriptEntry, read_audit, read_transcript
from bot.outbound import text_of
from bot.staff.case_actions import (
    TERMINAL_ACTOR,
    CaseActions,
    ReplyKind,
    may_act,
    object_to_text,
)
from bot.staff.case_rows import (
    CaseRow,
    describe_case,
    describe_stage,
    find_language,
    find_topics,
    name_topics,
)
from bot.staff.people_to_call import describe_people, list_people_to_call
from bot.staff.staff_remarks import find_remarks
from bot.staff.staff_texts import StaffTexts, read_staff_texts
from bot.text.printable import printable_line, quote_lines

CASES_PER_PAGE = 50  # in the list
EVERY_OPEN_CASE = CaseFilter()
MAX_CANDIDATES = 3  # passages that are shown for each question
BOUNCED = "a bounce came"
EMPTY = "the text is empty; --dismiss closes a case without a mail"
LOOK = "nothing was sent; look with `incident-desk case {case}`"
Confirm = Callable[[str], bool]
"""Shows a text and returns whether the person agrees."""


def queue_json(
    journal: Journal, texts: StaffTexts, knowledge: Knowledge | None = None,
    wanted: CaseFilter = EVERY_OPEN_CASE, page: int = 1,
) -> dict[str, Any]:  # fmt: skip
    """Return what waits for a person as the public JSON: a page of cases, failed mails and posts.

    The cases are those that match `wanted`, the most urgent first. Pages count from 1; a number
    beyond the last page gives the last. Without `knowledge` the reason stands for the topic.
    """
    now, topics = journal.clock(), name_topics(knowledge) if knowledge else {}
    found_cases = journal.cases.find(wanted, limit=CASES_PER_PAGE, page=page)
    pages = max(1, -(-found_cases.total // CASES_PER_PAGE))
    stuck = journal.mail_outbox.list_in_state(*NEEDS_PERSON, OutboxState.UNKNOWN)
    return {
        "cases": [
            _row(case, describe_case(case, topics, texts, now))
            for case in journal.cases.read_all(found_cases.ids)
        ],
        "total": found_cases.total, "page": max(1, min(page, pages)), "pages": pages,
        "mails": [_mail(send) for send in stuck],
        "posts": [
            {"id": post.id, "case": post.case_id, "fault": post.fault}
            for post in journal.slack.list_failed()
        ],
    }  # fmt: skip


def queue_lines(
    journal: Journal, texts: StaffTexts, knowledge: Knowledge | None = None,
    wanted: CaseFilter = EVERY_OPEN_CASE, page: int = 1,
) -> Iterator[str]:  # fmt: skip
    """Yield what waits for a person as lines of text; the arguments are those of `queue_json`."""
    waiting = queue_json(journal, texts, knowledge, wanted, page)
    if not (waiting["cases"] or waiting["mails"] or waiting["posts"]):
        yield "nothing waits for a person" if wanted == EVERY_OPEN_CASE else "there is no such case"
        return
    for case in waiting["cases"]:
        yield from _case_lines(case)
    if waiting["pages"] > 1:
        yield f"page {waiting['page']} of {waiting['pages']}, {waiting['total']} cases: --page N"
    for mail in waiting["mails"]:
        yield f"mail {mail['id']} to {mail['to']} is {mail['state']}: {mail['fault'] or BOUNCED}"
    for post in waiting["posts"]:
        about = f" of case {post['case']}" if post["case"] else ""
        yield (
            f"post {post['id']}{about} did not reach Slack: {post['fault']}; it is tried every hour"
        )
    yield "look with: incident-desk case ID"
    yield "decide with: incident-desk decide ID --approve | --text T | --file F | --dismiss"


def read_filter(
    knowledge: Knowledge, *, unclaimed: bool, urgent: bool, topic: str, language: str, find: str
) -> CaseFilter:
    """Return the filter for the options of `queue`; InputError for an unknown topic or language.

    A search for the words in `find` also finds decided cases.
    """
    topics = find_topics(name_topics(knowledge), topic.split()) if topic else None
    if topics is not None and not topics:
        raise InputError(f"no topic of the post is called {topic!r}")
    code = find_language(language)
    if language and not code:
        raise InputError(
            f"there is no language {language!r}; write its name in English or its code"
        )
    return CaseFilter(
        owner="" if unclaimed else None, urgent=urgent, topics=topics, language=code,
        words=tuple(find.split()), closed=bool(find.split()),
    )  # fmt: skip


def _case_lines(case: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one case in the list."""
    left = f"  OVERDUE by {case['left']}" if case["overdue"] else f"  {case['left']} left"
    yield (
        f"{case['id']:>4}  {case['urgency']:<8}{case['age']:>7}{left if case['left'] else ''}"
        f"  {case['topic']}"
    )
    has = case["owner"] or case["state"]
    draft = "draft" if case["draft"] else "no draft"
    facts = (case["reason_title"], has, case["language_name"], case["from"], draft)
    yield f"      {'  '.join(fact for fact in facts if fact)}"
    more = f"  (+{case['later']} since)" if case["later"] else ""
    yield f"      “{case['words']}”{more}"
    if case["proof"]:
        yield f"      {case['proof']}"


def case_lines(app: App, case_id: int) -> Iterator[str]:
    """Yield everything about a case as lines of text; InputError when there is no such case."""
    case, texts = _case(app, case_id), read_staff_texts(app.settings.knowledge)
    yield from map(printable_line, _head(app, case, texts))
    yield from _conversation(app, case)
    yield from _candidates(app, case)
    if case.can_approve and case.open:
        yield from ("", "--- draft", case.draft.rstrip())
    yield from ("", "--- what was done")
    for entry in read_audit(app.journal.engine, case.id):
        yield printable_line(f"{entry.at}  {entry.actor:<10}  {entry.event}")
    if case.open:
        ways = "--text T | --file F | --dismiss"
        approve = "--approve | " * case.can_approve
        seen = f" --seen {case.version}" * bool(case.later)
        yield f"\ndecide with: incident-desk decide {case.id}{seen} {approve}{ways}"


def _head(app: App, case: Case, texts: StaffTexts) -> Iterator[str]:
    """Yield the state of the case, its sender, why it was opened and what to do first."""
    reason = texts.reasons[EscalationReason(case.reason)]
    yield f"case {case.id}: {texts.priorities[Priority(case.priority)]}, {reason.title}"
    yield f"state     {_state(case)}"
    yield f"came      {case.opened_at}" + (f", due {case.due_at}" if case.due_at else "")
    yield f"from      {case.sender}" + (f" ({case.proof.words})" if case.proof.words else "")
    rule = case.rule and not case.rule.startswith(NO_RULE)
    yield f"why       {reason.why}" + (f" Rule: {describe_rule(case.rule)}." if rule else "")
    yield f"first     {reason.do}"
    if case.open and case.needs_call:
        yield f"call      {_call(app, case)}"
    if case.masked:
        yield f"removed   {', '.join(SecretKind(kind).words for kind in case.masked)}"


def decide_case(
    app: App, case_id: int, *, text: str | None, approve: bool, confirm: Confirm,
    anyway: bool = False, actor: str = TERMINAL_ACTOR, seen_version: str = "", take: bool = False,
) -> str:  # fmt: skip
    """Store a person's decision, deliver its mail and return what happened.

    With `approve` the draft is sent if `confirm` returns True; if not, DeskError is raised. Without
    `approve` the `text` is sent, or the case closes without a mail where there is none. InputError
    says why the case cannot be decided so, and unless `anyway` also what is wrong with a person's
    own text. `seen_version` is the version of the case that the person has read; it is required
    when the asker wrote again. A case that a colleague has claimed needs `take`, which claims it.
    """
    case = _taken(app, _case(app, case_id), actor=actor, seen_version=seen_version, take=take)
    if approve:
        _approve(app, case, confirm)
    else:
        _check(app, text, anyway=anyway)
    actions = CaseActions(desk=app.desk, enqueue_job=None)
    if approve or text:
        kind = ReplyKind.APPROVE if approve else ReplyKind.EDIT
        action = CaseAction.APPROVED if approve else CaseAction.EDITED
        done = actions.send(
            case, kind, actor=actor, text=case.draft if approve else text or "",
            version=case.version,
        )  # fmt: skip
    else:
        action = CaseAction.DISMISSED
        done = actions.decide(case, action, actor=actor, version=case.version)
    if not done:
        what = "has changed meanwhile" if _case(app, case_id).open else "was decided meanwhile"
        raise InputError(f"case {case_id} {what}: {LOOK.format(case=case_id)}")
    sent = app.desk.deliver() if action.sends else 0
    return f"case {case_id} {action}" + (f", {sent} mail sent" if sent else "")


def name_terminal_actor() -> str:
    """Return the name under which the journal records the person at the terminal."""
    try:
        return f"{TERMINAL_ACTOR}:{getpass.getuser()}"
    except (ImportError, KeyError, OSError):  # a user without a name, as in some containers
        return f"{TERMINAL_ACTOR}:{os.getuid()}"


def _taken(app: App, case: Case, *, actor: str, seen_version: str, take: bool) -> Case:
    """Return the case once the person may decide it; with `take` claim it from a colleague.

    InputError when it is not open, has changed since `seen_version`, or belongs to a colleague.
    """
    if not case.open:
        raise InputError(f"{case.id} is no open case; `incident-desk queue` lists them")
    if seen_version and case.version != seen_version:
        raise InputError(f"case {case.id} has changed since: {LOOK.format(case=case.id)}")
    if case.later and not seen_version:
        raise InputError(
            f"they wrote again in case {case.id}: {LOOK.format(case=case.id)}, and decide with the "
            "--seen that stands below it"
        )
    if may_act(case, actor):
        return case
    if not take:
        raise InputError(
            f"{case.owner} has case {case.id}; nothing was sent. --take makes it yours, and its "
            "card says so"
        )
    change = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner=actor)
    if not app.journal.cases.change(
        case.id, actor=actor, change=change, owner=case.owner, version=case.version
    ):
        raise InputError(f"case {case.id} has changed meanwhile: {LOOK.format(case=case.id)}")
    return _case(app, case.id)


def _call(app: App, case: Case) -> str:
    """Return whom to call about a case."""
    return describe_people(list_people_to_call(case, app.settings.contacts))


def read_text_file(name: str) -> str:
    """Return the text of a file; InputError when it cannot be read or is not UTF-8."""
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or 'cannot be read'}") from None
    except UnicodeDecodeError:
        raise InputError(f"{name}: this is no text in UTF-8") from None


def _case(app: App, case_id: int) -> Case:
    case = app.journal.cases.read(case_id)
    if case is None:
        raise InputError(f"there is no case {case_id}; `incident-desk queue` lists the open ones")
    return case


def _approve(app: App, case: Case, confirm: Confirm) -> None:
    """Raise InputError when the case needs a call or has no draft, DeskError without consent."""
    if case.needs_call:
        reason = EscalationReason(case.reason)
        texts = read_staff_texts(app.settings.knowledge).reasons[reason]
        raise InputError(
            f"case {case.id} ({texts.title}) is not answered by a draft. {texts.do} "
            f"Call first: {_call(app, case)}. "
            "Then write with --text or --file, or close it with --dismiss"
        )
    if not case.drafted:
        raise InputError(f"case {case.id} has no draft to approve; write one with --text")
    proof = f" ({case.proof.words})" if case.proof.words else ""
    if not confirm(f"to: {case.sender}{proof}\n\n{case.draft.rstrip()}\n"):
        raise DeskError(f"case {case.id} stays open: nothing was sent")


def _check(app: App, text: str | None, *, anyway: bool) -> None:
    """Raise InputError for a text that cannot be sent, and unless `anyway` for remarks on it."""
    if text is None:
        return
    if wrong := object_to_text(text, empty=EMPTY):
        raise InputError(wrong)
    if not anyway and (remarks := find_remarks(text, app.knowledge)):
        raise InputError(f"{'; '.join(remarks)}. Nothing was sent; --anyway sends it as it stands")


def _row(case: Case, row: CaseRow) -> dict[str, Any]:
    return {
        "id": case.id, "priority": case.priority, "urgency": row.urgency, "reason": case.reason,
        "reason_title": row.reason, "topic": row.topic, "words": row.words,
        "from": mask_address(case.sender), "proof": case.proof.words, "opened_at": case.opened_at,
        "age": row.age, "due_at": case.due_at, "left": row.left, "overdue": row.overdue,
        "owner": case.owner, "state": describe_stage(case), "language": case.language,
        "language_name": row.language, "draft": case.can_approve, "later": case.later,
        "version": case.version,
    }  # fmt: skip


def _mail(send: OutgoingMail) -> dict[str, Any]:
    to = mask_address(send.recipient)
    return {"id": send.id, "to": to, "state": send.state.value, "fault": send.fault}


def _state(case: Case) -> str:
    if case.decision:
        return f"{case.decision.action} by {case.decision.actor}, {case.decision.at}"
    return f"{case.stage.value}, {case.owner} has it" if case.owner else case.stage.value


def _conversation(app: App, case: Case) -> Iterator[str]:
    """Yield the messages of both sides; that of the case with its subject and attachments."""
    own = app.journal.read_message(case.message_id).text
    for entry in read_transcript(app.journal.engine, case.id):
        yield ""
        proof = f" ({entry.proof.words})" if entry.proof.words else ""
        yield f"--- {'we' if entry.mail else 'they'} wrote, {entry.at}{proof}"
        if entry.mail:
            yield _text_of(entry)
        else:
            yield quote_lines(case.text if entry.text == own else entry.text)


def _text_of(entry: TranscriptEntry) -> str:
    """Return the text of an entry; for a mail of ours, the text of its plain part."""
    return text_of(entry.mail).rstrip() if entry.mail else entry.text


def _candidates(app: App, case: Case) -> Iterator[str]:
    known = app.knowledge.passages
    yield from ("", "--- what was asked, and what is nearest in the post")
    for question in case.questions:
        shown = f"p={question.probability:.2f}: {question.text}"
        yield printable_line(f"{question.kind}, {question.reason}, {shown}")
        for passage in (known[i] for i in question.passages[:MAX_CANDIDATES] if i in known):
            yield f"    {passage.id} ({passage.heading})"
            yield f"        {' '.join(passage.text.split())}"
