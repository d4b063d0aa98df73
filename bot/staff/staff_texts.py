"""Reads the texts and times for staff from slack.yaml, of the knowledge or else the shipped one."""

from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bot.corpus.yaml_files import read_file_as
from bot.domain import EscalationReason, Priority
from bot.journal import OutboxState
from bot.resources import data_path


class ReasonText(BaseModel):
    """What staff read of an escalation reason: a title, why the case is here, what to do first."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    why: str
    do: str


class QuietHours(BaseModel):
    """The hours in which nobody gets a direct message, except a page."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    begin: time = Field(alias="from")
    end: time = Field(alias="to")
    zone: str

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{zone!r} is no time zone") from None
        return zone

    def is_quiet(self, at: datetime) -> bool:
        """Return whether these hours include the moment `at`."""
        now = at.astimezone(ZoneInfo(self.zone)).time()
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end

    def ends_at(self, at: datetime) -> datetime | None:
        """Return when the quiet hours that include `at` end; None when it is not quiet then."""
        if not self.is_quiet(at):
            return None
        here = at.astimezone(ZoneInfo(self.zone))
        end = datetime.combine(here.date(), self.end, here.tzinfo)
        return end if end > here else end + timedelta(days=1)


class StaffTexts(BaseModel):
    """The content of slack.yaml; its comments explain each value."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    reasons: dict[EscalationReason, ReasonText]
    priorities: dict[Priority, str]
    actions: dict[str, str]
    delivery: dict[OutboxState, str]
    green_from: float = Field(ge=0, le=1)
    snooze_minutes: list[int] = Field(min_length=1, max_length=5)
    recheck_minutes: int = Field(gt=0)
    channel_seconds: float = Field(ge=0)
    staff_minutes: float = Field(gt=0)
    home_seconds: float = Field(ge=0)
    keep_days: int = Field(gt=0)
    quiet: QuietHours
    posts_per_minute: int = Field(gt=0)
    digest_at: time | None = None

    @field_validator("reasons")
    @classmethod
    def _complete(
        cls, reasons: dict[EscalationReason, ReasonText]
    ) -> dict[EscalationReason, ReasonText]:
        if missing := [reason.value for reason in EscalationReason if reason not in reasons]:
            raise ValueError(f"nothing is said about {', '.join(missing)}")
        return reasons


def read_staff_texts(knowledge: Path) -> StaffTexts:
    """Return the texts of this knowledge folder, or else the shipped ones.

    KnowledgeError names the file and what is wrong in it.
    """
    own = knowledge / "slack.yaml"
    shipped = data_path("slack.yaml")
    return read_file_as(own if own.exists() else shipped, StaffTexts)
