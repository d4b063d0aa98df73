import random
import string
from pathlib import Path

import pytest
import yaml

from bot.corpus import Knowledge
from bot.staff.staff_remarks import MAX_CHARACTERS, find_remarks

KEY = (
    "sk-" + "proj-" + "".join(random.Random(3).choices(string.ascii_letters + string.digits, k=48))
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("a" * (MAX_CHARACTERS + 1), "longer"),
        (f"Your new key is {KEY}.", "API key"),
        ("Please reply with your password so that we can help.", "never do that"),
        ("Could you send us the verification code?", "never do that"),
        ("Bitte schicken Sie uns Ihr Passwort.", "never do that"),
        ("Your account was affected.", "confirms or denies"),
        ("You are not affected.", "confirms or denies"),
        ("See https://openai-help.example/login", "openai-help.example"),
    ],
)
def test_what_a_person_is_asked_about(knowledge: Knowledge, text: str, says: str) -> None:
    assert any(says in warning for warning in find_remarks(text, knowledge))


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
    assert find_remarks(text, knowledge) == ()


def spoken(name: str) -> list[tuple[str, str]]:
    rows = yaml.safe_load(
        (Path(__file__).parents[1] / "data" / "staff_text.yaml").read_text("utf-8")
    )
    return [(lang, text) for lang, texts in rows[name].items() for text in texts]


def test_a_demand_is_seen_in_every_language_of_the_replies(knowledge: Knowledge) -> None:
    asks = spoken("asks")
    assert len(asks) == 128
    assert {lang for lang, _ in asks} == set(knowledge.templates)
    for _, text in asks:
        for put in (text, f"Dear Ana,\n\n{text}\n\nBest regards"):
            assert any("never do that" in w for w in find_remarks(put, knowledge)), text


def test_a_word_on_who_is_in_the_data_is_seen_in_every_language(knowledge: Knowledge) -> None:
    members, uncertain = spoken("members"), spoken("uncertain")
    assert {lang for lang, _ in members} == {lang for lang, _ in uncertain}
    assert {lang for lang, _ in members} == set(knowledge.templates)
    for _, text in members:
        assert any("confirms or denies" in w for w in find_remarks(text, knowledge)), text
    for _, text in uncertain:
        assert not any("confirms or denies" in w for w in find_remarks(text, knowledge)), text


def test_a_secret_that_is_handed_out_is_seen_in_every_language(knowledge: Knowledge) -> None:
    drawn = random.Random(12)
    pastes = spoken("pastes")
    assert {lang for lang, _ in pastes} == set(knowledge.templates)
    for _, slotted in pastes:
        word = "".join(drawn.choices(string.ascii_lowercase, k=6)).title()
        password = f"{word}-Garden-{drawn.randint(1000, 9999)}"
        text = slotted.format(password=password, code=drawn.randint(100_000, 999_999))
        assert any("holds what looks like" in w for w in find_remarks(text, knowledge)), text


def test_an_ordinary_reply_needs_no_remark(knowledge: Knowledge) -> None:
    plain = spoken("plain")
    assert len(plain) > 100
    assert [text for _, text in plain if find_remarks(text, knowledge)] == []


def test_nothing_that_the_desk_says_needs_a_remark(knowledge: Knowledge) -> None:
    texts = [text for t in knowledge.templates.values() for text in t.texts()]
    assert [(text, w) for text in texts for w in find_remarks(text, knowledge)] == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("See https://openai-help.example/login for more.", "https://openai-help.example/login"),
        (
            "At https://openai.com/policies/privacy-policy.",
            "https://openai.com/policies/privacy-policy",
        ),
        ("Write to security@openai-support.example", "security@openai-support.example"),
        ("The page status.example.org has it.", "status.example.org"),
    ],
)
def test_a_link_is_on_the_list_as_a_whole(knowledge: Knowledge, text: str, names: str) -> None:
    assert find_remarks(text, knowledge) == (
        f"it names {names}, which is not on the list of our addresses",
    )


def test_a_warning_does_not_repeat_a_secret(knowledge: Knowledge) -> None:
    assert KEY not in repr(find_remarks(f"See https://x.example/?key={KEY}", knowledge))


def test_every_published_passage_needs_no_remark_but_one(knowledge: Knowledge) -> None:
    remarks = {p.id for p in knowledge.post.passages if find_remarks(p.text, knowledge)}
    assert remarks <= {"faq-chatgpt-accounts-affected"}  # names a domain that is on no list
