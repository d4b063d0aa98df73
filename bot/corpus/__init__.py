"""knowledge/ -> passages, wordings, labelled messages, notes, templates; checked and versioned."""

from bot.corpus.knowledge import Knowledge, Post, Templates, Wording, load
from bot.corpus.messages import LabelledMessage
from bot.corpus.records import Record, records_of

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
