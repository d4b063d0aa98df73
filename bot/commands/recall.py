"""Implements `knowledge diff` and `knowledge recall`: changes of the post, and corrections."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.app import App
from bot.channels.slack.mrkdwn import mask_address
from bot.commands.index_update import difference_lines
from bot.commands.ledger_export import FORMULA_SIGNS
from bot.commands.privacy import check_address
from bot.corpus import Knowledge, load
from bot.corpus.changes import ChangeKind, PassageChange, PassageText, changes_since
from bot.errors import InputError
from bot.staff.outdated_answers import HoldReason, OutdatedAnswer, Recall
from bot.text.printable import shorten_line

SAMPLES = 3  # corrections that are shown in full before a batch is approved
SHOWN = 160  # characters of a text in a list
NOBODY = "nobody was told anything that no longer holds"
WHICH_KIND_COUNTS = (
    "the word before each passage is what the change counts as: what somebody said last, else what "
    "its words suggest. Say otherwise with --wording ID, --addition ID or --correction ID; it is "
    "kept with --send"
)
Confirm = Callable[[str], bool]
"""Shows a text and returns whether the person agrees."""


def diff_lines(old: Path, new: Path) -> Iterator[str]:
    """Yield the changes from one knowledge folder to another, each with a suggested kind."""
    before, now = load(old), load(new)
    changes = _changes(before, now)
    yield from (line for change in changes for line in change_lines(change))
    if not changes:
        yield "no passage changed"


def change_lines(change: PassageChange) -> Iterator[str]:
    """Yield lines about one change: its kind, the passage, and both texts."""
    yield f"{change.kind:<11}{change.id}"
    if change.before and change.now:
        yield from difference_lines(change.before, change.now)
    elif change.before:
        yield f"    before: {shorten_line(change.before.text, SHOWN)}"
    elif change.now:
        yield f"    now:    {shorten_line(change.now.text, SHOWN)}"


def decided_kinds(chosen: Mapping[ChangeKind, Sequence[str]], app: App) -> dict[str, ChangeKind]:
    """Return the kind that a person chose, by passage id; InputError for an unknown id."""
    known = {*app.knowledge.passages, *(t.id for t in app.journal.corrections.list_texts())}
    decided = {passage: kind for kind, ids in chosen.items() for passage in ids}
    if unknown := sorted(decided.keys() - known):
        raise InputError(f"{unknown[0]} is no passage; `incident-desk index --ids` lists them")
    return decided


def recall_lines(recall: Recall, entries: Sequence[OutdatedAnswer]) -> Iterator[str]:
    """Yield lines about what changed since answers were sent, and who got an outdated one."""
    for change in recall.changes:
        yield from change_lines(change)
    if recall.changes:
        yield WHICH_KIND_COUNTS
    if not entries:
        yield NOBODY
        return
    for entry in entries:
        state = f"not sent: {entry.held}" if entry.held else "to be corrected"
        state += f" (reopen case {entry.case_id})" * bool(entry.case_id)
        yield f"{entry.sent_at[:16]}  {mask_address(entry.recipient):<30}{entry.why}; {state}"
        yield from (f"    told: {shorten_line(text.text, SHOWN)}" for text in entry.told)
        yield from (f"    now:  {shorten_line(passage.text, SHOWN)}" for passage in entry.now)
    ready = sum(entry.held is None for entry in entries)
    if len(entries) == 1:
        yield f"1 conversation was told otherwise, {ready} can be corrected"
    else:
        yield f"{len(entries)} conversations were told otherwise, {ready} can be corrected"
    if ready:
        yield "send with: incident-desk knowledge recall --send"


def send_corrections(
    recall: Recall,
    entries: Sequence[OutdatedAnswer],
    *,
    actor: str,
    per_minute: int,
    confirm: Confirm,
) -> str:
    """Show the batch of corrections, store its mails if `confirm` agrees; return what was done."""
    ready = [entry for entry in entries if entry.held is None]
    if not ready and not any(entry.held is HoldReason.OPEN_CASE for entry in entries):
        kept = recall.keep_decided(actor=actor)
        said = f"; what you said of {kept} changed passages is kept" if kept else ""
        return f"no correction waits to be sent{said}"
    shown = [f"{len(ready)} corrections; the first of them:"]
    shown += [entry.text for entry in ready[:SAMPLES]]
    if not confirm("\n\n".join(shown)):
        return "nothing was sent"
    recall.keep_decided(actor=actor)
    stored = recall.send(entries, actor=actor, per_minute=per_minute)
    return f"{stored} corrections are in the outbox, {per_minute} go out in a minute"


def note_opt_out(app: App, address: str, *, actor: str, undo: bool) -> str:
    """Record that a person wants no corrections, or with `undo` that they do again.

    Return what was done. InputError when `address` is no address.
    """
    opt_outs, person = app.journal.opt_outs, check_address(address)
    if undo:
        return "they get corrections again" if opt_outs.remove(person) else "they had not opted out"
    if opt_outs.add(person, actor=actor):
        return "noted: they get no correction; what they ask is still answered"
    return "that was noted before"


def write_list(entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the full list as JSON lines if the name ends in `.jsonl`, else as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(entry) + "\n" for entry in entries)
            return
        columns = ["conversation", "recipient", "sent_at", "why", "told", "now", "held", "case"]
        rows = csv.DictWriter(file, columns)
        rows.writeheader()
        for entry in entries:
            texts = {name: " | ".join(t["text"] for t in entry[name]) for name in ("told", "now")}
            rows.writerow({name: _harmless(str(entry[name] or "")) for name in columns} | texts)


def entry_json(entry: OutdatedAnswer) -> dict[str, Any]:
    """Return one conversation as the public JSON."""
    return {
        "conversation": entry.conversation_id,
        "message": entry.message_id,
        "recipient": entry.recipient,
        "sent_at": entry.sent_at,
        "why": entry.why.name.lower(),
        "told": [{"id": t.id, "version": t.version, "text": t.text} for t in entry.told],
        "now": [{"id": p.id, "version": p.version, "text": p.text} for p in entry.now],
        "text": entry.text,
        "held": entry.held.name.lower() if entry.held else "",
        "case": entry.case_id or None,
    }


def _changes(before: Knowledge, now: Knowledge) -> tuple[PassageChange, ...]:
    earlier = [
        PassageText(id=p.id, version=p.version, heading=p.heading, text=p.text)
        for p in before.every_passage
    ]
    new = (
        PassageChange(id=p.id, kind=ChangeKind.NEW, before=None, now=p)
        for p in now.every_passage
        if p.id not in before.passages
    )
    return (*changes_since(earlier, now.passages), *new)


def _harmless(text: str) -> str:
    """Return a cell that no spreadsheet treats as a formula."""
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
