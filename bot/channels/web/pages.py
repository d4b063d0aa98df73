"""Answers the requests of the desk in a browser: lists, a case, and what a person decides."""

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.channels.web.access import (
    NO_SESSION,
    WRONG_ORIGIN,
    Access,
    Gate,
    address_with_port,
    cookie_name,
)
from bot.channels.web.answer_pages import AnswerPages
from bot.channels.web.letters import as_letter, list_letters
from bot.channels.web.views import (
    CaseView,
    Views,
    ago,
    describe_step,
    exact,
    harmless,
    moment,
)
from bot.channels.web.visits import Visit, read_form
from bot.domain import EscalationReason
from bot.errors import BlockedError, InputError
from bot.infra.throttle import Throttle
from bot.journal import Case, CaseAction, Reopened
from bot.journal.case_lists import CaseFilter
from bot.journal.mail_list import ListedMail, list_decided_cases, list_mails, read_listed_mail
from bot.journal.statistics import read_statistics
from bot.journal.transcript import read_audit, read_transcript
from bot.staff.case_actions import (
    BROWSER_ACTOR,
    DETAILS,
    HOLD_SECONDS,
    TAKEN_BACK,
    CaseActions,
    ReplyKind,
    digest_remarks,
    has_sent,
    may_act,
    object_to_text,
)
from bot.staff.staff_texts import read_staff_texts

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from bot.desk import Desk
    from bot.journal.cases import EnqueueJob
    from bot.staff.team_answer_review import TeamAnswerReview

log = logging.getLogger(__name__)
NOBODY_NAMED: Mapping[EscalationReason, str] = {}
MAILS_PER_PAGE = 25
CASES_PER_PAGE = 25
MAX_DECIDED = 10  # cases below the queue that were decided last
# What is said after an action, by the name that the URL carries; no text of a URL is ever shown.
DONE = {
    "sent": "It is on its way. Below you see when it was handed over.",
    "asked": "Your question is on its way. The case stays open and waits for their answer.",
    "closed": "The case is closed, and nobody gets a mail.",
    "reopened": "The case is open again, and you have it.",
    "taken-back": f"The case is open again, and you have it. {TAKEN_BACK}",
    "undone": "The mail was taken back: nothing was sent. The case is open, and you have it.",
    "claimed": "You have this case. The desk sends nothing more by itself in this conversation.",
    "proposed": "It waits for a second person. Try it, so that it can be approved.",
    "tried": "It was tried. Below it stands what came of it.",
    "approved": "It is approved.",
    "rejected": "The proposal is deleted.",
    "withdrawn": "It is withdrawn.",
    "mail": "Your mail was taken. In a moment its reply stands beside it.",
}
CHANGED = (
    "This case has changed since you opened it: they may have written again, or somebody was "
    "faster. Nothing was sent."
)
TOO_LATE = "The mail has left: it cannot be taken back any more."
ALREADY = "You have sent it already. Once is enough."
ERASED = "Everything about this person was erased, at their request. Nothing is left to do here."
NOT_FOUND = "There is no such page."
BROKEN = "Something went wrong (error {number}). Nothing was sent. Go back and try again."
# The kinds of reply that a person can write here; only Slack offers an answer to many cases.
WRITTEN = frozenset({ReplyKind.APPROVE, ReplyKind.EDIT, ReplyKind.DETAILS})
MAX_SUBJECT, MAX_TRIAL_TEXT = 200, 20_000  # characters of a mail that is written here to try


Handler = Callable[[Visit], Response]


class WebDesk:
    """The pages of one desk; `asgi` is the application that answers them.

    `enqueue_job` puts the job that delivers a decision into the transaction that stores it.
    `write_mail` takes sender, subject and text of a mail to try the desk with; None where mail
    comes from a real mailbox. `contacts` are those whom staff call, by the reason of a case.
    `answers` takes what people answered into the knowledge; None where nobody may from here.
    """

    def __init__(
        self, desk: "Desk", *, enqueue_job: "EnqueueJob | None",
        write_mail: Callable[[str, str, str], None] | None = None,
        contacts: Mapping[EscalationReason, str] = NOBODY_NAMED,
        answers: "TeamAnswerReview | None" = None,
    ) -> None:  # fmt: skip
        self.desk = desk
        self.answers = answers
        self.contacts = contacts
        self.journal = desk.journal
        self.write_mail = write_mail
        self.access = Access()
        self.actions = CaseActions(desk=desk, enqueue_job=enqueue_job, hold_seconds=HOLD_SECONDS)
        self.asgi: ASGIApp = Gate(self)
        self._faults = Throttle()
        self.style = (files(__package__) / "static" / "desk.css").read_bytes()
        self.app = Starlette(routes=self._routes(), exception_handlers={HTTPException: self._miss})
        self.app.router.redirect_slashes = False

    def link(self, address: str, port: int) -> str:
        """Return the link that lets a person in, where the port is open on this IP address."""
        return f"http://{address_with_port(address, port)}/?token={self.access.token}"

    @cached_property
    def views(self) -> Views:
        """Return the views, which describe mails and cases; the first page builds them.

        They need the fit, which takes long to read.
        """
        knowledge = self.desk.knowledge
        texts = read_staff_texts(knowledge.folder)
        judge = self.desk.responder.judge
        return Views(knowledge, texts, judge.threshold_for, self.contacts)

    @cached_property
    def templates(self) -> Environment:
        """Return the templates; all that they show is made harmless and escaped."""
        environment = Environment(
            loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, finalize=harmless,
        )  # fmt: skip
        environment.filters |= {"moment": moment, "exact": exact, "as_letter": as_letter}
        return environment

    def render(
        self, name: str, visit: Visit, status: int = HTTPStatus.OK, **content: Any
    ) -> Response:
        """Return the page for a signed-in person; `content` is what the template `name` shows."""
        done = DONE.get(visit.request.query_params.get("done", ""), "")
        page = self.draw(
            name, form_token=self.access.form_token(visit.session), notice=done, **content
        )
        return HTMLResponse(page, status)

    def draw(self, name: str, *, form_token: str = "", notice: str = "", **content: Any) -> str:
        """Return the HTML of the template `name` with this content and the numbers of today."""
        now = self.journal.clock()
        return self.templates.get_template(name).render(
            form_token=form_token, notice=notice, ago=partial(ago, now=now),
            has_answers=self.answers is not None,
            numbers=read_statistics(self.journal.engine, self.journal.clock), **content,
        )  # fmt: skip

    def render_notice(
        self, says: str, *, status: int, enter: bool = False, back: bool = False
    ) -> Response:
        """Return a page of a few words; with `enter` it opens the desk by itself, with `back` it
        has a link to it.
        """
        page = self.templates.get_template("notice.html").render(says=says, enter=enter, back=back)
        return HTMLResponse(page, status)

    def _routes(self) -> list[Route]:
        get: dict[str, Handler] = {
            "/": self._mails, "/mails/{number:int}": self._mail, "/queue": self._queue,
            "/cases/{number:int}": self._case, "/cases/{number:int}/{kind}": self._write,
        }  # fmt: skip
        forms: dict[str, Handler] = {
            "check": self._check, "again": self._change, "send": self._send, "close": self._close,
            "reopen": self._reopen, "claim": self._claim, "undo": self._undo,
        }  # fmt: skip
        post = {f"/cases/{{number:int}}/{name}": handler for name, handler in forms.items()}
        post["/mails"] = self._write_mail
        if self.answers:
            pages = AnswerPages(self, self.answers)
            get, post = {**pages.page_handlers, **get}, {**pages.form_handlers, **post}
        return [
            Route("/desk.css", self._answer_style),
            *(Route(path, self._endpoint(handler)) for path, handler in get.items()),
            *(Route(p, self._endpoint(handler), methods=["POST"]) for p, handler in post.items()),
        ]

    def _endpoint(self, handler: Handler) -> Callable[[Request], Any]:
        """Return an endpoint that runs `handler` in a thread, for signed-in people only."""

        async def answer(request: Request) -> Response:
            body = await request.body()
            return await run_in_threadpool(self._let_in, handler, request, body)

        return answer

    def _let_in(self, handler: Handler, request: Request, body: bytes) -> Response:
        if token := request.query_params.get("token"):
            return self._sign_in(request, token)
        session = self.access.find_session(request)
        if not session:
            return self.render_notice(NO_SESSION, status=HTTPStatus.UNAUTHORIZED)
        form = read_form(body)
        sent = request.method == "POST"
        if sent and not self.access.has_sent_form(session, form.get("form_token", "")):
            return self.render_notice(WRONG_ORIGIN, status=HTTPStatus.FORBIDDEN)
        try:
            return handler(Visit(request=request, session=session, form=form))
        except HTTPException:
            raise
        except Exception as error:
            number = secrets.token_hex(3)
            if count := self._faults.count():
                extra = {"event_id": number, "fault": type(error).__name__, "count": count}
                log.exception("a page broke", extra=extra)
            says = BROKEN.format(number=number)
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return self.render_notice(says, status=status, back=True)

    def _sign_in(self, request: Request, token: str) -> Response:
        """Exchange the token for a cookie.

        The page opens the desk by itself: browsers send a SameSite=Strict cookie with requests that
        our own page makes, and not always with a redirect.
        """
        session = self.access.open_session(token)
        if not session:
            return self.render_notice(NO_SESSION, status=HTTPStatus.UNAUTHORIZED)
        page = self.render_notice("You are signed in.", status=HTTPStatus.OK, enter=True)
        page.set_cookie(cookie_name(request), session, httponly=True, samesite="strict", path="/")
        return page

    def _answer_style(self, _request: Request) -> Response:
        return Response(self.style, media_type="text/css")

    def _miss(self, _request: Request, error: Exception) -> Response:
        """Answer a request for a page that does not exist."""
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
        return self.render_notice(NOT_FOUND, status=status, back=True)

    def _mails(self, visit: Visit) -> Response:
        return self._list_mails(visit, None)

    def _mail(self, visit: Visit) -> Response:
        mail = read_listed_mail(self.journal.engine, visit.number)
        if mail is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return self._list_mails(visit, mail)

    def _list_mails(self, visit: Visit, chosen: ListedMail | None) -> Response:
        before = visit.choice("before")
        return self.render("mails.html", visit, **self.show_mails(chosen, before=before))

    def show_mails(self, chosen: ListedMail | None, *, before: int = 0) -> dict[str, Any]:
        """Return what the page of mails shows: a list, and the chosen mail or else the newest.

        With `before` the list begins below the mail with that id.
        """
        mails = list_mails(self.journal.engine, limit=MAILS_PER_PAGE + 1, before=before or None)
        rows = [self.views.describe_mail(mail) for mail in mails[:MAILS_PER_PAGE]]
        return {
            "rows": rows, "before": before, "opened": chosen is not None,
            "chosen": self.views.describe_mail(chosen) if chosen else next(iter(rows), None),
            "older": rows[-1].id if len(mails) > MAILS_PER_PAGE else 0,
            "can_write": self.write_mail is not None,
        }  # fmt: skip

    def _write_mail(self, visit: Visit) -> Response:
        """Take a mail that a person writes to try the desk."""
        text = visit.form.get("text", "")[:MAX_TRIAL_TEXT]
        if self.write_mail is None or not text.strip():
            raise HTTPException(HTTPStatus.NOT_FOUND)
        subject = " ".join(visit.form.get("subject", "").split())[:MAX_SUBJECT]
        self.write_mail(visit.form.get("sender", ""), subject, text)
        return _see("/?done=mail")

    def _queue(self, visit: Visit) -> Response:
        now = self.journal.clock()
        found_cases = self.journal.cases.find(
            CaseFilter(), limit=CASES_PER_PAGE, page=visit.choice("page")
        )
        pages = max(1, -(-found_cases.total // CASES_PER_PAGE))
        page = max(1, min(visit.choice("page"), pages))
        decided = list_decided_cases(self.journal.engine, limit=MAX_DECIDED)
        return self.render(
            "queue.html", visit, total=found_cases.total, page=page, pages=pages,
            rows=self._read_cases(found_cases.ids, now), decided=self._read_cases(decided, now),
        )  # fmt: skip

    def _read_cases(self, ids: Iterable[int], now: datetime) -> list[CaseView]:
        return [self.views.describe_case(case, now) for case in self.journal.cases.read_all(ids)]

    def _case(self, visit: Visit) -> Response:
        case = self._find_case(visit)
        if case.parent and not case.open and not case.decision:  # its mail joined that case
            return _see(f"/cases/{case.parent}")
        if case.erased_at:
            return self._say(visit, case, ERASED)
        return self.render("case.html", visit, **self.show_case(case))

    def show_case(self, case: Case) -> dict[str, Any]:
        """Return what the page of a case shows: all of it, and each step that was done."""
        entries = read_audit(self.journal.engine, case.id)
        steps = [(entry.at, describe_step(entry, self.views.texts)) for entry in entries]
        hold = round(self.actions.hold_seconds)
        own_words = bool(case.decision and case.decision.action is CaseAction.EDITED)
        return {"it": self._view(case), "steps": steps, "hold": hold, "own_words": own_words}

    def _view(self, case: Case) -> CaseView:
        """Return a case with its conversation."""
        entries = read_transcript(self.journal.engine, case.id)
        later = self.journal.slack.list_follow_ups(case.message_id)
        others = [each for each in later if each.sender]
        first = self.journal.read_message(case.message_id)
        letters = tuple(list_letters(case, first, entries, others))
        return replace(self.views.describe_case(case, self.journal.clock()), letters=letters)

    def _find_case(self, visit: Visit) -> Case:
        case = self.journal.cases.read(visit.number)
        if case is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return case

    def _write(self, visit: Visit) -> Response:
        """Show a draft for the last check, or the form to write a mail."""
        case, kind = self._find_case(visit), _kind(visit.request.path_params["kind"])
        can = case.can_approve if kind is ReplyKind.APPROVE else bool(case.sender)
        if not (can and may_act(case, BROWSER_ACTOR)):
            return self._say_changed(visit, case, "")
        if kind is ReplyKind.APPROVE:
            return self._last_look(visit, case, kind, case.draft)
        draft = case.draft if case.can_approve else ""
        text = DETAILS if kind is ReplyKind.DETAILS else draft
        return self._form(visit, case, kind, text)

    def _check(self, visit: Visit) -> Response:
        """Check what a person wrote; show remarks on it, or all of it for the last check."""
        case, kind = self._find_case(visit), _kind(visit.form.get("kind", ""))
        text = visit.form.get("text", "")
        if wrong := object_to_text(text):
            return self._form(visit, case, kind, text, wrong=wrong)
        if not _is_unchanged(case, visit):
            return self._say_changed(visit, case, text)
        remarks = self.actions.list_remarks(text)
        if remarks and not _has_read(visit, remarks):
            return self._form(visit, case, kind, text, remarks=remarks)
        return self._last_look(visit, case, kind, text)

    def _change(self, visit: Visit) -> Response:
        """Show the form again with the text of the last check."""
        case, kind = self._find_case(visit), _kind(visit.form.get("kind", ""))
        return self._form(visit, case, kind, visit.form.get("text", ""))

    def _send(self, visit: Visit) -> Response:
        """Store the mail that was shown for the last check, after checking it once more."""
        case, kind = self._find_case(visit), _kind(visit.form.get("kind", ""))
        approves = kind is ReplyKind.APPROVE
        text = case.draft if approves else visit.form.get("text", "")
        if has_sent(case, BROWSER_ACTOR):
            return self._say(visit, case, ALREADY)
        if not _is_unchanged(case, visit) or (approves and not case.can_approve):
            return self._say_changed(visit, case, "" if approves else text)
        if not approves:
            remarks = self.actions.list_remarks(text)
            if (wrong := object_to_text(text)) or (remarks and not _has_read(visit, remarks)):
                return self._form(visit, case, kind, text, wrong=wrong, remarks=remarks)
        version = visit.form["version"]
        try:
            done = self.actions.send(case, kind, actor=BROWSER_ACTOR, text=text, version=version)
        except (InputError, BlockedError) as error:
            return self._say(visit, case, f"Nothing was sent: {error}.", status=HTTPStatus.CONFLICT)
        if not done:
            return self._say_changed(visit, self._find_case(visit), "" if approves else text)
        return _see(f"/cases/{case.id}?done={'asked' if kind is ReplyKind.DETAILS else 'sent'}")

    def _close(self, visit: Visit) -> Response:
        case = self._find_case(visit)
        ours = visit.form.get("action") != CaseAction.NOT_OURS
        action = CaseAction.RESOLVED if ours else CaseAction.NOT_OURS
        if not _is_unchanged(case, visit) or not self.actions.decide(
            case, action, actor=BROWSER_ACTOR, version=visit.form["version"]
        ):
            return self._say_changed(visit, self._find_case(visit), "")
        return _see(f"/cases/{case.id}?done=closed")

    def _reopen(self, visit: Visit) -> Response:
        case = self._find_case(visit)
        version = visit.form.get("version") or "?"
        reopened = self.actions.reopen(case, actor=BROWSER_ACTOR, version=version)
        if reopened is None:
            return self._say_changed(visit, case, "")
        done = "taken-back" if reopened is Reopened.WITHOUT_ITS_MAIL else "reopened"
        return _see(f"/cases/{case.id}?done={done}")

    def _undo(self, visit: Visit) -> Response:
        """Take back a mail that has not left yet; the case is open again."""
        case, version = self._find_case(visit), visit.form.get("version", "")
        if not self.actions.undo(case, actor=BROWSER_ACTOR, version=version):
            return self._say(visit, case, TOO_LATE, status=HTTPStatus.CONFLICT)
        return _see(f"/cases/{case.id}?done=undone")

    def _claim(self, visit: Visit) -> Response:
        case = self._find_case(visit)
        if not self.actions.claim(case, actor=BROWSER_ACTOR):
            return self._say_changed(visit, case, "")
        return _see(f"/cases/{case.id}?done=claimed")

    def _form(
        self, visit: Visit, case: Case, kind: ReplyKind, text: str, *, wrong: str = "",
        remarks: tuple[str, ...] = (),
    ) -> Response:  # fmt: skip
        status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong or remarks else HTTPStatus.OK
        return self.render(
            "write.html", visit, status, it=self._view(case), kind=kind, text=text, wrong=wrong,
            remarks=remarks, digest=digest_remarks(remarks), version=_version(visit, case),
        )  # fmt: skip

    def _last_look(self, visit: Visit, case: Case, kind: ReplyKind, text: str) -> Response:
        return self.render(
            "last_look.html", visit, it=self._view(case), kind=kind, text=text,
            hold=round(self.actions.hold_seconds), digest=visit.form.get("read", ""),
            version=_version(visit, case),
        )  # fmt: skip

    def _say_changed(self, visit: Visit, case: Case, text: str) -> Response:
        return self._say(visit, case, CHANGED, text=text, status=HTTPStatus.CONFLICT)

    def _say(
        self, visit: Visit, case: Case, says: str, *, text: str = "", status: int = HTTPStatus.OK
    ) -> Response:
        """Return a page that says what came of an action, with the person's own text to copy."""
        return self.render(
            "changed.html", visit, status, it=self._view(case), says=says, text=text,
            amiss=status != HTTPStatus.OK,
        )  # fmt: skip


def _see(path: str) -> Response:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


def _kind(text: str) -> ReplyKind:
    if text not in WRITTEN:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return ReplyKind(text)


def _version(visit: Visit, case: Case) -> str:
    """Return the version of the case that the person has seen: a text is about that one."""
    return visit.form.get("version") or case.version


def _is_unchanged(case: Case, visit: Visit) -> bool:
    return case.version == visit.form.get("version") and may_act(case, BROWSER_ACTOR)


def _has_read(visit: Visit, remarks: tuple[str, ...]) -> bool:
    return visit.form.get("read") == digest_remarks(remarks)
