"""How Slack stands: what App Home, the metrics and `doctor` say of it."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from slack_sdk.web import SlackResponse

from bot.channels.slack import signatures
from bot.domain import HealthLine
from bot.journal.slack_records import SlackPostState

if TYPE_CHECKING:
    from bot.channels.slack import Slack

SKEW_SECONDS = 60
DAY = 86_400


def list_health(slack: "Slack") -> list[HealthLine]:
    """Each thing that can be wrong in the process that runs, in plain words."""
    broken = [*set(dict(slack.troubles).values()), *slack.supervisor.list_faults()]
    trouble = slack.button_handler.lost_access or slack.outbox_worker.trouble or "; ".join(broken)
    found = [
        HealthLine(name="slack", good=not trouble, says=trouble or _line(slack)),
        check_posts(slack),
    ]
    if slack.model:
        found.append(slack.model.health())
    if slack.clock and not slack.clock.good:
        found.append(slack.clock)
    if not (signs := check_signatures(slack)).good:
        found.append(signs)
    if failed := slack.journal.slack.count_failed_events(DAY):
        says = f"{failed} events of the last day were given up; who caused them was told"
        found.append(HealthLine(name="slack events", good=False, says=says))
    return found


def check_posts(slack: "Slack") -> HealthLine:
    """What waits to be posted, and what was refused."""
    counts = slack.journal.slack.count_by_state()
    waits, dead = counts.get(SlackPostState.READY, 0), counts.get(SlackPostState.FAILED, 0)
    says = f"{waits} posts wait" if waits else "every card is drawn"
    if dead:
        says += f"; {dead} posts were refused and are tried every hour (`incident-desk queue`)"
    return HealthLine(name="slack posts", good=not dead, says=says)


def check_signatures(slack: "Slack") -> HealthLine:
    """The requests of the last hour, where Slack posts them."""
    wrong = signatures.describe_recent(slack.journal)
    says = "; ".join(wrong) or "none refused in the last hour"
    return HealthLine(name="slack signed", good=not wrong, says=says)


def check_clock(answer: SlackResponse) -> HealthLine:
    """Our time beside Slack's."""
    date = read_header(answer, "date")
    if not date:
        return HealthLine(name="slack clock", good=True, says="Slack did not say what time it is")
    off = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    good = off < SKEW_SECONDS
    says = "right" if good else f"{off:.0f} s off: signatures will be refused; set the clock"
    return HealthLine(name="slack clock", good=good, says=says)


def read_header(answer: SlackResponse, name: str) -> str:
    """One header; the SDK lists some and not others."""
    headers = {key.lower(): value for key, value in answer.headers.items()}
    value = headers.get(name, "")
    return str(value[0] if isinstance(value, list) and value else value or "")


def _line(slack: "Slack") -> str:
    if slack.access.app_token:
        return "the line is open" if slack.socket and slack.socket.is_connected() else "connecting"
    return "waits for Slack's requests"
