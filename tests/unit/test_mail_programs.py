"""Whom the desk writes to: programs and people who resemble them, in many languages.

The mails of programs_kept_back.yaml were written before the rules; those of programs.yaml helped
to choose the words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.app import App
from bot.channels.mail.addresses import parse_addresses, parse_authors
from bot.channels.mail.intake import judge_mail
from bot.channels.mail.parse import ParsedMail, parse
from bot.channels.mail.rules import MailRuleContext, MailVerdict, Ruling, apply_rules
from bot.commands.mail_check import MailCheck
from bot.errors import SettingsError
from bot.serve.service import Service
from bot.settings import Settings

MAILS = Path(__file__).parents[1] / "data" / "mail"
POLICY = MailRuleContext(own=frozenset({"desk@desk.example", "help@desk.example"}))
FINAL = (MailVerdict.DROP, MailVerdict.BOUNCE, MailVerdict.RECEIPT)
RIGHT = {
    "silent": (*FINAL, MailVerdict.HOLD),
    "seen": (MailVerdict.ANSWER, MailVerdict.HOLD),
    "answer": (MailVerdict.ANSWER,),
    "hold": (MailVerdict.HOLD,),
}
SETS = ["programs.yaml", "programs_kept_back.yaml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One mail of a set with what the rules made of it."""

    row: dict[str, Any]
    raw: bytes
    mail: ParsedMail
    ruling: Ruling

    @property
    def right(self) -> bool:
        """Is it one of the outcomes that are right, under the sender's own address?"""
        held = self.ruling.verdict is MailVerdict.HOLD
        written = held or self.mail.sender == self.row.get("address", self.mail.sender)
        return written and self.ruling.verdict in RIGHT[self.row["want"]]


def raw_of(row: dict[str, Any]) -> bytes:
    head = [
        f"From: {row.get('from', 'Ana Example <ana@example.org>')}",
        f"To: {row.get('to', 'desk@desk.example')}",
        f"Subject: {row.get('subject', 'Question about the incident')}",
        *row.get("head", []),
    ]
    if "parts" not in row:
        head.append("Content-Type: text/plain; charset=utf-8")
        return "\r\n".join([*head, "", row["body"]]).encode()
    head.append("Content-Type: multipart/mixed; boundary=b1")
    body = "".join(
        f"--b1\r\nContent-Type: {part['type']}; charset=utf-8\r\n\r\n{part['body']}\r\n"
        for part in row["parts"]
    )
    return "\r\n".join([*head, "", f"{body}--b1--\r\n"]).encode()


def judged(name: str) -> Iterator[Judged]:
    for row in yaml.safe_load((MAILS / name).read_text(encoding="utf-8")):
        raw = raw_of(row)
        mail = parse(raw)
        yield Judged(row=row, raw=raw, mail=mail, ruling=apply_rules(mail, POLICY))


@pytest.mark.no_cover
@pytest.mark.parametrize("name", SETS)
def test_no_persons_mail_is_dropped_unseen(name: str) -> None:
    people = [case for case in judged(name) if case.row["want"] != "silent"]
    assert [case.row for case in people if case.ruling.verdict in FINAL] == []
    assert len(people) > 40


@pytest.mark.no_cover
@pytest.mark.parametrize("name", SETS)
def test_programs_get_no_reply_in_any_language(name: str) -> None:
    robots = [case for case in judged(name) if case.row["want"] == "silent"]
    answered = [case.row for case in robots if not case.right]
    assert len(answered) <= 0.03 * len(robots), answered


@pytest.mark.parametrize("name", SETS)
def test_people_whose_words_resemble_a_programs_are_answered(name: str) -> None:
    people = [case for case in judged(name) if case.row["want"] == "answer"]
    assert [(case.row, case.ruling.rule) for case in people if not case.right] == []


@pytest.mark.parametrize("name", SETS)
def test_what_a_person_must_see_is_held(name: str) -> None:
    held = [case for case in judged(name) if case.row["want"] == "hold"]
    assert [(case.row, case.ruling.rule) for case in held if not case.right] == []


@pytest.mark.parametrize(
    "value",
    [
        "Ana Example ana@example.org",
        "ana@example.org bo@example.net",
        "Ana <ana@exa mple.org>",
        "Ana ana@example.org, Bo <bo@example.net>",
        "Bo <bo@example.net>, Ana [ana@example.org]",
        '"ana example"@example.org',
        "Ana <ana@example.org> bo@example.net",
        "=?utf-8?q?ana=40example.org?=",
        "=?utf-8?q?ana?=@example.org",
        "ana@example..org",
        "Ana &lt;ana@example.org&gt;",
        "j\ufffdrg@example.org",
    ],
)
def test_an_address_that_would_have_to_be_repaired_is_none(value: str) -> None:
    assert parse_authors([value], limit=50) == ()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("<mailto:Ana@Example.org>", "ana@example.org"),
        ("mailto:ana@example.org;", "ana@example.org"),
        ("'ana@example.org'", "ana@example.org"),
        ("Ana <ana@example.org.>", "ana@example.org"),
        ("o'neil@example.org", "o'neil@example.org"),
        ("Jörg <jörg@müller.example>", "jörg@müller.example"),
        ("ana@example.org (Ana, at work)", "ana@example.org"),
        ("Team: ana@example.org;", "ana@example.org"),
        ('"bo@example.net" <ana@example.org>', "ana@example.org"),
    ],
)
def test_what_changes_nothing_is_taken_off_an_address(value: str, found: str) -> None:
    assert parse_addresses([value], limit=50) == parse_authors([value], limit=50) == (found,)


@pytest.mark.parametrize("to", ["help@desk.example", "Desk <help+case7@desk.example>"])
def test_a_desk_may_own_several_addresses(to: str) -> None:
    settings = Settings(
        address="desk@desk.example", aliases="Help@desk.example, privacy@desk.example"
    )
    policy = MailRuleContext(own=settings.own_addresses)
    raw = raw_of({"to": to, "body": "Were keys exposed?"})
    assert apply_rules(parse(raw), policy).verdict is MailVerdict.ANSWER
    ours = raw_of({"from": "privacy@desk.example", "body": "Were keys exposed?"})
    assert apply_rules(parse(ours), policy).rule == "R2 from our own address"


def test_an_alias_that_is_no_address_is_named() -> None:
    with pytest.raises(SettingsError, match="'help desk' is no address"):
        _ = Settings(aliases="help desk").own_addresses


@pytest.mark.no_cover
def test_mail_check_and_the_running_desk_agree_on_every_mail(
    settings: Settings, tmp_path: Path
) -> None:
    app = App(
        settings.model_copy(
            update={"address": "desk@desk.example", "aliases": "help@desk.example", "http_port": 0}
        )
    )
    service = Service(app, lambda _: None)
    file = tmp_path / "mail.eml"
    with MailCheck(app) as check:
        for number, case in enumerate(each for name in SETS for each in judged(name)):
            running = judge_mail(case.raw, service.parser, service.policy).ruling
            checked = judge_mail(case.raw, check.parser, check.policy).ruling
            assert running == checked == case.ruling, case.row
            if number % 20 == 0:
                file.write_bytes(case.raw)
                said = check.check_file(str(file))
                assert (said["verdict"], said["rule"]) == (running.verdict, running.rule)
    service.parser.close()
