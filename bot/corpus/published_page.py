"""Converts a published statement (HTML, Markdown, plain text, a mail) to the Markdown of a post."""

import re
from dataclasses import dataclass, replace
from typing import Any

import yaml

from bot.corpus.dates import days_in
from bot.corpus.page_html import looks_like_html, read_html
from bot.corpus.page_mail import PublishedMail, read_mail, without_footer
from bot.corpus.page_text import is_furniture, normalize_text
from bot.errors import InputError
from bot.resources import parse_yaml, read_yaml

MAX_CHARACTERS = 2_000_000  # of a source; the longest statement of our collection has 16,000
TOP_CHARACTERS = 600  # in which a page says when it was published
DAY_BLOCKS = 3  # paragraphs among which a page says when it was published
TITLE_LENGTH = 160  # characters of a first line that is taken for the title
LABELLED = re.compile(
    r"(?im)^\W{0,4}(title|url|link|published|date|contact|titel|datum|kontakt)\s*:\s*(\S.*)$"
)
LABELS = {"link": "url", "date": "published", "titel": "title", "datum": "published"}
LABELS["kontakt"] = "contact"
ADDRESS = re.compile(r"(?<![(<\"'\]])https?://[^\s<>()\"']+[^\s<>()\"'.,;:!?]")
HEADING = re.compile(r"^(?:#{1,6}\s+(.+?)|\*\*([^*]+)\*\*)\s*#*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPage:
    """A statement in Markdown, with what the page says about itself; empty where it says nothing.

    `published` is a day as YYYY-MM-DD, `contact` an address, `language` a code such as `de`.
    """

    markdown: str
    title: str = ""
    url: str = ""
    published: str = ""
    contact: str = ""
    publisher: str = ""
    language: str = ""


def read_published_page(text: str, *, address: str = "") -> PublishedPage:
    """Return the statement in `text`, whatever its format; `address` is where it was fetched from.

    Raise InputError when it is too long or has no sentence.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"the post has more than {MAX_CHARACTERS:,} characters; give its text alone"
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "").replace("\x00", "")
    mail = read_mail(text)
    text = mail.text if mail else text
    page = _from_html(text, address) if looks_like_html(text) else _from_text(text)
    blocks = [block for block in page.markdown.split("\n\n") if not is_furniture(block)]
    page = replace(page, markdown="\n\n".join(blocks))
    page = _with_title_from_text(_with_headers(page, mail) if mail else page)
    published = page.published or _published_in(page.markdown)
    if not re.search(r"\w{2,}.*\w{2,}", page.markdown):
        raise InputError("the post holds no text; give the page itself, saved from a browser")
    url = page.url or address or _address_in(page.markdown)
    return replace(page, published=published, url=url, markdown=_without_day(page.markdown))


def to_post(page: PublishedPage) -> str:
    """Return the content of incident-post.md: front matter and Markdown."""
    front = {"title": page.title, "url": page.url, "published": page.published}
    if page.contact:
        front["contact"] = page.contact
    head = yaml.safe_dump(front, allow_unicode=True, sort_keys=False, width=1000)
    return f"---\n{head}---\n{page.markdown.strip()}\n"


def _with_headers(page: PublishedPage, mail: PublishedMail) -> PublishedPage:
    """The page with what the headers of its mail say, where it says nothing itself."""
    return replace(
        page,
        markdown=without_footer(page.markdown),
        title=mail.subject or page.title,
        published=page.published or _day(mail.date),
        contact=page.contact or mail.contact,
        publisher=page.publisher or mail.sender,
    )


def _from_html(text: str, address: str) -> PublishedPage:
    page = read_html(text, address)
    return PublishedPage(
        markdown=page.markdown, title=page.title, url=page.url, publisher=page.publisher,
        published=_day(page.published), language=page.language,
    )  # fmt: skip


def _from_text(text: str) -> PublishedPage:
    front, body = _front_matter(text)
    body = _without_labels(body, front)
    return PublishedPage(
        markdown=normalize_text(body), title=front.get("title", ""), url=front.get("url", ""),
        published=_day(front.get("published", "")), contact=front.get("contact", ""),
        publisher=front.get("source", "") if front.get("source", "") != "Unknown" else "",
        language=front.get("language", "") or front.get("lang", ""),
    )  # fmt: skip


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    """Return the fields between two lines of dashes at the top, and the rest of the text."""
    text = text.lstrip()
    if not text.startswith("---\n"):
        return {}, text
    front, ends, body = text.removeprefix("---\n").partition("\n---\n")
    try:
        about: Any = parse_yaml(front) if ends else None
    except yaml.YAMLError:
        about = None
    if not isinstance(about, dict):
        return {}, text
    return {str(k).lower(): str(v).strip() for k, v in about.items() if v is not None}, body


def _without_labels(body: str, front: dict[str, str]) -> str:
    """Return the text without lines such as `Published: 3 May 2026` at its top, now in `front`."""
    top, rest = body[:TOP_CHARACTERS], body[TOP_CHARACTERS:]
    found = list(LABELLED.finditer(top))
    for match in reversed(found):
        name = match[1].lower()
        name = LABELS.get(name, name)
        if match.end() < len(top) or not rest:
            front.setdefault(name, match[2].strip().strip("\"'"))
            top = top[: match.start()] + top[match.end() :]
    return top + rest


def _with_title_from_text(page: PublishedPage) -> PublishedPage:
    """Return the page with its first heading or sentence as title, where it has no other.

    Of two headings at the top, the shorter one names the publisher, as in a letterhead.
    """
    blocks = page.markdown.split("\n\n")
    heads = [_heading(block) for block in blocks[:2]]
    if page.title:
        same = _plain(heads[0]) == _plain(page.title)
        return replace(page, markdown="\n\n".join(blocks[1:])) if same else page
    if len(blocks) > 2 and all(heads) and not blocks[0].startswith("# "):
        publisher, title = sorted(heads, key=len)
        rest = "\n\n".join(blocks[2:])
        return replace(page, title=title, publisher=page.publisher or publisher, markdown=rest)
    if heads and heads[0]:
        return replace(page, title=heads[0], markdown="\n\n".join(blocks[1:]))
    sentence = re.split(r"(?<=[.!?。！？])\s", blocks[0].strip().replace("\n", " "))[0]
    return replace(page, title=sentence[:TITLE_LENGTH])


def _heading(block: str) -> str:
    found = HEADING.match(block.strip())
    return (found[1] or found[2] or "").strip() if found else ""


def _address_in(markdown: str) -> str:
    """Return the first web address at the top of the text, which is likely that of the page."""
    found = ADDRESS.search(markdown[:TOP_CHARACTERS])
    return found[0] if found else ""


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def _published_in(markdown: str) -> str:
    """Return the first date with a year that the top of the text names; empty for none."""
    days = [named.day for named in days_in(markdown[:TOP_CHARACTERS]) if named.whole]
    return days[0].isoformat() if days else ""


def _without_day(markdown: str) -> str:
    """The text without a line near its top that only says when it was published."""
    blocks = markdown.split("\n\n")
    top = [block for block in blocks[:DAY_BLOCKS] if not _only_names_day(block)]
    return "\n\n".join(top + blocks[DAY_BLOCKS:])


def _only_names_day(block: str) -> bool:
    days = days_in(block)
    if len(days) != 1 or not days[0].whole:
        return False
    rest = f"{block[: days[0].start]} {block[days[0].end :]}".casefold()
    said = " ".join(re.findall(r"[^\W\d_]+", rest))
    return not said or said in read_yaml("post_words.yaml")["published"]


def _day(text: str) -> str:
    days = [named.day for named in days_in(text) if named.whole]
    return days[0].isoformat() if days else ""
