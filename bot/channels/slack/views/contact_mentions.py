"""Formats the contacts that staff call about a case in Slack's markup."""

from collections.abc import Sequence

import re2

from bot.channels.slack.mrkdwn import escape
from bot.staff.people_to_call import NOBODY

PERSON_ID = re2.compile(r"[UW][A-Z0-9]{2,20}")
GROUP_ID = re2.compile(r"S[A-Z0-9]{2,20}")


def describe_people_in_slack(people: Sequence[str]) -> str:
    """Return the contacts in Slack's markup: ids become mentions, other words stay words."""
    return ", ".join(map(_mention, people)) or escape(NOBODY)


def _mention(who: str) -> str:
    if PERSON_ID.fullmatch(who):
        return f"<@{who}>"
    return f"<!subteam^{who}>" if GROUP_ID.fullmatch(who) else escape(who)
