"""Reviewed translations of passages: what is quoted in them, and what of them is never sent."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.answering.reply import compose_reply, format_passage
from bot.corpus import Knowledge
from bot.corpus.translations import Translation, missing, read_translations
from bot.domain import Priority, Response
from bot.errors import KnowledgeError
from bot.outbound import Outbound
from bot.outbound.letter import html_of, object_to_html
from bot.outbound.self_check import (
    build_answer,
    build_escalation,
    build_refusal,
    find_stopped_replies,
)

RESET = "faq-need-reset-password-rotate-api"
MFA = "faq-enable-multi-factor-authentication-account"
HEADING = "Muss ich mein Passwort zurücksetzen oder meine API-Schlüssel tauschen?"
TEXT = "Da Passwörter und API-Schlüssel nicht betroffen waren, empfehlen wir keines von beiden."


def translation(knowledge: Knowledge, passage: str, **fields: object) -> Translation:
    original = knowledge.passages[passage].version
    made = {"original": original, "heading": HEADING, "text": TEXT, "reviewed": True} | fields
    return Translation.model_validate(made)


def translated(knowledge: Knowledge, **passages: Translation) -> Knowledge:
    names = {"reset": RESET, "mfa": MFA}
    stated = {"de": {names[key]: each for key, each in passages.items()}}
    return replace(knowledge, stated_translations=stated)


@pytest.fixture
def german(knowledge: Knowledge) -> Knowledge:
    yes = translation(
        knowledge, MFA, heading="Soll ich MFA einschalten?", text="Ja. Bitte:\n- jetzt"
    )
    return translated(knowledge, reset=translation(knowledge, RESET), mfa=yes)


def reply(knowledge: Knowledge, language: str = "de") -> str:
    reset, mfa = knowledge.passages[RESET], knowledge.passages[MFA]
    outcomes = (
        build_answer(mfa, question="a"),
        build_answer(reset, question="b"),
        build_escalation(Priority.NORMAL, "c"),
    )
    return compose_reply(Response(outcomes=outcomes, language=language, knowledge=""), knowledge)


def test_the_translation_stands_above_the_published_wording(german: Knowledge) -> None:
    text, wording = reply(german), german.templates["de"].published_wording
    original = format_passage(german.passages[RESET])
    assert f"2. {HEADING}\n    {TEXT}\n\n{wording}\n{original}\n" in text
    assert Outbound(german).check(text).allowed
    assert list(find_stopped_replies(Outbound(german))) == []
    source = html_of(text, language="de", links=german.notes.links, footnote=True)
    assert object_to_html(source, text, german.notes.links) == ""
    assert german.own_words.without(f"Und was nun?\n\n{text}") == "Und was nun?"
    assert reply(german, "fr") == reply(replace(german, stated_translations={}), "fr")


def test_a_refusal_quotes_the_translation_too(german: Knowledge) -> None:
    response = Response(outcomes=(build_refusal(),), language="de", knowledge="")
    text = compose_reply(response, german)
    assert TEXT in text
    assert Outbound(german).check(text).allowed


@pytest.mark.parametrize("fields", [{"reviewed": False}, {"original": "0123456789ab"}])
def test_what_nobody_reviewed_or_what_is_outdated_is_not_sent(
    knowledge: Knowledge, fields: dict[str, object]
) -> None:
    mine = translated(knowledge, reset=translation(knowledge, RESET, **fields))
    text = reply(mine)
    assert TEXT not in text
    assert format_passage(knowledge.passages[RESET]) in text
    assert not Outbound(mine).check(f"{HEADING} {TEXT}").allowed
    outdated = [line for line in mine.warnings if "older than its original" in line]
    assert bool(outdated) is ("original" in fields)


def test_no_translation_can_be_changed_or_moved(german: Knowledge) -> None:
    text, outbound = reply(german), Outbound(german)
    wording = german.templates["de"].published_wording
    reset, mfa = format_passage(german.passages[RESET]), format_passage(german.passages[MFA])
    swapped = text.replace(reset, "#").replace(mfa, reset).replace("#", mfa)
    for changed in (
        text.replace(" nicht ", " "), text.replace(f"{wording}\n{reset}\n\n", ""), swapped,
        text.replace(f"{HEADING}\n", "Soll ich MFA einschalten?\n"), text.replace(f"{wording}\n", ""),
        text.replace("Soll ich MFA einschalten?\n", ""),
    ):  # fmt: skip
        assert changed != text
        assert not outbound.check(changed).allowed, changed


def test_the_file_is_read_and_what_is_missing_is_listed(
    tmp_path: Path, knowledge: Knowledge
) -> None:
    path = tmp_path / "de.yaml"
    row = f"{{original: {knowledge.passages[RESET].version}, heading: H, text: T}}"
    path.write_text(f"{RESET}: {row}\n")
    stated = read_translations(tmp_path)
    lines = list(missing(stated, {name: knowledge.passages[name] for name in (RESET, MFA)}))
    assert lines == [
        f"translations/de.yaml: 1 wait for a review and are not sent: {RESET}",
        f"translations/de.yaml: 1 are not translated: {MFA} (original: {knowledge.passages[MFA].version})",
    ]
    path.write_text(f"{RESET}: {{text: T}}\n")
    with pytest.raises(KnowledgeError, match=r"de\.yaml"):
        read_translations(tmp_path)
    path.write_text("[a]\n")
    with pytest.raises(KnowledgeError, match=r"de\.yaml"):
        read_translations(tmp_path)
    assert read_translations(tmp_path / "none") == {}
