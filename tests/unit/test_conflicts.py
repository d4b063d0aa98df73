"""Sentences of a post that do not agree are found, shown with both, and settled by a note."""

from datetime import date
from pathlib import Path

import pytest

from bot.corpus import Knowledge
from bot.corpus.conflicts import ConflictKind, find_conflicts
from bot.corpus.notes import Companion, Erratum, Notes, Superseded
from bot.corpus.post import Post, read_post
from tests.conftest import ROOT

FRONT = "---\ntitle: T\nurl: https://x.example/p\npublished: 2026-03-02\n---\n"
DAY = date(2026, 3, 20)
OVERTAKEN, DENIED, PASSED = ConflictKind.OVERTAKEN, ConflictKind.CONTRADICTION, ConflictKind.PASSED
BESIDE = ConflictKind.BESIDE
BESIDE_EXAMPLE = (BESIDE, "Names and addresses", "telephone numbers")
# What a post says, and the kind, the words and the other words of each conflict in it.
PLANTED = [
    (
        "We are in the process of informing the museums concerned.\n\n**Update, 9 March 2026**\n\nAll museums concerned have been informed by letter.",
        [(OVERTAKEN, "in the process", "have been informed")],
    ),
    (
        "Around 5,300 season tickets are affected.\n\n**Correction, 9 March 2026**\n\nWe first wrote that 5,300 tickets were affected; the number is 4,870.",
        [(OVERTAKEN, "Around 5,300", "4,870")],
    ),
    (
        "Photographs of visitors were not copied from the archive.\n\n**Correction, 9 March 2026**\n\nOur statement about photographs was wrong: photographs of some visitors were copied from the archive.",
        [(OVERTAKEN, "were not copied", "was wrong")],
    ),
    (
        "The backup tapes of the ticket office were encrypted.\n\nWe keep them in a safe.\n\n**Security**\n\nThe backup tapes of the ticket office were not encrypted.",
        [(DENIED, "office were encrypted", "were not encrypted")],
    ),
    (
        "Die Kundenkarten der Filiale waren verschlüsselt gespeichert.\n\n**Fragen**\n\nDie Kundenkarten der Filiale waren nicht verschlüsselt gespeichert.",
        [(DENIED, "waren verschlüsselt", "nicht verschlüsselt")],
    ),
    (
        "Everybody concerned will get a letter by 14 March.\n\nOur report will appear by 30 April 2026.",
        [(PASSED, "by 14 March", "")],
    ),
    ("Betroffene Gäste werden bis zum 12. März 2026 angeschrieben.", [(PASSED, "12. März", "")]),
    (
        "Names and addresses were copied.\n\nWe keep tapes in a safe.\n\nCorrection of 9 March 2026: telephone numbers were copied too.",
        [BESIDE_EXAMPLE],
    ),
    (
        "Die Adressen wurden kopiert.\n\nWir haben Bänder.\n\nNachtrag: auch die Namen wurden kopiert.",
        [(BESIDE, "Die Adressen", "auch die Namen")],
    ),
    # Nothing disagrees here.
    ("By 14 March, 40 museums had answered. We wrote to all of them on 9 March.", []),
    ("Passwords were not copied.\n\nCard numbers were not copied.\n\nNames were copied.", []),
    ("If you received a letter, you are concerned.\n\nIf you received no letter, you are not concerned.", []),
    ("The list held:\n\n-   the last four digits of the card\n\nThe last four digits of the card do not allow a payment.", []),
    ("No phone numbers were on the list.\n\n**Update, 9 March 2026**\n\nThe number of affected visitors is unchanged.", []),
]  # fmt: skip


def post(tmp_path: Path, body: str) -> Post:
    path = tmp_path / "incident-post.md"
    path.write_text(FRONT + body, encoding="utf-8")
    return read_post(path)


@pytest.mark.parametrize(("body", "expected"), PLANTED)
def test_each_conflict_is_found_with_both_sentences_and_no_other(
    tmp_path: Path, body: str, expected: list[tuple[ConflictKind, str, str]]
) -> None:
    found = find_conflicts(post(tmp_path, body), Notes(), DAY)
    assert [each.kind for each in found] == [kind for kind, _, _ in expected]
    for each, (_, words, others) in zip(found, expected, strict=True):
        assert words in each.sentence
        assert others in each.other_sentence
        assert each.sentence in str(each)
        assert each.other_sentence in str(each)
        assert "notes.yaml" in str(each)


def test_a_note_settles_a_conflict(tmp_path: Path) -> None:
    made = post(tmp_path, PLANTED[0][0])
    (one,) = find_conflicts(made, Notes(), DAY)
    together = Companion(passage=one.passage, together=one.other_passage, why="w")
    assert find_conflicts(made, Notes(quote_together=[together]), DAY) == ()
    never = Erratum(passage=one.passage, instead=[], why="w")
    assert find_conflicts(made, Notes(never_quote=[never]), DAY) == ()


def test_a_note_that_names_a_correction_settles_what_becomes_of_the_older_passage(
    tmp_path: Path,
) -> None:
    (made,) = (post(tmp_path, body) for body, found in PLANTED if found[:1] == [BESIDE_EXAMPLE])
    (one,) = find_conflicts(made, Notes(), DAY)
    by = Superseded(passage=one.passage, by=one.other_passage, why="w")
    together = Companion(passage=one.passage, together=one.other_passage, why="w")
    for notes in (Notes(superseded=[by]), Notes(quote_together=[together])):
        assert find_conflicts(made, notes, DAY) == ()


def test_what_the_shipped_post_gets_wrong_is_found(knowledge: Knowledge) -> None:
    found = find_conflicts(knowledge.post, Notes(), DAY)
    assert {(each.kind, each.passage) for each in found} >= {
        (OVERTAKEN, "faq-know-organization-impacted"),
        (OVERTAKEN, "response-part-security-investigation-removed-mixpanel"),
    }
    assert {each.other_passage for each in found} == {
        "introduction-december-19-2025-clarification-updating"
    }
    settled = {
        "faq-know-organization-impacted",
        "response-part-security-investigation-removed-mixpanel",
    }
    assert not settled & {each.passage for each in knowledge.conflicts}


def test_few_remarks_are_made_on_a_post() -> None:
    paths = sorted((ROOT / "evals" / "data" / "incidents").glob("*/post.md"))
    posts = [read_post(path) for path in paths]
    newest = [max(date.fromisoformat(p.date) for p in each.passages) for each in posts]
    found = [len(find_conflicts(p, Notes(), day)) for p, day in zip(posts, newest, strict=True)]
    assert max(found) <= 3
    assert sum(found) <= len(posts)
