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

from bot.channels.slack.access import Access, Model, Pace
from bot.channels.slack.bolt_app import SlackGateway, Socket
from bot.channels.slack.card_sync import Sync
from bot.channels.slack.client import AwayError, BrokenError, BusyError, Client
from bot.channels.slack.context import HandlerContext
from bot.channels.slack.events import ACT, ASK
from bot.channels.slack.handlers.buttons import ButtonHandler
from bot.channels.slack.handlers.modal_submissions import ModalHandler
from bot.channels.slack.handlers.questions import QuestionHandler
from bot.channels.slack.health import clock, standing
from bot.channels.slack.health_checks import examine
from bot.channels.slack.outbox_worker import Sender
from bot.channels.slack.pasted_secrets import Notes
from bot.channels.slack.permissions import Places, Staff
from bot.channels.slack.suggestions import Suggestions
from bot.channels.slack.texts import read_words
from bot.channels.slack.views.answers import Answers
from bot.channels.slack.views.cards import Cards
from bot.channels.slack.views.home import Health
from bot.desk import Desk
from bot.errors import DeliveryError
from bot.infra.supervision import Supervisor
from bot.journal.slack_records import SlackEvent, SlackPostState

if TYPE_CHECKING:
    from bot.infra.http_server import Page
    from bot.journal.cases import EnqueueJob

__all__ = ["Access", "Model", "Pace", "Slack"]

log = logging.getLogger(__name__)
T = TypeVar("T")
HOUR = 3600.0
GIVE_WAY_SECONDS = 0.5
ACK_SECONDS = 2  # Slack waits three for the ack of a window: a slow word on a person is a no
AWAY = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)


class Slack:
    """The channel of one desk; start it, close it, ask it how it is."""

    def __init__(  # noqa: PLR0915 - each part once
        self, access: Access, desk: Desk, *, home: Path, pace: Pace | None = None,
        work: "EnqueueJob | None" = None, model: "Model | None" = None,
    ) -> None:  # fmt: skip
        self.access = access
        self.pace = pace or Pace()
        self.journal = desk.journal
        self.words = read_words(desk.knowledge.folder)
        self.client = Client(access.bot_token, base_url=access.base_url)
        hurried = Client(access.bot_token, base_url=access.base_url, seconds=ACK_SECONDS)
        self.staff = Staff(hurried, access.staff, 60 * self.words.staff_minutes)
        self.places = Places(self.client, self.words.channel_seconds)
        threshold = desk.responder.judge.threshold_for("en")
        self.cards = Cards(desk.knowledge, self.words, threshold)
        self.room = HandlerContext(
            desk=desk, client=self.client, staff=self.staff, places=self.places, cards=self.cards,
            answers=Answers(desk.outbound, self.words, threshold), words=self.words,
            channel=access.channel, candidates=home / "candidates.jsonl", work=work,
            wake=self.wake,
        )  # fmt: skip
        self.acts = ButtonHandler(self.room, self.health)
        self.asks = QuestionHandler(self.room)
        self.sync = Sync(
            self.journal, self.cards, self.words, channel=access.channel, oncall=access.oncall
        )
        self.notes = Notes(self.journal, access.channel, self.words.home_seconds)
        self.sender = Sender(
            self.journal, self.client, self.places, pace=self.pace.post,
            fuse=self.words.posts_per_minute, repair=self.pace.repair, backoff=self.pace.backoff,
            oncall=access.oncall, quiet=lambda: self.words.quiet.over(self.journal.clock()),
        )  # fmt: skip
        self.model = model
        self.suggestions = model and Suggestions(self.journal, model, access.channel)
        self.entry = SlackGateway(
            self.journal, self.client, ModalHandler(self.room), secret=access.signing_secret,
            woken=self.wake,
        )  # fmt: skip
        self.http_adapter: Callable[[Mapping[str, str], bytes], Page] = self.entry.http
        self.socket: Socket | None = None
        self.supervisor = Supervisor()
        self.stopping = self.supervisor.stopping
        self.clock: Health | None = None
        self.troubles: dict[str, str] = {}  # by what found it
        self._woken = {lane: threading.Event() for lane in (ACT, ASK, "post")}
        self._holds = 0  # attempts in a row that opened no line
        self._homes, self._tidied, self._identified = 0.0, -HOUR, -1e9  # when each was last done
        self._leading = threading.Lock()
        self._led = False

    def start(self) -> None:
        """Begin; returns at once, whether Slack answers or not."""
        steps: dict[str, Callable[[], None]] = {
            "slack-act": lambda: self._lane(ACT, self.acts.act),
            "slack-ask": lambda: self._lane(ASK, self.asks.ask),
            "slack-post": self._posting,
        }
        if self.access.app_token:
            steps["slack-socket"] = self._holding
        if self.suggestions:
            steps["slack-suggest"] = self._suggesting
        for name, step in steps.items():
            self.supervisor.start(name, step, unit=self.pace.socket)

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
        for woken in self._woken.values():
            woken.set()

    def work(self) -> None:
        """Once through everything, in this thread: for tests, and where there are no threads."""
        for lane, act in ((ACT, self.acts.act), (ASK, self.asks.ask)):
            for event in self.journal.slack.list_waiting(lane):
                self._act(event, act)
        self.post()

    def post(self) -> None:
        """Bring cards in line with the journal, then make the posts that are due."""
        self.sync.sync()
        self.notes.tell()
        self.sender.drain()

    def health(self) -> list[Health]:
        """Each thing that can be wrong, in plain words."""
        return standing(self)

    def remarks(self) -> list[str]:
        """What is wrong; mail goes on without it."""
        return [f"{line.name}: {line.says}" for line in self.health() if not line.good]

    def measured(self, watch: Callable[[str, str, Callable[[], float]], None]) -> None:
        """The numbers that `/metrics` shows of it."""
        refused, book = self.entry.refusals.counted, self.journal.slack
        watch("desk_slack_refused", "Requests that Slack did not sign", refused.total)
        watch(
            "desk_slack_dead",
            "Posts that Slack refused",
            lambda: book.count_by_state().get(SlackPostState.FAILED, 0),
        )

    def examine(self) -> Iterator[Health]:
        """What `doctor` says."""
        return examine(self)

    def _lane(self, lane: str, act: Callable[[SlackEvent], None]) -> None:
        """Act on what waits in a lane, each event by itself; then wait until something comes."""
        self._woken[lane].clear()
        found = self._safely(lane, lambda: self._waiting(lane)) or []
        for event in found:
            if self.stopping.is_set():
                return
            self._give_way()
            self._safely(f"{lane} event", partial(self._act, event, act))
        if not found:
            self.troubles.pop(f"{lane} event", None)
            self._woken[lane].wait(self.pace.look)

    def _give_way(self) -> None:
        """Slack waits three seconds for an ack, a person longer for what it brings about."""
        patience = time.monotonic() + GIVE_WAY_SECONDS
        while self.entry.inbox.busy() and time.monotonic() < patience:
            self.stopping.wait(0.005)

    def _waiting(self, lane: str) -> list[SlackEvent]:
        return self.journal.slack.list_waiting(lane) if self._leads() else []

    def _leads(self) -> bool:
        """Of several processes one acts; what the last one was posting goes out again."""
        leads = self.journal.slack.leader.is_leader()
        with self._leading:
            if leads and not self._led:
                self.journal.slack.requeue_in_flight()
            self._led = leads
        return leads

    def _act(self, event: SlackEvent, act: Callable[[SlackEvent], None]) -> None:
        """An event that breaks is tried again, thrice; the person hears of it."""
        try:
            act(event)
        except (AwayError, BusyError, BrokenError) as error:
            self.troubles["act"] = str(error)
            if self._old(event) and not self.journal.slack.count_attempt(event.id):
                log.error("an event was given up", extra={"event_id": event.id})  # noqa: TRY400 - one line
            self.stopping.wait(self.pace.socket)
            return
        except Exception as error:  # noqa: BLE001 - the lane goes on
            log.warning(
                "an event broke", extra={"event_id": event.id, "fault": type(error).__name__}
            )
            if not self.journal.slack.count_attempt(event.id):
                self.room.failed(event, error)
            return
        self.troubles.pop("act", None)
        self.journal.slack.mark_handled(event.id)
        self._woken["post"].set()

    def _old(self, event: SlackEvent) -> bool:
        """Has it waited for so long that nobody expects an answer?"""
        waited = self.journal.clock() - datetime.fromisoformat(event.received_at)
        return waited > timedelta(minutes=self.words.recheck_minutes)

    def _posting(self) -> None:
        """Everything that goes to Slack, once through; what breaks stops nothing else."""
        self._woken["post"].clear()
        if self._safely("lead", self._leads):
            self._safely("token", self._identify)
            self._safely("staff", self.staff.refresh)
            self._safely("channel", self._look_around)
            self._safely("cards", self.sync.sync)
            self._safely("notes", self.notes.tell)
            self._safely("post", self.sender.drain)
            self._safely("home", self._redraw)
            self._safely("tidy", self._tidy)
        self._woken["post"].wait(min(self.pace.look, self.pace.post))
        self.stopping.wait(min(0.05, self.pace.post))

    def _suggesting(self) -> None:
        """A model is slow: nothing else waits for it."""
        assert self.suggestions  # noqa: S101 - the thread runs for them alone
        suggest = self.suggestions
        if self.stopping.wait(self.pace.look):
            return
        if self._leads() and self._safely("suggest", lambda: suggest.work(self.stopping) > 0):
            self._woken["post"].set()

    def _identify(self) -> None:
        """Which workspace is ours: asked until somebody answers, then now and again."""
        if time.monotonic() - self._identified < 60 * self.words.recheck_minutes:
            return
        known = self.acts.lost
        answer = self.client.call("auth.test", {})
        if self.acts.lost == known:  # a removal that came meanwhile is newer than this answer
            self.acts.lost = ""
        self.staff.team, self.clock = str(answer["team_id"]), clock(answer)
        self._identified = time.monotonic()

    def _look_around(self) -> None:
        """Is the channel still ours alone? Also when nothing is to be posted there."""
        seconds = 60.0 * self.words.recheck_minutes
        if why := self.places.objection(self.access.channel, seconds=seconds):
            raise BrokenError(f"the desk does not speak in {self.access.channel}: {why}")

    def _tidy(self) -> None:
        """Once an hour: forget what was handled long ago, try again what was given up."""
        if time.monotonic() - self._tidied > HOUR:
            self._tidied = time.monotonic()
            self.journal.slack.delete_handled(days=self.words.keep_days)
            self.journal.slack.requeue_failed()

    def _redraw(self) -> None:
        """App Home of those who have it open."""
        if time.monotonic() - self._homes < self.words.home_seconds:
            return
        self._homes = time.monotonic()
        for user in list(self.acts.watching):
            self.acts.home(user)

    def _holding(self) -> None:
        """Keep the socket; while Slack is away, ask less and less often."""
        if self.socket is None:
            self.socket = Socket(self.entry, self.access.app_token, self.access.base_url)
        if self.socket.hold():
            self._holds = 0
            self.troubles.pop("socket", None)
            self.stopping.wait(self.pace.socket)
            return
        self.troubles["socket"] = self.socket.trouble
        self.stopping.wait(self.pace.socket * AWAY[min(self._holds, len(AWAY) - 1)])
        self._holds += 1

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
            self.stopping.wait(self.pace.socket)
        else:
            self.troubles.pop(name, None)
            return done
        return None
