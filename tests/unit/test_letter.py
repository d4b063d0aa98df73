"""The HTML part of a mail: it says what the plain text says, and nothing else can stand in it."""

import random
from email import message_from_bytes
from email.policy import SMTP

import pytest

from bot.channels.mail.compose import Composer
from bot.channels.mail.parse import parse
from bot.corpus import Knowledge
from bot.outbound import Outbound, text_of
from bot.outbound.letter import html_of, object_to_html
from evals.generators.tampering import reply
from tests.support.desk_messages import received

LINKS = ("https://desk.example/post", "mailto:help@desk.example")
TEXT = """Hello,

1. Were names lost?
    Yes. These were lost:
    - names & towns
    - <b>addresses</b>

    - a password

See https://desk.example/post, or https://evil.example/post, or write to help@desk.example.
Ana

The footer
"""


def made(text: str = TEXT, language: str = "en") -> str:
    return html_of(text, language=language, links=LINKS, footnote=True)


def test_the_html_is_as_plain_as_a_letter() -> None:
    source = made()
    body = source[source.index("<body") :]
    for piece in (
        ">1. Were names lost?</h2>",
        '<p style="margin:0">Yes. These were lost:</p>',
        "<li>names &amp; towns</li>\n<li>&lt;b&gt;addresses&lt;/b&gt;</li>",
        '<a href="https://desk.example/post">https://desk.example/post</a>,',
        '<a href="mailto:help@desk.example">help@desk.example</a>.<br>\nAna</p>',
        'font-size:14px">The footer</p>',
    ):
        assert piece in body
    assert body.count("<a ") == 2, "a link that is on no list cannot be clicked"
    assert object_to_html(source, TEXT, LINKS) == ""
    assert object_to_html(source.replace("\n", "\r\n"), TEXT, LINKS) == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Hello,", "Hello, all"),
        ("Hello,", "<!-- x -->Hello,"),
        ("Hello,", "<![CDATA[x]]>Hello,"),
        ("Hello,", "Hello,&nbsp;"),
        ("Hello,", "Hello,&#8203;"),
        ("Hello,", '<img src="https://x.example/pixel.gif">Hello,'),
        ("Hello,", "<script>x</script>Hello,"),
        ("Hello,", "<b>Hello,</b>"),
        ("Hello,</p>", "Hello,"),
        ("<p style=", "<p onclick="),
        ("<p style=", '<p class="x" style='),
        ("<p style=", "<P style="),
        ('style="margin:0 0 16px"', 'style="margin:0 0 16px;display:none"'),
        ('style="margin:0 0 16px"', "style='margin:0 0 16px'"),
        ('style="margin:0 0 16px"', 'style="margin:0 0 16px" style="margin:0"'),
        ('style="margin:0 0 16px"', 'background="https://x.example" style="margin:0 0 16px"'),
        ('href="https://desk.example/post"', 'href="https://evil.example/post"'),
        ('href="https://desk.example/post"', 'href="mailto:help@desk.example"'),
        ('href="https://desk.example/post"', 'href="https://desk.example/post" target="x"'),
        ("https://evil.example/post", '<a href="https://evil.example/post">x</a>'),
        (">https://desk.example/post</a>", ">this</a>"),
        ("</head>", '<base href="https://evil.example">\n</head>'),
        ("<body style", '<body background="x" style'),
        ("<!doctype html>", "<!doctype html><p>x</p>"),
        ("</html>", "</html>x"),
        ("Were names", "were names"),
        ("<li>names &amp; towns</li>", ""),
        ("names &amp; towns", "names & towns"),
        ("</blockquote>", "x</blockquote>"),
        ("</ul>", "</ul></ul>"),
    ],
)
def test_nothing_else_can_stand_in_the_html(old: str, new: str) -> None:
    source = made()
    assert old in source
    assert object_to_html(source.replace(old, new, 1), TEXT, LINKS), new


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "Dear Ana,\r\n\r\nall is well.\r\n\r\nEve",
        "a\n    b\nc",
        "    - a\n    b\n    - c",
        "- a\n- b",
        "\tx\u00a0y\u2003z\n \n\n\n   \nw",
        "a < b && c > d &amp; <script>alert(1)</script> \"q\" 'r'",
        "https://desk.example/post?x help@desk.example, (https://desk.example/post)",
        "مرحبًا، API\n\n    Yes.\n\nשלום",
        "\u202eabc\u2066",
    ],
)
def test_whatever_a_person_writes_is_said_word_for_word(text: str) -> None:
    for language in ("en", "ar"):
        assert object_to_html(made(text, language), text, LINKS) == ""


def test_each_language_has_its_direction_and_the_quotes_theirs(knowledge: Knowledge) -> None:
    drawn = random.Random(3)
    for language, templates in knowledge.templates.items():
        texts = (reply(knowledge, drawn) for _ in range(1000))
        text = next(t for t in texts if templates.footer in t and templates.answer_lead in t)
        source = html_of(text, language=language, links=knowledge.notes.links, footnote=True)
        assert object_to_html(source, text, knowledge.notes.links) == ""
        direction = "rtl" if language == "ar" else "ltr"
        assert f'<html lang="{language}" dir="{direction}">' in source
        quote = source[source.index("<blockquote") :].partition(">")[0]
        assert ('lang="en"' in quote) is (language != "en")
        assert ('dir="ltr"' in quote) is (language == "ar")


def test_a_mail_has_both_parts_and_the_same_bytes_each_time(knowledge: Knowledge) -> None:
    composer = Composer("incident@desk.example", links=knowledge.notes.links)
    text = reply(knowledge, random.Random(2))
    bodies = [
        composer.reply(
            received("x"), text, subject="Re: x", turn="desk", automatic=True, language="de"
        ).body
        for _ in range(2)
    ]
    without_date = [[line for line in b.splitlines() if b"Date:" not in line] for b in bodies]
    assert without_date[0] == without_date[1]
    mail = message_from_bytes(bodies[0], policy=SMTP)
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert bodies[0].count(b"MIME-Version") == 1
    assert text_of(bodies[0]).split() == text.split()
    assert Outbound(knowledge).check_mail(bodies[0], automatic=True).allowed
    assert max(map(len, bodies[0].splitlines())) <= 78


def test_our_html_that_comes_back_is_known_as_ours(knowledge: Knowledge) -> None:
    drawn = random.Random(11)
    own = knowledge.own_words
    for _ in range(20):
        text = reply(knowledge, drawn)
        source = html_of(text, language="en", links=knowledge.notes.links, footnote=True)
        quoted = source[source.index("<body") :].replace("<body", "<div").replace("</body", "</div")
        raw = (
            "From: ana@example.org\r\nTo: incident@desk.example\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/html; charset=utf-8\r\n\r\n"
            f"<p>And what of my phone number?</p>{quoted}"
        ).encode()
        assert own.without(parse(raw, own).text).strip() == "And what of my phone number?", text
