"""Runs the Slack channel: builds its parts and works in threads until it is closed.

One thread keeps the socket open, one handles clicks, one answers questions, one draws and posts
cards, one looks for corrections to make, one tries answers for the knowledge, and one asks a model
for wordings where there is one.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bot.channels.slack.bolt_app import SlackGateway, Socket
from bot.channels.slack.card_sync import CardSync
from bot.channels.slack.client import AwayError, BrokenError, BusyError, Client
from bot.channels.slack.configuration import SlackAccess, SlackIntervals, SuggestionModel
from bot.channels.slack.context import HandlerContext
from bot.channels.slack.digest import Digests, FindGaps
from bot.channels.slack.events import ACT, ASK
from bot.channels.slack.handlers.button_handler import ButtonHandler
from bot.channels.slack.handlers.modal_handler import ModalHandler
from bot.channels.slack.handlers.question_handler import QuestionHandler
from bot.channels.slack.health import check_clock, list_health
from bot.channels.slack.model_posts import ModelPosts, SuggestionPosts, TranslationPosts
from bot.channels.slack.outbox_worker import OutboxWorker
from bot.channels.slack.pasted_secret_notices import PastedSecretNotices
from bot.channels.slack.permissions import ChannelPermissions, StaffPermissions
from bot.channels.slack.recall_posts import RecallPosts
from bot.channels.slack.setup_checks import check_setup
from bot.channels.slack.team_answer_posts import TeamAnswerPosts
from bot.channels.slack.views.cards import Cards
from bot.channels.slack.views.responses import ResponseRenderer
from bot.desk import Desk
from bot.domain import HealthLine
from bot.errors import DeliveryError
from bot.infra.supervision import Supervisor
from bot.journal.slack_records import SlackEvent, SlackPostState
from bot.staff.case_actions import CaseActions
from bot.staff.label_review import TWO_PEOPLE, LabelReview
from bot.staff.staff_texts import read_staff_texts

if TYPE_CHECKING:
    from bot.infra.http_server import HttpResponse
    from bot.journal.cases import EnqueueJob
    from bot.staff.recall_batches import RecallBatches
    from bot.staff.team_answer_review import TeamAnswerReview

log = logging.getLogger(__name__)
T = TypeVar("T")
HOUR_SECONDS = 3600.0
MAX_ACK_WAIT_SECONDS = 0.5  # how long handling an event lets acknowledgements go first
# Slack waits three seconds for the acknowledgement of a modal. When Slack does not say within two
# seconds who a person is, that person is refused.
ACK_SECONDS = 2
RECONNECT_FACTORS = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)


class Slack:
    """The Slack channel of one desk.

    `home` is the folder for answers that staff rate. `sender_check` is the health line on who
    authenticates the senders of mails, which App Home shows. `enqueue_job` adds the job that
    delivers a decision to the transaction that stores it; without it nothing is enqueued. `recall`
    makes the corrections after a change of the post, `find_gaps` finds what people asked without an
    answer, for the digest, and `team_answer_review` takes what people answered into the knowledge.
    """

    def __init__(  # noqa: PLR0915 - it builds each part once
        self, access: SlackAccess, desk: Desk, *, home: Path,
        sender_check: HealthLine | None = None,
        intervals: SlackIntervals | None = None,
        enqueue_job: "EnqueueJob | None" = None, model: "SuggestionModel | None" = None,
        recall: "RecallBatches | None" = None,
        find_gaps: FindGaps | None = None,
        team_answer_review: "TeamAnswerReview | None" = None,
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

        def threshold_for(language: str) -> float:
            return desk.responder.judge.threshold_for(language)

        self.cards = Cards(
            desk.knowledge, self.texts, threshold_for,
            contacts=access.contacts, oncall=access.oncall,
        )  # fmt: skip
        self.recall_posts = (
            RecallPosts(self.journal, recall, channel=access.channel) if recall else None
        )
        self.team_answer_posts = (
            TeamAnswerPosts(self.journal, team_answer_review, channel=access.channel)
            if team_answer_review
            else None
        )
        self.context = HandlerContext(
            desk=desk, client=self.client, staff_permissions=self.staff_permissions,
            channel_permissions=self.channel_permissions, cards=self.cards,
            response_renderer=ResponseRenderer(desk.outbound, self.texts, threshold_for),
            texts=self.texts,
            channel=access.channel, rated_answers_path=home / "candidates.jsonl",
            actions=CaseActions(
                desk=desk, enqueue_job=enqueue_job, hold_seconds=self.intervals.undo
            ),
            label_review=LabelReview(
                knowledge=desk.knowledge, journal=desk.journal, outbound=desk.outbound,
                alone=len(access.staff) < TWO_PEOPLE,
            ),
            enqueue_job=enqueue_job, undo_seconds=self.intervals.undo, wake=self.wake,
            recall_posts=self.recall_posts, team_answer_posts=self.team_answer_posts,
        )  # fmt: skip
        self.button_handler = ButtonHandler(self.context, self.list_health)
        self.question_handler = QuestionHandler(self.context)
        self.card_sync = CardSync(
            self.journal, self.cards, self.texts, channel=access.channel, oncall=access.oncall
        )
        self.secret_notices = PastedSecretNotices(
            self.journal, access.channel, self.texts.home_seconds
        )
        self.digests = Digests(
            self.journal, self.texts, channel=access.channel, topics=self.cards.topics,
            price=access.model_price, label_review=self.context.label_review,
            find_gaps=find_gaps,
        )  # fmt: skip
        self.outbox_worker = OutboxWorker(
            self.journal, self.client, self.channel_permissions, post_interval=self.intervals.post,
            posts_per_minute=self.texts.posts_per_minute, repair_seconds=self.intervals.repair,
            backoff=self.intervals.backoff, oncall=access.oncall,
            quiet_until=lambda: self.texts.quiet.ends_at(self.journal.clock()),
        )  # fmt: skip
        self.sender_check = sender_check
        self.model = model
        self.model_posts: list[ModelPosts] = (
            [
                kind(self.journal, model, access.channel)
                for kind in (TranslationPosts, SuggestionPosts)
            ]
            if model
            else []
        )
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
        self.troubles: dict[str, str] = {}  # in plain words, by the task that failed
        self._wake_events = {lane: threading.Event() for lane in (ACT, ASK, "post")}
        self._failed_connects = 0  # in a row
        self._homes_refreshed_at = 0.0
        self._requeued_at = -HOUR_SECONDS
        self._identified_at = -1e9
        self._leader_lock = threading.Lock()
        self._was_leader = False

    def start(self) -> None:
        """Start the threads; it returns at once, whether Slack answers or not."""
        steps: dict[str, Callable[[], None]] = {
            "slack-act": lambda: self._work_lane(ACT, self.button_handler.handle),
            "slack-ask": lambda: self._work_lane(ASK, self.question_handler.handle),
            "slack-post": self._post_step,
        }
        if self.access.app_token:
            steps["slack-socket"] = self._socket_step
        if self.recall_posts:
            steps["slack-recall"] = self._recall_step
        if self.team_answer_posts:
            steps["slack-answers"] = self._answers_step
        if self.model_posts:
            steps["slack-suggest"] = self._suggest_step
        for name, step in steps.items():
            self.supervisor.start(name, step, unit=self.intervals.socket)

    def close(self) -> None:
        """Stop the threads after what they are doing now, and give up the lead."""
        self.stopping.set()
        self.wake()
        self.supervisor.stop(15)
        if self.socket:
            self.socket.close()
        self.journal.slack.leader.resign()

    def wake(self) -> None:
        """Wake every waiting thread, because there is something to do."""
        for event in self._wake_events.values():
            event.set()

    def run_once(self) -> None:
        """Handle everything that waits once, in the calling thread."""
        for lane, act in ((ACT, self.button_handler.handle), (ASK, self.question_handler.handle)):
            for event in self.journal.slack.list_waiting(lane):
                self._handle_event(event, act)
        self.sync_and_post()

    def sync_and_post(self) -> None:
        """Bring the cards in line with the journal, then make the posts that are due."""
        self.card_sync.sync()
        self.secret_notices.enqueue_due()
        self.outbox_worker.drain()

    def list_health(self) -> list[HealthLine]:
        """Return a line for each thing that can be wrong while the channel runs."""
        return list_health(self)

    def list_faults(self) -> list[str]:
        """Return what is wrong, in plain words; mail is answered in spite of it."""
        return [str(line) for line in self.list_health() if not line.good]

    def add_metrics(self, watch: Callable[[str, str, Callable[[], float]], None]) -> None:
        """Register the numbers of this channel that `/metrics` shows."""
        unsigned, store = self.gateway.unsigned_requests.counts, self.journal.slack
        watch("desk_slack_refused", "Requests that Slack did not sign", unsigned.total)
        watch(
            "desk_slack_dead",
            "Posts that Slack refused",
            lambda: store.count_by_state().get(SlackPostState.FAILED, 0),
        )

    def check_setup(self) -> Iterator[HealthLine]:
        """Return what `doctor` says of the set-up; it calls Slack."""
        return check_setup(self)

    def _work_lane(self, lane: str, act: Callable[[SlackEvent], None]) -> None:
        """Handle each waiting event of a lane; without any, wait until one comes."""
        self._wake_events[lane].clear()
        events = self._safely(lane, lambda: self._list_waiting(lane)) or []
        for event in events:
            if self.stopping.is_set():
                return
            self._wait_for_acks()
            self._safely(f"{lane} event", partial(self._handle_event, event, act))
        if not events:
            self.troubles.pop(f"{lane} event", None)
            self._wake_events[lane].wait(self.intervals.compare)

    def _wait_for_acks(self) -> None:
        """Wait while acknowledgements are stored: Slack waits three seconds for one, a person
        longer.
        """
        deadline = time.monotonic() + MAX_ACK_WAIT_SECONDS
        while self.gateway.event_store.is_committing() and time.monotonic() < deadline:
            self.stopping.wait(0.005)

    def _list_waiting(self, lane: str) -> list[SlackEvent]:
        return self.journal.slack.list_waiting(lane) if self._is_leader() else []

    def _is_leader(self) -> bool:
        """Return whether this process is the leader; on becoming it, requeue posts in flight."""
        with self._leader_lock:  # an answer from before must not count as the newest one
            leads = self.journal.slack.leader.is_leader()
            if leads and not self._was_leader:
                self.journal.slack.requeue_in_flight()
            self._was_leader = leads
        return leads

    def _handle_event(self, event: SlackEvent, act: Callable[[SlackEvent], None]) -> None:
        """Handle one event; after its last failed attempt the person gets an error message."""
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
        """Return whether an event has waited for so long that nobody expects an answer any more."""
        waited = self.journal.clock() - datetime.fromisoformat(event.received_at)
        return waited > timedelta(minutes=self.texts.recheck_minutes)

    def _post_step(self) -> None:
        """Do each task that posts to Slack once; one that fails stops no other."""
        self._wake_events["post"].clear()
        if self._safely("lead", self._is_leader):
            self._safely("token", self._identify)
            self._safely("staff", self.staff_permissions.refresh)
            self._safely("channel", self._check_channel)
            self._safely("cards", self.card_sync.sync)
            self._safely("notes", self.secret_notices.enqueue_due)
            self._safely("digest", self.digests.enqueue_due)
            self._safely("post", self.outbox_worker.drain)
            self._safely("home", self._refresh_homes)
            self._safely("tidy", self._requeue_failed)
        self._wake_events["post"].wait(min(self.intervals.compare, self.intervals.post))
        self.stopping.wait(min(0.05, self.intervals.post))

    def _suggest_step(self) -> None:
        """Ask the model for its posts, in a thread of its own because a model is slow."""
        if self.stopping.wait(self.intervals.compare) or not self._is_leader():
            return
        for posts in self.model_posts:
            if self._safely(posts.prefix, partial(posts.post, self.stopping)):
                self._wake_events["post"].set()

    def _recall_step(self) -> None:
        """Look for what corrections there are to make, in a thread of its own as it takes long."""
        assert self.recall_posts  # noqa: S101 - the thread runs for them alone
        if self._is_leader():
            self._safely("recall", self.recall_posts.work)
            self._wake_events["post"].set()
        self.stopping.wait(self.intervals.compare)

    def _answers_step(self) -> None:
        """Draw and try answers for the knowledge, in a thread of its own as trying takes long."""
        assert self.team_answer_posts  # noqa: S101 - the thread runs for them alone
        if self._is_leader():
            self._safely("answers", self.team_answer_posts.work)
            self._wake_events["post"].set()
        self.stopping.wait(self.intervals.compare)

    def _identify(self) -> None:
        """Ask Slack which workspace is ours, and again every `recheck_minutes`."""
        if time.monotonic() - self._identified_at < 60 * self.texts.recheck_minutes:
            return
        known = self.button_handler.lost_access
        answer = self.client.call("auth.test", {})
        # A removal of the app that was reported during the call is newer than its answer.
        if self.button_handler.lost_access == known:
            self.button_handler.lost_access = ""
        self.staff_permissions.team, self.clock = str(answer["team_id"]), check_clock(answer)
        self._identified_at = time.monotonic()

    def _check_channel(self) -> None:
        """Raise BrokenError when the desk may no longer post in the channel.

        The check is made even when there is nothing to post.
        """
        seconds = 60.0 * self.texts.recheck_minutes
        if why := self.channel_permissions.objection(self.access.channel, seconds=seconds):
            raise BrokenError(f"the desk does not speak in {self.access.channel}: {why}")

    def _requeue_failed(self) -> None:
        """Once an hour, try given-up posts again."""
        if time.monotonic() - self._requeued_at > HOUR_SECONDS:
            self._requeued_at = time.monotonic()
            self.journal.slack.requeue_failed()

    def _refresh_homes(self) -> None:
        """Publish App Home again for those who have it open, every `home_seconds`."""
        if time.monotonic() - self._homes_refreshed_at < self.texts.home_seconds:
            return
        self._homes_refreshed_at = time.monotonic()
        for user in list(self.button_handler.shown_homes):
            self.button_handler.publish_home(user)

    def _socket_step(self) -> None:
        """Keep the socket open; while Slack does not answer, try less and less often."""
        if self.socket is None:
            self.socket = Socket(self.gateway, self.access.app_token, self.access.base_url)
        if self.socket.keep_open():
            self._failed_connects = 0
            self.troubles.pop("socket", None)
            self.stopping.wait(self.intervals.socket)
            return
        self.troubles["socket"] = self.socket.trouble
        self.stopping.wait(
            self.intervals.socket
            * RECONNECT_FACTORS[min(self._failed_connects, len(RECONNECT_FACTORS) - 1)]
        )
        self._failed_connects += 1

    def _safely(self, name: str, task: Callable[[], T]) -> T | None:
        """Do a task and return its result, or None when it fails.

        An unforeseen error is logged once; `troubles` names it until the task works again.
        """
        try:
            result = task()
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
            return result
        return None
