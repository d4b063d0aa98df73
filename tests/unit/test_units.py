"""Units: a sentence, or a list with its lead-in, named so that an edit elsewhere changes nothing."""

from pathlib import Path

import pytest

from bot.corpus import Knowledge
from bot.corpus.post import Post, read_post, sentences
from bot.corpus.units import readings, units_of

FRONT = '---\ntitle: "Notice"\nurl: https://x.example/p\npublished: 2026-01-02\n---\n'
BODY = """Somebody copied data. We closed the hole on 14 January.

## What was copied

Our logs show a copy. The following was copied:

- names
- routes

## Is it over?

Yes. The hole is closed.
"""


def post(folder: Path, body: str) -> Post:
    path = folder / "post.md"
    path.write_text(FRONT + body, encoding="utf-8")
    return read_post(path)


def test_a_unit_is_a_sentence_or_a_list_with_its_lead_in(tmp_path: Path) -> None:
    units = units_of(post(tmp_path, BODY).passages)
    assert [u.text for u in units] == [
        "Somebody copied data.",
        "We closed the hole on 14 January.",
        "Our logs show a copy.",
        "The following was copied:\nnames\nroutes",
        "Yes. The hole is closed.",
    ]
    assert units[-1].heading == "Is it over?"


@pytest.mark.parametrize("lead_in", ["These were copied:\n\n", "These were copied.\n\n", "x y:\n"])
def test_a_list_keeps_its_lead_in_however_it_is_set(tmp_path: Path, lead_in: str) -> None:
    units = units_of(post(tmp_path, f"## Data\n\n{lead_in}1. names\n2. routes\n").passages)
    assert [u.text for u in units] == [f"{lead_in.strip()}\nnames\nroutes"]


def test_a_list_without_lead_in_stays_together_under_its_heading(tmp_path: Path) -> None:
    units = units_of(post(tmp_path, "## What was copied\n\n- names\n- routes\n").passages)
    assert [(u.heading, u.text) for u in units] == [("What was copied", "names\nroutes")]


def test_ids_are_readable_and_survive_an_edit_elsewhere(tmp_path: Path) -> None:
    before = units_of(post(tmp_path, BODY).passages)
    edited = BODY.replace("Somebody copied data.", "A stranger took all of it.")
    edited = edited.replace("## Is it over?", "## New\n\nOne more thing.\n\n## Is it over?")
    after = units_of(post(tmp_path, edited).passages)
    assert before[3].id == "copied-logs-show-copy-following-names/following-copied-names-routes"
    assert {u.id for u in before[2:]} < {u.id for u in after}


def test_ids_of_the_shipped_post_are_each_once(knowledge: Knowledge) -> None:
    units = units_of(knowledge.post.passages)
    assert len({u.id for u in units}) == len(units)
    assert {u.passage for u in units} == set(knowledge.passages)


def test_an_item_of_a_list_is_also_read_alone_with_the_lead_in(tmp_path: Path) -> None:
    units = units_of(post(tmp_path, BODY).passages)
    assert readings(units[3], "Notice")[2:] == (
        "The following was copied: names",
        "The following was copied: routes",
    )
    assert readings(units[0], "Notice")[0] == "Notice: Somebody copied data."
    assert readings(units[-1], "Notice")[0] == "Is it over? Yes. The hole is closed."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Am 14. April fiel es auf. Am 1. Mai kam der Brief.", 2),
        ("It was found on March 9. We closed it.", 2),
        ("確認しました。対象は次のとおりです。", 2),
        ("Änderungen folgen. Über alles weitere schreiben wir.", 2),
    ],
)
def test_sentences_of_other_languages(text: str, expected: int) -> None:
    assert len(sentences(text)) == expected


def test_an_answer_of_two_paragraphs_and_a_japanese_post_get_ids(tmp_path: Path) -> None:
    body = (
        "**Who helps?**\n\nWrite to us.\n\nThanks for reading.\n\n## 経緯\n\n弊社は確認しました。\n"
    )
    passages = post(tmp_path, body).passages
    assert [p.id for p in passages] == [
        "faq-helps",
        "faq-helps-thanks-reading",
        "faq-経緯",
    ]
