"""Implements `pictures`: draws the documentation's pictures from the product's real output.

Each picture is a page of HTML, made from sample mails that go through intake, decision and
journal, and drawn by headless Chromium; replies are shown by their HTML part. The SHA-256 of the
page is stored in the PNG file, so that a test recognizes an outdated picture without Chromium.
"""

import argparse
import hashlib
import html
import json
import re
import shutil
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from bot.app import App
from bot.channels.mail.compose import Composer
from bot.channels.mail.intake import build_received_message, judge_mail
from bot.channels.mail.local import Folder, MaildirOut
from bot.channels.mail.sandbox import SafeParser
from bot.channels.slack.views.cards import Cards
from bot.channels.web import WebDesk
from bot.corpus.limits import read_limits
from bot.desk import Desk
from bot.errors import DeskError, MissingError
from bot.journal import Journal
from bot.journal.mail_list import read_listed_mail
from bot.resources import parse_yaml
from bot.settings import read_settings
from bot.staff.staff_texts import read_staff_texts
from evals.reporting.block_kit import STYLE as CARD_STYLE
from evals.reporting.block_kit import render_block

FOLDER = Path(__file__).parents[1] / "bot" / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_SECONDS = 120
FONTS = "fonts-lato fonts-noto-cjk fonts-noto-color-emoji"  # packages of Debian
# Without a font for a script, all its letters are drawn as the same empty box. So two different
# letters that look the same show that the font is missing.
FONT_PROBE = """<!doctype html><html><body><canvas></canvas><script>
const drawn = letter => {
  const sheet = document.querySelector("canvas"), pen = sheet.getContext("2d");
  pen.clearRect(0, 0, sheet.width, sheet.height);
  pen.font = "40px sans-serif";
  pen.fillText(letter, 9, 60);
  return sheet.toDataURL();
};
const lacks = ["日月", "عه"].some(([one, other]) => drawn(one) === drawn(other));
document.documentElement.dataset.fonts = lacks ? "lack" : "there";
</script></body></html>"""
WIDTH = 560  # pixels of a page: narrow enough to be read on a phone
SCALE = 1.2  # pixels of the picture for each of the page, so that text is sharp on a phone
MAX_BYTES = 150_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The size of a page and of its picture; a page that is higher than `max_height` is cut."""

    width: int = WIDTH
    max_height: int = 10_000
    scale: float = SCALE


NARROW = Shape()
LETTER = Shape(scale=0.75)  # keeps the files of the many letters small
CARD = Shape(scale=1.0)  # a card is high
# A page of the desk in a browser, as a screen shows it: the mail beside its reply.
SCREEN = Shape(width=1_040, max_height=860, scale=0.8)
SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_END = len(SIGNATURE) + 25  # where the first chunk, the image's header, ends
KEYWORD = b"source-sha256"
HEIGHT = re.compile(r'data-height="(\d+)"')
SENDER = "ana@example.org"
OPENED = datetime(2025, 12, 1, 9, 0, tzinfo=UTC)  # when the sample mails come

LETTER_PREFIX = "letter-"
LETTERS = Path(__file__).parent / "data" / "letters.yaml"
BODY = re.compile(r"(?s)<html (lang=[^>]*)>.*<body[^>]*>(.*)</body>")

ANSWERED = """Hello,
were my API keys exposed in this incident?
Ana
"""
HANDED_OVER = """Hello,
we use your API for the chat of our shop. Can the attackers write to my customers now?
Ana
"""

MAIL_STYLE = """
body{font:15px/1.45 Lato,'Helvetica Neue',Arial,sans-serif;color:#1d1c1d;margin:0;padding:12px;
background:#f4f4f4}article{background:#fff;border:1px solid #ccc;border-radius:8px;
padding:10px 14px;margin-left:28px}article.question{margin:0 28px 12px 0}
dl{margin:0 0 10px;padding-bottom:8px;border-bottom:1px solid #ddd;
color:#616061;font-size:13px}dt{float:left;width:62px}dd{margin:0 0 0 62px;color:#1d1c1d}
div{white-space:pre-wrap;overflow-wrap:anywhere}section{overflow-wrap:anywhere}
article+article.question{margin-top:12px}p.note{margin:0 0 0 28px;color:#616061;font-size:13px}
"""


def pictures(argv: Sequence[str]) -> int:
    """Draw every picture anew; MissingError without Chromium, DeskError for one that is too big."""
    argparse.ArgumentParser(
        prog="python -m evals pictures", description=pictures.__doc__
    ).parse_args(argv)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise MissingError(
            "pictures are drawn by Chromium, and none is installed (Debian: apt-get install "
            f"chromium {FONTS})"
        )
    _check_fonts(browser)
    FOLDER.mkdir(exist_ok=True)
    for name, page in pages(App(read_settings())).items():
        drawn = with_source(draw_page(browser, page, shape_of(name)), page)
        if len(drawn) > MAX_BYTES:
            raise DeskError(f"{name} has {len(drawn)} bytes; a picture may have {MAX_BYTES}")
        (FOLDER / name).write_bytes(drawn)
        print(f"{FOLDER / name}: {len(drawn) // 1000} kB")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConversation:
    """A conversation of `letters.yaml`: the user's mails, and what the desk must do with them."""

    name: str
    subject: str
    mails: list[str]
    quotes: list[str]
    language: str = "en"
    case: str = ""
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationResult:
    """What the desk did with a letter: the reply to each mail (None for none), and the case.

    `case` is the reason of the open case, and `passages` are the ids that answers quoted.
    """

    letter: SampleConversation
    replies: list[bytes | None]
    case: str
    passages: list[str]


def read_letters(path: Path = LETTERS) -> list[SampleConversation]:
    """Return the letters in the order of the file."""
    return [SampleConversation(**row) for row in parse_yaml(path.read_text(encoding="utf-8"))]


def play_letters(app: App, letters: Sequence[SampleConversation]) -> Iterator[ConversationResult]:
    """Yield what the desk does with each letter; each has a sender of its own."""
    with _desk(app) as (desk, parser):
        for letter in letters:
            yield _run_conversation(app, desk, parser, letter)


def _run_conversation(
    app: App, desk: Desk, parser: SafeParser, letter: SampleConversation
) -> ConversationResult:
    sender, named, case, passages = f"{letter.name}@example.org", "", "", list[str]()
    replies: list[bytes | None] = []
    for number, text in enumerate(letter.mails):
        subject = f"Re: {letter.subject}" if number else letter.subject
        message_id = _answer(
            app, desk, parser, subject=subject, text=text, sender=sender, named=named
        )
        due = desk.journal.mail_outbox.list_due()
        desk.deliver()
        replies.append(due[0].body if due else None)
        named = due[0].header if due else named
        waiting = (w for w in desk.journal.cases.list_open() if w.message_id == message_id)
        case = next((w.reason for w in waiting), case)
        rows = desk.journal.read_outcomes(message_id)
        passages += [p for row in rows if row.kind == "answer" for p, _ in json.loads(row.passages)]
    return ConversationResult(letter=letter, replies=replies, case=case, passages=passages)


def pages(app: App) -> Mapping[str, str]:
    """Return the HTML pages by the file names of their pictures."""
    with _desk(app) as (desk, parser):
        _answer(app, desk, parser, subject="My API keys", text=ANSWERED)
        sent = desk.journal.mail_outbox.list_due()[0].body
        mail = _page(MAIL_STYLE, _mail_articles(SENDER, "My API keys", ANSWERED, sent))
    with _desk(app) as (desk, parser):
        message_id = _answer(app, desk, parser, subject="Our shop", text=HANDED_OVER)
        waiting = next(
            (w for w in desk.journal.cases.list_open() if w.message_id == message_id), None
        )
        case = desk.journal.cases.read(waiting.id) if waiting else None
        if case is None:
            raise DeskError("the sample mail has opened no case")
        texts = read_staff_texts(app.settings.knowledge)
        cards = Cards(app.knowledge, texts, desk.responder.judge.threshold_for)
        card = _card_page(cards.render(case).blocks)
    played = play_letters(app, read_letters())
    letters = {f"{LETTER_PREFIX}{each.letter.name}.png": _letter_page(each) for each in played}
    return {"mail.png": mail, "card.png": card, **letters, **_web_pages(app)}


def shape_of(name: str) -> Shape:
    """Return the shape of the picture with this file name."""
    if name.startswith(LETTER_PREFIX):
        return LETTER
    if name == "card.png":
        return CARD
    return SCREEN if name.startswith("web-") else NARROW


def draw_page(browser: str, page: str, shape: Shape = NARROW) -> bytes:
    """Return the PNG of a page, as high as the page needs; MissingError when drawing fails."""
    measured = page + (
        "<script>document.documentElement.dataset.height="
        "Math.ceil(document.body.getBoundingClientRect().height)</script>"
    )
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "page.html"), Path(folder, "page.png")
        source.write_text(measured, encoding="utf-8")
        shown = _browse(
            browser, folder, f"--window-size={shape.width},400", "--dump-dom", str(source)
        )
        match = HEIGHT.search(shown)
        if match is None:
            raise MissingError(f"{browser} did not draw the page")
        height = min(int(match.group(1)), shape.max_height)
        _browse(
            browser, folder, f"--window-size={shape.width},{height}", f"--screenshot={target}",
            f"--force-device-scale-factor={shape.scale}", str(source),
        )  # fmt: skip
        return target.read_bytes()


def with_source(picture: bytes, page: str) -> bytes:
    """Return `picture` with the SHA-256 of its page as a text chunk after the PNG header."""
    text = b"tEXt" + KEYWORD + b"\0" + hash_page(page).encode("ascii")
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return picture[:HEADER_END] + chunk + picture[HEADER_END:]


def source_of(picture: bytes) -> str:
    """Return the SHA-256 stored in a picture; empty when there is none."""
    found = re.search(KEYWORD + rb"\0([0-9a-f]{64})", picture)
    return found.group(1).decode("ascii") if found else ""


def hash_page(page: str) -> str:
    """Return the SHA-256 of a page in hexadecimal digits."""
    return hashlib.sha256(page.encode("utf-8")).hexdigest()


def _check_fonts(browser: str) -> None:
    """Raise MissingError when the font of a script in the letters is missing."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "page.html")
        source.write_text(FONT_PROBE, encoding="utf-8")
        if 'data-fonts="there"' not in _browse(browser, folder, "--dump-dom", str(source)):
            raise MissingError(
                f"fonts of the letters are missing (Debian: apt-get install {FONTS})"
            )


def _browse(browser: str, folder: str, *arguments: str) -> str:
    """Return what the browser prints; MissingError when it fails or takes too long."""
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--disable-lcd-text", f"--user-data-dir={folder}/profile", *arguments,
    ]  # fmt: skip
    try:
        process = subprocess.run(  # noqa: S603 - a browser found on the path, on a page of ours
            command, capture_output=True, text=True, timeout=BROWSER_SECONDS, check=True
        )
    except subprocess.SubprocessError as error:
        raise MissingError(f"{browser} failed: {type(error).__name__}") from None
    return process.stdout


@contextmanager
def _desk(app: App) -> Iterator[tuple[Desk, SafeParser]]:
    """Yield a desk with an empty journal and a fixed clock, and a parser; it sends no mail out."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(
            Journal(
                f"sqlite:///{folder}/journal.sqlite3",
                limits=read_limits(app.settings.knowledge), clock=lambda: OPENED,
            )
        ) as journal,
        closing(SafeParser(app.knowledge.own_words)) as parser,
    ):  # fmt: skip
        yield (
            Desk(
                knowledge=app.knowledge,
                responder=app.responder,
                journal=journal,
                outbound=app.outbound,
                compose=Composer(app.settings.address, links=app.knowledge.notes.links).reply,
                out=MaildirOut(Folder(Path(folder, "sent"))),
            ),
            parser,
        )


def _answer(
    app: App, desk: Desk, parser: SafeParser, *, subject: str, text: str, sender: str = SENDER,
    named: str = "",
) -> int:  # fmt: skip
    """Store and decide a sample mail and return the id of its message.

    `named` is the Message-ID of our reply that it answers. DeskError when the mail is known.
    """
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, app.settings.address, subject
    mail["Message-ID"] = f"<{hash_page(sender + text)[:16]}@example.org>"
    if named:
        mail["In-Reply-To"] = named
    mail.set_content(text)
    found = judge_mail(mail.as_bytes(), parser, app.mail_policy)
    message_id = desk.store_message(build_received_message(found, "sample"))
    if message_id is None:
        raise DeskError("the sample mail is in the journal already")
    desk.decide_message(message_id)
    return message_id


def _letter_page(played: ConversationResult) -> str:
    """Return the HTML page of a conversation."""
    letter, articles = played.letter, list[str]()
    for number, (text, reply) in enumerate(zip(letter.mails, played.replies, strict=True)):
        subject = f"Re: {letter.subject}" if number else letter.subject
        articles.append(_mail_articles(f"{letter.name}@example.org", subject, text, reply))
    return _page(MAIL_STYLE, "".join(articles))


def _mail_articles(sender: str, subject: str, text: str, reply: bytes | None) -> str:
    """Return the HTML of a mail and of its reply, which is shown by its HTML part."""
    asked = f'<div dir="auto">{html.escape(text.strip())}</div>'
    question = _article("question", {"From": sender, "Subject": subject}, asked)
    if reply is None:
        return f"{question}<p class=note>The desk sends nothing and opens no case.</p>"
    sent = message_from_bytes(reply, policy=SMTP)
    part = sent.get_body(("html",))
    shown = BODY.search(str(part.get_content())) if part else None
    if shown is None:
        raise DeskError("the reply to the sample mail has no HTML part")
    headers = {name: str(sent[name]) for name in ("From", "Subject")}
    return question + _article("reply", headers, f"<section {shown[1]}>{shown[2]}</section>")


def _article(kind: str, headers: Mapping[str, str], inner: str) -> str:
    rows = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        for name, value in headers.items()
    )
    return f"<article class={kind}><dl>{rows}</dl>{inner}</article>"


def _web_pages(app: App) -> Mapping[str, str]:
    """Return two pages of the desk in a browser: a mail with its reply, and a case."""
    with _desk(app) as (desk, parser):
        answered = _answer(app, desk, parser, subject="My API keys", text=ANSWERED)
        desk.deliver()
        web = WebDesk(desk, enqueue_job=None)
        listed_mail = read_listed_mail(desk.journal.engine, answered)
        mail = web.draw("mails.html", **web.show_mails(listed_mail))
    with _desk(app) as (desk, parser):
        _answer(app, desk, parser, subject="Our shop", text=HANDED_OVER)
        desk.deliver()
        web = WebDesk(desk, enqueue_job=None)
        case = desk.journal.cases.read(desk.journal.cases.list_open_ids()[0])
        if case is None:
            raise DeskError("the sample mail has opened no case")
        shown = web.draw("case.html", **web.show_case(case))
    style = f"<style>{web.style.decode('utf-8')}</style>"
    link = '<link rel="stylesheet" href="/desk.css">'
    return {
        "web-mail.png": mail.replace(link, style), "web-case.png": shown.replace(link, style),
    }  # fmt: skip


def _card_page(blocks: Sequence[dict[str, Any]]) -> str:
    inner = "\n".join(map(render_block, blocks))
    style = f"{CARD_STYLE}body{{margin:0;padding:12px}}article{{margin:0}}.letter{{font-size:12px}}"
    return _page(style, f"<article class=card>{inner}</article>")


def _page(style: str, body: str) -> str:
    return f"<!doctype html><meta charset=utf-8><style>{style}</style><body>{body}</body>"
