"""Lines that a mail program broke are joined; lines that a writer broke stay."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answering.segmentation import split_questions
from bot.text.clean import clean_message
from bot.text.unwrap import unwrap

LONG = (
    "we run a small shop and would like to understand whether the keys of our organisation, or "
    "perhaps the two-factor settings of the people on the account, were touched by what happened "
    "at the vendor in November, and what you advise us to do about it before the weekend?"
)
GERMAN = (
    "wir betreiben einen kleinen Laden und möchten wissen, ob die Schlüssel unserer Organisation "
    "oder die Kennwörter der Mitarbeiter von dem Vorfall bei dem Dienstleister betroffen waren."
)
JAPANESE = "先日のお知らせを拝見しました。弊社のＡＰＩキーや社員の氏名がその書き出しに含まれていたのか、また今すぐ何をすればよいのかを教えていただけますか。"


@pytest.mark.parametrize("width", [56, 60, 64, 66, 70, 72, 76, 78, 80, 100, 120])
@pytest.mark.parametrize("text", [LONG, GERMAN, LONG.upper()])
def test_a_paragraph_wrapped_at_any_width_is_one_line(text: str, width: int) -> None:
    assert unwrap("\n".join(textwrap.wrap(text, width))) == text


@pytest.mark.parametrize("width", [60, 72, 78])
def test_paragraphs_stay_apart(width: int) -> None:
    paragraphs = ["Hello,", "", LONG, "", GERMAN, "", "Ana"]
    broken = "\n".join("\n".join(textwrap.wrap(p, width)) for p in paragraphs)
    assert unwrap(broken) == "\n".join(paragraphs)


@pytest.mark.parametrize("width", [20, 35, 38])
def test_japanese_lines_are_joined_without_spaces(width: int) -> None:
    lines = [JAPANESE[i : i + width] for i in range(0, len(JAPANESE), width)]
    assert unwrap("\n".join(lines)) == JAPANESE


def test_half_a_sentence_is_no_question_of_its_own() -> None:
    text = (
        "how long will somebody look for misuse of what was taken after\nwhat happened in autumn?"
    )
    assert [q.text for q in split_questions(unwrap(text))] == [text.replace("\n", " ")]


@pytest.mark.parametrize(
    "text",
    [
        "Were keys exposed?\nDo I need to rotate?",
        "were keys exposed\ndo i need to rotate",
        "Were the keys of our whole organisation exposed in this incident?\nDo we need to rotate?",
        "Were the keys of our whole organisation exposed in this incident\nDo we need to rotate",
        "Please tell me:\n- whether keys were exposed\n- whether I need to rotate them\n- and when",
        "1. Were the keys of our organisation exposed by the vendor in this?\n2. Do we need to act?",
        "Dear all,\nwere keys exposed?\nKind regards\nAna Example\nHead of IT",
        "Roses are red\nViolets are blue\nMy key was stolen\nAnd yours was too",
        "Name       | Key  | Exposed\nAna        | one  | no\nBo         | two  | yes",
        "From: Ana Example\nSubject: keys\nDate: today",
        "> quoted words of somebody who wrote before me and who wrote a lot of them\n> and more",
        "Subject\n=======\nWere keys exposed?",
        "お世話になっております。\n山田です。\nキーは漏れましたか。",
        "Guten Tag,\nwurden Schlüssel gestohlen?\nMit freundlichen Grüßen\nAna",
    ],
)
def test_lines_that_a_writer_set_apart_stay(text: str) -> None:
    assert unwrap(text) == text


def test_an_item_of_a_list_may_be_wrapped_itself() -> None:
    items = [f"1. {LONG}", f"2. {LONG}"]
    broken = "\n".join("\n".join(textwrap.wrap(item, 72)) for item in items)
    assert unwrap(broken) == "\n".join(items)


def test_a_link_broken_over_lines_is_whole_again() -> None:
    link = "https://gateway.example/?url=https%3A%2F%2Fopenai.example%2Findex%2Fnotice&data=05%7C02"
    assert unwrap(f"I read\n{link[:70]}\n{link[70:]}\ntoday.").count(link) == 1


@pytest.mark.parametrize("word", ["two-factor", "e-mail"])
def test_a_word_broken_at_its_hyphen_is_whole_again(word: str) -> None:
    text = f"we have switched on everything that you recommend in the notice, even the {word} thing"
    first, last = text.split("-")
    assert word in unwrap(f"{first}-\n{last}")


@given(st.text(alphabet="ab é日ー.?-\n\t>", max_size=300))
def test_no_character_is_lost_or_moved(text: str) -> None:
    assert "".join(unwrap(text).split()) == "".join(text.split())


def test_half_a_character_stops_nothing() -> None:
    assert "\ud800" not in clean_message("Were keys exposed \ud800?").whole
