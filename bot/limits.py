"""Rates, due times and retries: data that a support lead may replace in knowledge/limits.yaml."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bot.domain import Priority
from bot.errors import KnowledgeError
from bot.resources import data_path, parse_yaml


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
class ModelLimits:
    """How a language model is asked, and what its word may do."""

    messages: int
    at_once: int
    tries: int
    seconds: int
    draft_seconds: int
    answer_tokens: int
    failures: int
    rest_seconds: int
    among: int
    floor: float
    adds: float
    trial_questions: int
    trial_seconds: int
    watched: int
    silent_below: float
    most_yes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the desk may do by itself, and how long it waits."""

    caps: tuple[Cap, ...]
    due_minutes: dict[Priority, int]
    retry_seconds: tuple[int, ...]
    receipt_seconds: int
    model: ModelLimits


def read_limits(knowledge: Path) -> Limits:
    """The limits of this knowledge, else the shipped ones; KnowledgeError names file and fault."""
    own = knowledge / "limits.yaml"
    return _limits(own.read_text(encoding="utf-8"), str(own)) if own.exists() else shipped_limits()


@cache
def shipped_limits() -> Limits:
    """Those that come with the desk."""
    shipped = data_path("limits.yaml")
    return _limits(shipped.read_text(encoding="utf-8"), "limits.yaml")


def _limits(text: str, name: str) -> Limits:
    try:
        found = parse_yaml(text)
        return Limits(
            caps=tuple(_cap(each) for each in found["caps"]),
            due_minutes={p: _positive(found["due_minutes"][p.value]) for p in Priority},
            retry_seconds=tuple(_positive(s) for s in _several(found["retry_seconds"])),
            receipt_seconds=_positive(found["receipt_seconds"]),
            model=_model(found["model"]) if "model" in found else shipped_limits().model,
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise KnowledgeError(f"{name}: {type(error).__name__}: {error}") from None


def _model(found: dict[str, Any]) -> ModelLimits:
    whole: dict[str, Any] = {
        f.name: _positive(found[f.name]) for f in fields(ModelLimits) if f.type is int
    }
    parts: dict[str, Any] = {
        name: float(found[name]) for name in ("floor", "adds", "silent_below", "most_yes")
    }
    if unknown := found.keys() - whole.keys() - parts.keys():
        raise ValueError(f"model: {', '.join(sorted(unknown))} is not known")
    if not (0 <= parts["floor"] <= 1 and 0 <= parts["most_yes"] <= 1 and parts["adds"] >= 0):
        raise ValueError("model: floor and most_yes are shares, adds is not below zero")
    return ModelLimits(**whole, **parts)


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
