"""Small pieces of Block Kit, each within Slack's limits.

`said` and `label` take what users wrote; `words` takes only what this project wrote.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from bot.channels.slack.mrkdwn import (
    escape,
    neutralize,
    split_text,
    strip_invisible,
    truncate,
    truncate_counted,
)

Block = dict[str, Any]

MOST_BLOCKS = 50
MOST_IN_VIEW = 100
MOST_CHARACTERS = 12_000
MOST_BYTES = 200_000  # of a view; Slack refuses one of 250 kB
PIECE = 2_900
BUTTON = 75
WARNINGS = 12
INPUT = 3_000


def header(text: str) -> Block:
    return {"type": "header", "text": _plain(truncate(text, 150))}


def markdown(markup: str, block_id: str = "") -> Block:
    """Our own words, with Slack's marks."""
    block: Block = {"type": "section", "text": {"type": "mrkdwn", "text": truncate(markup, PIECE)}}
    return block | ({"block_id": block_id} if block_id else {})


def small_print(*markups: str) -> Block:
    """Small print: our own words."""
    elements = [{"type": "mrkdwn", "text": truncate(m, PIECE)} for m in markups[:10]]
    return {"type": "context", "elements": elements}


def quote(text: str, limit: int) -> Block:
    """Somebody's text as a quotation: never formatted, never clickable."""
    return _quote(truncate_counted(neutralize(text), limit))


def quote_all(text: str) -> list[Block]:
    """The same for the whole of a text, however long: one block after another."""
    return [_quote(part) for part in split_text(neutralize(text), PIECE)]


def list_warnings(warnings: Sequence[str]) -> list[Block]:
    """What to look at once more: remarks may name what a user or a model wrote."""
    lines = [f"• {each}" for each in warnings[:WARNINGS]]
    if len(warnings) > WARNINGS:
        lines.append(f"… and {len(warnings) - WARNINGS} more remarks")
    return [markdown("⚠️ *Look at this once more:*"), quote("\n".join(lines), PIECE)]


def preformatted(text: str, limit: int) -> Block:
    """A text as it shall go out, or did: not defanged, and still without any mark of Slack's."""
    return _rich("rich_text_preformatted", truncate_counted(text, limit) or "(empty)", border=0)


def preformatted_all(text: str) -> list[Block]:
    """The same for the whole of a text."""
    return [preformatted(part, PIECE) for part in split_text(text, PIECE)]


def plain_small_print(text: str) -> Block:
    """Small print that holds something a user wrote, such as an address."""
    return {"type": "context", "elements": [_plain(truncate_counted(strip_invisible(text), 400))]}


def divider() -> Block:
    return {"type": "divider"}


def button_row(block_id: str, buttons: Sequence[Block]) -> Block:
    return {"type": "actions", "block_id": block_id, "elements": list(buttons)}


def button(text: str, action: str, value: str, *, style: str = "", spoken: str = "") -> Block:
    """`spoken` is what a screen reader says where the words on the button are too few."""
    made: Block = {
        "type": "button",
        "action_id": action,
        "value": value,
        "text": _plain(truncate(text, BUTTON)),
    }
    if spoken:
        made["accessibility_label"] = truncate(spoken, BUTTON)
    return made | ({"style": style} if style else {})


def with_confirmation(button_: Block, *, title: str, text: str, yes: str) -> Block:
    """A button that asks once more."""
    return button_ | {
        "confirm": {
            "title": _plain(truncate(title, 100)),
            "text": _plain(truncate(text, 300)),
            "confirm": _plain(truncate(yes, 30)),
            "deny": _plain("No, go back"),
        }
    }


def text_field(block_id: str, title: str, *, value: str = "", hint: str = "") -> Block:
    """A text field of several lines."""
    element: Block = {
        "type": "plain_text_input", "action_id": "text", "multiline": True, "max_length": INPUT,
    }  # fmt: skip
    if value:
        element["initial_value"] = truncate(value, INPUT)
    made: Block = {
        "type": "input", "block_id": block_id, "label": _plain(title), "element": element,
        "optional": block_id != "text_0",
    }  # fmt: skip
    return made | ({"hint": _plain(hint)} if hint else {})


def checkbox(block_id: str, title: str, says: str) -> Block:
    """A box that must be ticked."""
    option = {"text": _plain(truncate(says, BUTTON)), "value": "yes"}
    return {
        "type": "input", "block_id": block_id, "label": _plain(title),
        "element": {"type": "checkboxes", "action_id": "tick", "options": [option]},
    }  # fmt: skip


def radio_buttons(block_id: str, title: str, options: Sequence[tuple[str, str]]) -> Block:
    """One of several."""
    made = [{"text": _plain(truncate(says, BUTTON)), "value": value} for value, says in options]
    return {
        "type": "input", "block_id": block_id, "label": _plain(title),
        "element": {"type": "radio_buttons", "action_id": "choice", "options": made},
    }  # fmt: skip


def relative_time(at: str) -> str:
    """A moment that every reader sees as their own 'three minutes ago'."""
    return _date(at, "{ago}")


def absolute_time(at: str) -> str:
    """A moment in every reader's own time zone."""
    return _date(at, "{date_short_pretty} {time}")


def fit_message(blocks: Sequence[Block], most: int = MOST_BLOCKS) -> list[Block]:
    """No more blocks and characters than Slack takes of a message; what is left out is said."""
    return _fitting(blocks, most, MOST_CHARACTERS, text_size)


def fit_view(blocks: Sequence[Block]) -> list[Block]:
    """The same of a window or App Home, which may hold more."""
    return _fitting(blocks, MOST_IN_VIEW, MOST_BYTES, lambda block: len(json.dumps(block)))


def text_size(found: object) -> int:
    """Characters of a block, or of what it holds."""
    if isinstance(found, str):
        return len(found)
    if isinstance(found, dict):
        return sum(text_size(value) for value in found.values())
    return sum(text_size(each) for each in found) if isinstance(found, list) else 0


def _fitting(
    blocks: Sequence[Block], most: int, room: int, measure: Callable[[Block], int]
) -> list[Block]:
    if len(blocks) <= most and sum(map(measure, blocks)) <= room:
        return list(blocks)
    rest = small_print("✂️ There is more than fits here.")
    kept, left = [], room - measure(rest)
    for block in blocks[: most - 1]:
        left -= measure(block)
        if left < 0:
            break
        kept.append(block)
    return [*kept, rest]


def _date(at: str, how: str) -> str:
    when = datetime.fromisoformat(at)
    return f"<!date^{int(when.timestamp())}^{how}|{escape(when.strftime('%d %b %H:%M UTC'))}>"


def _quote(text: str) -> Block:
    return _rich("rich_text_quote", text or "(nothing)")


def _rich(kind: str, text: str, **more: int) -> Block:
    elements = [{"type": "text", "text": part} for part in split_text(text, PIECE)]
    return {"type": "rich_text", "elements": [{"type": kind, "elements": elements, **more}]}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text or " ", "emoji": False}
