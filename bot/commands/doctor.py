"""Implements `doctor`: checks whether everything that the desk needs works."""

import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from itertools import chain, islice

from bot.answering.fit import Fit
from bot.app import App
from bot.app.home_index import STAMP
from bot.corpus.drift import check_movement
from bot.domain import HealthLine
from bot.errors import DeskError, InputError, MissingError, SettingsError
from bot.files import find_linked_places, open_to_others
from bot.journal import OutboxState
from bot.journal.mail_outbox import NEEDS_PERSON
from bot.llm.budget import NOT_ASKED
from bot.outbound.self_check import find_stopped_replies
from bot.serve.health_checks import find_disk_fault, find_index_fault, find_send_fault
from bot.settings import MailKind, Settings

NOTHING_LEARNED = (
    "nothing learned yet: too few wordings in knowledge/questions; the desk reads the post alone, "
    "which answers less. Some ten wordings for each of ten questions are a good beginning"
)
TOO_LITTLE_LEARNED = (
    "too little learned to answer by: among the wordings in knowledge/questions too few are "
    "recognized for sure, so the desk still reads the post alone, which answers less. Write more "
    "wordings for the questions that it has; about a hundred in all are a good beginning"
)
MAX_COUNTED_FILES = 100  # files open to others are not counted beyond this number
MIN_FREE_BYTES = 500 * 1024 * 1024  # on the disk that holds the home
MAX_CLOCK_LEAD_SECONDS = 60  # of the newest line of the audit before our clock
PAGE_CHECK_SECONDS = 10.0  # the most that reading the pages of the database may take
STUCK_SECONDS = 120  # how long messages and mails may wait in a healthy desk


def run_checks(app: App) -> Iterator[HealthLine]:
    """Check what the desk needs, in the order of the table below.

    A check that ends in an error is a failed line, and the checks after it still run.
    """
    yield _knowledge(app)
    yield from _left_out_answers(app)
    for name, check in (
        ("disk", _disk),  # first, for a full one makes other checks fail
        ("replies", _replies), ("index", _index), ("journal", _journal), ("clock", _clock),
        ("desk", _running), ("files", _files), ("chat model", _chat_model),
        ("sender", _mail), ("slack", _slack),
    ):  # fmt: skip
        yield from _guarded(name, check, app)


def _guarded(
    name: str, check: Callable[[App], Iterator[HealthLine]], app: App
) -> Iterator[HealthLine]:
    """Yield the lines of a check, and a failed one where it ends in an error."""
    try:
        yield from check(app)
    except InputError:
        raise
    except (DeskError, OSError) as error:
        yield HealthLine(name=name, good=False, says=str(error))


def _knowledge(app: App) -> HealthLine:
    knowledge = app.knowledge
    return HealthLine(
        name="knowledge", good=True,
        says=f"{knowledge.version}, {len(knowledge.passages)} passages, "
        f"languages {', '.join(sorted(knowledge.templates))}",
    )  # fmt: skip


def _left_out_answers(app: App) -> Iterator[HealthLine]:
    """Yield a failed line for each answer of the team whose file is left out."""
    for fault in app.knowledge.unreadable:
        yield HealthLine(name="knowledge", good=False, says=fault)


def _replies(app: App) -> Iterator[HealthLine]:
    stays = next(find_stopped_replies(app.outbound), "")
    yield HealthLine(
        name="replies", good=not stays,
        says=f"the outbound check stops replies; {stays}" if stays else "every kind may leave",
    )  # fmt: skip


def _index(app: App) -> Iterator[HealthLine]:
    """Check index, fit and model; an index that was made before and is missing is not rebuilt."""
    yield check_movement(app.knowledge, app.learned)  # first, as what follows may learn again
    made_before = (app.settings.home / STAMP).exists()
    if fault := made_before and find_index_fault(app):
        yield HealthLine(name="index", good=False, says=fault)
        return
    yield _learned(app)
    yield _model(app)


def _disk(app: App) -> Iterator[HealthLine]:
    home = app.settings.home
    free = shutil.disk_usage(home).free
    fault = find_disk_fault(home)
    if not fault and free <= MIN_FREE_BYTES:
        fault = f"{free // 2**20} MB free in {home}; free {MIN_FREE_BYTES // 2**20} MB or more"
    yield HealthLine(
        name="disk", good=not fault, says=fault or f"{free // 2**20} MB free in {home}"
    )


def _slack(app: App) -> Iterator[HealthLine]:
    if app.slack:
        yield from app.slack.check_setup()


def _files(app: App) -> Iterator[HealthLine]:
    """Check that no other account can read the home, where raw mails hold pasted secrets."""
    home = app.settings.home
    places = [home, *find_linked_places(home)]
    found = chain.from_iterable(map(open_to_others, places))
    open_files = list(islice(found, MAX_COUNTED_FILES))
    if not open_files:
        yield HealthLine(name="files", good=True, says=f"{home} is closed to other accounts")
        return
    count = (
        f"{MAX_COUNTED_FILES} or more"
        if len(open_files) == MAX_COUNTED_FILES
        else str(len(open_files))
    )
    yield HealthLine(
        name="files", good=False,
        says=f"other accounts of this machine can read {count} of the files and folders in {home}; "
        f"close them with: chmod -R go-rwx {shlex.join(map(str, places))}",
    )  # fmt: skip


def _chat_model(app: App) -> Iterator[HealthLine]:
    """Say how the running desk uses the model, by its metrics: only its process counts calls."""
    model = app.settings.model
    if not model or not app.selector:
        yield HealthLine(name="chat model", good=True, says="none; works without")
        return
    try:
        metrics = _page(app.settings, "/metrics")
    except (OSError, HTTPException):
        yield HealthLine(name="chat model", good=True, says=f"{model}: set; no desk runs here")
        return
    numbers = dict(
        line.rsplit(" ", 1) for line in metrics.splitlines() if line[:1] not in ("#", "")
    )
    asked = numbers.get("desk_model_open") == "1.0"
    why = next((w for s, w in NOT_ASKED.items() if numbers.get(f"desk_model_{s}") == "1.0"), "")
    says = "is asked" if asked else f"is not asked now ({why}); the desk decides alone"
    if numbers.get("desk_model_believed") == "0.0":
        says += "; its yes does not count, as it confirmed what the post does not say"
    spent = [numbers.get(f"desk_model_{name}", "0") for name in ("calls", "tokens")]
    calls, tokens = (int(float(number)) for number in spent)
    budget = app.budget.bounds
    says += f"; {calls} of {budget.calls} calls, {tokens} of {budget.tokens} tokens in this hour"
    yield HealthLine(name="chat model", good=asked, says=f"{model}: {says}")


def _page(settings: Settings, path: str) -> str:
    """Return a page of the desk that runs on this machine, fetched without a proxy."""
    with closing(HTTPConnection(settings.http_reach, settings.http_port, timeout=2)) as line:
        line.request("GET", path)
        return line.getresponse().read().decode("utf-8", "replace")


def _running(app: App) -> Iterator[HealthLine]:
    """Report the faults and remarks on `/readyz` of the desk that runs on this machine."""
    try:
        status = json.loads(_page(app.settings, "/readyz"))
        wrong = [*status.get("faults", ()), *status.get("remarks", ())]
    except (OSError, HTTPException):
        yield HealthLine(name="desk", good=True, says="no desk runs here")
        return
    except (ValueError, AttributeError):
        wrong = ["/readyz is not the desk's; is DESK_HTTP_PORT another program's?"]
    yield HealthLine(name="desk", good=not wrong, says="; ".join(wrong) or "runs, nothing fails")


def _mail(app: App) -> Iterator[HealthLine]:
    """Say how senders are verified, and test an IMAP mailbox."""
    yield app.mail.sender_check
    if app.settings.mail is MailKind.LOCAL:
        return
    for name, good, says in app.mail.selftest():
        yield HealthLine(name=name, good=good, says=says)


def _journal(app: App) -> Iterator[HealthLine]:
    """Check the database, undecided messages and mails that did not go out."""
    journal = app.journal
    if fault := journal.file.damage(PAGE_CHECK_SECONDS) or journal.check_connection_and_file():
        yield HealthLine(name="journal", good=False, says=fault)
        return
    try:
        app.check_installation_key()
    except SettingsError as error:
        yield HealthLine(name="key", good=False, says=str(error))
    counts = journal.count_rows()
    yield HealthLine(
        name="journal", good=True,
        says=f"{journal.engine.dialect.name}, {counts['message']} messages, "
        f"{counts['outbox']} replies, {len(journal.workers.list_all())} at work",
    )  # fmt: skip
    forgotten = len(journal.list_stalled_conversations(STUCK_SECONDS))
    yield HealthLine(
        name="jobs", good=not forgotten,
        says=f"{forgotten} conversations wait; run `incident-desk serve` or `reconcile`"
        if forgotten else "nothing waits that should not",
    )  # fmt: skip
    stuck = len(journal.mail_outbox.list_in_state(*NEEDS_PERSON, OutboxState.UNKNOWN))
    waits = journal.mail_outbox.count_overdue(STUCK_SECONDS)
    wrong = [f"{stuck} did not go through; `incident-desk queue` shows them"] if stuck else []
    if fault := find_send_fault(journal):
        wrong.append(fault)
    if waits:
        wrong.append(f"{waits} should have gone out; run `incident-desk serve` or `reconcile`")
    yield HealthLine(name="sends", good=not wrong, says="; ".join(wrong) or "fine")


def _clock(app: App) -> Iterator[HealthLine]:
    """Check that no time in the journal is later than now."""
    behind = app.journal.clock_lead_seconds()
    good = behind < MAX_CLOCK_LEAD_SECONDS
    says = (
        f"{behind:.0f} s behind what the journal saw; set the clock of this machine. If it is "
        "right now, it was wrong before: what was put off then is late"
    )
    yield HealthLine(name="clock", good=good, says="right" if good else says)


def _learned(app: App) -> HealthLine:
    """Say what was learned from the knowledge; a new desk without wordings is no fault."""
    try:
        return HealthLine(name="learned", good=True, says=say_what_was_learned(app.fit))
    except MissingError as error:
        return HealthLine(name="learned", good=False, says=str(error))


def say_what_was_learned(fit: Fit | None) -> str:
    """Return how well the questions in the knowledge were learned, or why nothing was."""
    if fit is None:
        return NOTHING_LEARNED
    return fit.summary if fit.calibration.can_answer else TOO_LITTLE_LEARNED


def _model(app: App) -> HealthLine:
    try:
        app.encoder.check()
        return HealthLine(
            name="model",
            good=True,
            says=f"{app.encoder.name}, {app.chroma.count()} records indexed",
        )
    except DeskError as error:
        return HealthLine(name="model", good=False, says=str(error))
