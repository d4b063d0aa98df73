"""Describes the health of the Slack channel for App Home, the metrics and `doctor`."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from slack_sdk.web import SlackResponse

from bot.channels.slack import unsigned_requests
from bot.corpus.drift import check_running
from bot.domain import HealthLine
from bot.journal.slack_records import SlackPostState

if TYPE_CHECKING:
    from bot.channels.slack import Slack

# Seconds by which our clock may differ from Slack's. Slack's signatures expire after five minutes.
MAX_SKEW_SECONDS = 60
DAY_SECONDS = 86_400


def list_health(slack: "Slack") -> list[HealthLine]:
    """Return a line for each thing that can be wrong in the running process."""
    broken = [*set(dict(slack.troubles).values()), *slack.supervisor.list_faults()]
    trouble = slack.button_handler.lost_access or slack.outbox_worker.trouble or "; ".join(broken)
    lines = [
        HealthLine(name="slack", good=not trouble, says=trouble or _connection(slack)),
        check_posts(slack),
        check_running(slack.context.desk.knowledge),
    ]
    if slack.sender_check:
        lines.append(slack.sender_check)
    if slack.model:
        lines.append(slack.model.health())
    if slack.clock and not slack.clock.good:
        lines.append(slack.clock)
    if not (signs := check_signatures(slack)).good:
        lines.append(signs)
    if failed := slack.journal.slack.count_failed_events(DAY_SECONDS):
        says = f"{failed} events of the last day were given up; who caused them was told"
        lines.append(HealthLine(name="slack events", good=False, says=says))
    return lines


def check_posts(slack: "Slack") -> HealthLine:
    """Return the line on how many posts wait and how many Slack refused."""
    counts = slack.journal.slack.count_by_state()
    waits, dead = counts.get(SlackPostState.READY, 0), counts.get(SlackPostState.FAILED, 0)
    says = f"{waits} posts wait" if waits else "every card is drawn"
    if dead:
        says += f"; {dead} posts were refused and are tried every hour (`incident-desk queue`)"
    return HealthLine(name="slack posts", good=not dead, says=says)


def check_signatures(slack: "Slack") -> HealthLine:
    """Return the line on what was wrong with signatures of the last hour (requests over HTTP)."""
    says = (
        "; ".join(unsigned_requests.describe_recent(slack.journal))
        or "none refused in the last hour"
    )
    good = not unsigned_requests.has_wrong_setting(slack.journal)
    return HealthLine(name="slack signed", good=good, says=says)


def check_clock(answer: SlackResponse) -> HealthLine:
    """Return the line on how far our clock is from the date in an answer of Slack's."""
    date = read_header(answer, "date")
    if not date:
        return HealthLine(name="slack clock", good=True, says="Slack did not say what time it is")
    off = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    good = off < MAX_SKEW_SECONDS
    says = "right" if good else f"{off:.0f} s off: signatures will be refused; set the clock"
    return HealthLine(name="slack clock", good=good, says=says)


def read_header(answer: SlackResponse, name: str) -> str:
    """Return a header of an answer; the SDK gives some as a list and others as text."""
    headers = {key.lower(): value for key, value in answer.headers.items()}
    value = headers.get(name, "")
    return str(value[0] if isinstance(value, list) and value else value or "")


def _connection(slack: "Slack") -> str:
    if slack.access.app_token:
        return "the line is open" if slack.socket and slack.socket.is_connected() else "connecting"
    return "waits for Slack's requests"
