"""How Slack stands: what App Home, the metrics and `doctor` say of the process that runs."""

from typing import TYPE_CHECKING

from bot.channels.slack.home import Health
from bot.journal.slack_records import DEAD, FAILED, READY

if TYPE_CHECKING:
    from bot.channels.slack import Slack


def standing(slack: "Slack") -> list[Health]:
    """Each thing that can be wrong, in plain words."""
    counts = slack.journal.slack.counts()
    waits, dead = counts.get(READY, 0), counts.get(DEAD, 0)
    failed = counts.get(f"event {FAILED}", 0)
    trouble = slack.acts.lost or slack.sender.trouble or "; ".join(set(slack.troubles.values()))
    found = [Health(name="slack", good=not trouble, says=trouble or _line(slack))]
    says = f"{waits} posts wait" if waits else "every card is drawn"
    found.append(Health(name="slack posts", good=not dead, says=says + _lost(dead, "posts")))
    if slack.model:
        found.append(slack.model.health())
    if failed:
        found.append(Health(name="slack events", good=False, says=_lost(failed, "events")[2:]))
    return found


def _line(slack: "Slack") -> str:
    if slack.access.app_token:
        return "the line is open" if slack.socket and slack.socket.connected() else "connecting"
    return "waits for Slack's requests"


def _lost(count: int, of: str) -> str:
    return f"; {count} {of} were given up" if count else ""
