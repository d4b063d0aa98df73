"""Reads incident.yaml: the names and settings of an incident that are not in its post."""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, field_validator

from bot.corpus.notes import Notes
from bot.corpus.yaml_files import read_file_as
from bot.domain import ExpectedTime
from bot.errors import KnowledgeError
from bot.text.incident_names import IncidentNames

ADDRESS = re.compile(r"[^\s@<>,;\"']+@[^\s@<>,;\"']+\.[^\s@<>,;\"']+")
TAG = re.compile(r"\+[^@]*(?=@)")
PLAIN_NAME = re.compile(r"[^\s{}<>\x00-\x1f][^{}<>\x00-\x1f]{0,79}")
KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class Incident(BaseModel):
    """The settings of one incident; those that are empty are unknown, and no reply names them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: str = ""  # names the incident in the journal; stays the same through all edits
    company: str = ""  # as it calls itself in the post
    products: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()  # other companies that the incident began at or involves
    domains: tuple[str, ...] = ()  # official ones, each with all that is below it
    mailbox: str = ""  # the address that the post gives for questions about the incident
    person_address: str = ""  # a mailbox that people read; empty: replies name none
    answer_within: ExpectedTime | None = None  # None: replies promise no time
    language: str = "en"  # of the post
    languages: tuple[str, ...] = ()  # that are answered; empty: all that have reply templates
    review: tuple[str, ...] = ()  # settings that were guessed and that nobody has looked at yet

    @field_validator("company", "products", "vendors")
    @classmethod
    def _is_plain(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for name in [value] if isinstance(value, str) else value:
            if name and not PLAIN_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name: one line of at most 80 characters")
        return value

    @field_validator("key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        if value and not KEY.fullmatch(value):
            raise ValueError(f"{value!r} has other characters than a-z, 0-9 and -")
        return value

    @property
    def names(self) -> IncidentNames:
        """The names that rules and other parts of the desk may look for in a message."""
        company = (self.company,) if self.company else ()
        return IncidentNames(company=company, products=self.products, vendors=self.vendors)

    @property
    def slots(self) -> dict[str, str]:
        """The values of the slots of reply templates, by name; empty for what is not known."""
        return {
            "company": self.company,
            "mailbox": self.mailbox,
            "person_address": self.person_address,
        }

    def check_apart(self, desk_address: str) -> None:
        """Raise KnowledgeError when `person_address` is the mailbox that the desk itself reads."""
        if self.person_address and _bare(self.person_address) == _bare(desk_address):
            raise KnowledgeError(
                f"incident.yaml: person_address {self.person_address} is the mailbox that the desk "
                "reads (DESK_ADDRESS); name one that people read, or leave it empty"
            )


def is_mail_address(text: str) -> bool:
    """Return whether a text has the form of a mail address whose domain has a dot."""
    return bool(ADDRESS.fullmatch(text))


def read_incident(path: Path, notes: Notes) -> Incident:
    """Return the settings in `path`, all empty without the file; KnowledgeError for a fault."""
    if not path.exists():
        return Incident()
    incident = read_file_as(path, Incident, empty={})
    for field in ("mailbox", "person_address"):
        address = getattr(incident, field)
        if address and not is_mail_address(address):
            raise KnowledgeError(f"{path}: {field} {address!r} is no mail address")
    address = incident.person_address
    if address and f"mailto:{address}" not in notes.links:
        raise KnowledgeError(
            f"{path}: person_address {address} is on no list; add mailto:{address} to links in "
            "notes.yaml"
        )
    return incident


def _bare(address: str) -> str:
    """Return the address in lower case without its tag, as all these forms reach one mailbox."""
    return TAG.sub("", address.strip().casefold())
