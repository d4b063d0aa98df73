"""Checks in bounded time what a desk needs: disk, database, index, model files, clock.

Each check returns one line that says what is wrong and what to do, or an empty text.
"""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.adapters.e5 import E5, check_converted
from bot.adapters.exact_retriever import count_vectors
from bot.channels.mail.local import MIN_FREE_BYTES
from bot.errors import DeskError

if TYPE_CHECKING:
    from bot.app import App
    from bot.journal import Journal

CHECK_SECONDS = 2.0  # for all checks of one look
HANG_SECONDS = 10.0  # after which a running check counts as one that does not answer
KEEP_SECONDS = 1.0  # how long a result is cached, so that many requests cost one run
SLOW_KEEP_SECONDS = 60.0  # the same for checks that read whole files
FILE_CHECK_SECONDS = 0.5  # for reading the pages of the database
# Attempts after which a mail that still waits is worth a remark: a server with greylisting accepts
# the second or third attempt, and the third comes 35 seconds after the first (limits.yaml).
MANY_ATTEMPTS = 3
MAX_CLOCK_STEP_SECONDS = 60.0  # by which the clock may be set while a desk runs
INDEX_AGAIN = "run `incident-desk index`, then restart the desk"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """One check; while a `vital` one fails, mail cannot be taken or answered."""

    name: str
    find_fault: Callable[[], str]
    vital: bool = True
    keep_seconds: float = KEEP_SECONDS


class _Run:
    """One run of a check in a thread of its own, which may hang with what it looks at.

    `at` is when it began and `before` what the run before it found, None for the first one.
    """

    def __init__(self, check: HealthCheck, at: float, before: str | None) -> None:
        self.check = check
        self.at = at
        self._before = before
        self._found = ""
        self._thread = threading.Thread(target=self._look, name=f"check-{check.name}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._found = f"{check.name}: cannot be checked, no thread can start; see `ulimit -u`"

    def is_running(self) -> bool:
        """Return whether the check has not ended."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Wait for the end of the check, up to `seconds`."""
        if self.is_running():
            self._thread.join(seconds)

    def fault(self, now: float) -> str:
        """Return what is wrong as far as is known `now`; empty for nothing.

        A check that is only slow, as on a busy machine, leaves in force what was found before.
        """
        if not self.is_running():
            return self._found
        if self._before is not None and now - self.at < HANG_SECONDS:
            return self._before
        return f"{self.check.name}: does not answer; restart what it needs, or the desk"

    def _look(self) -> None:
        try:
            fault = self.check.find_fault()
        except (DeskError, OSError) as error:
            fault = str(error)
        except Exception as error:  # noqa: BLE001 - what is looked at may fail in any way
            fault = f"cannot be checked ({type(error).__name__})"
        self._found = f"{self.check.name}: {fault}" if fault else ""


class HealthChecks:
    """Runs checks beside each other; a look ends in time even where a check hangs.

    A check that hangs is not begun again before it has ended, so threads never pile up.
    """

    def __init__(
        self, checks: Sequence[HealthCheck], tick: Callable[[], float] = time.monotonic
    ) -> None:
        self._checks = checks
        self._tick = tick
        self._looking = threading.Lock()
        self._runs: dict[str, _Run] = {}

    def list_faults(self, *, vital: bool) -> list[str]:
        """Return the faults that the vital checks find now, or with False the other checks."""
        runs, now = self._look()
        found = [run.fault(now) for run in runs if run.check.vital is vital]
        return [fault for fault in found if fault]

    def count_failed(self) -> dict[str, float]:
        """Return 1 for each check that finds a fault now, and 0 for the others, by name."""
        runs, now = self._look()
        return {run.check.name: float(bool(run.fault(now))) for run in runs}

    def _look(self) -> tuple[list[_Run], float]:
        """Run the checks whose result is too old; return all runs and the time of this look."""
        with self._looking:
            for check in self._checks:
                run = self._runs.get(check.name)
                if run is None or self._is_old(run):
                    before = run.fault(self._tick()) if run else None
                    self._runs[check.name] = _Run(check, self._tick(), before)
            end = time.monotonic() + CHECK_SECONDS
            for run in self._runs.values():
                run.wait(max(0.0, end - time.monotonic()))
            return list(self._runs.values()), self._tick()

    def _is_old(self, run: _Run) -> bool:
        if run.is_running():
            return False
        now = self._tick()
        keep = KEEP_SECONDS if run.fault(now) else run.check.keep_seconds
        return now - run.at >= keep


class ClockWatch:
    """Notices that the clock was set while this process ran; `clock` tells the time of day."""

    def __init__(
        self, clock: Callable[[], datetime], tick: Callable[[], float] | None = None
    ) -> None:
        self._clock = clock
        self._tick = tick or _seconds_since_boot
        self._began = clock(), self._tick()

    def find_fault(self) -> str:
        """Return by how much the clock was set, with the remedy; empty when it was not."""
        began, tick = self._began
        step = (self._clock() - began).total_seconds() - (self._tick() - tick)
        if abs(step) < MAX_CLOCK_STEP_SECONDS:
            return ""
        way = "ahead" if step > 0 else "back"
        return (
            f"was set {_describe_seconds(abs(step))} {way} while the desk ran; set it right, or "
            "restart the desk if it is right now"
        )


def build_running_checks(app: "App") -> list[HealthCheck]:
    """Return what `/readyz` of a running desk looks at beside its threads and channels."""
    file, clock = app.journal.file, ClockWatch(app.journal.clock)
    checks = [
        HealthCheck(name="disk", find_fault=lambda: find_disk_fault(app.settings.home)),
        HealthCheck(name="database", find_fault=app.journal.check_connection_and_file),
        HealthCheck(
            name="database pages", find_fault=lambda: file.damage(FILE_CHECK_SECONDS),
            keep_seconds=SLOW_KEEP_SECONDS,
        ),
        HealthCheck(name="clock", find_fault=clock.find_fault, vital=False),
        HealthCheck(name="sends", find_fault=lambda: find_send_fault(app.journal), vital=False),
    ]  # fmt: skip
    if "chroma" in vars(app):  # a cached property: it is there once it was used
        checks.append(HealthCheck(name="index", find_fault=lambda: find_index_fault(app)))
    if "encoder" in vars(app):
        checks.append(
            HealthCheck(
                name="model files", find_fault=lambda: find_model_fault(app), vital=False,
                keep_seconds=SLOW_KEEP_SECONDS,
            )
        )  # fmt: skip
    return checks


def find_disk_fault(home: Path) -> str:
    """Return what keeps mail from being stored in the home of the desk; empty for nothing."""
    if not home.is_dir():
        return f"{home} is gone; stop the desk, put it back and start again"
    free = shutil.disk_usage(home).free
    if free < MIN_FREE_BYTES:
        return (
            f"{free // 2**20} MB free in {home}: senders are asked to come again; free "
            f"{MIN_FREE_BYTES // 2**20} MB or more"
        )
    try:
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return f"{home} cannot be written ({error.strerror}); repair its disk or its permissions"
    return ""


def find_send_fault(journal: "Journal") -> str:
    """Return a remark on mails that were not taken in MANY_ATTEMPTS attempts; empty for none."""
    if not (count := journal.mail_outbox.count_retried(MANY_ATTEMPTS)):
        return ""
    return (
        f"{count} mails were not taken by the mail server and are tried again; `incident-desk "
        "doctor` tries that server"
    )


def find_index_fault(app: "App") -> str:
    """Return what is wrong with the index; empty when it holds all that it was made from."""
    folder = app.settings.chroma
    if not app.settings.chroma_url and not (folder / "chroma.sqlite3").is_file():
        return f"the index in {folder} is gone; {INDEX_AGAIN}"
    made_of = count_vectors(app.settings.home / "vectors.npz")
    if made_of is None:
        return f"{app.settings.home}/vectors.npz is missing or damaged; {INDEX_AGAIN}"
    try:
        count = app.chroma.count()
    except Exception as error:  # noqa: BLE001 - Chroma's client raises errors of many libraries
        server = app.settings.chroma_url
        remedy = f"start the Chroma server {server}" if server else INDEX_AGAIN
        return f"the index does not answer ({type(error).__name__}); {remedy}"
    if count != made_of:
        return f"the index holds {count} of {made_of} records; {INDEX_AGAIN}"
    return ""


def find_model_fault(app: "App") -> str:
    """Return an empty text; DeskError names a file of the embedding model that was altered."""
    encoder = app.encoder.encoder
    if isinstance(encoder, E5):
        check_converted(encoder.converted_folder())
    return ""


def _seconds_since_boot() -> float:
    """Return the seconds of a clock that nobody can set; it counts sleep where the system can."""
    with suppress(AttributeError, OSError):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _describe_seconds(seconds: float) -> str:
    if seconds < 2 * 86_400:
        return f"{seconds:.0f} s"
    return f"{seconds / 86_400:.0f} days"
