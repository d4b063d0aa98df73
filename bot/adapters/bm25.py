"""Finds wordings by their words (BM25), for a desk without an embedding model.

BM25 selects the records. The `cosine` of a hit is then the weighted share of the words that both
texts have, so that 1.0 means the same words.
"""

import math
from collections import Counter
from collections.abc import Sequence
from heapq import nlargest
from itertools import chain
from operator import itemgetter

import re2

from bot.corpus.index_records import Record
from bot.domain import Hit

WORD = re2.compile(r"[\p{L}\p{N}]+")
K1, B = 1.2, 0.75  # the usual parameters of BM25
MAX_WORDS = 60  # words of a text that are read


class BM25:
    """The retriever by words: an inverted index in memory."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.bags = [Counter(_words(r.text)) for r in records]
        self.mean = sum(map(len, self.bags)) / max(1, len(self.bags))
        counts = Counter(chain.from_iterable(self.bags))
        self.weight = {
            w: math.log(1 + (len(self.bags) - n + 0.5) / (n + 0.5)) for w, n in counts.items()
        }
        self.postings: dict[str, list[int]] = {}
        for index, bag in enumerate(self.bags):
            for word in bag:
                self.postings.setdefault(word, []).append(index)

    def search(self, text: str, *, limit: int) -> tuple[Hit, ...]:
        """Return the `limit` best records by BM25, ordered by their share of common words."""
        words = Counter(_words(text))
        scores: dict[int, float] = {}
        for word in words:
            for position in self.postings.get(word, ()):
                scores[position] = scores.get(position, 0.0) + self._part(word, position)
        best = nlargest(limit, scores.items(), key=itemgetter(1))
        hits = [self._hit(words, position) for position, _ in best]
        return tuple(sorted(hits, key=lambda h: -h.cosine))

    def _part(self, word: str, position: int) -> float:
        bag = self.bags[position]
        count = bag[word]
        return (
            self.weight[word] * count * (K1 + 1) / (count + K1 * (1 - B + B * len(bag) / self.mean))
        )

    def _hit(self, words: Counter[str], position: int) -> Hit:
        record, bag = self.records[position], self.bags[position]
        unknown = math.log(1 + 2 * len(self.bags))
        shared = sum(self.weight.get(w, unknown) for w in words.keys() & bag.keys())
        every = sum(self.weight.get(w, unknown) for w in words.keys() | bag.keys())
        share = shared / every if every else 0.0
        return Hit(label=record.label, text=record.text, cosine=share, answers=record.answers)


def _words(text: str) -> list[str]:
    return [w.lower() for w in WORD.findall(text.encode("utf-8", "replace").decode())][:MAX_WORDS]
