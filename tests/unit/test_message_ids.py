"""Headers that leave, read by somebody strict: RFC 5322 for lines and ids, RFC 2047 for words."""

import re
from base64 import b64decode
from quopri import decodestring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.mail.compose import Composer
from bot.channels.mail.message_ids import find_valid_ids, read_message_id
from bot.journal import ReceivedMessage
from bot.text.reply_subject import reply_subject
from tests.support.desk_messages import received

ATEXT = "abcXYZ019!#$%&'*+-/=?^_`{|}~"
DOT_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
MSG_ID = re.compile(rf"<{DOT_ATOM}@(?:{DOT_ATOM}|\[[!-Z^-~]*\])>")
ADDR_SPEC = re.compile(rf"{DOT_ATOM}@{DOT_ATOM}")
FIELD = re.compile(r"([!-9;-~]+): ?(.*)", re.DOTALL)
WORD = re.compile(r"=\?([a-zA-Z0-9-]+)\?([bBqQ])\?([!->@-~]*)\?=")


def atoms(least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(ATEXT, min_size=least, max_size=most)


@st.composite
def legal(draw: st.DrawFn) -> str:
    """An id of 1 to 900 characters between its brackets."""
    size = draw(st.integers(3, 900))
    left = draw(st.integers(1, size - 2))
    char = draw(st.sampled_from("aZ0_-+="))
    parts = draw(atoms(1, 8)), draw(atoms(1, 8))
    name, host = (
        (part + char * 900)[:n] for part, n in zip(parts, (left, size - left - 1), strict=True)
    )
    return f"<{name}@{host}>"


ODD = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=0, max_size=60
) | st.sampled_from(
    ["<a b@x>", "<a@b@c>", "<@x>", "a@x", "<a..b@x>", "<=?utf-8?q?a?=@x>", "<>", "<é@x>"]
)


def header(mail: bytes) -> dict[str, str]:
    """The headers of a mail, unfolded, after every rule for a line was checked."""
    head, _, _ = mail.partition(b"\r\n\r\n")
    assert head.isascii()
    found: dict[str, str] = {}
    for line in head.decode().split("\r\n"):
        assert 0 < len(line) <= 998
        assert "\r" not in line
        assert "\n" not in line
        assert line.strip(), "a line of white space alone ends the headers for some"
    for field in re.split(r"\r\n(?![ \t])", head.decode()):
        match = FIELD.fullmatch(field)
        assert match, field
        name = match[1].lower()
        assert name not in found, "each header stands once"
        found[name] = re.sub(r"\r\n(?=[ \t])", "", match[2])
    return found


def spoken(value: str) -> str:
    """The text of an unstructured header by RFC 2047."""
    text, after_word = "", False
    for piece in re.split(r"([ \t]+)", value):
        word = WORD.fullmatch(piece)
        if not word:
            assert "=?" not in piece, piece
            text, after_word = text + piece, after_word and not piece.strip()
            continue
        assert len(piece) <= 75
        content = word[3].encode()
        raw = b64decode(content) if word[2] in "bB" else decodestring(content.replace(b"_", b" "))
        # White space between two words belongs to neither.
        text = (text.rstrip(" \t") if after_word else text) + raw.decode(word[1])
        after_word = True
    return text


def reply(headers: dict[str, str], subject: str = "Re: x", sender: str = "") -> dict[str, str]:
    stored = ReceivedMessage(
        channel="email", thread_key="t", key="k", raw_ref="r", verdict="answer", rule="R18",
        sender=sender or "ana@example.org", headers=headers, text="x",
    )  # fmt: skip
    made = Composer("incident@desk.example").reply(
        stored, "Hello\n", subject=subject, turn="desk", automatic=True
    )
    return header(made.body)


@pytest.mark.no_cover
@settings(max_examples=150, deadline=None)
@given(legal(), st.lists(legal(), max_size=30))
def test_ids_of_1_to_900_characters_leave_as_they_came(parent: str, earlier: list[str]) -> None:
    sent = reply({"message_id": parent, "references": " ".join(earlier)})
    encoded = "=?" in parent
    assert sent.get("in-reply-to", "").split() == ([] if encoded else [parent])
    named = sent.get("references", "").split()
    assert all(MSG_ID.fullmatch(each) for each in named)
    expected = [e for e in dict.fromkeys(earlier) if e != parent and "=?" not in e]
    assert named[-1:] == (expected[-1:] if encoded else [parent])
    assert named[:1] == (expected or named)[:1], "the first mail of the thread stays"
    assert len(named) <= 20
    assert MSG_ID.fullmatch(sent["message-id"])


@pytest.mark.no_cover
@settings(max_examples=150, deadline=None)
@given(st.lists(ODD | legal(), max_size=6), ODD | legal())
def test_what_is_no_legal_id_is_left_out(earlier: list[str], parent: str) -> None:
    stored = {
        "message_id": read_message_id(parent),
        "references": " ".join(find_valid_ids(earlier)),
    }
    for headers in (stored, {"message_id": parent, "references": " ".join(earlier)}):
        sent = reply(headers)
        for name in ("in-reply-to", "references"):
            assert all(MSG_ID.fullmatch(each) for each in sent.get(name, "").split())


@pytest.mark.parametrize(
    ("value", "leaves"),
    [
        ("<a@x.example>", "<a@x.example>"),
        ("a@x.example", "<a@x.example>"),
        (" <a@x.example> (a comment)", "<a@x.example>"),
        ("<a b@x.example>", ""),
        ("a b@x.example", ""),
        ("<a>", ""),
        ("<a@b@c>", ""),
        (f"<{'a' * 890}@x>", f"<{'a' * 890}@x>"),
        (f"<{'a' * 1000}@x>", ""),
        ("<é@x.example>", ""),
        ("", ""),
    ],
)
def test_a_message_id_leaves_bare_or_not_at_all(value: str, leaves: str) -> None:
    assert read_message_id(value) == leaves


def test_ids_stand_one_a_line_when_they_are_folded() -> None:
    ids = [f"<{'x' * 60}{n}@mail.example>" for n in range(3)]
    stored = received("x")
    stored.headers.update(message_id=ids[2], references=" ".join(ids[:2]))
    made = Composer("incident@desk.example").reply(
        stored, "x", subject="Re: x", turn="t", automatic=True
    )
    assert "References:\r\n {}\r\n {}\r\n {}\r\n".format(*ids) in made.body.decode()


@pytest.mark.no_cover
@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_a_subject_that_leaves_is_one_short_line_that_any_reader_reads(text: str) -> None:
    subject = reply_subject(text)
    assert reply_subject(subject) == subject
    if subject:
        assert len(subject) <= 120
        assert spoken(reply({}, subject)["subject"]) == subject


def test_long_addresses_leave_whole() -> None:
    sender = f"{'a' * 64}@{'.'.join(['b' * 60] * 3)}.example"
    assert ADDR_SPEC.fullmatch(reply({}, sender=sender)["to"])
