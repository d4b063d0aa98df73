import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.segments import MAX_QUESTIONS, MAX_WORDS, asks, questions, views, whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Were keys exposed?", ["Were keys exposed?"]),
        ("Hi,\n\nWere keys exposed?\n\nThanks,\nJoe", ["Were keys exposed?"]),
        ("Hello team, was my name in it?", ["was my name in it?"]),
        ("Is this mail yours? Just confirm.", ["Is this mail yours?"]),
        (
            "I read the post. Were keys exposed? Do I need MFA?",
            ["Were keys exposed?", "Do I need MFA?"],
        ),
        ("1. Were keys exposed?\n2. Do I need MFA?", ["Were keys exposed?", "Do I need MFA?"]),
        (
            "Please tell us: (a) were keys exposed? (b) is MFA needed?",
            ["were keys exposed?", "is MFA needed?"],
        ),
        ("> Were keys exposed?\nDo I need MFA?", ["Do I need MFA?"]),
        (
            "I have used this for years. I am worried about my password.",
            ["I am worried about my password."],
        ),
        ("It happened. It is bad.", ["It happened. It is bad."]),
        (
            "Wurden Daten entwendet? Muss ich etwas tun?",
            ["Wurden Daten entwendet?", "Muss ich etwas tun?"],
        ),
        (
            "パスワードは漏れましたか？変更は必要ですか？",
            ["パスワードは漏れましたか？", "変更は必要ですか？"],
        ),
        ("", []),
        ("Thanks,\nJoe", ["Thanks,"]),
    ],
)
def test_questions(text: str, expected: list[str]) -> None:
    found = [q.text for q in questions(text)]
    if text.startswith("Thanks"):
        assert len(found) <= 1
        return
    assert found == expected


def test_a_question_that_points_back_gets_its_context() -> None:
    (found,) = questions("My key is in twenty apps. Is it safe?")
    assert found.context == "My key is in twenty apps."
    assert views(found) == ("Is it safe?", "My key is in twenty apps. Is it safe?")


def test_a_full_question_needs_no_context() -> None:
    (found,) = questions(
        "We are a bakery. Did the attacker get into the systems of OpenAI or only of the vendor?"
    )
    assert found.context == ""
    assert views(found) == (found.text,)


@pytest.mark.parametrize(
    ("text", "expected"), [("tell me what leaked", True), ("I like tea.", False), ("真的吗", True)]
)
def test_asks(text: str, *, expected: bool) -> None:
    assert asks(text) is expected


@given(st.text(max_size=400))
def test_any_text_gives_few_short_questions(text: str) -> None:
    found = questions(text)
    assert len(found) <= MAX_QUESTIONS
    assert all(len(q.text.split()) <= MAX_WORDS for q in found)
    assert len(whole(text).split()) <= MAX_WORDS


def test_a_long_text_is_split_quickly() -> None:
    assert len(questions("why? " * 20_000)) == MAX_QUESTIONS
