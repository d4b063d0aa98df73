"""Implements `new`: makes a working knowledge folder from a published post, without asking."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unicodedata import category

import yaml

from bot.adapters.web_page import fetch_page
from bot.channels.mail.charset_guess import guess_charset
from bot.channels.mail.charsets import charset_in_source, decode_strictly
from bot.corpus import Knowledge, load
from bot.corpus.guesses import IncidentGuess, guess_incident
from bot.corpus.post import read_post
from bot.corpus.published_page import read_published_page, to_post
from bot.corpus.units import units_of
from bot.domain import ExpectedTime
from bot.errors import InputError

STDIN = "-"
MAX_BYTES = 4_000_000
POST = "incident-post.md"
INCIDENT_HEAD = """\
# What names this incident beyond its post. `review` lists what was guessed and nobody has looked
# at yet: look, correct, and take the name from the list.
"""
NOTES_HEAD = """\
# What must be known about the post beyond its words; the post itself stays as it was published.
# links, numbers: the only ones that may stand in an automatic reply; taken from the post, and the
# links only where they lead to its own domain.
# quote_in_refusals: what the post says about requests for secrets; every refusal quotes it.
"""
UNLISTED_HEAD = """\
# Named in the post and on another domain: what names one of these is not sent by itself, until it
# stands under links.
"""
MAX_CONTROLS = 0.01  # share of control characters in a text; random bytes have over 0.2
SHOWN = 60  # characters of a value in the table of guesses


def read_source(path: str) -> str:
    """Return the text of the file `path`, or of standard input for `-`.

    InputError when there is no such file, it is too long, or it is no text.
    """
    if path == STDIN:
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        source = Path(path)
        if not source.is_file():
            raise InputError(f"{path}: there is no such file; --post takes the page of the post")
        with source.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f"the post has over {MAX_BYTES:,} bytes; give its text alone")
    return decode(content)


def decode(content: bytes) -> str:
    """Return the text of a page: decoded as UTF-8, else as it declares, else as its bytes suggest.

    InputError for a document that is no text, such as a PDF.
    """
    if content.startswith((b"%PDF", b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError("the post is a document, no text; save it as text, HTML or Markdown")
    names = ("utf-8-sig", charset_in_source(content), guess_charset(content), "latin-1")
    decoded = (decode_strictly(content, name) for name in names if name)
    text = next(text for text in decoded if text is not None)  # any bytes are Latin-1
    controls = sum(category(each) == "Cc" and not each.isspace() for each in text)
    if controls > MAX_CONTROLS * len(text):
        raise InputError("the post is no text; save it as text, HTML or Markdown")
    return text


def make_folder(folder: Path, text: str, address: str = "") -> Iterator[str]:
    """Make a knowledge folder from the post in `text`; yield lines about what was guessed.

    InputError when the folder holds a post already, or the text has no sentence.
    """
    if (folder / POST).exists():
        raise InputError(
            f"{folder} has a post already; edit {folder / POST}, or name another folder"
        )
    page = read_published_page(text, address=address)
    with _removed_on_failure(folder):
        (folder / POST).write_text(to_post(page), encoding="utf-8")
        guess = guess_incident(page, read_post(folder / POST))
        _write_incident(folder / "incident.yaml", guess)
        _write_notes(folder / "notes.yaml", guess)
        knowledge = load(folder)
        knowledge.keep_ids()
    yield from _table(guess, knowledge)


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Make `folder` if it is missing; where the block fails, remove it and what the block made."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    try:
        yield
    except BaseException:
        for path in set(folder.iterdir()) - before:
            path.unlink()
        for path in missing:
            path.rmdir()
        raise


def _write_incident(path: Path, guess: IncidentGuess) -> None:
    settings = guess.incident.model_dump(mode="json")
    unset, choices = "answer_within: null", ", ".join(ExpectedTime)
    content = _as_yaml(settings).replace(unset, f"{unset}  # or one of: {choices} (working days)")
    path.write_text(INCIDENT_HEAD + content, encoding="utf-8")


def _write_notes(path: Path, guess: IncidentGuess) -> None:
    notes = {
        "links": list(guess.links),
        "numbers": list(guess.numbers),
        "quote_in_refusals": list(guess.refusals),
        "never_quote": [],
        "superseded": [],
        "quote_together": [],
        "quote_one_of": [],
    }
    unlisted = "".join(f"#   - {each}\n" for each in guess.unlisted)
    tail = f"\n{UNLISTED_HEAD}{unlisted}" if unlisted else ""
    path.write_text(NOTES_HEAD + _as_yaml(notes) + tail, encoding="utf-8")


def _as_yaml(value: object) -> str:
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=120)


def _table(guess: IncidentGuess, knowledge: Knowledge) -> Iterator[str]:
    """Yield what was taken from the page and what was guessed, each with the file to check."""
    post, folder = knowledge.post, knowledge.folder
    rows = [
        ("title", post.title, POST),
        ("link", post.url or "none found: write it behind `url` at the top", POST),
        ("published", post.published or "no day found: write it there, as 2026-11-24", POST),
        *((g.setting, g.value or "none", f"incident.yaml; {g.source}") for g in guess.guesses),
        ("links", f"{len(guess.links)} may be sent", "notes.yaml"),
        ("numbers", ", ".join(guess.numbers) or "none", "notes.yaml"),
        ("in refusals", _first(guess.refusals, knowledge), "notes.yaml: quote_in_refusals"),
    ]
    yield f"{folder} holds {len(post.passages)} passages, {len(units_of(post.passages))} units"
    yield ""
    yield "what was guessed; look at it and correct it in the file that is named"
    yield from (f"  {name:<12} {_cut(value):<62} {place}" for name, value, place in rows)
    remarks = [*(f"{each} is on another domain and is not sent" for each in guess.unlisted)]
    remarks += [w for w in knowledge.warnings if not any(each in w for each in guess.unlisted)]
    if remarks:
        yield ""
        yield "what to look at"
        yield from (f"  {warning}" for warning in remarks)
    yield ""
    yield f"replies come with the desk, in {len(knowledge.templates)} languages"
    yield f'next: incident-desk --knowledge {folder} ask "a question"'


def _first(ids: tuple[str, ...], knowledge: Knowledge) -> str:
    return knowledge.passages[ids[0]].text if ids else "nothing found: refusals quote nothing"


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN else f"{flat[: SHOWN - 1]}…"


def fetch(address: str) -> str:
    """Return the text of the page at a URL; errors as `fetch_page` and `decode` raise them."""
    return decode(fetch_page(address))
