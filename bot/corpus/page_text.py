"""Converts plain text and loose Markdown to the Markdown that `bot.corpus.post` reads.

Text that is Markdown already is kept; only headings, questions and tables in other forms are
rewritten.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from bot.corpus.dates import days_in
from bot.resources import read_yaml

WRAPPED = 50  # least length of a line whose next line may be its continuation
HEADING_LENGTH = 100
HEADING_WORDS = 14
DAY_WORDS = 10  # of a line that says no more than when the page was published, and by whom
FURNITURE_LENGTH = 200  # characters; a longer paragraph says something of its own
QUESTION_LENGTH = 220
MARKED = re.compile(r"(?m)^(?:#{1,6}\s+\S|\*\*[^*\n]+\*\*\s*$)|\]\((?:https?:|mailto:|/)")
BULLET = re.compile(r"^\s*(?:[-*+•·‣▪–—・]|o(?=\s{2,})|\(?\d{1,2}[.)]|\(?[a-z]\))\s+")
BULLET_SIGN = re.compile(r"^\s*[-*+•·‣▪–—・o]\s+")
NUMBER = re.compile(r"^\s*\d{1,2}(?:\.\d{1,2})*[.)]?\s+(?=\S)")
UNDERLINE = re.compile(r"^\s*(?:=+|-{3,}|~{3,}|\*{3,}|_{3,})\s*$")
# "Q: …", "Frage 3: …", "F3. …" before a question, and the like before its answer; "(a)" is a point
# of a list.
ASKING = "q|question|frage|f|pregunta|domanda|pergunta|vraag|pytanie|問|问|質問|질문"
ANSWERING = "a|answer|antwort|réponse|r|respuesta|risposta|resposta|antwoord|odpowiedź|答|回答|답변"
ASKS = re.compile(rf"^[^\w(]{{0,4}}(?:{ASKING})\s?\d{{0,3}}\s*[:.)：]\**\s*(?=\S)", re.IGNORECASE)
ANSWERS = re.compile(rf"^[^\w(]{{0,4}}(?:{ANSWERING})\s?\d{{0,3}}\s*[:.)：]\**\s+", re.IGNORECASE)
# "**Was it copied?** No." in one paragraph.
BOLD_QUESTION = re.compile(
    r"^(?:[-*+]\s+|\d{1,2}[.)]\s+)?(?:\*\*|__)([^*_\n]{3,}?[?？])\s*(?:\*\*|__)\s+(\S.*)$",
    re.DOTALL,
)
SENTENCE_ENDS = (".", "!", ",", ";", "。", "！", "、", "，")
QUESTION_ENDS = ("?", "？")


def normalize_text(text: str) -> str:
    """Return the text as Markdown with one blank line between its blocks."""
    text = re.sub(r"(?m)[ \t]+$", "", text.replace("\t", "    ").replace("\f", "\n\n"))
    blocks = [block for block in re.split(r"\n\s*\n", text) if block.strip()]
    marked = bool(MARKED.search(text))
    made: list[str] = []
    if blocks and not marked:
        made, blocks = _title_above(blocks)
    for place, block in enumerate(blocks):
        last = place + 1 == len(blocks)
        made += _blocks(block, last=last, marked=marked)
    return "\n\n".join(made)


def is_furniture(block: str, words: str = "furniture") -> bool:
    """Whether a paragraph is about the page itself; `words` names the list in post_words.yaml."""
    said = " ".join(block.casefold().split())
    return len(said) <= FURNITURE_LENGTH and any(each in said for each in _furniture(words))


@lru_cache(maxsize=8)
def _furniture(words: str) -> tuple[str, ...]:
    return tuple(read_yaml("post_words.yaml")[words])


def _title_above(blocks: list[str]) -> tuple[list[str], list[str]]:
    """Title and line with the day, where no blank line parts them; and the other blocks."""
    title, *others = [line.strip() for line in blocks[0].split("\n") if line.strip()]
    if not others or not _is_heading(title) or not all(map(_names_a_day, others)):
        return [], blocks
    return [f"## {title}", "\n".join(others)], blocks[1:]


def _names_a_day(line: str) -> bool:
    short = len(line.split()) <= DAY_WORDS and not line.endswith(SENTENCE_ENDS)
    return short and any(day.whole for day in days_in(line))


def _blocks(block: str, *, last: bool, marked: bool) -> Iterator[str]:
    quoted = (re.sub(r"^\s*>\s?", "", line) for line in block.split("\n"))
    lines = [line for line in quoted if line.strip()]
    headings, lines = _headings_above(lines)
    yield from headings
    if not lines:
        return
    if all(line.strip().startswith("|") for line in lines):
        yield _table(lines)
    elif any(map(_is_labelled, lines)):
        yield from _questions(lines)
    elif found := BOLD_QUESTION.match("\n".join(lines)):
        yield f"## {ASKS.sub('', found[1]).strip()}"
        yield _joined(found[2].split("\n"))
    elif marked:
        yield "\n".join(lines)
    else:
        yield from _plain(lines, last=last)


def _headings_above(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the headings right above a text, and its lines without horizontal rules."""
    headings: list[str] = []
    while lines:
        if lines[0].lstrip().startswith("#"):
            headings.append(lines[0].strip())
            lines = lines[1:]
        elif UNDERLINE.match(lines[0]):
            lines = lines[1:]
        elif len(lines) > 1 and UNDERLINE.match(lines[1]) and not BULLET.match(lines[0]):
            headings.append(f"## {lines[0].strip()}")
            lines = lines[2:]
        else:
            break
    return headings, lines


def _is_labelled(line: str) -> bool:
    """Return whether a line begins with A:, or begins with Q: and ends in a question mark."""
    asks = ASKS.match(line) and line.rstrip().rstrip("*_").endswith(QUESTION_ENDS)
    return bool(asks or (ANSWERS.match(line) and not line.lstrip().startswith("- ")))


def _questions(lines: list[str]) -> Iterator[str]:
    """Yield lines that begin with Q: and A: as headings and paragraphs."""
    parts: list[tuple[str, list[str]]] = []
    for line in lines:
        if ASKS.match(line) and _is_labelled(line):
            parts.append(("## ", [_without_marks(ASKS.sub("", line))]))
        elif ANSWERS.match(line):
            parts.append(("", [ANSWERS.sub("", line)]))
        elif parts:
            parts[-1][1].append(line)
        else:
            parts.append(("", [line]))
    for mark, texts in parts:
        yield mark + _joined(texts)


def _table(lines: list[str]) -> str:
    """Return the rows of a Markdown table as a list."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    rows = [row for row in rows if not all(re.fullmatch(r":?-*:?", cell) for cell in row)]
    return "\n".join(f"- {line}" for line in table_lines(rows, named=True))


def table_lines(rows: list[list[str]], *, named: bool) -> list[str]:
    """Return a line for each row of a table; with `named` the first row names the columns."""
    names = rows[0] if named and len(rows) > 1 else []
    made = []
    for row in rows[1:] if names else rows:
        if names:
            pairs = zip(names, row, strict=False)
            made.append("; ".join(f"{n}: {cell}" if n else cell for n, cell in pairs if cell))
        else:
            made.append(": ".join(cell for cell in row if cell))
    return [line for line in made if line]


def _plain(lines: list[str], *, last: bool) -> Iterator[str]:
    """Yield a block of text as Markdown: a heading, question with answer, list or paragraph."""
    first = lines[0].strip()
    asks = _is_question(first) and not BULLET_SIGN.match(first)
    if len(lines) == 1:
        yield (
            f"## {first}"
            if not last and (asks or _is_heading(first))
            else _only(_paragraphs(lines))
        )
        return
    short = asks or (_is_heading(first) and len(first) < WRAPPED)
    if short and not BULLET.match(lines[1]) and lines[1].strip()[:1].isupper():
        yield f"## {NUMBER.sub('', first) if asks else first}"
        lines = lines[1:]
    yield from _paragraphs(lines)


def _only(blocks: Iterator[str]) -> str:
    return "\n\n".join(blocks)


def _paragraphs(lines: list[str]) -> Iterator[str]:
    """Yield the paragraph and the list of a block; wrapped lines are joined."""
    first = next((i for i, line in enumerate(lines) if BULLET.match(line)), len(lines))
    if first:
        yield _joined(lines[:first])
    items: list[list[str]] = []
    for line in lines[first:]:
        if BULLET.match(line):
            items.append([BULLET.sub("", line)])
        else:
            items[-1].append(line)
    if items:
        yield "\n".join(f"- {_joined(item)}" for item in items)


def _is_heading(line: str) -> bool:
    said = line.strip()
    if BULLET_SIGN.match(line) or len(said) > HEADING_LENGTH:
        return False
    sentence = said.endswith((*SENTENCE_ENDS, ":", "："))
    return not sentence and len(said.split()) <= HEADING_WORDS and any(map(str.isalpha, said))


def _is_question(line: str) -> bool:
    return line.strip().endswith(QUESTION_ENDS) and len(line) <= QUESTION_LENGTH


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines if line.strip())


def _without_marks(line: str) -> str:
    return line.strip().strip("*_").strip()
