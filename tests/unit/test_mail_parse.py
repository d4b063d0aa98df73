"""The parser on our own mails, on hostile ones, and on mails broken at random."""

import random
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from bot.channels.mail.addresses import parse_addresses
from bot.channels.mail.decode import decode_encoded_words, decode_text, decode_transfer_encoding
from bot.channels.mail.html import html_text
from bot.channels.mail.mime import LimitError
from bot.channels.mail.parse import ParsedMail, dedupe_key, parse
from bot.channels.mail.sandbox import LATE_FAULT, READY, SafeParser
from bot.channels.mail.visible_reply import visible_reply
from bot.text.own_words import OwnWords
from tests.support.growth import assert_in_proportion, cpu_seconds
from tests.support.waiting import SAFETY_NET_SECONDS

MAILS = Path(__file__).parents[1] / "data" / "mail"
CORPUS = Path(__file__).parents[3] / "shared" / "mail-corpus"


def reading(make: Callable[[int], bytes]) -> Callable[[int], Callable[[], ParsedMail]]:
    """Makes a mail of a size, and returns the work of reading it."""

    def prepare(size: int) -> Callable[[], ParsedMail]:
        return partial(parse, make(size))

    return prepare


def mail(body: bytes, *head: bytes) -> bytes:
    start = [b"From: Ana <Ana@Example.org>", b"To: desk@x.example", b"Message-ID: <1@example.org>"]
    return b"\r\n".join([*start, *head, b"", body])


def of(name: str) -> ParsedMail:
    return parse((MAILS / name).read_bytes())


def mixed(pieces: bytes, boundary: bytes = b"b") -> bytes:
    return mail(pieces, b"Content-Type: multipart/mixed; boundary=" + boundary)


def test_a_reply() -> None:
    found = of("plain_reply.eml")
    assert (found.sender, found.return_path) == ("ana@example.org", "ana@example.org")
    assert found.recipients == ("desk@desk.example",)
    assert found.values("in-reply-to") == ("<1@desk.example>",)
    assert found.visible == "Thanks. Was my phone number part of it?\n\nAna"
    assert "The notice lists" in found.text
    assert not found.fault


def test_all_inline_text_is_read_and_each_thing_once() -> None:
    found = of("apple_mixed.eml")
    assert found.subject == "Änderung nötig?"
    assert [line for line in found.text.split("\n") if line] == [
        "first words",
        "café",
        "last words",
    ]
    assert [each.name for each in found.attachments] == ["scréen.png"]
    assert found.hidden
    assert found.content_types == (
        "multipart/mixed",
        "text/plain",
        "image/png",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "text/html",
    )


def test_a_message_inside_stays_closed() -> None:
    found = of("forwarded_bounce.eml")
    assert found.content_types == ("multipart/mixed", "text/plain", "message/rfc822")
    assert "Is my address affected?" in found.text


@pytest.mark.parametrize(
    ("page", "text", "hidden"),
    [
        ("<p>Was my <b>phone</b> leaked?</p><script>x</script>", "Was my phone leaked?", False),
        ("<title>t</title><p>a<br>b</p><!-- c -->", "a\nb", False),
        ("a<div style='display: none'>evil</div>b", "a\nb", True),
        ("a<span style='font-size:0px'>evil</span>", "a", True),
        ("a<span style='font-size:0.9em;color:#111;background:#fff'>b</span>", "ab", False),
        ("a<i style='color:#FFF;background-color:#fff'>evil</i>", "a", True),
        ("a<i style='position:absolute;left:-9999px'>evil</i>", "a", True),
        ("a<p hidden>evil</p>", "a", True),
        ("<style>/* x */ .h, #i > { } .h{display:none}</style>a<i class=h>evil</i>", "a", True),
        ("<style>@media print {.h{display:none}} p{color:red}</style><i class=h>b</i>", "b", False),
        ("<style>p[{display:none}</style><p>b</p>", "b", False),
        ("a<div style='display:none'></div>", "a", False),
        (
            "Yes<blockquote>old<p>older</p></blockquote><div class=gmail_quote>q</div>new",
            "Yes\n> old\n> older\n> q\nnew",
            False,
        ),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b", False),
        ("", "", False),
    ],
)
def test_html_shows_what_a_person_sees(page: str, text: str, hidden: bool) -> None:  # noqa: FBT001
    found = html_text(page)
    assert (found.text, found.hidden) == (text, hidden)


@pytest.mark.parametrize("page", ["<div>" * 600 + "x", "<br>" * 70_000, "<p>a" * 25_000])
def test_too_much_html_is_a_limit(page: str) -> None:
    with pytest.raises(LimitError):
        html_text(page)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("Ana <ana@x.org>", ("ana@x.org",)),
        ('"a@evil.example" <ana@x.org>', ("ana@x.org",)),
        ("a@evil.example <ana@x.org>", ("ana@x.org",)),
        ("Group: a@x.org, B <b@x.org>;", ("a@x.org", "b@x.org")),
        ("ana@x.org (a (nested) \\) comment)", ("ana@x.org",)),
        ("<ana@x.org> <b@x.org>", ()),
        ("a@b@x.org", ()),
        ("<@relay.example:ana@x.org>", ("ana@x.org",)),
        ('"ana"@x.org', ("ana@x.org",)),
        ('"ana b"@x.org', ()),
        ('<"a\\"b"@x.org>', ()),
        ("nobody, @x.org, a@, <>", ()),
        ("Doe, Jo <jo@x.org>, JO@X.org", ("jo@x.org",)),
        ('"open <ana@x.org>', ()),
        ("an\\@a@x.org", ()),
    ],
)
def test_addresses(value: str, found: tuple[str, ...]) -> None:
    assert parse_addresses([value], limit=50) == found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain  words", "plain words"),
        ("=?utf-8?q?caf=C3=A9_au?= lait", "café au lait"),
        ("=?utf-8?b?w4M=?= =?utf-8?b?wqk=?=", "é"),
        ("=?utf-8?b?4oI=?= =?utf-8?b?rA==?=", "€"),
        ("a =?klingon?q?b?= =?iso-8859-1*de?q?=E9?= c", "a bé c"),
        ("=?utf-8?b?%%%?= x", "x"),
        ("=?utf-8?x?no?=", "=?utf-8?x?no?="),
    ],
)
def test_encoded_words(value: str, text: str) -> None:
    assert decode_encoded_words(value) == text


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        (b"caf\xe9", "us-ascii", "café"),
        ("café".encode(), "iso-8859-15x", "café"),
        ("人".encode("gb18030"), "gb2312", "人"),
        ("日本".encode("iso-2022-jp"), "iso-2022-jp", "日本"),
        (b"abc", "punycode", "abc"),
        (b"abc", "zlib", "abc"),
        (b"ok \x81\x8d\x8f", "utf-8", "ok ���"),
        (b"+2AA-", "utf-7", "?"),
    ],
)
def test_charsets(content: bytes, charset: str, text: str) -> None:
    assert decode_text(content, charset) == text


def test_transfer_encodings() -> None:
    assert decode_transfer_encoding(b"Y2Fm\r\n6Q==", " BASE64 (x)") == b"caf\xe9"
    assert decode_transfer_encoding(b"YWJjZ", "base64")[:3] == b"abc"
    assert decode_transfer_encoding(b"a=3D", "Quoted-Printable; x") == b"a="
    assert decode_transfer_encoding(b"a=3D", "8bit") == b"a=3D"


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("make", "size", "says"),
    [
        (lambda n: b"x" * n, 10 * 1024 * 1024 + 1, "10 MiB"),
        (lambda n: b"X: " + b"a" * n + b"\r\n\r\nx", 300_000, "256 KiB"),
        (lambda n: mixed(b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * n), 300, "200 parts"),
        (lambda n: mixed(b"--b\r\n\r\nx\r\n" * n), 100_000, "200 parts"),
        (lambda n: mixed(b"--bb\r\n" * n), 900_000, "delimiter"),
        (lambda n: mixed((b"--b\n" + b"a:\n" * 9000 + b"\nhi\n") * n), 30, "lines of headers"),
        (lambda n: mixed((b"--b\nX: " + b"a" * n + b"\n\nhi\n") * 3), 200_000, "256 KiB"),
        (
            lambda n: b"".join(
                b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
                for i in range(n)
            ),
            2000,
            "nested",
        ),
        (
            lambda n: mail(b"x", b"Cc: " + b", ".join(b"a%d@x.example" % i for i in range(n))),
            9000,
            "50 addr",
        ),
        (lambda n: mail(b"<div>" * n, b"Content-Type: text/html"), 100_000, "elements"),
        (
            lambda n: b"From: ana@example.org\n" + b"a:\n" * n + b"\nhi",
            80_000,
            "lines of headers",
        ),
        (lambda n: mail(b"a " * n, b"Content-Type: text/html"), 600_000, "million"),
    ],
)
def test_what_is_too_much_is_a_fault_and_costs_no_more_than_its_size(
    make: Callable[[int], bytes], size: int, says: str
) -> None:
    found = parse(make(size))
    assert says in found.fault
    assert found.key
    assert found.text == ""
    assert_in_proportion(reading(make), size)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda n: mail(b"hi", b"Subject: " + b"=?utf-8?q?ab=C3=A9?= " * n), 5000),
        (lambda n: b"From: " + b"(" * n + b")" * n + b" ana@example.org\r\n\r\nhi", 3000),
        (lambda n: mail(b"hi", b"Content-Type: text/plain; " + b'a="' * n), 50_000),
        (lambda n: mail(b"hi" + b"\n" * n), 10_000_000),
        (lambda n: b"From: ana@example.org\n" + b"a:\n" * n + b"\nhi", 9_000),
        (
            lambda n: mail(
                b"hi\n" + b"On Mon, Jan 1, 2024 at 1:00, a <a@b.example> wrote:\n> x\nfoo\n" * n
            ),
            600,
        ),
        (lambda n: mail(b"hi\n" + b"On 2024 at 10:00 a@b.example\n" * n), 1900),
        (lambda n: mail(b"hi\n" + b"From: x\n\n" * n), 900),
    ],
)
def test_what_is_odd_is_read_and_costs_no_more_than_its_size(
    make: Callable[[int], bytes], size: int
) -> None:
    found = parse(make(size))
    assert (found.fault, found.sender) == ("", "ana@example.org")
    assert found.text.startswith("hi")
    assert_in_proportion(reading(make), size)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"From a@b.cc Mon\nFrom: a@b.cc\n\nhi", "hi"),
        (b" folded\nFrom: a@b.cc\nno header here\n\nhi", "no header here\n\nhi"),
        (mail(b"hi", b"Content-Type: multipart/mixed"), "hi"),
        (mail(b"hi", b"Content-Type: text/plain; name*=klingon''%ff"), "hi"),
        (mixed(b"--b--\r\nhi"), "--b--\nhi"),
        (mixed(b"--b\n\nno headers\n--b"), "no headers"),
        (mail(b"a\0b", b"Content-Type: nonsense"), "ab"),
        (mail(b"x", b"Content-Type: application/pdf"), ""),
        (
            mail(
                b"--b\r\n\r\nFrom: x@y.zz\r\n\r\nx", b"Content-Type: multipart/digest; boundary=b"
            ),
            "",
        ),
        (
            mail(
                b"--b\n\n \n--b\nContent-Type: text/html\n\n<p>page",
                b"Content-Type: multipart/alternative; boundary=b",
            ),
            "page",
        ),
        (
            mail(b"--b\n\n \n--b--", b"Content-Type: multipart/alternative; boundary=b"),
            "",
        ),
        (
            mixed(b"--b\n\none\n--b\nContent-Disposition: attachment\n\ntwo\n--b--\nthree"),
            "one",
        ),
    ],
)
def test_broken_structure(raw: bytes, text: str) -> None:
    found = parse(raw)
    assert (found.fault, found.text.strip()) == ("", text)


def test_the_key_ignores_transport_but_not_the_body() -> None:
    one = b"Received: x\r\n more\r\nSubject: a\r\n\r\nbody"
    two = b"Delivered-To: z\r\nReceived: y\r\nSubject: a\r\n\r\nbody"
    assert dedupe_key(one) == dedupe_key(two) == parse(two).key
    assert dedupe_key(one) != dedupe_key(one + b"!")
    assert dedupe_key(mail(b"a")) != dedupe_key(mail(b"b"))
    assert dedupe_key(mail(b"a")) == dedupe_key(b"Received: z\r\n" + mail(b"a"))
    assert dedupe_key(mail(b"a").replace(b"Ana@", b"eve@")) != dedupe_key(mail(b"a"))


@given(st.binary(max_size=2000))
def test_no_bytes_crash_the_parser(raw: bytes) -> None:
    assert parse(raw).key


@pytest.mark.no_cover
def test_mails_broken_at_random_are_read() -> None:
    rng = random.Random(7)
    originals = [path.read_bytes() for path in sorted(MAILS.glob("*.eml"))]
    spent = unbroken = 0.0
    for _ in range(300):
        original = rng.choice(originals)
        unbroken += cpu_seconds(partial(parse, original))
        raw = bytearray(original)
        for _ in range(rng.randint(1, 12)):
            place = rng.randrange(len(raw))
            piece = rng.choice([b"\n", b"--b", b'"', b"\xff", b"=?", b"\n\n", bytes(raw[:40])])
            raw[place : place + rng.randint(0, 9)] = piece
        spent += cpu_seconds(partial(parse, bytes(raw)))
        found = parse(bytes(raw))
        assert found.key
        assert "Error" not in found.fault, bytes(raw)
    assert spent < 10 * unbroken, "a broken mail costs about what the whole one costs"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes.\n\nOn Mon, Jan 1, 2024 at 1:00 AM, Desk <d@x.example> wrote:\n> Hello", "Yes."),
        ("Yes.\n\nOn Mon, Jan 1, 2024 at 1:00 AM, Desk\n<d@x.example>\nwrote:\n> Hello", "Yes."),
        ("Ja.\n\nAm 01.01.2024 um 10:00 schrieb Desk:\n> Hallo", "Ja."),
        ("Tak\n\n2024-01-02 10:00 GMT+01:00 Desk <d@x.example>:\n\n> Hej", "Tak"),
        ("はい\n\n2024年1月2日 10:00 Desk <d@x.example>:\n> x", "はい"),
        ("Desk <d@x.example>\nwrote:\n> x\n\nNo.", "No."),
        ("Ok\n\n-----Original Message-----\nFrom: x", "Ok"),
        ("Ok\n\n________________________________\nVan: Desk\nAan: mij\n\noud", "Ok"),
        ("Ok\n\nFrom: Desk\nSent: Monday\nTo: me\n\nold", "Ok"),
        ("From: Desk\nSent: Monday\nSubject: long\n and wrapped\nTo: me\n\nforwarded", "forwarded"),
        ("Ok\n\nSent from my phone", "Ok"),
        ("Sent from my desk, which is new.", "Sent from my desk, which is new."),
        ("> Was it stolen?\n\nI ask that too.", "> Was it stolen?\n\nI ask that too."),
        (
            "Hi\nOn Jan 1, 2024 Desk <d@x.example> wrote:\n> one?\nyes\n> two?\nno\n> rest",
            "Hi\n> one?\nyes\n> two?\nno",
        ),
        ("> only quoted", "> only quoted"),
        ("On Monday I said this:\nall of it is mine", "On Monday I said this:\nall of it is mine"),
        ("To: be or not\nthat is mine", "To: be or not\nthat is mine"),
        (
            "mine\n==============================\nalso",
            "mine\n==============================\nalso",
        ),
        ("mine\n________________\nAna, Example Ltd", "mine"),
        ("Hi\n--\nAna", "Hi"),
        ("--\nAna", "--\nAna"),
        ("plain text", "plain text"),
        ("a\n" * 2500, ("a\n" * 2500).strip()),
    ],
)
def test_visible_reply(text: str, expected: str) -> None:
    assert visible_reply(text) == expected


def test_the_sandbox_parses_and_recovers_from_a_kill() -> None:
    parser = SafeParser()
    try:
        assert parser.parse(mail(b"hello")).text == "hello"
        assert parser._child is not None
        parser._child.kill()
        parser._child.join()
        late = parser.parse(mail(b"hello"))
        assert (late.fault, late.key) == (LATE_FAULT, dedupe_key(mail(b"hello")))
        assert parser.parse(mail(b"again")).text == "again"
    finally:
        parser.close()


def test_a_late_child_is_replaced() -> None:
    parser = Silent(seconds=0.1)
    try:
        assert parser.parse(mail(b"hello")).fault == LATE_FAULT
        assert parser._child is None
    finally:
        parser.close()
    parser.close()


def silently(pipe: Connection, own: OwnWords) -> None:  # noqa: ARG001
    """Is ready, takes a mail, and never says what it read."""
    pipe.send_bytes(READY)
    pipe.recv_bytes()
    pipe.poll(None)


def never(pipe: Connection, own: OwnWords) -> None:  # noqa: ARG001
    pipe.close()


class Silent(SafeParser):
    loop = staticmethod(silently)


class StartsLate(SafeParser):
    """Its child takes longer to start than a mail may take to be read."""

    @override
    def _started(self) -> Connection:
        pipe = super()._started()
        self.seconds = SAFETY_NET_SECONDS  # the time for a mail counts from here
        return pipe


class Dead(SafeParser):
    loop = staticmethod(never)


def test_the_start_of_the_child_costs_no_mail() -> None:
    parser = StartsLate(seconds=0.0)
    try:
        assert parser.parse(mail(b"hello")).text == "hello"
    finally:
        parser.close()


def test_a_child_that_does_not_start_is_a_fault() -> None:
    parser = Dead()
    try:
        assert parser.parse(mail(b"hello")).fault == LATE_FAULT
    finally:
        parser.close()


@pytest.mark.no_cover
def test_every_corpus_mail_is_read() -> None:
    if not CORPUS.exists():
        pytest.skip("../shared/mail-corpus is not here")
    for path in sorted(p for p in CORPUS.rglob("*") if p.is_file()):
        assert not parse(path.read_bytes()).fault, path.name
