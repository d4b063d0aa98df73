"""Converts a saved web page to the Markdown of its statement, without menus and banners.

The statement is found by the structure of the page: `main` or `article`, else the smallest element
that holds most of the running text. Lists that are nearly all links are taken for menus.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from bot.corpus.page_text import table_lines
from bot.errors import InputError
from bot.resources import read_yaml

MAX_TAGS = 60_000  # characters that begin a tag; pages with statements have some thousands
MAX_DEPTH = 150  # nested elements; each costs a few nested function calls
RUNNING_TAGS = frozenset({"p", "li", "dd", "td", "blockquote"})
SIGN = re.compile(
    r"(?i)<!doctype\s+html|<html[\s>]|<body[\s>]|<(?:p|div|h[1-6]|article|main)(?:\s[^<>]*)?>"
)
NEVER = (
    "script, style, noscript, template, svg, iframe, object, canvas, select, input, textarea, "
    "form, nav, dialog, [hidden], [aria-hidden=true], [role=navigation], [role=banner], "
    "[role=contentinfo], [role=dialog], [role=alertdialog], [role=search], [role=menu], "
    "[role=complementary]"
)
AROUND = ("header", "footer", "aside")  # of the page; inside the statement they may be text
# Words in the class or id of elements around a statement, such as banners and menus.
FRAME = re.compile(
    r"(?i)(?:^|[-_\s])(?:cookies?|consent|gdpr|onetrust|newsletter|subscribe|share|sharing|social|"
    r"breadcrumbs?|crumbs?|related|recommended|promo|sidebar|menu|navbar|nav|footer|modal|popup|overlay|"
    r"skip|toolbar|banner|comments?|feedback|helpful|rating|sign-?up|cmp|usercentrics|didomi|trustarc|"
    r"truste|cookiebot|quantcast|iubenda|klaro)(?:$|[-_\s])"
)
BUTTONS = "button, a, [role=button]"
SAVED_TOP = 5_000  # characters in which that stands
BANNER_TEXT = 120  # characters that a banner asking for consent has at least
BANNER_LENGTH = 2_000  # and at most
# What browsers write on top of a page that they save.
SAVED_FROM = re.compile(r"<!--\s*saved from url=\(\d+\)(https?://\S+)\s*-->")
MOST = 0.8  # of the running text must be in the element that is taken for the statement
FRAME_SHARE = 0.5  # of the running text; an element with more is kept whatever its class says
MENU_LINKS = 3
MENU_DENSITY = 0.6  # least share of characters in links that makes an element a menu
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
ASKING_TAGS = (*HEADINGS, "summary", "dt", "legend", "button")  # what holds a question, no answer
INLINE_WORDS = (
    "a abbr b bdi bdo br cite code data del dfn em i ins kbd mark q s samp small span strong sub "
    "sup time u var wbr font"
)
INLINE = frozenset(INLINE_WORDS.split())
TITLE_TAIL = re.compile(r"\s+[|–—·»]\s+[^|–—·»]{2,60}$|\s+-\s+[^-]{2,40}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlPage:
    """The statement of a page in Markdown, and what the page says about itself."""

    markdown: str
    title: str
    url: str
    published: str
    publisher: str
    language: str


def looks_like_html(text: str) -> bool:
    """Return whether a text is a web page, or a part of one."""
    begin = text[:20_000]
    found = SIGN.findall(begin)
    return bool(re.match(r"\s*<", begin) and found) or len(found) > 3


def read_html(text: str, address: str = "") -> HtmlPage:
    """Return the statement of the page in `text`; relative links are completed from `address`.

    Raise InputError when it has more than `MAX_TAGS` tags.
    """
    if text.count("<") > MAX_TAGS:
        raise InputError(
            f"the page has more than {MAX_TAGS:,} tags; save the text of the post alone"
        )
    tree = LexborHTMLParser(text)
    about = _about(tree)
    saved = SAVED_FROM.search(text[:SAVED_TOP])
    url = about["url"] or address or (saved[1] if saved else "")
    root = _statement(tree)
    blocks = [block for block in _Walk(url).blocks(root) if block.strip()]
    title = about["title"] or TITLE_TAIL.sub("", about["page_title"])
    kept = [b for b in blocks if not (b.startswith("## ") and _plain(b) == _plain(title))]
    return HtmlPage(
        markdown="\n\n".join(kept), title=title, url=url, published=about["published"],
        publisher=about["publisher"], language=about["language"],
    )  # fmt: skip


def _about(tree: LexborHTMLParser) -> dict[str, str]:
    """Return title, address, day, publisher and language from the head, JSON-LD and h1."""
    linked = _linked_data(tree)
    publisher = linked.get("publisher")
    heads = [_text(node) for node in tree.css("h1")]
    headline = _meta(tree, "og:title") or str(linked.get("headline") or "")
    language = tree.css_first("html")
    return {
        "title": heads[0] if len(heads) == 1 else headline,
        "page_title": _text(tree.css_first("title")),
        "url": _attribute(tree, "link[rel=canonical]", "href") or _meta(tree, "og:url"),
        "published": str(linked.get("datePublished") or "")
        or _meta(tree, "article:published_time") or _meta(tree, "date")
        or _attribute(tree, "time[datetime]", "datetime"),
        "publisher": _meta(tree, "og:site_name")
        or str(publisher.get("name") or "" if isinstance(publisher, dict) else ""),
        "language": str((language.attributes.get("lang") if language else "") or "")[:2].lower(),
    }  # fmt: skip


def _linked_data(tree: LexborHTMLParser) -> dict[str, Any]:
    """Return the first JSON-LD object with a date of publication."""
    for node in tree.css("script[type='application/ld+json']"):
        try:
            read = json.loads(node.text())
        except (ValueError, RecursionError):
            continue
        graph = read.get("@graph", [read]) if isinstance(read, dict) else read
        for each in graph if isinstance(graph, list) else []:
            if isinstance(each, dict) and "datePublished" in each:
                return each
    return {}


def _meta(tree: LexborHTMLParser, name: str) -> str:
    return _attribute(tree, f"meta[property='{name}'], meta[name='{name}']", "content")


def _attribute(tree: LexborHTMLParser, selector: str, name: str) -> str:
    node = tree.css_first(selector)
    return str((node.attributes.get(name) if node else "") or "").strip()


@dataclass(slots=True)
class _Size:
    """Characters of an element: all, those of links, those of running text; and its links."""

    text: int = 0
    linked: int = 0
    running: int = 0
    links: int = 0

    def add(self, other: "_Size") -> None:
        """Count a part of the element."""
        self.text += other.text
        self.linked += other.linked
        self.running += other.running
        self.links += other.links


Sizes = dict[int, _Size]


def _statement(tree: LexborHTMLParser) -> LexborNode:
    """Return the element with the statement, without menus and banners."""
    body = tree.body
    if body is None:
        raise InputError("the page has no text")
    sizes: Sizes = {}
    _measure(body, sizes)
    for node in body.css(NEVER):
        if node.tag != "form" or not _is_most(node, body, sizes):
            node.decompose()
    sizes.clear()
    _measure(body, sizes)
    found = body.css("main, [role=main], article")
    mains = [n for n in found if _is_most(n, body, sizes, share=FRAME_SHARE)]
    inside = [n for n in body.css("div, section, td, center") if _is_most(n, body, sizes)]
    root = min(mains or inside, key=lambda node: sizes[node.mem_id].text, default=body)
    around = [n for n in root.css(", ".join(AROUND)) if n.mem_id != root.mem_id]
    framed = [n for n in root.css("[class], [id]") if n.mem_id != root.mem_id and _is_framed(n)]
    lists = root.css("ul, ol, div, section, p")
    menus = [n for n in lists if n.mem_id != root.mem_id and _is_menu(sizes[n.mem_id])]
    asking = _consent_banners(root, sizes)
    frames = [
        n for n in (*around, *framed, *menus, *asking) if not _is_most(n, root, sizes, FRAME_SHARE)
    ]
    for node in frames:
        if node.parent is not None:
            node.decompose()
    return root


def _consent_banners(root: LexborNode, sizes: Sizes) -> Iterator[LexborNode]:
    """Elements with two buttons of consent and the text to them, and no more than that.

    A page may well have a single button that says `Accept`.
    """
    seen: set[int] = set()
    for button in root.css(BUTTONS):
        if _text(button).casefold().strip(" .!") not in _consent():
            continue
        node = button.parent
        while node is not None and node.mem_id not in seen and node.mem_id != root.mem_id:
            seen.add(node.mem_id)
            node = node.parent
        if node is not None and node.mem_id != root.mem_id:
            yield _with_its_text(node, root, sizes)


def _with_its_text(node: LexborNode, root: LexborNode, sizes: Sizes) -> LexborNode:
    """The element around buttons of consent that says what they are about."""
    while (parent := node.parent) is not None and parent.mem_id != root.mem_id:
        size, whole = sizes[node.mem_id].text, sizes[parent.mem_id].text
        if (size >= BANNER_TEXT and whole > size) or whole > BANNER_LENGTH:
            break
        node = parent
    return node


@cache
def _consent() -> frozenset[str]:
    return frozenset(read_yaml("post_words.yaml")["consent"])


def _measure(
    node: LexborNode, sizes: Sizes, *, depth: int = 0, linked: bool = False, running: bool = False
) -> _Size:
    """Measure an element and its descendants; InputError when they are nested too deeply."""
    if depth > MAX_DEPTH:
        raise InputError(f"the page has over {MAX_DEPTH} elements inside each other; save its text")
    size = _Size()
    for child in node.iter(include_text=True):
        if child.tag == "-text":
            length = len(" ".join((child.text(deep=False) or "").split()))
            size.add(
                _Size(
                    text=length, linked=length if linked else 0,
                    running=length if running and not linked else 0,
                )
            )  # fmt: skip
            continue
        leads_away = child.tag == "a" and not _href(child).startswith(("mailto:", "tel:"))
        size.links += leads_away
        size.add(
            _measure(
                child, sizes, depth=depth + 1, linked=linked or leads_away,
                running=running or child.tag in RUNNING_TAGS,
            )
        )  # fmt: skip
    sizes[node.mem_id] = size
    return size


def _is_most(node: LexborNode, whole: LexborNode, sizes: Sizes, share: float = MOST) -> bool:
    return sizes[node.mem_id].running >= share * max(sizes[whole.mem_id].running, 1)


def _is_framed(node: LexborNode) -> bool:
    named = f"{node.attributes.get('class') or ''} {node.attributes.get('id') or ''}"
    return bool(FRAME.search(named))


def _is_menu(size: _Size) -> bool:
    return size.links >= MENU_LINKS and size.linked > MENU_DENSITY * max(size.text, 1)


def _href(link: LexborNode) -> str:
    return str(link.attributes.get("href") or "").strip()


def _text(node: LexborNode | None) -> str:
    return " ".join((node.text(deep=True, separator=" ") or "").split()) if node else ""


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


class _Walk:
    """Writes the blocks of an element as Markdown; `url` completes relative links."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.section = ""  # the last heading that is no question

    def blocks(self, node: LexborNode) -> Iterator[str]:
        """Yield headings, paragraphs and lists in the order of the page.

        What follows an element with questions does not belong to the last question: the heading of
        the section is repeated above it.
        """
        run: list[str] = []
        asked = False
        for child in [*node.iter(include_text=True), None]:
            if child is not None and self._is_inline(child):
                run.append(self._inline(child))
                continue
            whole = [*_paragraphs("".join(run))]
            inside = [*self._block(child)] if child is not None else []
            for made in ([b for b in whole if b.strip()], [b for b in inside if b.strip()]):
                if asked and made and not made[0].startswith("## ") and self.section:
                    yield f"## {self.section}"
                asked = asked and not made
                yield from made
            run = []
            is_container = child is not None and child.tag not in ASKING_TAGS
            asked = asked or (is_container and any(map(_asks, inside)))

    def _is_inline(self, node: LexborNode) -> bool:
        return node.tag == "-text" or (
            node.tag in INLINE and not node.css("p, div, ul, ol, h2, h3")
        )

    def _block(self, node: LexborNode) -> Iterator[str]:
        tag = node.tag or ""
        text = " ".join(self._inline(node, marks=False).split()) if tag in ASKING_TAGS else ""
        if tag in HEADINGS or tag in {"summary", "dt", "legend"}:
            if text and tag in HEADINGS and not _asks(f"## {text}"):
                self.section = text
            yield f"## {text}" if text else ""
        elif tag in {"ul", "ol"}:
            yield from self._list(node)
        elif tag == "table":
            rows = [[_text(cell) for cell in row.css("th, td")] for row in node.css("tr")]
            first = node.css_first("tr")
            lines = table_lines(rows, named=bool(first and first.css("th") and not first.css("td")))
            yield "\n".join(f"- {line}" for line in lines)
        elif tag == "button":
            yield f"## {text}" if text.endswith(("?", "？")) else ""
        elif tag in {"-comment", "hr", "img", "figure", "video", "audio", "label"}:
            return
        else:
            yield from self.blocks(node)

    def _list(self, node: LexborNode) -> Iterator[str]:
        """Yield a list; one whose items have headings, as in an accordion, item by item."""
        if node.css("h2, h3, h4, h5, summary, button"):
            for item in node.iter():
                yield from self.blocks(item)
            return
        items = []
        for item in node.css("li"):
            inner = [text for block in item.css("ul, ol") for text in [_text(block)]]
            said = " ".join(self._inline(item, marks=False).split())
            for text in inner:
                said = said.replace(text, "").strip()
            if said:
                items.append(f"- {said}")
        yield "\n".join(items)

    def _inline(self, node: LexborNode, *, marks: bool = True) -> str:
        """Return the text of a node with its links; bold only where it may be a heading."""
        if node.tag == "-text":
            return re.sub(r"\s+", " ", node.text(deep=False) or "")
        if node.tag == "br":
            return "\n"
        inner = "".join(self._inline(child, marks=marks) for child in node.iter(include_text=True))
        if node.tag == "a":
            return self._link(node, inner)
        if marks and node.tag in {"strong", "b"} and inner.strip():
            return f"**{inner.strip()}**{' ' if inner.endswith(' ') else ''}"
        return inner if node.tag in INLINE else f"{inner} "

    def _link(self, node: LexborNode, inner: str) -> str:
        href = _href(node)
        address = href.split("?", 1)[0] if href.startswith("mailto:") else urljoin(self.url, href)
        good = urlsplit(address).scheme in {"http", "https", "mailto"} and "#" not in href[:1]
        text = inner.strip()
        if not good or not text or re.search(r"[()\s\[\]]", address):
            return inner
        return f"[{text}]({address}){' ' if inner.endswith(' ') else ''}"


def _asks(block: str) -> bool:
    """Return whether a block is a heading that asks a question."""
    return block.startswith("## ") and block.endswith(("?", "？"))


def _paragraphs(run: str) -> Iterator[str]:
    """Yield the paragraphs of a run of inline text, which two line breaks separate, as on screen.

    Bold is kept only where it is the whole paragraph and no sentence, so probably a heading.
    """
    for part in re.split(r"\n\s*\n", run):
        text = " ".join(part.split())
        bold = re.fullmatch(r"\*\*([^*]+)\*\*", text)
        if bold and not bold[1].endswith((".", "!", "。", "！")):
            yield f"## {bold[1].strip()}"
            continue
        lead = re.match(r"\*\*([^*]+[?？])\*\*\s*(\S.*)", text)
        if lead:
            yield f"## {lead[1].strip()}"
            text = lead[2]
        yield text.replace("**", "")
