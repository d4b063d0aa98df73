"""knowledge/ -> Passages, wordings, notes and templates, checked and versioned."""

from bot.corpus.knowledge import Knowledge, Post, Templates, Wording, load

__all__ = [
    "Knowledge",
    "Post",
    "Templates",
    "Wording",
    "load",
]
