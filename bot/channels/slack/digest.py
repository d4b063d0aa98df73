"""Posts a digest of the last day into the channel, once each morning that has something to tell."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from bot.channels.slack.card_sync import message_arguments
from bot.channels.slack.mrkdwn import escape
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.cards import RenderedMessage
from bot.journal import Journal
from bot.journal.activity import Activity, read_activity
from bot.staff.case_rows import format_age
from bot.staff.gaps import WEEK, Gap
from bot.staff.label_review import LabelReview
from bot.staff.staff_texts import StaffTexts

TITLE = "The last day of the incident desk"
GAPS = "*Asked again and again last week, without a sure answer* (`incident-desk gaps` has more):"
GAPS_WEEKDAY = 0  # Monday
FEWEST, MOST_GAPS = 2, 3  # the fewest questions of a gap that is listed, and the most gaps
FindGaps = Callable[[datetime], Sequence[Gap]]
"""Returns the gaps since a moment, the most frequent first."""
LEARN = (
    "*{count}* answered questions wait for a second person: what two of you agree to, the desk "
    "answers by itself from then on."
)
REPORT = "`incident-desk report --since 7d` has more, and plots with `--html FILE`"


class Digests:
    """Posts the digests of one journal into one channel.

    `topics` are the titles of passages by id, and `price` is the money for a million tokens of the
    model, 0 where none was set. `label_review` counts answers that the desk may learn from,
    and `find_gaps` finds what people asked without an answer.
    """

    def __init__(
        self,
        journal: Journal,
        texts: StaffTexts,
        *,
        channel: str,
        topics: Mapping[str, str],
        price: float,
        label_review: LabelReview | None = None,
        find_gaps: FindGaps | None = None,
    ) -> None:
        self.journal = journal
        self.texts = texts
        self.channel = channel
        self.topics = topics
        self.price = price
        self.label_review = label_review
        self.find_gaps = find_gaps
        self._done = ""  # the last day (ISO date) whose digest was handled

    def enqueue_due(self) -> None:
        """Enqueue the digest of today when its time has come and there is something to tell."""
        now = self.journal.clock()
        at = self._time_of(now)
        if at is None or now < at or self._done == at.date().isoformat():
            return
        day = at.date().isoformat()
        activity = read_activity(self.journal.engine, at - timedelta(days=1), at)
        if not activity.is_quiet:
            labels = len(self.label_review.propose()) if self.label_review else 0
            gaps = self._gaps_of_week(at)
            drawn = render_digest(activity, self.topics, self.price, now, labels=labels, gaps=gaps)
            self.journal.slack.enqueue(
                f"digest:{day}", channel=self.channel, method="chat.postMessage",
                payload=message_arguments(drawn),
            )  # fmt: skip
        self._done = day

    def _gaps_of_week(self, at: datetime) -> tuple[Gap, ...]:
        """Return the most frequent gaps of the last week, once a week."""
        if self.find_gaps is None or at.weekday() != GAPS_WEEKDAY:
            return ()
        often = (gap for gap in self.find_gaps(at - WEEK) if gap.count >= FEWEST)
        return tuple(islice(often, MOST_GAPS))

    def _time_of(self, now: datetime) -> datetime | None:
        """Return when the digest of the day of `now` is due; None where none is wanted."""
        if self.texts.digest_at is None:
            return None
        here = now.astimezone(ZoneInfo(self.texts.quiet.zone))
        return datetime.combine(here.date(), self.texts.digest_at, here.tzinfo)


def render_digest(
    activity: Activity,
    topics: Mapping[str, str],
    price: float,
    now: datetime,
    *,
    labels: int = 0,
    gaps: Sequence[Gap] = (),
) -> RenderedMessage:
    """Return the digest of a day at the moment `now`; it names no user and quotes no mail.

    `labels` is how many answered questions wait for a second person to agree to them. Each of the
    `gaps` is named by the passage that is nearest to it.
    """
    blocks = [b.header(TITLE), b.markdown("\n".join(_lines(activity, price, now)))]
    if activity.topics:
        blocks.append(b.markdown("\n".join(["*Most handed over:*", *_topics(activity, topics)])))
    if gaps:
        lines = (f"• {gap.count} near *{escape(_near(gap, topics))}*" for gap in gaps)
        blocks.append(b.markdown("\n".join([GAPS, *lines])))
    if labels:
        blocks.append(b.markdown(LEARN.format(count=labels)))
        blocks.append(b.button_row("learn", [b.button("Look at the answers", "labels", "digest")]))
    blocks.append(b.small_print(REPORT))
    return RenderedMessage(blocks=b.fit_message(blocks), text=TITLE)


def _near(gap: Gap, topics: Mapping[str, str]) -> str:
    return topics.get(gap.passage, gap.passage) or "nothing in the post"


def describe_minutes(minutes: float | None) -> str:
    """Return a duration in minutes in its largest useful unit; for None, that nobody answered."""
    return "nobody had to" if minutes is None else format_age(timedelta(minutes=minutes))


def describe_cost(activity: Activity, price: float) -> str:
    """Return the model's calls, tokens and cost in words; `price` is that of a million tokens.

    A price of 0 means that none was set, and then no cost is named.
    """
    if not activity.model_calls:
        return "not asked"
    money = f", about {activity.model_tokens * price / 1e6:.2f}" if price else ""
    return f"{activity.model_calls:,} calls, {activity.model_tokens:,} tokens{money}"


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
        yield f"• {title} · {topic.handed_over} to people, {topic.answered} answered"
