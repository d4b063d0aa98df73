"""Implements `ledger export`: writes the ledger as JSON lines or as CSV."""

import csv as tables
import io
import json
from collections.abc import Iterator
from typing import Any

from bot.journal import Journal
from bot.journal.ledger import LedgerEntry
from bot.outbound import text_of
from bot.text.printable import printable

COLUMNS = (
    "id", "at", "event", "recipient", "text", "knowledge", "passages", "approved_by", "hash",
)  # fmt: skip
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")  # with these a formula of a spreadsheet begins


def export_ledger(journal: Journal, *, csv: bool) -> Iterator[str]:
    """Yield every entry as a line; recipient and text are empty where they were erased."""
    if csv:
        yield _table_row(COLUMNS)
    for entry in journal.ledger.entries():
        row = _row(entry)
        if csv:
            cells = row | {"passages": " ".join(name for name, _ in entry.passages)}
            yield _table_row(_plain(str(cells[name])) for name in COLUMNS)
        else:
            yield json.dumps(row, ensure_ascii=True) + "\n"


def _row(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "id": entry.id, "at": entry.at, "event": entry.event, "recipient": entry.recipient,
        "text": text_of(entry.body) if entry.body else "", "knowledge": entry.knowledge,
        "passages": entry.passages, "approved_by": entry.approved_by, "hash": entry.hash,
    }  # fmt: skip


def _table_row(cells: "Iterator[str] | tuple[str, ...]") -> str:
    line = io.StringIO()
    tables.writer(line).writerow(cells)
    return line.getvalue()


def _plain(cell: str) -> str:
    """Return a cell without control characters that no spreadsheet treats as a formula."""
    shown = printable(cell)
    return f"'{shown}" if shown.startswith(FORMULA_SIGNS) else shown
