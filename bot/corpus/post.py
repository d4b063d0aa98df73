"""Splits the published post (Markdown) into passages: a FAQ pair, a paragraph or a bullet each.

A bullet that is not a whole sentence (an item of a list) stays with its lead-in, because alone it
would have another meaning; without a lead-in its list is one passage under its heading. A sentence
that only introduces the text below it ("As a reminder:") is left out where that text is not quoted
with it.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bot.corpus.dates import day_of_later_statement
from bot.corpus.passage_ids import WORD, KnownPassage, PassageDraft, assign_ids
from bot.corpus.yaml_files import yaml_fault
from bot.domain import Passage
from bot.errors import KnowledgeError
from bot.resources import parse_yaml, read_own_text

LINK = re.compile(r"(!?)\[([^\]]*)\]\(<?([^)\s>]*)>?(?:\s+\"[^\"]*\")?\)")
AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]+)>")
OPENS = re.compile(r"\s*\(opens in a new window\)")
MARK = re.compile(r"(?<![A-Za-z0-9])[*_]+|[*_]+(?![A-Za-z0-9])")
HEADING = re.compile(r"^(?:#{1,6}\s+\**|\*\*)([^*]+?)\**\s*$")
BULLET = re.compile(r"^(?:[-*+•・]|\d{1,2}[.)])\s+")
# The stop in "14. April" ends no sentence; Chinese and Japanese have no space between sentences.
MONTHS = "Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
SENTENCE = re.compile(
    rf"(?<=[.!?])(?!(?<=\d\.)\s+(?:{MONTHS})\b)[\"”’)]*\s+(?=[A-ZÀ-ÖØ-Þ¿¡“„«\"])"
    r"|(?<=[。！？])(?![」』）])\s*"
)
LEADS = (":", "：")
SENTENCE_ENDS = (".", "!", "?", "。", "！", "？")
QUESTION_ENDS = ("?", "？", "か。")
FAQ = "FAQ"
INTRODUCTION = "Introduction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """The post's front matter and its passages, in reading order."""

    title: str
    url: str
    published: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A paragraph or list under a heading, without Markdown marks."""

    heading: str
    lines: tuple[str, ...]
    bullets: bool


def read_post(
    path: Path,
    *,
    known: Sequence[KnownPassage] = (),
    links: Collection[str] = (),
    language: str = "en",
) -> Post:
    """Parse the post at `path`; KnowledgeError names what is missing in it.

    Passages that are among the `known` ones keep their ids. A link that is among `links` gets its
    address behind its text; of any other only the text is kept.
    """
    try:
        raw = read_own_text(path)
    except FileNotFoundError:
        raise KnowledgeError(
            f"{path}: the incident post is missing; put the published post there"
        ) from None
    front, _, body = raw.removeprefix("---\n").partition("\n---\n")
    try:
        about = parse_yaml(front) if body else None
    except yaml.YAMLError as error:
        raise yaml_fault(f"{path}: front matter", error, above=1) from None
    if not isinstance(about, dict) or not {"title", "url", "published"} <= about.keys():
        raise KnowledgeError(
            f"{path}: the front matter needs title, url and published between --- lines"
        )
    published = str(about["published"])[:10]
    passages = tuple(_passages(list(_blocks(body, links)), published, known, language))
    if not passages:
        raise KnowledgeError(f"{path}: no passage found; the post needs paragraphs or FAQ pairs")
    return Post(
        title=str(about["title"]),
        url=str(about["url"] or ""),
        published=published,
        passages=passages,
    )


def clean(text: str, links: Collection[str] = ()) -> str:
    """Return `text` with Markdown marks removed, links replaced by their text, white space folded.

    A link that is among `links` has its address behind its text, unless the text is the address.
    """
    text = AUTOLINK.sub(lambda found: found[1].removeprefix("mailto:"), text)
    pieces, end = [], 0
    for link in LINK.finditer(text):
        pieces += [_without_marks(text[end : link.start()]), _link_text(link, links)]
        end = link.end()
    return " ".join("".join([*pieces, _without_marks(text[end:])]).split())


def _without_marks(text: str) -> str:
    return MARK.sub("", OPENS.sub("", text)).replace("\x60", "")


def _link_text(link: re.Match[str], links: Collection[str]) -> str:
    """Return the text of a link, with its address where that is listed and not in the text."""
    if link[1]:  # an image
        return ""
    text, address = _without_marks(link[2]).strip("_"), link[3]
    if address not in links or _bare(address) in _bare(text):
        return text
    return f"{text} ({address.removeprefix('mailto:')})"


def _bare(address: str) -> str:
    """Return an address without scheme and last slash, as people write it."""
    return re.sub(r"^(?:https?://|mailto:)", "", address.strip().lower()).rstrip("/")


def without_lead_in(text: str) -> str:
    """Return `text` without a last sentence that ends in a colon; empty if it has no other."""
    if not text.endswith(LEADS):
        return text
    return text.removesuffix(sentences(text)[-1]).strip()


def sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of a cleaned text; each line of a list is split by itself."""
    return tuple(s.strip() for line in text.split("\n") for s in SENTENCE.split(line) if s.strip())


def _blocks(body: str, links: Collection[str]) -> Iterator[Block]:
    heading, in_faq = INTRODUCTION, False
    for chunk in re.split(r"\n\s*\n", body.strip()):
        title = HEADING.match(chunk.strip())
        if title:
            heading = clean(title[1])
            in_faq = in_faq or heading == FAQ
            continue
        for bullets, texts in _stretches(chunk, links):
            if bullets or _says_something(" ".join(texts)):
                yield Block(
                    heading=heading,
                    lines=texts if bullets else (" ".join(texts),),
                    bullets=bullets and not in_faq,
                )


def _stretches(chunk: str, links: Collection[str]) -> Iterator[tuple[bool, tuple[str, ...]]]:
    """Yield the paragraph and the list of a chunk, each as (whether it is a list, cleaned lines).

    A line without a bullet below one with a bullet continues that item.
    """
    lines = [line.strip() for line in chunk.splitlines() if line.strip()]
    first = next((i for i, line in enumerate(lines) if BULLET.match(line)), len(lines))
    if first:
        yield False, tuple(clean(line, links) for line in lines[:first])
    items: list[str] = []
    for line in lines[first:]:
        if BULLET.match(line):
            items.append(clean(BULLET.sub("", line), links))
        else:
            items[-1] = f"{items[-1]} {clean(line, links)}"
    if items:
        yield True, tuple(items)


def _says_something(text: str) -> bool:
    """Return whether a paragraph is more than a lone word or a horizontal rule."""
    return len(WORD.findall(text)) > 1 or text.endswith(SENTENCE_ENDS)


def _passages(
    blocks: list[Block], published: str, known: Sequence[KnownPassage], language: str
) -> Iterator[Passage]:
    faq_from = _faq_start(blocks)
    drafts = dict.fromkeys(  # equal texts under one heading are one passage
        PassageDraft(heading=heading, text=said, faq=place >= faq_from)
        for place, heading, text in _texts(blocks)
        if (said := without_lead_in(text))
    )
    ids = assign_ids(list(drafts), known)
    for name, draft in zip(ids, drafts, strict=True):
        yield _passage(name, draft, published, language)


def _texts(blocks: list[Block]) -> Iterator[tuple[int, str, str]]:
    """Yield place, heading and text of each passage; a list of items includes its lead-in."""
    lead: Block | None = None
    for place, block in enumerate(blocks):
        if lead and _is_list_of_items(block):
            yield place - 1, lead.heading, "\n".join((*lead.lines, *block.lines))
            lead = None
            continue
        if lead:
            yield place - 1, lead.heading, lead.lines[0]
        lead = None
        if not block.bullets and _leads_in(blocks, place):
            lead = block
            continue
        whole = _is_list_of_items(block) and len(block.lines) > 1
        yield from (
            (place, block.heading, t) for t in (["\n".join(block.lines)] if whole else block.lines)
        )
    if lead:
        yield len(blocks) - 1, lead.heading, lead.lines[0]


def _is_list_of_items(block: Block) -> bool:
    """Return whether a block is a list whose items are not whole sentences."""
    return block.bullets and not block.lines[0].endswith(SENTENCE_ENDS)


def _leads_in(blocks: list[Block], place: int) -> bool:
    """Return whether a paragraph ends in a colon, or is one sentence above a list of items."""
    block = blocks[place]
    if block.lines[0].endswith(LEADS):
        return True
    below = blocks[place + 1] if place + 1 < len(blocks) else None
    return (
        below is not None
        and below.heading == block.heading
        and _is_list_of_items(below)
        and len(sentences(block.lines[0])) == 1
    )


def _faq_start(blocks: list[Block]) -> int:
    """Return the place of the first block whose heading is a question, where the FAQ begins."""
    return next((i for i, b in enumerate(blocks) if is_question(b.heading)), len(blocks))


def is_question(heading: str) -> bool:
    """Return whether a heading is a question, to which the text below it is the answer."""
    return heading.endswith(QUESTION_ENDS)


def _passage(name: str, draft: PassageDraft, published: str, language: str) -> Passage:
    heading, text = draft.heading, draft.text
    later = day_of_later_statement(heading, text)
    return Passage(
        id=name,
        heading=heading,
        text=text,
        sentences=sentences(text),
        date=later.isoformat() if later else published,
        language=language,
        version=hashlib.sha256(f"{heading}\n{text}".encode()).hexdigest()[:12],
    )
