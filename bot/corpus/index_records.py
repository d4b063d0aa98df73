"""Lists the texts that a retriever searches: wordings, and the sentences of passages."""

import hashlib
from dataclasses import dataclass

from bot.corpus.knowledge import Knowledge
from bot.corpus.links import without_link_addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One text of the index: a wording, or a part of a passage; `label` says what it stands for.

    The label of a part is the id of its passage. `answers` is whether the label can be answered.
    """

    text: str
    label: str
    answers: bool

    @property
    def id(self) -> str:
        """A hash of all fields of the record."""
        said = f"{self.label}\n{self.answers}\n{self.text}"
        return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:32]


def records_of(knowledge: Knowledge) -> list[Record]:
    """Return the wordings, and each passage's heading, sentences and whole text, as records."""
    records = [Record(text=w.text, label=w.label, answers=w.answers) for w in knowledge.wordings]
    for passage in knowledge.every_passage:
        texts = dict.fromkeys([passage.heading, *passage.sentences, passage.text])
        records += [
            Record(text=without_link_addresses(t), label=passage.id, answers=True) for t in texts
        ]
    return records
