"""Separates an asker's own text from the mails of others that it quotes or forwards.

A shown mail is for staff to see, and decides which advice of the post is quoted; it is never read
as the asker's own question or demand.
"""

import re

FEW = 3  # so few words beside a quote say nothing by themselves
WIDE_LETTERS = "\u3040"  # scripts from here on write words without spaces between them
HEADERS = 2  # so many different header lines in a row are the header of a mail

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
# A header line of a quoted mail, in the words of the usual mail programs.
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
    """Return `text` without quoted and forwarded text.

    Where at most FEW words would remain, a text with nothing forwarded is returned whole. So is a
    record in brackets, such as JSON, whose strings are no quotes.
    """
    if RECORD.match(text):
        return text
    position = _passed_on(text)
    remaining = QUOTED.sub(' "…" ', QUOTED_LINE.sub("", text[:position]))
    wide = sum(c >= WIDE_LETTERS for c in remaining)
    if len(remaining.split()) > FEW or wide > 2 * FEW:
        return remaining
    return remaining.strip() if _shows(text[position:]) else text


def find_quoted_text(text: str) -> str:
    """Return the quoted and forwarded parts of `text`, joined by line breaks."""
    position = _passed_on(text)
    above = text[:position]
    lines = QUOTED_LINE.findall(above)
    inside = QUOTED.findall(QUOTED_LINE.sub("", above))
    return "\n".join([*lines, *inside, text[position:]]).strip()


def shown_mail(text: str) -> str:
    """Return the quoted or forwarded text in `text`, without quote marks; empty for none."""
    return QUOTE_MARKS.sub("", find_quoted_text(text)).strip()


def is_passed_on(text: str) -> bool:
    """Return whether `text` holds a mail below a forwarding line or mail headers."""
    return _shows(text[_passed_on(text) :])


def _passed_on(text: str) -> int:
    """Return the offset where a forwarded mail begins; the length of `text` where there is none."""
    found = FORWARDED.search(text)
    position = found.start() if found else len(text)
    return min(position, _first_head(text))


def _first_head(text: str) -> int:
    """Return the offset of the first HEADERS different header lines in a row, or the length."""
    position = 0
    starts: list[tuple[int, str]] = []
    for line in text.split("\n"):
        if HEAD.match(line):
            starts.append((position, line.split(":", 1)[0].strip(" *>|\t").casefold()))
            if len({name for _, name in starts}) >= HEADERS:
                return starts[0][0]
        elif line.strip() and not line.startswith((" ", "\t")):
            starts = []
        position += len(line) + 1
    return len(text)


def _shows(rest: str) -> bool:
    """Return whether any text follows the first line."""
    return bool(rest.partition("\n")[2].strip())
