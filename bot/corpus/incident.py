"""knowledge/incident.yaml: what names an incident beyond its post."""

import re
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bot.corpus.notes import Notes
from bot.domain import ExpectedTime
from bot.errors import KnowledgeError
from bot.resources import parse_yaml

ADDRESS = re.compile(r"[^\s@<>,;\"']+@[^\s@<>,;\"']+\.[^\s@<>,;\"']+")
TAG = re.compile(r"\+[^@]*(?=@)")


class Incident(BaseModel):
    """The settings of one incident."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    person_address: str = ""  # a mailbox that people read; empty: replies name none
    answer_within: ExpectedTime | None = None  # None: replies promise no time

    def check_apart(self, desk_address: str) -> None:
        """Raise KnowledgeError where the desk itself reads what is said to be a person's."""
        if self.person_address and _bare(self.person_address) == _bare(desk_address):
            raise KnowledgeError(
                f"incident.yaml: person_address {self.person_address} is the mailbox that the desk "
                "reads (DESK_ADDRESS); name one that people read, or leave it empty"
            )


def read_incident(path: Path, notes: Notes) -> Incident:
    """The settings in `path`, all empty without that file; KnowledgeError says what is wrong."""
    if not path.exists():
        return Incident()
    try:
        read = parse_yaml(path.read_text(encoding="utf-8"))
        incident = Incident.model_validate(read or {})
    except (yaml.YAMLError, ValidationError) as error:
        raise KnowledgeError(f"{path}: {' '.join(str(error).split())[:300]}") from None
    address = incident.person_address
    if address and not ADDRESS.fullmatch(address):
        raise KnowledgeError(f"{path}: person_address {address!r} is no mail address")
    if address and f"mailto:{address}" not in notes.links:
        raise KnowledgeError(
            f"{path}: person_address {address} is on no list; add mailto:{address} to links in "
            "notes.yaml"
        )
    return incident


def _bare(address: str) -> str:
    """The address in lower case and without a tag: all its forms reach one mailbox."""
    return TAG.sub("", address.strip().casefold())
