"""What the real Slack refuses in blocks, by the SDK's own models and by what they forget."""

from collections.abc import Iterator
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

Blocks = list[dict[str, Any]]


def limits(blocks: Blocks, most: int = 50) -> str:
    """The first thing that is wrong; empty for nothing."""
    if len(blocks) > most:
        return f"{len(blocks)} blocks"
    total = len("".join(texts(blocks)))
    if total > 13_000:
        return f"{total} characters in all blocks"
    parsed = Block.parse_all(blocks)
    if any(block is None for block in parsed):
        return "a block of a kind that there is not"
    try:
        for block in parsed:
            block.validate_json()
    except SlackObjectFormationError as error:
        return str(error)
    ids = [b["block_id"] for b in blocks if "block_id" in b]
    if len(ids) != len(set(ids)):
        return "a block_id twice"
    return next((wrong for found in walk(blocks) if (wrong := _element(found))), "")


def _element(found: dict[str, Any]) -> str:
    kind, text = found.get("type"), found.get("text")
    words = text.get("text", "") if isinstance(text, dict) else text or ""
    checks = {
        "a button says too much": kind == "button" and (len(words) > 75 or len(found.get("value", "")) > 2000),
        "too many buttons": kind == "actions" and len(found["elements"]) > 25,
        f"an empty {kind}": kind in ("mrkdwn", "plain_text", "text") and not words,
        "a field holds too much": len(found.get("initial_value", "")) > 3000,
        "an id is too long": max(len(str(found.get(i, ""))) for i in ("action_id", "block_id")) > 255,
    }  # fmt: skip
    return next((why for why, wrong in checks.items() if wrong), "")


def walk(found: object) -> Iterator[dict[str, Any]]:
    """Every object in the blocks."""
    if isinstance(found, dict):
        yield found
        for value in found.values():
            yield from walk(value)
    elif isinstance(found, list):
        for each in found:
            yield from walk(each)


def texts(found: object) -> Iterator[str]:
    """Every text that a person can see."""
    for each in walk(found):
        for name in ("text", "initial_value"):
            if isinstance(each.get(name), str):
                yield each[name]
