"""What the real Slack refuses in blocks, by the SDK's own models and by what they forget."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

Blocks = list[dict[str, Any]]


def limits(blocks: Blocks, most: int = 50, characters: int = 13_000) -> str:
    """The first thing that is wrong; empty for nothing."""
    if len(blocks) > most:
        return f"{len(blocks)} blocks"
    total = len("".join(texts(blocks)))
    if total > characters:
        return f"{total} characters in all blocks"
    wrong = _shape(blocks) or _ids(blocks)
    return wrong or next((wrong for found in walk(blocks) if (wrong := _element(found))), "")


def _shape(blocks: Blocks) -> str:
    """By the SDK's own models."""
    parsed = Block.parse_all(blocks)
    if any(block is None for block in parsed):
        return "a block of a kind that there is not"
    try:
        for block in parsed:
            block.validate_json()
    except SlackObjectFormationError as error:
        return str(error)
    return ""


def _ids(blocks: Blocks) -> str:
    if twice := _twice(blocks, "block_id"):
        return f"{twice} twice"
    for block in blocks:
        inside = [*block.get("elements", []), block.get("element", {}), block.get("accessory", {})]
        if twice := _twice(inside, "action_id"):
            return f"{twice} twice in one block"
    return ""


def view_limits(view: dict[str, Any]) -> str:
    """The same for a window or App Home, whose texts may be more and whose frame has limits too."""
    checks = {
        "private_metadata is too long": len(view.get("private_metadata", "")) > 3000,
        "the view is too large": len(json.dumps(view)) > 250_000,
        "callback_id is too long": len(view.get("callback_id", "")) > 255,
        "the frame says too much": any(
            len(view.get(name, {}).get("text", "")) > 24 for name in ("title", "submit", "close")
        ),
        "fields without a way to submit them": "submit" not in view
        and any(block["type"] == "input" for block in view["blocks"]),
    }
    wrong = next((why for why, broken in checks.items() if broken), "")
    return wrong or limits(view["blocks"], 100, characters=250_000)


def _twice(found: Blocks, name: str) -> str:
    counted = Counter(each[name] for each in found if name in each)
    return next((f"{name} {each}" for each, count in counted.items() if count > 1), "")


def _element(found: dict[str, Any]) -> str:
    kind, text = found.get("type"), found.get("text")
    words = text.get("text", "") if isinstance(text, dict) else text or ""
    checks = {
        "a button says too much": kind == "button" and (len(words) > 75 or len(found.get("value", "")) > 2000),
        "too many buttons": kind == "actions" and len(found["elements"]) > 25,
        f"an empty {kind}": kind in ("mrkdwn", "plain_text", "text") and not words,
        "a label says too much": any(len(found.get(i, {}).get("text", "")) > 2000 for i in ("label", "hint")),
        "too many elements": kind == "context" and len(found["elements"]) > 10,
        "a quote is too long": kind == "text" and len(words) > 3000,
        "a choice says too much": any(
            len(o["text"]["text"]) > 75 or len(o["value"]) > 150 for o in found.get("options", [])
        ) or len(found.get("options", [])) > (100 if str(kind).endswith("_select") else 10),
        "a field holds too much": len(found.get("initial_value", "")) > 3000,
        "an id is too long": max(len(str(found.get(i, ""))) for i in ("action_id", "block_id")) > 255,
    }  # fmt: skip
    return next((why for why, wrong in checks.items() if wrong), "") or _confirm(found)


def _confirm(found: dict[str, Any]) -> str:
    asked, most = found.get("confirm"), {"title": 100, "text": 300, "confirm": 30, "deny": 30}
    if not isinstance(asked, dict) or "title" not in asked:
        return ""
    return next(
        (f"{n} of a confirmation" for n, m in most.items() if len(asked[n]["text"]) > m), ""
    )


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
