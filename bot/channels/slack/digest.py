"""Posts a digest of the last day into the channel, once each morning that has something to tell."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.channels.slack.card_sync import message_arguments
from bot.channels.slack.mrkdwn import escape
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.cards import RenderedMessage
from bot.channels.slack.views.rows import format_age
from bot.channels.staff_texts import StaffTexts
from bot.journal import Journal
from bot.journal.activity import Activity, read_activity

TITLE = "The last day of the incident desk"
REPORT = "`incident-desk report --since 7d` has more, and plots with `--html FILE`"


class Digests:
    """Posts the digests of one journal into one channel.

    `topics` are the titles of passages by id, and `price` is the money for a million tokens of the
    model, 0 where none was set.
    """

    def __init__(
        self,
        journal: Journal,
        texts: StaffTexts,
        *,
        channel: str,
        topics: Mapping[str, str],
        price: float,
    ) -> None:
        self.journal = journal
        self.texts = texts
        self.channel = channel
        self.topics = topics
        self.price = price
        self._done = ""  # the day whose digest was looked after, so that it is asked for once

    def enqueue_due(self) -> None:
        """Enqueue the digest of today when its time has come and there is something to tell."""
        now = self.journal.clock()
        at = self._time_of(now)
        if at is None or now < at or self._done == at.date().isoformat():
            return
        day = at.date().isoformat()
        activity = read_activity(self.journal.engine, at - timedelta(days=1), at)
        if not activity.is_quiet:
            drawn = render_digest(activity, self.topics, self.price, now)
            self.journal.slack.enqueue(
                f"digest:{day}", channel=self.channel, method="chat.postMessage",
                payload=message_arguments(drawn),
            )  # fmt: skip
        self._done = day

    def _time_of(self, now: datetime) -> datetime | None:
        """Return when the digest of the day of `now` is due; None where none is wanted."""
        if self.texts.digest_at is None:
            return None
        here = now.astimezone(ZoneInfo(self.texts.quiet.zone))
        return datetime.combine(here.date(), self.texts.digest_at, here.tzinfo)


def render_digest(
    activity: Activity, topics: Mapping[str, str], price: float, now: datetime
) -> RenderedMessage:
    """Return the digest of a day at the moment `now`; it names no user and quotes no mail."""
    blocks = [b.header(TITLE), b.markdown("\n".join(_lines(activity, price, now)))]
    if activity.topics:
        blocks.append(b.markdown("\n".join(["*Most handed over:*", *_topics(activity, topics)])))
    blocks.append(b.small_print(REPORT))
    return RenderedMessage(blocks=b.fit_message(blocks), text=TITLE)


def describe_minutes(minutes: float | None) -> str:
    """Return a duration in minutes in its largest useful unit, or that there is none."""
    return "nobody had to" if minutes is None else format_age(timedelta(minutes=minutes))


def describe_cost(activity: Activity, price: float) -> str:
    """Return what the model took; `price` is the money for a million tokens, 0 where not set."""
    if not activity.model_calls:
        return "not asked"
    money = f", about {activity.model_tokens * price / 1e6:.2f}" if price else ""
    return f"{activity.model_calls} calls, {activity.model_tokens} tokens{money}"


def _lines(activity: Activity, price: float, now: datetime) -> Iterator[str]:
    yield (
        f"*{activity.messages}* mails came: *{activity.answered}* answered by the desk, "
        f"*{activity.handed_over}* handed over · *{activity.decided}* decided by people"
    )
    yield f"Median time to a person's answer: *{describe_minutes(activity.median_minutes)}*"
    if activity.open:
        age = format_age(now - datetime.fromisoformat(activity.oldest_at))
        yield f"Open now: *{activity.open}*, the oldest is case {activity.oldest}, {age} old"
    else:
        yield "Nothing is open. 🎉"
    yield f"Answers that staff called wrong: *{activity.wrong}*"
    yield f"Language model: {describe_cost(activity, price)}"


def _topics(activity: Activity, topics: Mapping[str, str]) -> Iterator[str]:
    for topic in activity.topics:
        title = escape(topics.get(topic.passage, topic.passage))
        yield f"• {title}: {topic.handed_over} to people, {topic.answered} answered"
