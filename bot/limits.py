"""Rates, due times and retries: data that a support lead may replace in knowledge/limits.yaml."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from bot.domain import Priority
from bot.errors import KnowledgeError


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
    seconds: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the desk may do by itself, and how long it waits."""

    caps: tuple[Cap, ...]
    due_minutes: dict[Priority, int]
    retry_seconds: tuple[int, ...]
    receipt_seconds: int


def read_limits(knowledge: Path) -> Limits:
    """The limits of this knowledge, else the shipped ones; KnowledgeError names file and fault."""
    own = knowledge / "limits.yaml"
    if own.exists():
        return _limits(own.read_text(encoding="utf-8"), str(own))
    shipped = files("bot") / "data" / "limits.yaml"
    return _limits(shipped.read_text(encoding="utf-8"), "limits.yaml")


def _limits(text: str, name: str) -> Limits:
    try:
        found = yaml.load(text, Loader=yaml.CSafeLoader)
        return Limits(
            caps=tuple(_cap(each) for each in found["caps"]),
            due_minutes={p: _positive(found["due_minutes"][p.value]) for p in Priority},
            retry_seconds=tuple(_positive(s) for s in _several(found["retry_seconds"])),
            receipt_seconds=_positive(found["receipt_seconds"]),
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise KnowledgeError(f"{name}: {type(error).__name__}: {error}") from None


def _cap(each: dict[str, Any]) -> Cap:
    return Cap(
        scope=Scope(each["scope"]),
        seconds=_positive(each["seconds"]),
        most=_positive(each["most"]),
    )


def _several(found: Sequence[Any]) -> Sequence[Any]:
    if not found:
        raise ValueError("retry_seconds needs at least one number")
    return found


def _positive(found: object) -> int:
    if not isinstance(found, int) or found < 1:
        raise ValueError(f"{found!r} is no positive whole number")
    return found
