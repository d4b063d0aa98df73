"""Stores messages, decides them with the responder and delivers the replies, each once."""

from bot.desk.checkpoints import Checkpoint
from bot.desk.desk import HOLD, STALE_DRAFT, Compose, Desk

__all__ = ["HOLD", "STALE_DRAFT", "Checkpoint", "Compose", "Desk"]
