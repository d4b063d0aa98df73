"""The subject of a reply: the asker's own with one Re:, and nothing in it but words."""

import pytest

from bot.corpus import Knowledge
from bot.text.reply_subject import reply_subject

PREFIXES = (
    "Re", "RE", "re", "Aw", "AW", "Antw", "SV", "VS", "Odp", "回复", "答复", "Fwd", "FW", "WG", "TR", "RV", "ENC",
    "Res", "R", "I", "Rif", "Doorst", "VB", "PD", "Ynt", "İLT", "ΑΠ", "ΠΡΘ", "Отв", "Vá", "Ats", "Bls", "返信", "転送",
    "转发", "轉寄", "회신", "전달", "رد", "إعادة توجيه", "תגובה", "ตอบกลับ", "उत्तर", "ＲＥ", "Trả lời", "RE[2]", "Re^3",
    "Re(4)", "RE [2]", "Antwort",
)  # fmt: skip


@pytest.mark.no_cover
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("colon", [": ", ":", " : ", "：", "： "])
def test_every_sign_of_a_reply_becomes_one(prefix: str, colon: str) -> None:
    assert reply_subject(f"{prefix}{colon}Mixpanel") == "Re: Mixpanel"


def test_signs_of_replies_stack_in_any_order() -> None:
    for n, first in enumerate(PREFIXES):
        others = [PREFIXES[(n + step) % len(PREFIXES)] for step in (1, 7, 13)]
        stack = "".join(f"{each}: " for each in (first, *others, first))
        assert reply_subject(f"{stack}Was kann ich tun?") == "Re: Was kann ich tun?"


@pytest.mark.parametrize(
    ("subject", "kept"),
    [
        ("[Ticket#2025112710000123] Re: keys", "Re: [Ticket#2025112710000123] keys"),
        ("Re: [#INC0012345] AW: keys", "Re: [#INC0012345] keys"),
        ("[EXT] [T#1] Re: [T#1] keys", "Re: [EXT] [T#1] keys"),
        ("[T-1] keys", "Re: [T-1] keys"),
        ("Reply wanted: keys", "Re: Reply wanted: keys"),
        ("Mixpanel", "Re: Mixpanel"),
        ("می‌شود پرسید", "Re: می‌شود پرسید"),
        ("my data?! (ChatGPT) & you", "Re: my data?! (ChatGPT) & you"),
        ("Re:", ""),
        ("Re: Fwd: ...", ""),
        ("", ""),
        ("\u200b\u202e", ""),
        ("Fr\ufffdge", ""),
    ],
)
def test_the_words_and_the_tags_of_tickets_stay(subject: str, kept: str) -> None:
    assert reply_subject(subject) == kept


@pytest.mark.parametrize(
    "carried",
    [
        "https://evil.example/a?b=c", "HTTP://EVIL.EXAMPLE", "www.evil.example", "evil.example", "evil.example/x",
        "mailto:eve@evil.example", "eve@evil.example", "eve＠evil.example", "javascript:alert(1)", "tel:+120255501",
        "10.1.2.3", "10.1.2.3:80/x", "https：//evil.example", "<b>", "ünïcödé.example", "例え.テスト", "=?utf-8?q?a?=",
    ],
)  # fmt: skip
def test_links_and_addresses_are_taken_out(carried: str) -> None:
    for subject in (f"keys {carried} now", f"{carried} keys now", f"keys now {carried}"):
        made = reply_subject(subject)
        assert carried not in made
        assert "evil.example" not in made.lower()
        assert not {"@", "＠", "<", ">"} & set(made)
        assert "=?" not in made


@pytest.mark.parametrize(
    "char",
    [
        "\r\n",
        "\n",
        "\t",
        "\0",
        "\x1b",
        "\u202e",
        "\u2066",
        "\u200b",
        "\u2028",
        "\ufeff",
        "\u00ad",
        "\U000e0041",
    ],
)
def test_a_subject_is_one_line_without_invisible_characters(char: str) -> None:
    made = reply_subject(f"ke{char}ys{char}Bcc: eve")
    assert made
    assert made.isprintable()
    assert char not in made


def test_a_long_subject_ends_at_a_word() -> None:
    made = reply_subject("question " * 40)
    assert made.endswith("question…")
    assert 90 < len(made) <= 120
    assert len(reply_subject("x" * 5_000)) == 120


def test_the_desk_has_a_subject_in_each_of_its_languages(knowledge: Knowledge) -> None:
    subjects = {language: t.subject for language, t in knowledge.templates.items()}
    assert len(set(subjects.values())) == len(subjects) == 17
    assert all(reply_subject(subject) == subject for subject in subjects.values())
