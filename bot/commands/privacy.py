"""Implements `erase` and `export`: finds what is held about a person, erases it or exports it."""

import hashlib
import hmac
import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import re2

from bot.app import App
from bot.channels.mail.decode import decode_encoded_words
from bot.channels.slack.card_sync import message_arguments
from bot.channels.slack.views.cards import render_erased
from bot.corpus.learned import numbers_where, read_numbers, remove_labels
from bot.corpus.team_answers import TeamAnswer, read_team_answers
from bot.errors import InputError
from bot.files import locked_folder, make_private_folder, private_opener, replace_file
from bot.journal.clock import stamp
from bot.journal.erasure import erase_free_pages, erase_person, erased_at
from bot.journal.person_search import (
    Person,
    PersonRecords,
    find_anywhere,
    find_person,
    read_rows,
)
from bot.journal.tables import decision, escalation, message, outbox, outcome, slack_outbox
from bot.outbound import text_of
from bot.ports import KeptMail, MailArchive
from bot.text.mentions import Mentions

RATED = "candidates.jsonl"  # answers that staff rated, with their questions
# Bytes of a file that are searched at a time. Chunks overlap, to find a name across two of them.
CHUNK_BYTES, OVERLAP_BYTES = 16 * 2**20, 4096
NUMBERS = frozenset({".npz", ".onnx"})  # files of numbers: vectors and the encoder's weights
MAX_HEAD_BYTES = 64 * 1024
MAX_NAME_CHARACTERS = 100
HEADER = r"(?im)^(?:{})[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*"
FROM = re2.compile(HEADER.format("from").encode())
PARTIES = re2.compile(HEADER.format("from|sender|return-path|to|cc|delivered-to").encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMatch:
    """A raw mail that names the person; `own` when they are its sender or a recipient."""

    archive: MailArchive = field(repr=False)
    ref: str
    folder: str
    own: bool
    stays: bool  # not erased: somebody else wrote it, and the desk has not read it yet


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """Everything that is held about a person."""

    person: Person
    records: PersonRecords
    mails: tuple[MailMatch, ...]
    rated: int  # lines of the file of rated answers
    learned: frozenset[int]  # numbers of the labels in the knowledge folder
    team_answers: tuple[TeamAnswer, ...]  # to their questions, and others that name them
    called: tuple[str, ...]  # display names in the mails of the person

    def count(self) -> dict[str, int]:
        """Return the numbers by place, without places where nothing was found."""
        counts = self.records.count()
        for mail in self.mails:
            place = f"raw mails in {mail.folder}"
            counts[place] = counts.get(place, 0) + 1
        other = {
            "rated answers": self.rated, "learned questions": len(self.learned),
            "answers in the knowledge": len(self.team_answers),
        }  # fmt: skip
        return counts | {place: number for place, number in other.items() if number}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The record of an erasure: keyed hash of the person, time, what was found, what is left."""

    person: str
    at: str
    found: dict[str, int]
    left: tuple[str, ...]


def find_personal_data(
    app: App, archives: Sequence[MailArchive], names: Sequence[str]
) -> PersonalData:
    """Return what is held about a person; the first of `names` is their address.

    InputError when it is no address, and for a name that is too short to search for.
    """
    person = _person(app.read_installation_key(), names)
    mentions, called, mails = person.mentions, dict[str, None](), list[MailMatch]()
    for archive in archives:
        for mail in archive.find(mentions.names, mentions.are_in_bytes):
            wrote = _names_in(FROM, mail.raw, mentions)
            called |= dict.fromkeys(_display_names(mail.raw)) if wrote else {}
            mails.append(
                MailMatch(
                    archive=archive, ref=mail.ref, folder=mail.folder,
                    own=_names_in(PARTIES, mail.raw, mentions), stays=mail.waiting and not wrote,
                )
            )  # fmt: skip
    records = find_person(app.journal.engine, person)
    return PersonalData(
        person=person, records=records, mails=tuple(mails),
        learned=_find_learned(app, records.messages, mentions),
        team_answers=_find_team_answers(app, records.cases, mentions),
        rated=sum(mentions.are_in(line) for line in _rated_lines(app.settings.home)),
        called=tuple(name for name in called if name not in mentions.names),
    )  # fmt: skip


def describe_personal_data(app: App, held: PersonalData) -> Iterator[str]:
    """Yield lines about what is held: the numbers by place, other names, earlier erasures."""
    yield f"held about {', '.join(held.person.mentions.names)}:"
    for place, number in held.count().items():
        yield f"  {number:>6}  {place}"
    if not held.count():
        yield "  nothing"
    for name in held.called:
        yield f'  they call themselves {name}; to search for that too: --also "{name}"'
    for at in _earlier(app, held.person):
        yield f"  erased before, {at}"


def erase_personal_data(app: App, held: PersonalData) -> Receipt:
    """Erase what is held about a person, search everywhere again, and return the receipt.

    The raw mails are erased first, so that after a crash the next run can finish and no mail is
    taken in again.
    """
    for mail in held.mails:
        if not mail.stays:
            mail.archive.delete(mail.ref)
    _erase_rated(app.settings.home, held.person.mentions)
    remove_labels(app.settings.knowledge, held.learned)
    app.team_answer_review.forget_person(
        held.records.cases, lambda answer: _names(answer, held.person.mentions)
    )
    journal = app.journal
    at = erase_person(
        journal.engine, journal.clock, held.person, held.records,
        hasher=journal.hasher, stub=message_arguments(render_erased("Message")),
    )  # fmt: skip
    erase_free_pages(journal.engine)
    return Receipt(
        person=held.person.trace(_address(held.person)), at=at, found=held.count(),
        left=tuple(_left(app, held)),
    )  # fmt: skip


def export_personal_data(app: App, held: PersonalData, folder: Path) -> list[str]:
    """Write what is held about a person to a new `folder` and return the names of its files.

    What others wrote is not exported: rows and mails that only name the person are counted.
    InputError when the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; name a new folder")
    make_private_folder(folder / "mails")
    raws = [raw for _, raw in _own_mails(held)]
    names = [f"mails/{number}.eml" for number in range(1, len(raws) + 1)]
    for name, raw in zip(names, raws, strict=True):
        _write(folder / name, raw)
    content = _own_rows(app, held) | {
        "address": _address(held.person), "exported_at": stamp(app.journal.clock()),
        "raw_mails": names, "numbers": held.count(), "erased_before": _earlier(app, held.person),
    }  # fmt: skip
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    _write(folder / "export.json", text.encode())
    _write(folder / "export.txt", "\n".join(_readable(content)).encode())
    return ["export.json", "export.txt", *names]


def trace_address(key: bytes, text: str) -> str:
    """Return the keyed hash (HMAC-SHA-256) of an address in lower case."""
    lower = text.lower().encode("utf-8", "replace")
    return hmac.new(key, lower, hashlib.sha256).hexdigest()


def check_address(text: str) -> str:
    """Return `text` without blanks around it; InputError where that is no e-mail address."""
    address = text.strip()
    local, _, domain = address.rpartition("@")
    if not local or not domain or len(address.split()) != 1:
        raise InputError(f"{address!r} is no e-mail address")
    return address


def _person(key: bytes, names: Sequence[str]) -> Person:
    address = check_address(names[0])
    try:
        mentions = Mentions([address, *names[1:]])
    except ValueError as error:
        raise InputError(str(error)) from None
    addresses = frozenset(name.lower() for name in mentions.names if "@" in name)
    return Person(addresses=addresses, mentions=mentions, trace=partial(trace_address, key))


def _address(person: Person) -> str:
    return person.mentions.names[0]


def _earlier(app: App, person: Person) -> list[str]:
    return list(erased_at(app.journal.engine, person.trace(_address(person))))


def _names_in(header: "re2._Regexp[bytes]", raw: bytes, mentions: Mentions) -> bool:
    """Return whether a header matched by `header` names the person; the mail is not parsed."""
    return any(mentions.are_in_bytes(found.group()) for found in header.finditer(_head(raw)))


def _head(raw: bytes) -> bytes:
    head = raw[:MAX_HEAD_BYTES].replace(b"\r\n", b"\n")
    return head.partition(b"\n\n")[0]


def _display_names(raw: bytes) -> Iterator[str]:
    """Yield the name before the address in the From header, where there is one."""
    found = FROM.search(_head(raw))
    written = found.group().partition(b":")[2].decode("utf-8", "replace") if found else ""
    name = decode_encoded_words(" ".join(written.split())).rpartition("<")[0].strip(' "')
    if " " in name and "@" not in name:
        yield name[:MAX_NAME_CHARACTERS]


def _own_mails(held: PersonalData) -> Iterator[tuple[MailMatch, bytes]]:
    """Yield the mails that the person wrote or received, each with its bytes, read again."""
    for archive in dict.fromkeys(mail.archive for mail in held.mails):
        own = {mail.ref: mail for mail in held.mails if mail.archive is archive and mail.own}
        mentions = held.person.mentions
        found: Iterator[KeptMail] = archive.find(mentions.names, mentions.are_in_bytes)
        yield from ((own[mail.ref], mail.raw) for mail in found if mail.ref in own)


def _own_rows(app: App, held: PersonalData) -> dict[str, Any]:
    records = held.records
    engine, messages = app.journal.engine, records.messages
    return {
        "messages": read_rows(engine, message, message.c.id, messages),
        "outcomes": read_rows(engine, outcome, outcome.c.message_id, messages),
        "cases": read_rows(engine, escalation, escalation.c.message_id, messages),
        "decisions": read_rows(engine, decision, decision.c.escalation_id, records.cases),
        "mails": [
            row | {"body": row["body"].decode("utf-8", "replace")}
            for row in read_rows(engine, outbox, outbox.c.id, records.mails)
        ],
        "posts": read_rows(engine, slack_outbox, slack_outbox.c.id, records.posts),
        "answers_in_the_knowledge": [
            each.model_dump(mode="json", exclude={"trial"})
            for each in held.team_answers if each.case in records.cases
        ],
    }  # fmt: skip


def _readable(content: dict[str, Any]) -> Iterator[str]:
    """Yield the export as lines to read: messages, replies and decisions in order of time."""
    yield f"What is held about {content['address']}, {content['exported_at']}"
    said = [(row["received_at"], "You wrote", row["text"]) for row in content["messages"]]
    for row in content["mails"]:
        body = text_of(row["body"].encode("utf-8", "replace"))
        said.append((row["changed_at"], f"We wrote ({row['state']})", body))
    said += [(row["decided_at"], "A person decided", row["action"]) for row in content["decisions"]]
    for at, what, text in sorted(said):
        yield f"\n--- {at}  {what}\n{text.rstrip()}"
    yield "\n--- Numbers by place"
    yield from (f"{number:>6}  {place}" for place, number in content["numbers"].items())


def _rated_lines(home: Path) -> list[str]:
    path = home / RATED
    return path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []


def _erase_rated(home: Path, mentions: Mentions) -> None:
    with locked_folder(home):  # the desk may add a line
        lines = _rated_lines(home)
        kept = [line for line in lines if not mentions.are_in(line)]
        if len(kept) < len(lines):
            replace_file(home / RATED, "".join(kept))


def _find_learned(app: App, messages: Collection[int], mentions: Mentions) -> frozenset[int]:
    """Return the numbers of labels that come from these messages or name the person."""
    written = read_numbers(app.settings.knowledge)
    own = app.journal.labels.list_of_messages(messages) & written
    return own | numbers_where(app.settings.knowledge, mentions.are_in)


def _find_team_answers(
    app: App, cases: Collection[int], mentions: Mentions
) -> tuple[TeamAnswer, ...]:
    """Return the team's answers to questions of the person, and others that name the person."""
    answers, _ = read_team_answers(app.settings.knowledge)
    return tuple(a for a in answers if a.case in cases or _names(a, mentions))


def _names(answer: TeamAnswer, mentions: Mentions) -> bool:
    return mentions.are_in(f"{answer.question}\n{answer.answer}")


def _left(app: App, held: PersonalData) -> Iterator[str]:
    """Search every table, mail and file again, and yield where the person is still named."""
    mentions = held.person.mentions
    yield from (
        f"{place}: {n} rows" for place, n in find_anywhere(app.journal.engine, mentions).items()
    )
    with app.mail.archives() as archives:
        for archive in archives:
            for mail in archive.find(mentions.names, mentions.are_in_bytes):
                yield f"a mail in {mail.folder}" + " that is not read yet" * mail.waiting
    home = app.settings.home
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home)
        searched = path.suffix not in NUMBERS and name.parts[0] not in {"mail", "models"}
        if path.is_file() and searched and _holds(path, mentions):
            yield f"the file {name}"


def _holds(path: Path, mentions: Mentions) -> bool:
    with path.open("rb") as file:
        before = b""
        while chunk := file.read(CHUNK_BYTES):
            if mentions.are_in_bytes(before + chunk):
                return True
            before = chunk[-OVERLAP_BYTES:]
    return False


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=private_opener) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
