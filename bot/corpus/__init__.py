"""Reads the knowledge folder: passages, wordings, notes, templates; checked and versioned."""

from bot.corpus.index_records import Record, records_of
from bot.corpus.knowledge import Knowledge, Post, Templates, Wording, load
from bot.corpus.messages import LabelledMessage

__all__ = [
    "Knowledge",
    "LabelledMessage",
    "Post",
    "Record",
    "Templates",
    "Wording",
    "load",
    "records_of",
]
