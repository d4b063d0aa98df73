"""Masks who writes and to whom in a text that is sent to the vendor of a language model.

Addresses, telephone numbers and mentions are masked anywhere; names only where their position shows
that they are names: in a greeting, a close, a signature, an introduction. Secrets have been masked
before (`redactor`).
"""

from typing import Any

import re2

NAME, ADDRESS, NUMBER, PERSON = "[name]", "[address]", "[number]", "[person]"
MAIL_ADDRESS = re2.compile(r"(?i)(?:mailto:)?[\pL\pN._%+'-]+@[\pL\pN-]+(?:\.[\pL\pN-]+)+")
TELEPHONE = re2.compile(r"\+?\(?\d[\d ()./‐‑–-]{5,}\d")
YEAR = re2.compile(r"\b(?:19|20)\d\d\b")
MENTION = re2.compile(r"<@[UW][A-Z0-9]+(?:\|[^>]*)?>|\B@\pL[\pL\pN._-]*")
CAPITAL = r"(?:\p{Lu}\.|\p{Lu}[\pL'’-]+)"
INTRODUCTION = re2.compile(
    r"(?i:\b(my name is|my name's|mein name ist|ich hei(?:ß|ss)e|je m['’]appelle|me llamo|"
    r"mi nombre es|mi chiamo|il mio nome è|(?:o )?meu nome é|chamo-me|mijn naam is|ik heet|"
    r"nazywam się|jag heter|mitt namn är|меня зовут|benim adım|i am|i['’]m))"
    rf"\s+{CAPITAL}(?:\s+{CAPITAL}){{1,2}}"
)
GREETING = re2.compile(
    r"(?i)^\s*(hi|hello|hey|dear|hallo|liebe[rs]?|sehr geehrte[rs]?|guten tag|bonjour|"
    r"bonsoir|chère?|cher|hola|estimad[oa]|querid[oa]|olá|prezad[oa]|car[oa]|ciao|gentile|beste|geachte|hej|"
    r"merhaba|sayın|dzień dobry|cześć|szanown[yai])(?:\s+[\pL'’.-]+){1,4}\s*[,!:–-]\s*$"
)
CLOSE = re2.compile(
    r"(?i)^\s*((?:(?:many|kind|best|warm|with) )*(?:thanks|regards|wishes)|thank you|cheers|best|"
    r"sincerely|yours(?: \pL+)?|mit freundlichen grüßen|(?:viele|beste|liebe) grüße|vielen dank|"
    r"danke|cordialement|bien à vous|merci|(?:un )?saludos?|atentamente|gracias|atenciosamente|"
    r"obrigad[oa]|cordiali saluti|grazie|met vriendelijke groet(?:en)?|groeten|bedankt|pozdrawiam|"
    r"dziękuję|med vänliga hälsningar|saygılarımla|с уважением|спасибо|敬具|此致|감사합니다)"
    r"\s*[,.!–-]*\s*(?:[\pL'’.-]+ ?){0,4}$"
)
SIGNATURE = re2.compile(rf"^\s*[-–—]?\s*{CAPITAL}(?:\s+{CAPITAL}){{0,2}}\s*$")
# Most words in a line of a signature; a longer line is a sentence.
MAX_SIGNATURE_WORDS = 8


def without_people(text: str) -> str:
    """Return `text` with people masked; a text that is masked already is returned unchanged."""
    lines = [GREETING.sub(rf"\1 {NAME},", line) for line in text.split("\n")]
    masked = "\n".join(_mask_signature(lines))
    masked = MENTION.sub(PERSON, MAIL_ADDRESS.sub(ADDRESS, masked))
    masked = INTRODUCTION.sub(rf"\1 {NAME}", masked)
    return str(TELEPHONE.sub(_mask_number, masked))


def _mask_signature(lines: list[str]) -> list[str]:
    """Mask short lines from the closing phrase on, and a lone name in the last line."""
    masked_lines, is_below_close = [], False
    last = max((n for n, line in enumerate(lines) if line.strip()), default=0)
    for index, line in enumerate(lines):
        after = index and (is_below_close or (index == last and SIGNATURE.match(line)))
        closing = index and CLOSE.match(line)
        signed = (
            after and line.strip() and "?" not in line and len(line.split()) <= MAX_SIGNATURE_WORDS
        )
        masked_lines.append(closing.group(1) if closing else NAME if signed else line)
        is_below_close = is_below_close or bool(closing)
    return masked_lines


def _mask_number(match: Any) -> str:
    """Return the mask for a telephone number; a date or a short number is returned as it is."""
    text = match.group(0)
    dated = YEAR.search(text) and not text.startswith("+")
    return str(text if dated or sum(c.isdigit() for c in text) < 7 else NUMBER)
