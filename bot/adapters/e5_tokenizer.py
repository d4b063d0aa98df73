"""Tokenizes a text for e5: the most probable division into pieces by a unigram language model.

The `tokenizers` library would take 296 MB and 0.8 s for this vocabulary of 250,002 pieces. Here the
vocabulary is three sorted arrays of 4 MB in all, mapped from disk, and a piece is found by the hash
of its characters. Both give the same tokens; a test compares them.
"""

import json
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bot.adapters.e5_weights import Model

Hashes = npt.NDArray[np.uint64]

SPACE = "▁"  # precedes each word in the spelling of the vocabulary
HASHES, IDS, SCORES = "hashes.npy", "ids.npy", "scores.npy"
REPLACEMENTS = "replacements.json"
BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that its powers never vanish modulo 2**64
LENGTH_SALT = 0x2545F4914F6CDD1D
WHOLE = 2**64 - 1
# An unknown character scores so much below the worst piece, as in the reference implementation.
UNKNOWN_PENALTY = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerSettings:
    """What a tokenizer needs besides its arrays: ids of special tokens, and limits of pieces."""

    begin_id: int
    end_id: int
    unknown_id: int
    unknown_score: float
    longest: int  # characters of the longest piece

    def fields(self) -> dict[str, int | float]:
        """Return the settings by name, for storing."""
        return asdict(self)


class Tokenizer:
    """A tokenizer that gives at most `limit` token ids, those of begin and end included."""

    def __init__(self, folder: Path, settings: TokenizerSettings, *, limit: int) -> None:
        """Map the arrays that `write_vocabulary` wrote into `folder`."""
        self.hashes, self.ids, self.scores = (
            np.asarray(np.load(folder / name, mmap_mode="r")) for name in (HASHES, IDS, SCORES)
        )
        replaced = json.loads((folder / REPLACEMENTS).read_text(encoding="utf-8"))
        self.replacements = {int(character): instead for character, instead in replaced.items()}
        self.settings = settings
        self.limit = limit

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`; adjacent unknown characters become one unknown token."""
        # The kept tokens cannot hold more characters than this; reading the rest would waste time.
        spelled = self.normalize(text)[: self.limit * self.settings.longest]
        ids = self._best_path(spelled)[: self.limit - 2]
        return [self.settings.begin_id, *ids, self.settings.end_id]

    def normalize(self, text: str) -> str:
        """Return the text in the spelling of the vocabulary, with `▁` before each word."""
        readable = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates become "?"
        composed = unicodedata.normalize("NFC", readable.translate(self.replacements))
        return SPACE + SPACE.join(composed.split())

    def _best_path(self, text: str) -> list[int]:
        """Return the ids of the most probable division of `text` into pieces (Viterbi)."""
        pieces = self._pieces(text)
        unknown = (1, self.settings.unknown_id, self.settings.unknown_score)
        best = [0.0] + [-np.inf] * len(text)
        previous = [(0, 0)] * (len(text) + 1)  # where the last piece begins, and its id
        for start, found in enumerate(pieces):
            for length, piece, score in (*found, unknown):
                total = best[start] + score
                if total > best[start + length]:
                    best[start + length] = total
                    previous[start + length] = (start, piece)
        return self._walk_back(previous)

    def _walk_back(self, previous: list[tuple[int, int]]) -> list[int]:
        ids: list[int] = []
        position = len(previous) - 1
        while position:
            position, piece = previous[position]
            if piece != self.settings.unknown_id or ids[-1:] != [piece]:
                ids.append(piece)
        return ids[::-1]

    def _pieces(self, text: str) -> list[list[tuple[int, int, float]]]:
        """Return for each offset of `text` the pieces that begin there: length, id, score."""
        codes = np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.uint64)
        pieces_at: list[list[tuple[int, int, float]]] = [[] for _ in text]
        rolling = np.zeros(len(codes), np.uint64)
        for length in range(1, min(self.settings.longest, len(codes)) + 1):
            rolling = _extended(rolling[: len(codes) - length + 1], codes[length - 1 :])
            wanted = _scattered(rolling, length)
            places = np.searchsorted(self.hashes, wanted)
            places[places == len(self.hashes)] = 0
            starts = np.nonzero(self.hashes[places] == wanted)[0]
            held = places[starts]
            ids, scores = self.ids[held].tolist(), self.scores[held].tolist()
            for start, piece, score in zip(starts.tolist(), ids, scores, strict=True):
                pieces_at[start].append((length, piece, score))
        return pieces_at


def write_vocabulary(model: Model, folder: Path) -> TokenizerSettings:
    """Write the arrays that `Tokenizer` maps, and return its settings.

    It raises ValueError if two pieces have the same hash.
    """
    special = {model.begin_id, model.end_id, model.unknown_id}
    pieces = [raw.decode("utf-8", "replace") for raw in model.pieces]
    # Padding and mask have the score 0: no text holds them.
    ids = [i for i, s in enumerate(model.scores) if pieces[i] and s and i not in special]
    hashes = np.array([hash_piece(pieces[i]) for i in ids], np.uint64)
    order = np.argsort(hashes)
    if len(np.unique(hashes)) < len(hashes):
        raise ValueError("two pieces of the vocabulary have the same hash")
    chosen = np.array(ids, np.int32)[order]
    np.save(folder / HASHES, hashes[order], allow_pickle=False)
    np.save(folder / IDS, chosen, allow_pickle=False)
    np.save(folder / SCORES, model.scores[chosen], allow_pickle=False)
    (folder / REPLACEMENTS).write_text(json.dumps(model.replacements), encoding="utf-8")
    return TokenizerSettings(
        begin_id=model.begin_id, end_id=model.end_id, unknown_id=model.unknown_id,
        unknown_score=float(model.scores[chosen].min()) - UNKNOWN_PENALTY,
        longest=max(len(pieces[i]) for i in ids),
    )  # fmt: skip


def hash_piece(piece: str) -> int:
    """Return the hash of one piece; `Tokenizer` computes the same for all substrings at once."""
    rolling = 0
    for character in piece:
        rolling = (rolling * int(BASE) + ord(character)) & WHOLE
    return int(_scattered(np.array([rolling], np.uint64), len(piece))[0])


def _extended(rolling: Hashes, codes: Hashes) -> Hashes:
    """Return the polynomial hashes of substrings, each longer by one character; modulo 2**64."""
    return rolling * BASE + codes


def _scattered(rolling: Hashes, length: int) -> Hashes:
    """Return the hashes mixed with the finalizer of splitmix64, so that near ones lie far apart."""
    mixed = rolling ^ np.uint64(length * LENGTH_SALT & WHOLE)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
