import random
import string

import pytest

from bot.corpus import Knowledge
from bot.staff_text import MAX_CHARACTERS, warnings

KEY = (
    "sk-" + "proj-" + "".join(random.Random(3).choices(string.ascii_letters + string.digits, k=48))
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("a" * (MAX_CHARACTERS + 1), "longer"),
        (f"Your new key is {KEY}.", "api key"),
        ("Please reply with your password so that we can help.", "never do that"),
        ("Could you send us the verification code?", "never do that"),
        ("Bitte schicken Sie uns Ihr Passwort.", "never do that"),
        ("Your account was affected.", "confirms or denies"),
        ("You are not affected.", "confirms or denies"),
        ("See https://openai-help.example/login", "openai-help.example"),
    ],
)
def test_what_a_person_is_asked_about(knowledge: Knowledge, text: str, says: str) -> None:
    assert any(says in warning for warning in warnings(text, knowledge))


@pytest.mark.parametrize(
    "text",
    [
        "Dear Ana, passwords were not affected. You do not need to reset anything.",
        "We will never ask you to send us a password, key or code.",
        "Please don't send your password to anyone.",
        "The post at https://openai.com/index/mixpanel-incident has the details.",
        "Affected users were told by e-mail. I have asked my colleague and will write again.",
    ],
)
def test_what_needs_no_remark(knowledge: Knowledge, text: str) -> None:
    assert warnings(text, knowledge) == ()


def test_every_published_passage_needs_no_remark_but_one(knowledge: Knowledge) -> None:
    remarks = {p.id for p in knowledge.post.passages if warnings(p.text, knowledge)}
    assert remarks <= {"faq-chatgpt-accounts-affected"}  # names a domain that is on no list
