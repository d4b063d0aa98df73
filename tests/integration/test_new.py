"""`incident-desk new`: a working knowledge folder from a post alone, and incidents side by side."""

import base64
import http.server
import io
import quopri
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest
import yaml
from typing_extensions import override

from bot.app import App
from bot.cli import main
from bot.commands.new import make_folder, read_source
from bot.corpus import Knowledge, load
from bot.corpus.post import read_post
from bot.corpus.published_page import read_published_page, to_post
from bot.domain import ExpectedTime, Passage
from bot.errors import InputError, SettingsError
from bot.outbound import Outbound
from bot.outbound.self_check import find_stopped_replies
from bot.settings import Settings, read_settings
from tests.conftest import ROOT, home_of
from tests.support.growth import assert_in_proportion

POSTS = ROOT / "tests" / "data" / "posts"
INCIDENTS = ROOT / "evals" / "data" / "incidents"
# What each of our posts is about, and words of its page that are none of the post.
ORCHARD = {
    "title": "Security notice: order history of Orchard & Vine",
    "url": "https://www.orchardvine.example/news/security-notice", "published": "2026-08-19",
    "company": "Orchard & Vine", "vendors": [], "mailbox": "notice@orchardvine.example",
    "domains": ["orchardvine.example"], "language": "en",
}  # fmt: skip
LIGHTHOUSE = {
    "title": "Visitor bookings were readable for eleven days", "url": "", "published": "2026-10-06",
    "company": "Kestrel Point Lighthouse Trust", "vendors": ["Tidemark Calendars"],
    "mailbox": "bookings@kestrelpoint.example", "domains": ["kestrelpoint.example"], "language": "en",
}  # fmt: skip
FREIBAD = {
    "title": "Datenpanne beim Saisonkartenverkauf des Freibads Lindenau",
    "url": "https://www.baeder-lindenau.example/datenpanne", "published": "2026-06-02",
    "company": "Lindenau", "vendors": ["Kassenwerk Nord"],
    "mailbox": "datenschutz@baeder-lindenau.example", "domains": ["baeder-lindenau.example"],
    "language": "de",
}  # fmt: skip
BIKES = {
    "title": "Data event of 9 June: what riders should know", "published": "2026-06-11",
    "url": "https://help.veloranta.example/trust/updates/data-event", "company": "Veloranta",
    "products": [], "vendors": ["Paysolid"], "mailbox": "trust@veloranta.example", "language": "en",
}  # fmt: skip
LIBRARY = {
    "title": "Important: information about your library account", "published": "2026-07-21",
    "url": "", "company": "Pellworth Library Service", "products": [], "vendors": [],
    "mailbox": "accounts@pellworth-libraries.example", "domains": ["pellworth-libraries.example"],
}  # fmt: skip
DENTISTS = {
    "title": "Statement on unauthorised access to our appointment system", "url": "",
    "published": "2026-10-14", "company": "Marlow & Finch", "vendors": ["Calendrix"],
    "mailbox": "privacy@marlowfinch.example",
}  # fmt: skip
FRAME = (
    "cookies",
    "Newsletter",
    "Sign in",
    "Drink responsibly",
    "Harvest",
    "Skip to",
    "Share",
    "Terms",
)


def words(passages: Iterable[Passage]) -> set[str]:
    """All words of headings and texts: a question may move into the heading of its answer."""
    return {word for p in passages for word in f"{p.heading} {p.text}".split()}


def words_of(text: str) -> set[str]:
    """The words of a text without its signs."""
    return set(re.findall(r"\w+", text))


def made(folder: Path, post: str) -> Knowledge:
    list(make_folder(folder, read_source(str(POSTS / post))))
    return load(folder)


@pytest.mark.parametrize(
    ("post", "said"),
    [
        ("orchard.html", ORCHARD), ("lighthouse.txt", LIGHTHOUSE), ("freibad.md", FREIBAD),
        ("rental-bikes.html", BIKES), ("library-mail.txt", LIBRARY), ("dentists.txt", DENTISTS),
    ],
)  # fmt: skip
def test_a_post_of_any_shape_becomes_a_folder_from_which_every_reply_may_leave(
    tmp_path: Path, post: str, said: dict[str, object]
) -> None:
    knowledge = made(tmp_path / "k", post)
    incident = yaml.safe_load((tmp_path / "k" / "incident.yaml").read_text("utf-8"))
    post_says = knowledge.post
    about = {"title": post_says.title, "url": post_says.url, "published": post_says.published}
    assert about | incident | said == about | incident
    assert incident["review"]
    assert ", ".join(ExpectedTime) in (tmp_path / "k" / "incident.yaml").read_text("utf-8")
    assert list(find_stopped_replies(Outbound(knowledge))) == []
    assert sorted(path.name for path in (tmp_path / "k").iterdir()) == [
        "ids.yaml", "incident-post.md", "incident.yaml", "notes.yaml",
    ]  # fmt: skip


def test_a_saved_page_loses_its_menus_and_keeps_its_questions_tables_and_links(
    tmp_path: Path,
) -> None:
    knowledge = made(tmp_path / "k", "orchard.html")
    text = (tmp_path / "k" / "incident-post.md").read_text("utf-8")
    assert not [word for word in FRAME if word in text]
    headings = [p.heading for p in knowledge.post.passages]
    for asked in ("Was my card number stolen?", "Will you ever ring me about this?"):
        assert asked in headings
    texts = {p.text: p.heading for p in knowledge.post.passages}
    assert "Date of order: July 2026; Letter sent: 17 August 2026" in "\n".join(texts)
    last = next(t for t in texts if "about fake calls" in t)
    assert "(https://www.orchardvine.example/help/fake-calls)" in last
    assert texts[last] == "Your questions", "it answers none of the questions above it"
    listed = next(t for t in texts if t.startswith("A slip shows:"))
    assert listed.count("\n") == 3


@pytest.mark.parametrize(
    ("post", "frame", "passages"),
    [
        (
            "rental-bikes.html",
            ("privacy", "Home", "min read", "helpful", "newsletter", "How to"),
            9,
        ),
        ("library-mail.txt", ("Forwarded", "From:", "Subject", "Unsubscribe", "Castle Street"), 11),
        ("dentists.txt", ("Statement on", "Published"), 7),
    ],
)
def test_what_stands_around_a_statement_is_told_by_its_words_where_no_name_tells_it(
    tmp_path: Path, post: str, frame: tuple[str, ...], passages: int
) -> None:
    knowledge = made(tmp_path / "k", post)
    said = "\n".join(f"{p.heading}\n{p.text}" for p in knowledge.post.passages)
    assert [word for word in frame if word in said] == []
    assert len(knowledge.post.passages) == passages


def test_a_saved_mail_is_read_in_whatever_way_it_is_encoded() -> None:
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"], mail["Reply-To"] = (
        "Café Lumière <nepasrepondre@lumiere.example>",
        "aide@lumiere.example",
    )
    mail["Subject"], mail["Date"] = "TR: Vos données", "Wed, 04 Mar 2026 09:00:00 +0100"
    mail.set_content("le texte seul")
    mail.add_alternative(
        "<html><body><h2>Que s’est-il passé ?</h2><p>Un fichier a été copié le 2 mars 2026.</p>"
        "<p>Vous recevez ce message parce que vous êtes client.</p></body></html>",
        subtype="html", cte="base64",
    )  # fmt: skip
    page = read_published_page(mail.as_bytes().decode("utf-8", "surrogateescape"))
    assert (page.title, page.publisher, page.contact, page.published) == (
        "Vos données", "Café Lumière", "aide@lumiere.example", "2026-03-04",
    )  # fmt: skip
    assert page.markdown == "## Que s’est-il passé ?\n\nUn fichier a été copié le 2 mars 2026."


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("utf-8", "8bit"),
        ("utf-8", "quoted-printable"),
        ("iso-8859-1", "8bit"),
        ("klingon", "base64"),
    ],
)
def test_a_saved_mail_keeps_its_letters_in_each_charset(charset: str, encoding: str) -> None:
    said = "Am 2. März 2026 wurden Adressen kopiert. Passwörter sind nicht betroffen."
    body = {
        "8bit": said,  # as the file was read, whatever its bytes were
        "quoted-printable": quopri.encodestring(said.encode()).decode(),
        "base64": base64.encodebytes(said.encode()).decode(),
    }[encoding]
    page = read_published_page(
        "From: Acme <hilfe@acme.example>\nSubject: Vorfall\nMIME-Version: 1.0\n"
        f"Content-Type: text/plain; charset={charset}\n"
        f"Content-Transfer-Encoding: {encoding}\n\n{body}\n"
    )
    assert (page.title, page.markdown) == ("Vorfall", said)


@pytest.mark.parametrize(
    "text",
    [
        "Subject: leaked files\n\nWe found a fault on 3 May 2026 and have closed it.",
        "Can I unsubscribe?\n\nYes. Unsubscribe in the app; we keep nothing that you received.",
    ],
)
def test_what_only_looks_like_a_part_of_a_mail_is_kept(text: str) -> None:
    page = read_published_page(text)
    assert words_of(text) <= words_of(f"{page.title} {page.markdown}")


def test_a_word_that_begins_a_sentence_is_no_product_and_another_firm_is_a_vendor(
    tmp_path: Path,
) -> None:
    text = (
        "# Copied files at Acme\n\nCopied vault files were found. Acme Ireland Ltd runs the Pebble "
        "app. The Pebble app is safe. Harbour Data GmbH copies our files. Write to help@acme.example."
        "\n\n## Calls\n\nNobody at Acme will ever ask for your passcode."
    )
    list(make_folder(tmp_path / "k", text))
    knowledge = load(tmp_path / "k")
    assert knowledge.incident.products == ("Pebble",)
    assert knowledge.incident.vendors == ("Harbour Data",)
    (fact,) = knowledge.templates["en"].refusal_fact
    assert "passcode" in knowledge.passages[fact].text


def test_questions_of_every_form_are_headings(tmp_path: Path) -> None:
    knowledge = made(tmp_path / "k", "freibad.md")
    asked = {p.heading: p.text for p in reversed(knowledge.post.passages)}
    assert asked["Muss ich meine Saisonkarte umtauschen?"].startswith("Nein. Die Nummer")
    assert asked["Waren auch Karten vom letzten Jahr dabei?"].startswith("Nein, die Tabelle")
    assert asked["Muss ich mein Passwort ändern?"] == "Nein, Passwörter waren nicht betroffen."
    assert "folgenden Angaben:\nVorname und Nachname" in asked["Welche Daten waren in der Mail?"]
    assert all(p.language == "de" for p in knowledge.post.passages)
    assert [
        asked[knowledge.passages[i].heading] for i in knowledge.templates["de"].refusal_fact
    ] == ["Wir rufen niemanden an und fragen nie nach Passwörtern oder Kontonummern."]


@pytest.mark.parametrize("path", sorted(INCIDENTS.glob("*/post.md")), ids=lambda p: p.parent.name)
def test_each_invented_post_is_taken_whole(tmp_path: Path, path: Path) -> None:
    page = read_published_page(path.read_text(encoding="utf-8"))
    (tmp_path / "post.md").write_text(to_post(page), encoding="utf-8")
    was, now = read_post(path), read_post(tmp_path / "post.md")
    assert (was.title, was.url, was.published) == (now.title, now.url, now.published)
    assert {word for p in was.passages for word in p.text.split()} <= words(now.passages)
    list(make_folder(tmp_path / "k", read_source(str(path))))
    knowledge = load(tmp_path / "k")
    assert knowledge.incident.company
    outlawed = [w for w in knowledge.warnings if "which is on no list" in w]
    assert bool(list(find_stopped_replies(Outbound(knowledge)))) == bool(outlawed)
    assert len(outlawed) <= 1, "only the host that the attacker used"


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "no text"), ("   \n\n", "no text"), ("<html><body><nav>a</nav></body></html>", "no text"),
     ("%PDF-1.7 something", "a document, no text"), ("x" * 5_000_000, "over 4,000,000 bytes"),
     ("".join(map(chr, range(256))) * 9, "is no text")],
)  # fmt: skip
def test_what_is_no_post_is_an_error_that_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    (tmp_path / "post").write_text(text)
    assert main(["new", str(tmp_path / "k"), "--post", str(tmp_path / "post")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "k").exists()


def test_a_failure_in_the_middle_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(folder: Path) -> Knowledge:
        raise InputError(f"{folder} is wrong")

    monkeypatch.setattr("bot.commands.new.load", fail)
    (tmp_path / "k" / "kept").mkdir(parents=True)
    (tmp_path / "k" / "kept" / "own.txt").write_text("mine")
    for folder in ("new/below", "kept"):
        into = tmp_path / "k" / folder
        assert main(["new", str(into), "--post", str(POSTS / "lighthouse.txt")]) == 2
        assert "is wrong" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "k").rglob("*")] == ["kept", "own.txt"]


@pytest.mark.parametrize(
    ("link", "mailbox"),
    [
        ("mailto:6@X", ""),
        ("mailto:help@orchard.example?subject=Hello%20there", "help@orchard.example"),
    ],
)
def test_a_mailbox_is_guessed_only_where_it_is_one(tmp_path: Path, link: str, mailbox: str) -> None:
    post = f"# A notice\n\nOur shop was attacked on 3 May. [Write to us]({link}) with questions.\n"
    list(make_folder(tmp_path / "k", post))
    assert load(tmp_path / "k").incident.mailbox == mailbox


def test_a_folder_that_has_a_post_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["new", str(tmp_path / "k"), "--post", str(POSTS / "lighthouse.txt")]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "Kestrel Point Lighthouse Trust" in shown
    assert f"incident-desk --knowledge {tmp_path / 'k'} ask" in shown
    assert main(command) == 2
    assert "has a post already" in capsys.readouterr().err


def test_the_post_may_come_from_standard_input_in_another_charset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (POSTS / "freibad.md").read_text("utf-8").encode("latin-1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert main(["new", str(tmp_path / "k"), "--post", "-"]) == 0
    assert "ändern" in (tmp_path / "k" / "incident-post.md").read_text("utf-8")


@pytest.fixture
def website() -> Iterator[str]:
    """A server that gives the orchard's page, a page without end, and redirects without end."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/loop" else 200)
            if self.path == "/loop":
                self.send_header("Location", "/loop")
            self.end_headers()
            page = (POSTS / "orchard.html").read_bytes()
            self.wfile.write(b"x" * 4_100_000 if self.path == "/large" else page)

        @override
        def log_message(self, *_told: object) -> None:
            """Nothing is written to the terminal."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_page_may_be_fetched_within_bounds(
    tmp_path: Path, website: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", str(tmp_path / "k"), "--url", f"{website}/notice"]) == 0
    assert load(tmp_path / "k").post.url == ORCHARD["url"], "the page says what its address is"
    for address, code, says in (
        (f"{website}/large", 2, "bytes"), (f"{website}/loop", 3, "cannot be had"),
        ("file:///etc/hostname", 2, "no address of a page"), ("http://127.0.0.1:1/", 3, "--post"),
    ):  # fmt: skip
        assert main(["new", str(tmp_path / "other"), "--url", address]) == code
        assert says in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_home_belongs_to_one_incident(tmp_path: Path) -> None:
    made(tmp_path / "a", "orchard.html")
    made(tmp_path / "b", "lighthouse.txt")
    home = home_of(tmp_path / "own", index=False)
    url = f"sqlite:///{tmp_path / 'one.sqlite3'}"
    first = App(Settings(home=home, knowledge=tmp_path / "a", database_url=url))
    first.journal.close()
    again = App(Settings(home=home, knowledge=tmp_path / "a", database_url=url))
    again.journal.close()
    with pytest.raises(
        SettingsError, match=r"holds the desk of the incident 'orchardvine.*DESK_HOME"
    ):
        App(Settings(home=home, knowledge=tmp_path / "b")).index()
    other = App(Settings(home=tmp_path / "c", knowledge=tmp_path / "b", database_url=url))
    with pytest.raises(SettingsError, match="DESK_DATABASE_URL"):
        other.journal  # noqa: B018 - made when it is first asked for


def test_another_folder_has_a_home_of_its_own_unless_one_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DESK_KNOWLEDGE", str(tmp_path / "acme"))
    assert read_settings().home == tmp_path / "home", "the one that is set"
    monkeypatch.delenv("DESK_HOME")
    found = read_settings()
    assert (found.home, found.models) == (Path("var/incidents/acme"), Path("var/models"))
    (tmp_path / "knowledge").mkdir()
    monkeypatch.setenv("DESK_KNOWLEDGE", str(tmp_path / "knowledge"))
    assert read_settings().home == Path("var")


def test_a_folder_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--knowledge", "nowhere", "ask", "x"]) == 2
    assert "--knowledge nowhere: there is no such folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("page", "says"),
    [("<div>" * 20_000 + "<p>Two words.</p>", "inside each other"), ("<b>a <i>b" * 5_000, "inside each other"),
     ("<p>a b</p>" * 31_000, "more than 60,000 tags")],
)  # fmt: skip
def test_a_page_that_no_statement_has_is_refused(tmp_path: Path, page: str, says: str) -> None:
    (tmp_path / "page.html").write_text(f"<html><body>{page}")
    with pytest.raises(InputError, match=says):
        list(make_folder(tmp_path / "k", read_source(str(tmp_path / "page.html"))))


def test_the_work_on_a_page_grows_with_its_size_alone() -> None:
    def prepare(paragraphs: int) -> Callable[[], object]:
        text = "".join(f"<div><p>Some words {i} are here.</p></div>" for i in range(paragraphs))
        return lambda: read_published_page(f"<html><body>{text}</body></html>")

    assert_in_proportion(prepare, 4_000)
