"""Reads rates, due times and retries from limits.yaml, of the knowledge or else the shipped one."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar

import yaml
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from bot.corpus.yaml_files import yaml_fault
from bot.domain import Priority
from bot.errors import KnowledgeError
from bot.resources import data_path, parse_yaml, read_own_text

Positive = Annotated[int, Field(ge=1, strict=True)]
Share = Annotated[float, Field(ge=0, le=1)]


def _for_every_priority(minutes: dict[Priority, int]) -> dict[Priority, int]:
    """Return `minutes`; ValueError where a priority has none."""
    if missing := [priority.value for priority in Priority if priority not in minutes]:
        raise ValueError(f"a number of minutes is missing for {', '.join(missing)}")
    return minutes


def _shipped_model() -> "ModelLimits":
    return shipped_limits().model


def _shipped_flood() -> "FloodLimits":
    return shipped_limits().flood


class Scope(StrEnum):
    """What a cap counts answers by."""

    SENDER = "sender"
    TEXT = "text"
    THREAD = "thread"
    DOMAIN = "domain"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most `most` automatic answers in `seconds` to one of `scope`."""

    scope: Scope
    seconds: Positive
    most: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """The limits of the use and effect of a language model; limits.yaml explains each value."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    messages: Positive
    at_once: Positive
    tries: Positive
    seconds: Positive
    draft_seconds: Positive
    answer_tokens: Positive
    failures: Positive
    rest_seconds: Positive
    among: Positive
    floor: Share
    adds: Annotated[float, Field(ge=0)]
    trial_questions: Positive
    trial_seconds: Positive
    watched: Positive
    silent_below: float
    most_yes: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodLimits:
    """The limits on cards and pages when many cases are alike; limits.yaml explains each value."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    fold_after: Positive
    fold_seconds: Positive
    pages_of_sender: Positive
    pages_of_domain: Positive
    pages_in_all: Positive
    page_seconds: Positive
    summary_seconds: Positive
    summary_again_seconds: Positive = 300
    surge_after: Positive = 12
    surge_cards: Positive = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the desk may do by itself, and how long it waits.

    `due_minutes` says when a case of each priority is due, `retry_seconds` the wait before each
    further attempt to deliver a mail, and `receipt_seconds` how long a mail with an unknown result
    of delivery waits for its own copy; `corrections_per_minute` bounds the rate of corrections.
    A limits.yaml without `model` or `flood` gets that part from the shipped file.
    """

    caps: tuple[Cap, ...]
    due_minutes: Annotated[dict[Priority, Positive], AfterValidator(_for_every_priority)]
    retry_seconds: Annotated[tuple[Positive, ...], Field(min_length=1)]
    receipt_seconds: Positive
    corrections_per_minute: Positive = 60
    model: ModelLimits = field(default_factory=_shipped_model)
    flood: FloodLimits = field(default_factory=_shipped_flood)


def read_limits(knowledge: Path) -> Limits:
    """Return the limits of this knowledge folder, or else the shipped ones.

    KnowledgeError names the file, each wrong key and what is allowed there.
    """
    own = knowledge / "limits.yaml"
    return _parse(read_own_text(own), str(own)) if own.exists() else shipped_limits()


@cache
def shipped_limits() -> Limits:
    """Return the limits that come with the desk."""
    return _parse(data_path("limits.yaml").read_text(encoding="utf-8"), "limits.yaml")


def _parse(text: str, name: str) -> Limits:
    try:
        return TypeAdapter(Limits).validate_python(parse_yaml(text))
    except yaml.YAMLError as error:
        raise yaml_fault(name, error) from None
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise KnowledgeError(f"{name}: {'; '.join(faults)}") from None
