import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answering.segmentation import (
    MAX_QUESTIONS,
    MAX_WORDS,
    asks,
    rests_on_context,
    split_questions,
    views,
    whole,
)


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
    found = [q.text for q in split_questions(text)]
    if text.startswith("Thanks"):
        assert len(found) <= 1
        return
    assert found == expected


def test_a_question_that_points_back_gets_its_context() -> None:
    (found,) = split_questions("My key is in twenty apps. Is it safe?")
    assert found.context == "My key is in twenty apps."
    assert views(found) == ("My key is in twenty apps. Is it safe?",)


def test_a_short_question_that_points_nowhere_is_read_alone_too() -> None:
    (found,) = split_questions("We are a bakery. Were keys exposed?")
    assert views(found) == ("Were keys exposed?", "We are a bakery. Were keys exposed?")


def test_the_second_of_two_questions_is_read_alone_too_although_a_word_points_back() -> None:
    text = "Did they get my key? Do they know which browser I use for it?"
    first, second = split_questions(text)
    assert views(second) == (second.text, f"{first.text} {second.text}")
    assert not rests_on_context(second)
    told, asked = "They have my key and my browser.", "Do they really know it?"
    (rumour,) = split_questions(f"{told} {asked}")
    assert rests_on_context(rumour)


def test_an_aside_between_a_rumour_and_the_question_does_not_hide_the_rumour() -> None:
    (found,) = split_questions("They say that a spy did it. I am worried. Is that what happened?")
    assert found.context == "They say that a spy did it. I am worried."


@pytest.mark.parametrize(
    "text",
    [
        "Is that so?", "Is this because of what happened?", "Stimmt das?", "Ist das wahr?",
        "Est-ce vrai ?", "C'est bien ça ?", "¿Es eso lo que pasó?", "¿Es cierto?", "È vero?",
        "Isso é verdade?", "Klopt dat?", "Czy to prawda?", "それは本当ですか？", "这是真的吗？",
        "그게 사실인가요?", "هل هذا صحيح؟", "क्या यह सच है?",
    ],
)  # fmt: skip
def test_a_question_that_points_back_is_decided_with_its_context_only(text: str) -> None:
    rumour = "A paper says that the thieves sold the file."
    (found,) = split_questions(f"{rumour} {text}")[-1:]
    assert views(found) == (f"{rumour} {text}",)


@pytest.mark.parametrize(
    "text", ["??", "?", "4711-0815", "+49 30 1234567", "https://e.example/a?b"]
)
def test_marks_numbers_and_links_are_no_questions(text: str) -> None:
    assert [q.text for q in split_questions(f"Were keys exposed?\n{text}")] == [
        "Were keys exposed?"
    ]


def test_a_full_question_needs_no_context() -> None:
    (found,) = split_questions(
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
    found = split_questions(text)
    assert len(found) <= MAX_QUESTIONS
    assert all(len(q.text.split()) <= MAX_WORDS for q in found)
    assert len(whole(text).split()) <= MAX_WORDS


def test_a_long_text_is_split_quickly() -> None:
    assert len(split_questions("why? " * 20_000)) == MAX_QUESTIONS
