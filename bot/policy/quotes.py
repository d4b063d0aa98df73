"""Separates what an asker says from what they quote: the mails of others that they show us.

A shown mail is material for staff and for the choice of the post's rules; it is never read as the
asker's own question or demand.
"""

import re

FEW = 3  # words that say nothing by themselves
WIDE_LETTERS = "\u3040"  # from here on letters stand for words, and no gaps part them
HEADERS = 2  # lines of a mail's head that make one

QUOTED_LINE = re.compile(r"^[ \t]*(?:>|\|)[^\n]*$", re.MULTILINE)
QUOTED = re.compile(
    r"(?<![=\w])\"[^\"\n]{12,600}\"|“[^”\n]{12,600}”|„[^“”\n]{12,600}[“”]|«[^»\n]{12,600}»|「[^」\n]{6,300}」"
)
QUOTE_MARKS = re.compile(r"^[ \t]*[>|]+ ?|[\"“”„«»「」]", re.MULTILINE)
RECORD = re.compile(r"\s*[\[{].*[\]}]\s*", re.DOTALL)
FORWARDED = re.compile(
    r"^[^\n]{0,40}(?:-{2,} ?(?:forwarded|original|weitergeleitete|message transf|mensaje reenv|"
    r"mensagem (?:encaminh|original)|messaggio (?:inoltr|originale)|doorgestuurd|oorspronkelijk|"
    r"przekazana|wiadomość oryginalna|ursprüngliche|message d'origine|пересыла|исходное|"
    r"転送|元のメッセージ|转发|轉寄|原始邮件|原始郵件|전달된|원본)[^\n]*|\bfwd?:[^\n]*"
    r"|(?:begin forwarded message|anfang der weitergeleiteten|début du message|inizio messaggio|"
    r"inicio del mensaje|início da mensagem|begin doorgestuurd|they show us)[^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)
# The head of a mail in the words of the usual programs; two such lines in a row are one.
HEAD = re.compile(
    r"^[ \t>*|]{0,6}(?:from|sent|date|to|cc|subject|reply-to|received|dkim-signature|message-id|"
    r"return-path|von|gesendet|datum|an|betreff|de|envoyé|date|à|objet|enviado(?: el| em)?|fecha|"
    r"para|asunto|assunto|data|da|inviato|a|oggetto|van|verzonden|aan|onderwerp|od|wysłano|do|temat|"
    r"差出人|送信日時|日時|宛先|件名|发件人|寄件者|发送时间|寄件日期|日期|收件人|收件者|主题|主旨|"
    r"보낸 ?사람|보낸 ?날짜|날짜|받는 ?사람|제목|प्रेषक|दिनांक|विषय|من|تاريخ|إلى|الموضوع|"
    r"от|отправлено|дата|кому|тема)[ \t*]*[:：][^\n]*$",
    re.IGNORECASE,
)


def without_quotes(text: str) -> str:
    """`text` without what it quotes, unless almost nothing remains; records are not quotes."""
    if RECORD.match(text):
        return text
    place = _passed_on(text)
    kept = QUOTED.sub(' "…" ', QUOTED_LINE.sub("", text[:place]))
    wide = sum(c >= WIDE_LETTERS for c in kept)
    if len(kept.split()) > FEW or wide > 2 * FEW:
        return kept
    return kept.strip() if _shows(text[place:]) else text


def quoted(text: str) -> str:
    """What `text` quotes or passes on of others."""
    place = _passed_on(text)
    above = text[:place]
    lines = QUOTED_LINE.findall(above)
    inside = QUOTED.findall(QUOTED_LINE.sub("", above))
    return "\n".join([*lines, *inside, text[place:]]).strip()


def shown_mail(text: str) -> str:
    """The mail of others in `text`, without the marks of a quote; empty where there is none."""
    return QUOTE_MARKS.sub("", quoted(text)).strip()


def is_passed_on(text: str) -> bool:
    """Does `text` hold a mail below the line or head with which a program passes one on?"""
    return _shows(text[_passed_on(text) :])


def _passed_on(text: str) -> int:
    """Where a mail that is passed on begins; the length of `text` where none does."""
    found = FORWARDED.search(text)
    place = found.start() if found else len(text)
    return min(place, _first_head(text))


def _first_head(text: str) -> int:
    """Where the first head of a mail begins: lines of it in a row, of different names."""
    place = 0
    starts: list[tuple[int, str]] = []
    for line in text.split("\n"):
        if HEAD.match(line):
            starts.append((place, line.split(":", 1)[0].strip(" *>|\t").casefold()))
            if len({name for _, name in starts}) >= HEADERS:
                return starts[0][0]
        elif line.strip() and not line.startswith((" ", "\t")):
            starts = []
        place += len(line) + 1
    return len(text)


def _shows(rest: str) -> bool:
    """Does anything stand below the line that passes it on?"""
    return bool(rest.partition("\n")[2].strip())
