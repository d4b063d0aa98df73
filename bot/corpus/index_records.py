"""Lists what a retriever holds: wordings, and the sentences of passages."""

import hashlib
from dataclasses import dataclass

from bot.corpus.knowledge import Knowledge
from bot.corpus.links import without_link_addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One representation: a wording, or a sentence of a passage under the passage's id."""

    text: str
    label: str
    answers: bool

    @property
    def id(self) -> str:
        """A hash of what the record says and means."""
        said = f"{self.label}\n{self.answers}\n{self.text}"
        return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:32]


def records_of(knowledge: Knowledge) -> list[Record]:
    """The wordings, and each passage's heading, sentences and whole text."""
    records = [Record(text=w.text, label=w.label, answers=w.answers) for w in knowledge.wordings]
    for passage in knowledge.every_passage:
        texts = dict.fromkeys([passage.heading, *passage.sentences, passage.text])
        records += [
            Record(text=without_link_addresses(t), label=passage.id, answers=True) for t in texts
        ]
    return records
