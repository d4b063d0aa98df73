"""Posts cards for people's answers that are proposed for the knowledge, and has them tried.

Its work runs in a thread of its own, because trying an answer takes long. The files in the
knowledge folder hold the state of each answer, and the cards show it.
"""

import threading
import time
from contextlib import suppress
from datetime import datetime, timedelta

from bot.channels.slack.card_sync import message_arguments
from bot.channels.slack.views import team_answer_views as views
from bot.channels.slack.views.cards import RenderedMessage
from bot.corpus.team_answers import FOLDER, TeamAnswer, TeamAnswerState
from bot.errors import DeskError, InputError
from bot.journal import Journal
from bot.staff.team_answer_review import NOT_WRITTEN, TeamAnswerReview
from bot.text.printable import with_full_stop

UNKNOWN = -1
SETTLED_NANOSECONDS = 2_000_000_000  # far more than the resolution of a file's modification time
DRAWN_AGAIN = timedelta(days=1)  # how long after a decision a restart draws its card again


class TeamAnswerPosts:
    """The cards of the answers in one channel."""

    def __init__(self, journal: Journal, answers: TeamAnswerReview, *, channel: str) -> None:
        self.journal = journal
        self.answers = answers
        self.channel = channel
        self._seen = UNKNOWN  # the modification time of the folder when it was last read
        self._drawn: dict[int, str] = {}  # what each card shows, by case
        self._turn = threading.Lock()  # held while the files are read and their cards drawn
        self._untried: dict[str, str] = {}  # why answers of these digests could not be tried

    def work(self) -> None:
        """Draw what has changed, and try one answer that nobody has tried."""
        untried = self._draw_changed()
        if untried is None:
            return
        try:
            with suppress(InputError):  # it was decided meanwhile
                self.answers.try_out(untried.case)
        except (DeskError, OSError) as error:
            self._untried[untried.digest] = str(error)
            self._seen = UNKNOWN
        self._draw_changed()

    def act(self, action: str, value: str, *, actor: str) -> str:
        """Do what a click asks for; return what the person is told, empty for nothing."""
        number, _, digest = value.partition(":")
        case = int(number) if number.isdecimal() else 0
        with self._turn:  # so that `work` does not draw an older state of the files afterwards
            self._seen = UNKNOWN
            return self._act(action, case, digest, actor)

    def _act(self, action: str, case: int, digest: str, actor: str) -> str:
        try:
            match action:
                case views.APPROVE:
                    done = self.answers.approve(case, actor=actor, digest=digest)
                case views.WITHDRAW:
                    done = self.answers.withdraw(case, actor=actor)
                case _:
                    self.answers.reject(case, actor=actor)
                    self._draw(case, views.render_rejected(case, actor))
                    return ""
        except InputError as error:
            if self.answers.is_gone(case) and self.journal.slack.contains(_key(case)):
                self._draw(case, views.render_rejected(case))
            return f"Nothing was changed: {with_full_stop(str(error))}"
        except OSError:
            return NOT_WRITTEN
        self._draw_if_new(done)
        return ""

    def _draw_changed(self) -> TeamAnswer | None:
        """Draw the answers whose files have changed; return one that is to be tried, if any is."""
        with self._turn:
            changed = self._changed_at()
            if changed == self._seen != UNKNOWN:
                return None
            answers = self.answers.list_all()
            self._seen = changed
            for each in answers:
                self._draw_if_new(each)
        waiting = (a for a in answers if a.state is TeamAnswerState.PENDING and a.tried is None)
        return next((a for a in waiting if a.digest not in self._untried), None)

    def _changed_at(self) -> int:
        """Return the time of the folder's last change in nanoseconds; 0 where there is no folder.

        A change within the last SETTLED_NANOSECONDS is UNKNOWN, as the next one may get the same
        time.
        """
        try:
            changed = (self.answers.folder / FOLDER).stat().st_mtime_ns
        except OSError:
            return 0
        return changed if time.time_ns() - changed > SETTLED_NANOSECONDS else UNKNOWN

    def _draw_if_new(self, answer: TeamAnswer) -> None:
        drawn = views.render_answer(answer, self._untried.get(answer.digest, ""))
        if self._drawn.get(answer.case) != repr(drawn.blocks) and self._is_wanted(answer):
            self._draw(answer.case, drawn)

    def _is_wanted(self, answer: TeamAnswer) -> bool:
        """Is the answer undecided or its card drawn, or may a crash have kept the card outdated?"""
        if answer.state is TeamAnswerState.PENDING or answer.case in self._drawn:
            return True
        decided = answer.withdrawn_at or answer.approved_at
        if not self.journal.slack.contains(_key(answer.case)) or not decided:
            return False
        with suppress(ValueError, TypeError):  # a time that somebody wrote by hand
            return datetime.fromisoformat(decided) > self.journal.clock() - DRAWN_AGAIN
        return False

    def _draw(self, case: int, drawn: RenderedMessage) -> None:
        """Store the new content of a card; if it is just being posted, `work` draws it later."""
        stored = self.journal.slack.redraw(
            _key(case), channel=self.channel, drawn=message_arguments(drawn)
        )
        if stored:
            self._drawn[case] = repr(drawn.blocks)
        else:
            self._seen = UNKNOWN


def _key(case: int) -> str:
    return f"answer:{case}"
