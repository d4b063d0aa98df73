"""A link is no question, and says nothing but where it leads."""

import pytest

from bot.answering.segmentation import split_questions
from bot.text.clean import clean_message
from bot.text.link_shortening import shorten_links

ASKED = "Were keys exposed?"


@pytest.mark.parametrize(
    "link",
    [
        "https://news.example/a?utm_source=x&utm_medium=y",
        "https://eur01.safelinks.example/?url=https%3A%2F%2Fa.example%2F&data=05%7C02%7C&reserved=0",
        "https://urldefense.example/v2/url?u=https-3A__a.example&d=DwMFaQ&e=",
        "<https://a.example/path?b=c;d=e>",
        "www.example.org/?trk=sig",
        "[our notice](https://a.example/?b=c)",
        "notice <https://a.example/?b=c>",
        "https://a.example/?id=[removed: token]&more=1",
        "https://a.example/b?c=dを見ました。",
    ],
)
def test_the_question_mark_of_a_link_makes_no_question(link: str) -> None:
    text = f"{ASKED} This is from {link}"
    assert [q.text for q in split_questions(clean_message(text).own)] == [ASKED]


def test_a_question_that_ends_in_a_link_is_one_question() -> None:
    (found,) = split_questions(clean_message("Is this yours: https://a.example/b?c=d?").own)
    assert found.text == "Is this yours: https://a.example/b?"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See [the notice](https://a.example/?b=c).", "See the notice."),
        ("See the notice <https://a.example/?b=c>.", "See the notice."),
        ("See <https://a.example/?b|the notice>.", "See the notice."),
        ("See https://a.example/b?c=d#e.", "See https://a.example/b."),
        ("Nothing here? No.", "Nothing here? No."),
    ],
)
def test_a_link_is_cut_to_its_host_and_path(text: str, shown: str) -> None:
    assert shorten_links(text) == shown
