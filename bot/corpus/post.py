"""The published post (Markdown) -> Passages: one per FAQ pair, paragraph or full-sentence bullet.

A bullet that is no sentence of its own (an item of a list) stays with its lead-in, because quoted
alone it would say something else. A sentence that only introduces what stands below it ("As a
reminder:") is left out where that is not quoted with it.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from bot.domain import Passage
from bot.errors import KnowledgeError
from bot.resources import parse_yaml

LINK = re.compile(r"\[([^\]]*)\]\([^)\s]*\)")
OPENS = re.compile(r"\s*\(opens in a new window\)")
MARK = re.compile(r"(?<![A-Za-z0-9])[*_]+|[*_]+(?![A-Za-z0-9])")
HEADING = re.compile(r"^\*\*([^*]+)\*\*\s*$")
BULLET = re.compile(r"^[-*]\s+")
DATED = re.compile(r"^\W*([A-Z][a-z]+ \d{1,2}, \d{4}) clarification")
SENTENCE = re.compile(r"(?<=[.!?])[\"”’)]*\s+(?=[A-Z“\"])")
WORD = re.compile(r"[A-Za-z0-9]+")
LEADS = (":", "：")
FAQ = "FAQ"
INTRODUCTION = "Introduction"
# Too frequent to tell two passages apart in an id.
PLAIN = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "by",
        "can",
        "did",
        "do",
        "does",
        "for",
        "from",
        "have",
        "has",
        "how",
        "i",
        "if",
        "in",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "our",
        "s",
        "should",
        "so",
        "that",
        "the",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "us",
        "was",
        "we",
        "were",
        "what",
        "when",
        "which",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "not",
        "no",
        "into",
        "also",
        "may",
        "any",
        "t",
        "re",
        "ve",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """The post's front matter and its passages, in reading order."""

    title: str
    url: str
    published: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A heading's paragraph or list, cleaned of Markdown."""

    heading: str
    lines: tuple[str, ...]
    bullets: bool


def read_post(path: Path) -> Post:
    """Parse the post at `path`; KnowledgeError names what is missing in it."""
    try:
        raw = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise KnowledgeError(
            f"{path}: the incident post is missing; put the published post there"
        ) from None
    front, _, body = raw.removeprefix("---\n").partition("\n---\n")
    about = parse_yaml(front) if body else None
    if not isinstance(about, dict) or not {"title", "url", "published"} <= about.keys():
        raise KnowledgeError(
            f"{path}: the front matter needs title, url and published between --- lines"
        )
    published = str(about["published"])[:10]
    passages = tuple(_passages(list(_blocks(body)), published))
    if not passages:
        raise KnowledgeError(f"{path}: no passage found; the post needs paragraphs or FAQ pairs")
    return Post(title=about["title"], url=about["url"], published=published, passages=passages)


def clean(text: str) -> str:
    """Markdown marks removed, links replaced by their text, white space folded."""
    text = OPENS.sub("", LINK.sub(lambda m: m[1].strip("_"), text))
    return " ".join(MARK.sub("", text).split())


def without_lead_in(text: str) -> str:
    """`text` without a last sentence that ends in a colon; empty when it is nothing else."""
    if not text.endswith(LEADS):
        return text
    return text.removesuffix(sentences(text)[-1]).strip()


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a cleaned text; items of a list are units of their own."""
    return tuple(s.strip() for line in text.split("\n") for s in SENTENCE.split(line) if s.strip())


def _blocks(body: str) -> Iterator[Block]:
    heading, in_faq = INTRODUCTION, False
    for chunk in re.split(r"\n\s*\n", body.strip()):
        title = HEADING.match(chunk.strip())
        if title:
            heading = clean(title[1])
            in_faq = in_faq or heading == FAQ
            continue
        lines = [line for line in chunk.splitlines() if line.strip()]
        if not lines:
            continue
        bullets = bool(BULLET.match(lines[0].strip()))
        texts = tuple(clean(BULLET.sub("", line.strip())) for line in lines)
        if bullets or len(WORD.findall(" ".join(texts))) > 1:
            yield Block(
                heading=heading,
                lines=texts if bullets else (" ".join(texts),),
                bullets=bullets and not in_faq,
            )


def _passages(blocks: list[Block], published: str) -> Iterator[Passage]:
    faq_from = _faq_start(blocks)
    seen: set[str] = set()
    for place, heading, text in _texts(blocks, faq_from):
        if said := without_lead_in(text):
            yield _passage(heading, said, published, seen, faq=place >= faq_from)


def _texts(blocks: list[Block], faq_from: int) -> Iterator[tuple[int, str, str]]:
    """Place, heading and text of each passage; a list of items stands with its lead-in."""
    lead: Block | None = None
    for place, block in enumerate(blocks):
        if lead and block.bullets and not block.lines[0].endswith("."):
            yield place - 1, lead.heading, "\n".join((*lead.lines, *block.lines))
            lead = None
            continue
        if lead:
            yield place - 1, lead.heading, lead.lines[0]
        lead = None
        if not block.bullets and place < faq_from and block.lines[0].endswith(LEADS):
            lead = block
            continue
        yield from ((place, block.heading, line) for line in block.lines)
    if lead:
        yield len(blocks) - 1, lead.heading, lead.lines[0]


def _faq_start(blocks: list[Block]) -> int:
    """A heading that is a question, and all behind it, belongs to the FAQ."""
    return next((i for i, b in enumerate(blocks) if b.heading.endswith("?")), len(blocks))


def _passage(heading: str, text: str, published: str, seen: set[str], *, faq: bool) -> Passage:
    words = [w.lower() for w in WORD.findall(heading if faq else f"{heading} {text}")]
    telling = list(dict.fromkeys(w for w in words if w not in PLAIN))
    name = "-".join((["faq"] if faq else []) + telling[: 5 if faq else 6])
    if name in seen:
        name = "-".join([name, *telling[6:9]])
    if name in seen:
        raise KnowledgeError(f"two passages would be called {name}; reword one: {text[:60]}…")
    seen.add(name)
    dated = DATED.match(text)
    return Passage(
        id=name,
        heading=heading,
        text=text,
        sentences=sentences(text),
        date=_iso(dated[1]) if dated else published,
        language="en",
        version=hashlib.sha256(f"{heading}\n{text}".encode()).hexdigest()[:12],
    )


def _iso(text: str) -> str:
    try:
        return datetime.strptime(text, "%B %d, %Y").date().isoformat()  # noqa: DTZ007 - a day, not a moment
    except ValueError:
        return date.min.isoformat()
