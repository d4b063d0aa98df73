"""Slack: staff see what waits, decide it, and ask; and what must never go out, does not.

Threads: one holds the socket, one acts on clicks, one answers questions, one draws and posts.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bot.channels.slack.access import SlackAccess, SlackIntervals, SuggestionModel
from bot.channels.slack.bolt_app import SlackGateway, Socket
from bot.channels.slack.card_sync import CardSync
from bot.channels.slack.client import AwayError, BrokenError, BusyError, Client
from bot.channels.slack.context import HandlerContext
from bot.channels.slack.events import ACT, ASK
from bot.channels.slack.handlers.buttons import ButtonHandler
from bot.channels.slack.handlers.modal_submissions import ModalHandler
from bot.channels.slack.handlers.questions import QuestionHandler
from bot.channels.slack.health import check_clock, list_health
from bot.channels.slack.health_checks import check_setup
from bot.channels.slack.outbox_worker import OutboxWorker
from bot.channels.slack.pasted_secrets import PastedSecretNotices
from bot.channels.slack.permissions import ChannelPermissions, StaffPermissions
from bot.channels.slack.suggestions import Suggestions
from bot.channels.slack.texts import read_staff_texts
from bot.channels.slack.views.answers import AnswerView
from bot.channels.slack.views.cards import Cards
from bot.desk import Desk
from bot.domain import HealthLine
from bot.errors import DeliveryError
from bot.infra.supervision import Supervisor
from bot.journal.slack_records import SlackEvent, SlackPostState

if TYPE_CHECKING:
    from bot.infra.http_server import HttpResponse
    from bot.journal.cases import EnqueueJob

log = logging.getLogger(__name__)
T = TypeVar("T")
HOUR = 3600.0
GIVE_WAY_SECONDS = 0.5
ACK_SECONDS = 2  # Slack waits three for the ack of a window: a slow word on a person is a no
AWAY = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)


class Slack:
    """The channel of one desk; start it, close it, ask it how it is."""

    def __init__(  # noqa: PLR0915 - each part once
        self, access: SlackAccess, desk: Desk, *, home: Path, intervals: SlackIntervals | None = None,
        enqueue_job: "EnqueueJob | None" = None, model: "SuggestionModel | None" = None,
    ) -> None:  # fmt: skip
        self.access = access
        self.intervals = intervals or SlackIntervals()
        self.journal = desk.journal
        self.texts = read_staff_texts(desk.knowledge.folder)
        self.client = Client(access.bot_token, base_url=access.base_url)
        hurried = Client(access.bot_token, base_url=access.base_url, seconds=ACK_SECONDS)
        self.staff_permissions = StaffPermissions(
            hurried, access.staff, 60 * self.texts.staff_minutes
        )
        self.channel_permissions = ChannelPermissions(self.client, self.texts.channel_seconds)
        threshold = desk.responder.judge.threshold_for("en")
        self.cards = Cards(desk.knowledge, self.texts, threshold)
        self.context = HandlerContext(
            desk=desk, client=self.client, staff_permissions=self.staff_permissions, channel_permissions=self.channel_permissions, cards=self.cards,
            answers=AnswerView(desk.outbound, self.texts, threshold), texts=self.texts,
            channel=access.channel, candidates_path=home / "candidates.jsonl", enqueue_job=enqueue_job,
            wake=self.wake,
        )  # fmt: skip
        self.button_handler = ButtonHandler(self.context, self.list_health)
        self.question_handler = QuestionHandler(self.context)
        self.card_sync = CardSync(
            self.journal, self.cards, self.texts, channel=access.channel, oncall=access.oncall
        )
        self.secret_notices = PastedSecretNotices(
            self.journal, access.channel, self.texts.home_seconds
        )
        self.outbox_worker = OutboxWorker(
            self.journal, self.client, self.channel_permissions, post_interval=self.intervals.post,
            posts_per_minute=self.texts.posts_per_minute, repair_seconds=self.intervals.repair, backoff=self.intervals.backoff,
            oncall=access.oncall, quiet_until=lambda: self.texts.quiet.ends_at(self.journal.clock()),
        )  # fmt: skip
        self.model = model
        self.suggestions = model and Suggestions(self.journal, model, access.channel)
        self.gateway = SlackGateway(
            self.journal, self.client, ModalHandler(self.context), secret=access.signing_secret,
            on_stored=self.wake,
        )  # fmt: skip
        self.http_adapter: Callable[[Mapping[str, str], bytes], HttpResponse] = (
            self.gateway.handle_http
        )
        self.socket: Socket | None = None
        self.supervisor = Supervisor()
        self.stopping = self.supervisor.stopping
        self.clock: HealthLine | None = None
        self.troubles: dict[str, str] = {}  # by what found it
        self._wake_events = {lane: threading.Event() for lane in (ACT, ASK, "post")}
        self._failed_connects = 0  # attempts in a row that opened no line
        self._homes_refreshed_at, self._deleted_old_at, self._identified_at = (
            0.0,
            -HOUR,
            -1e9,
        )  # when each was last done
        self._leader_lock = threading.Lock()
        self._was_leader = False

    def start(self) -> None:
        """Begin; returns at once, whether Slack answers or not."""
        steps: dict[str, Callable[[], None]] = {
            "slack-act": lambda: self._work_lane(ACT, self.button_handler.handle),
            "slack-ask": lambda: self._work_lane(ASK, self.question_handler.handle),
            "slack-post": self._post_step,
        }
        if self.access.app_token:
            steps["slack-socket"] = self._socket_step
        if self.suggestions:
            steps["slack-suggest"] = self._suggest_step
        for name, step in steps.items():
            self.supervisor.start(name, step, unit=self.intervals.socket)

    def close(self) -> None:
        """Take nothing more, finish what is at hand."""
        self.stopping.set()
        self.wake()
        self.supervisor.stop(15)
        if self.socket:
            self.socket.close()
        self.journal.slack.leader.resign()

    def wake(self) -> None:
        """There is something to do."""
        for event in self._wake_events.values():
            event.set()

    def run_once(self) -> None:
        """Once through everything, in this thread: for tests, and where there are no threads."""
        for lane, act in ((ACT, self.button_handler.handle), (ASK, self.question_handler.handle)):
            for event in self.journal.slack.list_waiting(lane):
                self._handle_event(event, act)
        self.sync_and_post()

    def sync_and_post(self) -> None:
        """Bring cards in line with the journal, then make the posts that are due."""
        self.card_sync.sync()
        self.secret_notices.enqueue_due()
        self.outbox_worker.drain()

    def list_health(self) -> list[HealthLine]:
        """Each thing that can be wrong, in plain words."""
        return list_health(self)

    def list_faults(self) -> list[str]:
        """What is wrong; mail goes on without it."""
        return [str(line) for line in self.list_health() if not line.good]

    def add_metrics(self, watch: Callable[[str, str, Callable[[], float]], None]) -> None:
        """The numbers that `/metrics` shows of it."""
        refused, book = self.gateway.unsigned_requests.counts, self.journal.slack
        watch("desk_slack_refused", "Requests that Slack did not sign", refused.total)
        watch(
            "desk_slack_dead",
            "Posts that Slack refused",
            lambda: book.count_by_state().get(SlackPostState.FAILED, 0),
        )

    def check_setup(self) -> Iterator[HealthLine]:
        """What `doctor` says."""
        return check_setup(self)

    def _work_lane(self, lane: str, act: Callable[[SlackEvent], None]) -> None:
        """Act on what waits in a lane, each event by itself; then wait until something comes."""
        self._wake_events[lane].clear()
        found = self._safely(lane, lambda: self._list_waiting(lane)) or []
        for event in found:
            if self.stopping.is_set():
                return
            self._wait_for_acks()
            self._safely(f"{lane} event", partial(self._handle_event, event, act))
        if not found:
            self.troubles.pop(f"{lane} event", None)
            self._wake_events[lane].wait(self.intervals.compare)

    def _wait_for_acks(self) -> None:
        """Slack waits three seconds for an ack, a person longer for what it brings about."""
        patience = time.monotonic() + GIVE_WAY_SECONDS
        while self.gateway.inbox.is_committing() and time.monotonic() < patience:
            self.stopping.wait(0.005)

    def _list_waiting(self, lane: str) -> list[SlackEvent]:
        return self.journal.slack.list_waiting(lane) if self._is_leader() else []

    def _is_leader(self) -> bool:
        """Of several processes one acts; what the last one was posting goes out again."""
        leads = self.journal.slack.leader.is_leader()
        with self._leader_lock:
            if leads and not self._was_leader:
                self.journal.slack.requeue_in_flight()
            self._was_leader = leads
        return leads

    def _handle_event(self, event: SlackEvent, act: Callable[[SlackEvent], None]) -> None:
        """An event that breaks is tried again, thrice; the person hears of it."""
        try:
            act(event)
        except (AwayError, BusyError, BrokenError) as error:
            self.troubles["act"] = str(error)
            if self._is_overdue(event) and not self.journal.slack.count_attempt(event.id):
                log.error("an event was given up", extra={"event_id": event.id})  # noqa: TRY400 - one line
            self.stopping.wait(self.intervals.socket)
            return
        except Exception as error:  # noqa: BLE001 - the lane goes on
            log.warning(
                "an event broke", extra={"event_id": event.id, "fault": type(error).__name__}
            )
            if not self.journal.slack.count_attempt(event.id):
                self.context.report_failure(event, error)
            return
        self.troubles.pop("act", None)
        self.journal.slack.mark_handled(event.id)
        self._wake_events["post"].set()

    def _is_overdue(self, event: SlackEvent) -> bool:
        """Has it waited for so long that nobody expects an answer?"""
        waited = self.journal.clock() - datetime.fromisoformat(event.received_at)
        return waited > timedelta(minutes=self.texts.recheck_minutes)

    def _post_step(self) -> None:
        """Everything that goes to Slack, once through; what breaks stops nothing else."""
        self._wake_events["post"].clear()
        if self._safely("lead", self._is_leader):
            self._safely("token", self._identify)
            self._safely("staff", self.staff_permissions.refresh)
            self._safely("channel", self._check_channel)
            self._safely("cards", self.card_sync.sync)
            self._safely("notes", self.secret_notices.enqueue_due)
            self._safely("post", self.outbox_worker.drain)
            self._safely("home", self._refresh_homes)
            self._safely("tidy", self._delete_old)
        self._wake_events["post"].wait(min(self.intervals.compare, self.intervals.post))
        self.stopping.wait(min(0.05, self.intervals.post))

    def _suggest_step(self) -> None:
        """A model is slow: nothing else waits for it."""
        assert self.suggestions  # noqa: S101 - the thread runs for them alone
        suggest = self.suggestions
        if self.stopping.wait(self.intervals.compare):
            return
        if self._is_leader() and self._safely(
            "suggest", lambda: suggest.post_suggestions(self.stopping) > 0
        ):
            self._wake_events["post"].set()

    def _identify(self) -> None:
        """Which workspace is ours: asked until somebody answers, then now and again."""
        if time.monotonic() - self._identified_at < 60 * self.texts.recheck_minutes:
            return
        known = self.button_handler.lost_access
        answer = self.client.call("auth.test", {})
        if (
            self.button_handler.lost_access == known
        ):  # a removal that came meanwhile is newer than this answer
            self.button_handler.lost_access = ""
        self.staff_permissions.team, self.clock = str(answer["team_id"]), check_clock(answer)
        self._identified_at = time.monotonic()

    def _check_channel(self) -> None:
        """Is the channel still ours alone? Also when nothing is to be posted there."""
        seconds = 60.0 * self.texts.recheck_minutes
        if why := self.channel_permissions.objection(self.access.channel, seconds=seconds):
            raise BrokenError(f"the desk does not speak in {self.access.channel}: {why}")

    def _delete_old(self) -> None:
        """Once an hour: forget what was handled long ago, try again what was given up."""
        if time.monotonic() - self._deleted_old_at > HOUR:
            self._deleted_old_at = time.monotonic()
            self.journal.slack.delete_handled(days=self.texts.keep_days)
            self.journal.slack.requeue_failed()

    def _refresh_homes(self) -> None:
        """App Home of those who have it open."""
        if time.monotonic() - self._homes_refreshed_at < self.texts.home_seconds:
            return
        self._homes_refreshed_at = time.monotonic()
        for user in list(self.button_handler.shown_homes):
            self.button_handler.publish_home(user)

    def _socket_step(self) -> None:
        """Keep the socket; while Slack is away, ask less and less often."""
        if self.socket is None:
            self.socket = Socket(self.gateway, self.access.app_token, self.access.base_url)
        if self.socket.keep_open():
            self._failed_connects = 0
            self.troubles.pop("socket", None)
            self.stopping.wait(self.intervals.socket)
            return
        self.troubles["socket"] = self.socket.trouble
        self.stopping.wait(self.intervals.socket * AWAY[min(self._failed_connects, len(AWAY) - 1)])
        self._failed_connects += 1

    def _safely(self, name: str, task: Callable[[], T]) -> T | None:
        """Do a task of a thread; what breaks is said once, and in plain words until it works."""
        try:
            done = task()
        except DeliveryError as error:
            self.troubles[name] = str(error)
        except Exception as error:
            fault = type(error).__name__
            if name not in self.troubles:
                log.exception("slack's work broke", extra={"task": name, "fault": fault})
            self.troubles[name] = f"{name} breaks ({fault}) and is tried again"
            self.stopping.wait(self.intervals.socket)
        else:
            self.troubles.pop(name, None)
            return done
        return None
