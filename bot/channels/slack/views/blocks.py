"""Builds the blocks of Slack's Block Kit, each within the limits that Slack documents.

`quote` and `plain_small_print` take what users wrote; `markdown` takes only what this project
wrote.
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

MOST_BLOCKS = 50  # of a message
MOST_IN_VIEW = 100  # blocks of a modal or App Home
MOST_CHARACTERS = 12_000  # of all texts in a message
MOST_BYTES = 200_000  # of a view; Slack refuses one of 250 kB
PIECE = 2_900  # characters of one text; Slack takes 3,000
FIELD = 2_000  # characters of one of the texts side by side
BUTTON = 75  # characters on a button
MAX_WARNINGS = 12  # that are listed; of more only the number is named
LOOK_AGAIN = "⚠️ *Look at this once more:*"
MOST_OPTIONS = 100  # of a menu
INPUT = 3_000  # characters of one text field


def header(text: str) -> Block:
    """Return a heading."""
    return {"type": "header", "text": _plain(truncate(text, 150))}


def markdown(markup: str, block_id: str = "") -> Block:
    """Return a section of our own words in Slack's markup."""
    block: Block = {"type": "section", "text": {"type": "mrkdwn", "text": truncate(markup, PIECE)}}
    return block | ({"block_id": block_id} if block_id else {})


def small_print(*markups: str) -> Block:
    """Return small print of our own words in Slack's markup, at most ten pieces."""
    elements = [{"type": "mrkdwn", "text": truncate(m, PIECE)} for m in markups[:10]]
    return {"type": "context", "elements": elements}


def quote(text: str, limit: int) -> Block:
    """Return somebody's text as a quotation, cut at `limit`, without formatting or links."""
    return _quote(truncate_counted(neutralize(text), limit))


def quote_all(text: str) -> list[Block]:
    """Return the whole of somebody's text as quotations, in as many blocks as it needs."""
    return [_quote(part) for part in split_text(neutralize(text), PIECE)]


def list_warnings(warnings: Sequence[str], title: str = LOOK_AGAIN) -> list[Block]:
    """Return remarks on a text as blocks, quoted, as they may hold words of a user or a model."""
    lines = [f"• {each}" for each in warnings[:MAX_WARNINGS]]
    if len(warnings) > MAX_WARNINGS:
        lines.append(f"… and {len(warnings) - MAX_WARNINGS} more remarks")
    return [markdown(title), quote("\n".join(lines), PIECE)]


def preformatted(text: str, limit: int) -> Block:
    """Return a text exactly as it goes out or went out, cut at `limit`, without formatting."""
    return _rich("rich_text_preformatted", truncate_counted(text, limit) or "(empty)", border=0)


def preformatted_all(text: str) -> list[Block]:
    """Return the whole of a text exactly as it goes out, in as many blocks as it needs."""
    return [preformatted(part, PIECE) for part in split_text(text, PIECE)]


def plain_small_print(text: str) -> Block:
    """Return small print that may hold something a user wrote, such as an address."""
    return {"type": "context", "elements": [_plain(truncate_counted(strip_invisible(text), 400))]}


def fields(markups: Sequence[str]) -> Block:
    """Return texts of our own words side by side, in two columns; on a phone below each other."""
    made = [{"type": "mrkdwn", "text": truncate(m, FIELD)} for m in markups[:10]]
    return {"type": "section", "fields": made}


def divider() -> Block:
    """Return a horizontal line."""
    return {"type": "divider"}


def button_row(block_id: str, buttons: Sequence[Block]) -> Block:
    """Return a row of buttons."""
    return {"type": "actions", "block_id": block_id, "elements": list(buttons)}


def button(text: str, action: str, value: str, *, style: str = "", spoken: str = "") -> Block:
    """Return a button.

    `value` comes back with a click. `spoken` is what a screen reader says where the words on the
    button are too few.
    """
    block: Block = {
        "type": "button",
        "action_id": action,
        "value": value,
        "text": _plain(truncate(text, BUTTON)),
    }
    if spoken:
        block["accessibility_label"] = truncate(spoken, BUTTON)
    return block | ({"style": style} if style else {})


def select(action: str, title: str, options: Sequence[tuple[str, str]]) -> Block:
    """Return a menu of pairs of value and text, for a row of buttons; a choice acts at once."""
    return {
        "type": "static_select", "action_id": action, "placeholder": _plain(truncate(title, 150)),
        "options": [_option(value, says) for value, says in options[:MOST_OPTIONS]],
    }  # fmt: skip


def overflow(action: str, options: Sequence[tuple[str, str]]) -> Block:
    """Return the menu of rarer actions at the end of a row of buttons; a choice acts at once."""
    return {
        "type": "overflow", "action_id": action,
        "options": [_option(value, says) for value, says in options],
    }  # fmt: skip


def menu(
    block_id: str, title: str, options: Sequence[tuple[str, str]], *, several: bool = False
) -> Block:
    """Return a menu of a form, for one or `several` of the pairs of value and text."""
    element = select("choice", "Choose", options)
    if several:
        element["type"] = "multi_static_select"
    return {"type": "input", "block_id": block_id, "label": _plain(title), "element": element}


def person_picker(block_id: str, title: str) -> Block:
    """Return a field in which a person of the workspace is chosen."""
    return {
        "type": "input", "block_id": block_id, "label": _plain(title),
        "element": {"type": "users_select", "action_id": "choice"},
    }  # fmt: skip


def with_confirmation(button_: Block, *, title: str, text: str, yes: str) -> Block:
    """Return the button `button_` with a question that must be confirmed after a click."""
    return button_ | {
        "confirm": {
            "title": _plain(truncate(title, 100)),
            "text": _plain(truncate(text, 300)),
            "confirm": _plain(truncate(yes, 30)),
            "deny": _plain("No, go back"),
        }
    }


def text_field(block_id: str, title: str, *, value: str = "", hint: str = "") -> Block:
    """Return a text field of several lines; only the first one, `text_0`, is required."""
    element: Block = {
        "type": "plain_text_input", "action_id": "text", "multiline": True, "max_length": INPUT,
    }  # fmt: skip
    if value:
        element["initial_value"] = truncate(value, INPUT)
    block: Block = {
        "type": "input", "block_id": block_id, "label": _plain(title), "element": element,
        "optional": block_id != "text_0",
    }  # fmt: skip
    return block | ({"hint": _plain(hint)} if hint else {})


def checkbox(block_id: str, title: str, says: str) -> Block:
    """Return a box that must be ticked."""
    option = {"text": _plain(truncate(says, BUTTON)), "value": "yes"}
    return {
        "type": "input", "block_id": block_id, "label": _plain(title),
        "element": {"type": "checkboxes", "action_id": "tick", "options": [option]},
    }  # fmt: skip


def radio_buttons(block_id: str, title: str, options: Sequence[tuple[str, str]]) -> Block:
    """Return radio buttons for pairs of value and text."""
    buttons = [_option(value, says) for value, says in options]
    return {
        "type": "input", "block_id": block_id, "label": _plain(title),
        "element": {"type": "radio_buttons", "action_id": "choice", "options": buttons},
    }  # fmt: skip


def relative_time(at: str) -> str:
    """Return a timestamp as text that Slack shows as, for example, 'three minutes ago'."""
    return _date(at, "{ago}")


def absolute_time(at: str) -> str:
    """Return a timestamp as text that Slack shows in the time zone of each reader."""
    return _date(at, "{date_short_pretty} {time}")


def fit_message(blocks: Sequence[Block], most: int = MOST_BLOCKS) -> list[Block]:
    """Return the blocks that Slack takes in one message; a last one says when some are left out."""
    return _fitting(blocks, most, MOST_CHARACTERS, text_size)


def fit_view(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks that Slack takes in a modal or App Home, which hold more than a message."""
    return _fitting(blocks, MOST_IN_VIEW, MOST_BYTES, lambda block: len(json.dumps(block)))


def text_size(part: object) -> int:
    """Return the number of characters in a block or a part of one."""
    if isinstance(part, str):
        return len(part)
    if isinstance(part, dict):
        return sum(text_size(value) for value in part.values())
    return sum(text_size(each) for each in part) if isinstance(part, list) else 0


def _fitting(
    blocks: Sequence[Block], most: int, room: int, measure: Callable[[Block], int]
) -> list[Block]:
    if len(blocks) <= most and sum(map(measure, blocks)) <= room:
        return list(blocks)
    rest = small_print("✂️ There is more than fits here.")
    fitting, left = [], room - measure(rest)
    for block in blocks[: most - 1]:
        left -= measure(block)
        if left < 0:
            break
        fitting.append(block)
    return [*fitting, rest]


def _date(at: str, how: str) -> str:
    when = datetime.fromisoformat(at)
    return f"<!date^{int(when.timestamp())}^{how}|{escape(when.strftime('%d %b %H:%M UTC'))}>"


def _option(value: str, says: str) -> Block:
    return {"text": _plain(truncate(says, BUTTON)), "value": value}


def _quote(text: str) -> Block:
    return _rich("rich_text_quote", text or "(nothing)")


def _rich(kind: str, text: str, **more: int) -> Block:
    elements = [{"type": "text", "text": part} for part in split_text(text, PIECE)]
    return {"type": "rich_text", "elements": [{"type": kind, "elements": elements, **more}]}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text or " ", "emoji": False}
