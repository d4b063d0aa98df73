"""Finds who was told what the post no longer says, and corrects it once a person has approved."""

from bot.recall.batches import Batch, RecallBatches, RecallStep
from bot.recall.finding import Held, Outdated, Recall, Why

__all__ = ["Batch", "Held", "Outdated", "Recall", "RecallBatches", "RecallStep", "Why"]
