"""What a retriever holds: wordings, and the sentences of passages."""

import hashlib
from dataclasses import dataclass

from bot.corpus import Knowledge


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One representation: a wording, or a sentence of a passage under the passage's id."""

    text: str
    label: str
    answers: bool

    @property
    def id(self) -> str:
        said = f"{self.label}\n{self.answers}\n{self.text}"
        return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:32]


def records_of(knowledge: Knowledge) -> list[Record]:
    """The wordings, and each passage's heading and sentences."""
    asked = knowledge.wordings
    found = [Record(text=w.text, label=w.label, answers=w.answers) for w in asked]
    for passage in knowledge.post.passages:
        texts = dict.fromkeys([passage.heading, *passage.sentences, passage.text])
        found += [Record(text=t, label=passage.id, answers=True) for t in texts]
    return found
