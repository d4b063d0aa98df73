"""Extracts the text that a person sees from HTML, and notes whether some of it was hidden.

Text that is in the mail but not on the screen can smuggle instructions to a program that reads the
mail.
"""

from dataclasses import dataclass

import re2
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from bot.channels.mail.mime import LimitError

# Characters of HTML that one mail may have.
MAX_SOURCE_CHARACTERS = 1_000_000
# Elements that are visited in one mail.
MAX_STEPS = 40_000
# Selectors of style sheets that are looked up: each is a search of the whole page.
MAX_SELECTORS = 30
# Elements that may be open at once: the parser's time grows with the square of their number.
MAX_OPEN_ELEMENTS = 500
# The most "<" characters of a source; one with more is not parsed at all.
MAX_TAGS = 60_000
TAG = re2.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
SELF_CLOSED_TAGS = frozenset(
    [
        "p",
        "li",
        "td",
        "th",
        "tr",
        "dt",
        "dd",
        "option",
        "tbody",
        "thead",
        "tfoot",
        "br",
        "img",
        "hr",
        "meta",
        "link",
        "input",
        "col",
        "wbr",
        "area",
        "base",
        "html",
        "head",
        "body",
    ]
)
TEXT_NODES = frozenset({"-text", "-comment"})
HIDING_STYLE = re2.compile(
    r"(?i)display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|mso-hide\s*:\s*all|"
    r"font-size\s*:\s*(?:0+(?:\.0\d*)?(?:px|pt|em|rem|%)?|\.0\d*(?:px|pt|em|rem|%)?|1p[xt])\s*(?:;|!|$)|"
    r"opacity\s*:\s*(?:0+(?:\.0\d*)?|\.0\d*)\s*(?:;|!|$)|(?:^|[;\s])color\s*:\s*transparent|"
    r"(?:max-height|max-width|(?:^|[;\s])height|(?:^|[;\s])width)\s*:\s*0(?:px|pt|em|%)?\s*(?:;|!|$)|"
    r"(?:text-indent|(?:^|[;\s])left|(?:^|[;\s])top)\s*:\s*-\d{3,}|clip\s*:\s*rect\(\s*0"
)
COLOR = re2.compile(r"(?i)(?:^|[;\s])color\s*:\s*([#\w]+)")
BACKGROUND = re2.compile(r"(?i)background(?:-color)?\s*:\s*([#\w]+)")
STYLE_RULE = re2.compile(r"([^{}@]+)\{([^{}]*)\}")
AT_RULE = re2.compile(r"@[^{};]*(?:;|\{(?:[^{}]*\{[^{}]*\})*[^{}]*\})")
COMMENT = re2.compile(r"(?s)/\*.*?\*/")
DROPPED_TAGS = frozenset(
    [
        "script",
        "style",
        "head",
        "title",
        "noscript",
        "template",
        "object",
        "svg",
        "iframe",
        "textarea",
        "select",
    ]
)
BLOCK_TAGS = frozenset(
    [
        "p",
        "div",
        "br",
        "li",
        "tr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "table",
        "ul",
        "ol",
        "hr",
        "pre",
        "section",
        "article",
        "header",
        "footer",
        "dl",
        "dt",
        "dd",
        "center",
        "form",
        "fieldset",
        "address",
        "main",
        "nav",
        "aside",
    ]
)
CELL_TAGS = frozenset({"td", "th"})
# Put around quoted text until the text is split into lines, which are then marked with ">".
QUOTE_START, QUOTE_END = "\x02", "\x03"
CONTROL_CHARACTERS = {2: None, 3: None, 0: None}
QUOTE_CLASSES = frozenset({"gmail_quote", "gmail_quote_container", "yahoo_quoted"})
QUOTE_IDS = frozenset({"appendonsend", "divrplyfwdmsg", "olk_src_body_section", "stopspelling"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VisiblePage:
    """The visible text of a page, whether something was hidden in it, and how many elements it
    has.
    """

    text: str
    hidden: bool
    steps: int = 0


def html_text(source: str, *, steps: int = MAX_STEPS) -> VisiblePage:
    """Return the visible text of an HTML part; LimitError when there is more HTML than is read.

    `steps` is the number of elements that may be visited.
    """
    if source.count("<") > MAX_TAGS:
        raise LimitError("too many elements of HTML")
    if _max_nesting(source) > MAX_OPEN_ELEMENTS:
        raise LimitError("HTML too deeply nested")
    tree = LexborHTMLParser(source)
    root = tree.root
    if root is None:
        return VisiblePage(text="", hidden=False)
    pieces, hidden, taken = _collect_text(root, _hidden_by_sheet(tree), steps)
    return VisiblePage(
        text="\n".join(_mark_quoted_lines("".join(pieces))), hidden=hidden, steps=taken
    )


def _mark_quoted_lines(text: str) -> list[str]:
    """Return the lines without empty ones; quoted ones are marked as in plain text."""
    lines: list[str] = []
    depth = 0
    for line in text.split("\n"):
        depth += line.count(QUOTE_START)
        words = " ".join(line.replace(QUOTE_START, " ").replace(QUOTE_END, " ").split())
        if words:
            lines.append(f"> {words}" if depth > 0 else words)
        depth -= line.count(QUOTE_END)
    return lines


def _max_nesting(source: str) -> int:
    """Return the most elements open at once: the parser's time grows with their square."""
    depth = deepest = 0
    for closing, name in TAG.findall(source):
        if name.lower() not in SELF_CLOSED_TAGS:
            depth = depth - 1 if closing else depth + 1
            deepest = max(deepest, depth)
    return deepest


def _collect_text(root: LexborNode, unseen: set[int], steps: int) -> tuple[list[str], bool, int]:
    """Return the text in the order of the page, whether some was hidden, and the elements visited.

    It is a loop and not recursive, for a page may be nested 100,000 deep.
    """
    pieces: list[str] = []
    hidden = False
    node: LexborNode | None = root
    for taken in range(steps):
        if node is None:
            return pieces, hidden, taken
        tag = node.tag or ""
        if tag == "-text":
            pieces.append(
                " ".join((node.text_content or "").translate(CONTROL_CHARACTERS).split("\n"))
            )
        skip = tag in DROPPED_TAGS
        if not skip and tag not in TEXT_NODES and (node.mem_id in unseen or _is_hidden(node)):
            skip = True
            hidden = hidden or bool(node.text(deep=True).strip())
        pieces.append(_text_before(node, tag))
        node = _following_node(node, root, pieces, descend=not skip)
    raise LimitError("too many elements of HTML")


def _following_node(
    node: LexborNode, root: LexborNode, pieces: list[str], *, descend: bool
) -> LexborNode | None:
    """Return the node that follows in the page; None at its end.

    Adds to `pieces` what stands for the ends of the elements that end before that node.
    """
    if descend and (child := node.child) is not None:
        return child
    ancestor: LexborNode | None = node
    while ancestor is not None and ancestor.mem_id != root.mem_id:
        pieces.append(_text_after(ancestor, ancestor.tag or ""))
        if (following := ancestor.next) is not None:
            return following
        ancestor = ancestor.parent
    return None


def _text_before(node: LexborNode, tag: str) -> str:
    if _is_quote(node, tag):
        return f"\n{QUOTE_START}"
    return "\n" if tag in BLOCK_TAGS else ""


def _text_after(node: LexborNode, tag: str) -> str:
    if _is_quote(node, tag):
        return f"{QUOTE_END}\n"
    if tag in CELL_TAGS:
        return " "
    return "\n" if tag in BLOCK_TAGS else ""


def _is_quote(node: LexborNode, tag: str) -> bool:
    if tag != "div":
        return tag == "blockquote"
    attributes = node.attributes
    classes = (attributes.get("class") or "").lower().split()
    return bool(QUOTE_CLASSES & set(classes)) or (attributes.get("id") or "").lower() in QUOTE_IDS


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    style = (attributes.get("style") or "")[:2000]
    if "hidden" in attributes or HIDING_STYLE.search(style):
        return True
    color, ground = COLOR.search(style), BACKGROUND.search(style)
    return bool(color and ground and color.group(1).lower() == ground.group(1).lower())


def _hidden_by_sheet(tree: LexborHTMLParser) -> set[int]:
    """Return the ids of nodes that style sheets hide on every screen.

    Rules within @-rules, as for some screens only, do not count.
    """
    sheet = "\n".join(node.text(deep=True) for node in tree.css("style"))
    rules = STYLE_RULE.findall(AT_RULE.sub("", COMMENT.sub("", sheet)))
    named = {s.strip() for r, style in rules if HIDING_STYLE.search(style) for s in r.split(",")}
    unseen: set[int] = set()
    for selector in sorted(named - {"", "*", "body", "html"})[:MAX_SELECTORS]:
        try:
            unseen.update(node.mem_id for node in tree.css(selector))
        except SelectolaxError:  # a selector that the parser does not know
            continue
    return unseen
