"""Two incidents on their first day, from the post to the mail that leaves, and through edits."""

from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest

from bot.app import App
from bot.cli import main
from bot.commands.demo import send_mail
from bot.commands.new import make_folder, read_source
from bot.corpus import load
from bot.domain import Answer, Message
from bot.settings import Settings
from tests.conftest import ROOT, home_of
from tests.support.ports import free_port
from tests.support.running_desk import running
from tests.support.waiting import wait_until

POSTS = ROOT / "tests" / "data" / "posts"
HANDOVER, REFUSAL = "handover", "refusal"  # templates of the language that is written
# What somebody writes, and what the mail to them says.
ENGLISH = [
    ("Hello, was my card number stolen? Regards, Ana", "Cards are handled by our bank"),
    ("Do I have to change my password now?", "Passwords were not involved"),
    ("Please send me the password of my account.", REFUSAL),
    ("Which brand of lorry does your warehouse use?", HANDOVER),
]
GERMAN = [
    ("Guten Tag, muss ich mein Passwort ändern? Viele Grüße, Jens", "Passwörter waren nicht"),
    ("Muss ich meine Saisonkarte umtauschen?", "Die Nummer allein öffnet das Drehkreuz nicht"),
    ("Schicken Sie mir bitte mein Passwort für den Webshop.", REFUSAL),
    ("Welche Farbe hat das neue Kassenhäuschen?", HANDOVER),
]


def desk_for(folder: Path, post: str, home: Path) -> App:
    """A desk whose knowledge folder was made a moment ago, on an index of its own."""
    list(make_folder(folder, read_source(str(POSTS / post))))
    return App(
        Settings(home=home_of(home, index=False), knowledge=folder, smtp_port=free_port(), http_port=0)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("post", "written"), [("orchard.html", ENGLISH), ("freibad.md", GERMAN)], ids=["en", "de"]
)
def test_mails_are_answered_from_a_post_of_today(
    tmp_path: Path, post: str, written: list[tuple[str, str]]
) -> None:
    app = desk_for(tmp_path / "k", post, tmp_path / "own")
    sent = tmp_path / "own" / "mail" / "sent" / "new"
    with running(app):
        for number, (text, _) in enumerate(written):
            send_mail(app.settings, text, sender=f"user{number}@example.org")
        wait_until(lambda: len(list(sent.glob("*"))) >= len(written))
    replies = {}
    for path in sent.iterdir():
        mail = message_from_bytes(path.read_bytes(), policy=SMTP)
        body = mail.get_body(("plain",))
        assert body is not None
        replies[str(mail["To"])] = " ".join(body.get_content().split())
    own = app.knowledge.templates[app.knowledge.incident.language]
    templates = {HANDOVER: own.handover, REFUSAL: own.refusal[0]}
    for number, (text, said) in enumerate(written):
        assert templates.get(said, said) in replies[f"user{number}@example.org"], text
    assert not [r for r in replies.values() if "original language" in r or "Originalsprache" in r]
    assert "Mixpanel" not in str(replies)


# What a support lead does to the orchard's folder: a file, words that go and words that come.
EDITS = [
    ("incident-post.md", "No prices, payment cards", "No prices, no payment cards"),
    ("incident-post.md", "## Was my card number stolen?", "## Has anybody got my card number?"),
    ("incident-post.md", "## Do I have to change my password?\n\nNo. Passwords were not involved, so there is no need to change yours.\n", ""),
    ("incident-post.md", "## What we have done", "## Were gift cards opened?\n\nNo. Gift cards are sold by another shop.\n\n## What we have done"),
    ("incident.yaml", "languages: []", "languages: [en, fr, xx]"),
    ("notes.yaml", "never_quote: []", "never_quote: [{passage: no-such-passage, instead: [], why: gone}]"),
    ("questions/mine.yaml", "", "- intent: gifts\n  answers: [no-such-passage]\n  ask: {en: were the gift cards opened}\n"),
]  # fmt: skip
UNTOUCHED = (
    "Will you phone me about this?",
    "What is written on such a slip?",
    "How many slips were opened?",
    "What did your warehouse partner do?",
    "Where can I write to with another question?",
)


@pytest.mark.no_cover
def test_every_edit_leaves_the_commands_working_and_other_answers_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "k"
    before = answers(desk_for(folder, "orchard.html", tmp_path / "own"))
    assert sum(map(bool, before.values())) >= 2, "some of them are answered on the first day"
    (folder / "questions").mkdir()
    (folder / "replies").mkdir()
    english = (ROOT / "knowledge" / "replies" / "en.yaml").read_text("utf-8")
    (folder / "replies" / "xx.yaml").write_text(english, "utf-8")
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "own"))
    for file, old, new in EDITS:
        path = folder / file
        text = path.read_text("utf-8") if path.exists() else ""
        assert old in text
        path.write_text(text.replace(old, new, 1) if old else text + new, "utf-8")
        assert main(["--knowledge", str(folder), "index"]) == 0
        assert main(["--knowledge", str(folder), "ask", UNTOUCHED[0]]) == 0
        assert answers(App(Settings(home=tmp_path / "own", knowledge=folder))) == before, new
    told = capsys.readouterr()
    for said in ("changed  faq-card-number-stolen", "gone     faq-change-password", "added    faq-gift-cards-opened"):  # fmt: skip
        assert said in told.out
    for said in (
        "notes.yaml:",
        "new warning: questions/mine.yaml:2: gifts names 'no-such-passage'",
    ):
        assert said in told.err
    assert set(load(folder).templates) == {"en", "fr", "xx"}


def answers(app: App) -> dict[str, list[str]]:
    """The ids of what is quoted for each question that no edit is about."""
    return {
        text: [
            p.id
            for outcome in app.responder.respond(Message(text=text)).outcomes
            if isinstance(outcome, Answer)
            for p in outcome.passages
        ]
        for text in UNTOUCHED
    }
