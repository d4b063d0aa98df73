"""What a retriever holds: wordings, and the sentences of passages."""

import hashlib
from dataclasses import dataclass


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
