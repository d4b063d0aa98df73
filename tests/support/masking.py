"""What the tests of masking share: texts with their secrets marked, and what counts as covered."""

import re

from bot.domain import Redaction

SEED = 7
MARKED = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)


def marked(line: str) -> tuple[str, list[tuple[int, int]]]:
    """A line without its marks and where its secrets stand; ⏎ is a line break."""
    text, spans, place = "", [], 0
    line = line.replace("⏎", "\n").replace("\\n", "\n")
    for match in MARKED.finditer(line):
        text += line[place : match.start()]
        spans.append((len(text), len(text) + len(match[1])))
        text += match[1]
        place = match.end()
    return text + line[place:], spans


def covered(masked: Redaction, spans: list[tuple[int, int]], text: str) -> bool:
    hidden = {place for span in masked.spans for place in range(span.start, span.end)}
    wanted = {
        place for low, high in spans for place in range(low, high) if not text[place].isspace()
    }
    return wanted <= hidden
