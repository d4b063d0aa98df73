"""Finds values behind their keyword: reads on and tracks whether it binds the next token."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bot.redact.normalize import lowered
from bot.redact.prose.classifier import is_secret_quotation, is_secret_value
from bot.redact.prose.keywords import Keyword, SecretRole
from bot.redact.prose.tokenizer import JOINED_RUN, Token, TokenShape, classify_shape, tokenize
from bot.redact.prose.value_candidates import Candidate, KeywordContext
from bot.redact.prose.values import extend_span, join_number_groups, join_spaced_letters
from bot.redact.prose.word_passwords import find_end_of_words
from bot.redact.word_lists import is_copula, word_list

# Characters read behind a keyword, and behind one of recovery codes, which come in lists.
MAX_CHARACTERS_AFTER, MAX_LIST_CHARACTERS = 90, 600
# Most line breaks to a value behind a keyword, and behind one of a list of codes.
MAX_LINES, MAX_LIST_LINES = 2, 10
# Most words read behind a keyword.
MAX_WORDS = 14
# Words before a ":" that still binds: "the password of the account that we share:".
MAX_WORDS_TO_MARK = 6
# Words before a dash that still binds: "the password for it - …".
MAX_WORDS_TO_DASH = 3
# Characters of a value in quotation marks.
MAX_QUOTE_CHARACTERS = 64
# Characters before a keyword in which "as" may stand: "als Passwort …".
MAX_AS_CHARACTERS = 8
SENTENCE_ENDS = frozenset(".?!…")
QUOTES = frozenset("\"'")
NUMBERING = re.compile(r"\d{1,2}[.)]+$")
# Matches a name and its value: root:secret.
PAIR = re.compile(r"([A-Za-z_.-]{2,32}[:=])([^/\s]\S*)$")


def find_values_after(text: str, keyword: Keyword, following: int) -> Iterator[tuple[int, int]]:
    """Yield each value that belongs to `keyword`; `following` is where the next keyword begins."""
    used_as = lowered(text[: keyword.start][-MAX_AS_CHARACTERS:]).split()[-1:]
    context = KeywordContext(bound=bool(used_as) and used_as[0] in word_list("as_words"))
    scanner = _ForwardScanner(text=text, keyword=keyword, following=following, context=context)
    end = min(
        following + 1,
        len(text),
        keyword.end + (MAX_LIST_CHARACTERS if scanner.listed else MAX_CHARACTERS_AFTER),
    )
    tokens = list(tokenize(text, _end_of_name(text, keyword.end), end))
    row = join_number_groups(join_spaced_letters(tokens, text), text)
    for index, token in enumerate(row):
        if token.start < scanner.taken_to:
            continue
        if scanner.is_over(token):
            return
        if span := scanner.read(row, index):
            yield span


def _end_of_name(text: str, end: int) -> int:
    """Return the end of the name that begins with the keyword, as password_confirmation does."""
    if text[end : end + 1] != "_":
        return end
    stop = min(len(text), end + MAX_CHARACTERS_AFTER)
    while end < stop and (text[end].isalnum() or text[end] == "_"):
        end += 1
    return end


@dataclass(slots=True, kw_only=True)
class _ForwardScanner:
    """A reader of tokens one by one, with the context of what was read since the keyword."""

    text: str
    keyword: Keyword
    following: int
    context: KeywordContext = field(default_factory=KeywordContext)
    taken_to: int = 0

    @property
    def listed(self) -> bool:
        """Whether values of this keyword come in lists."""
        return self.keyword.role is SecretRole.RECOVERY

    def is_over(self, token: Token) -> bool:
        """Return whether the token is too far from the keyword to be its value."""
        context = self.context
        lines = MAX_LIST_LINES if self.listed else MAX_LINES
        if context.words > MAX_WORDS or context.sentences > 1 or context.lines > lines:
            return True
        if self.following >= token.end:
            return False
        holds_keyword = token.start <= self.following and token.shape is TokenShape.STRONG
        return not (context.bound and holds_keyword)

    def read(self, row: list[Token], index: int) -> tuple[int, int] | None:
        """Return the span of the value that begins with this token; None when it is no value."""
        token = row[index]
        self._meet(token.lead)
        span = self._quoted(token) if QUOTES & set(token.lead) else None
        if span:
            return span
        if token.text:
            span = self._judged(row, index)
        if token.trail and not NUMBERING.match(token.text + token.trail):
            self._leave(token.trail)
        return span

    def _meet(self, lead: str) -> None:
        """Update the context by the punctuation before a token.

        ":", "=" and a line break right behind the keyword bind the token; so may a dash.
        """
        context = self.context
        if "\n" in lead:
            bound = context.sentences == 0 and (context.words == 0 or context.bound)
            marked = context.marked and bound
            self.context = replace(context, lines=context.lines + 1, bound=bound, marked=marked)
        elif ":" in lead or "=" in lead or lead.endswith(">"):
            self.context = replace(context, bound=True, marked=True)
        elif lead in ("-", "--"):
            self.context = replace(context, bound=context.words <= MAX_WORDS_TO_DASH)

    def _leave(self, trail: str) -> None:
        """Update the context by the punctuation behind a token, which may bind the next or not."""
        context = self.context
        opens = trail.endswith((":", "=", ">")) and not trail.startswith((")", "]"))
        named = context.words <= MAX_WORDS_TO_MARK and not context.sentences
        if named and (opens or trail.rstrip("\"')").endswith(":")):
            self.context = replace(context, bound=True, marked=True)
        elif SENTENCE_ENDS & set(trail):
            self.context = replace(
                context, sentences=context.sentences + 1, bound=False, marked=False
            )
        elif "," in trail or ";" in trail:
            self.context = replace(context, loose=True)

    def _quoted(self, token: Token) -> tuple[int, int] | None:
        quote = next(char for char in reversed(token.lead) if char in QUOTES)
        start = token.start - len(token.lead) + token.lead.rindex(quote) + 1
        end = self.text.find(quote, start, start + MAX_QUOTE_CHARACTERS)
        if end <= start or "\n" in self.text[start:end]:
            return None
        if not is_secret_quotation(self.keyword, self.context, self.text[start:end]):
            return None
        self._took(end)
        return start, end

    def _judged(self, row: list[Token], index: int) -> tuple[int, int] | None:
        token, word = row[index], lowered(row[index].text)
        if self._binds(token, word):
            return None
        if not self.context.bound or self.keyword.role is SecretRole.LOGIN:
            row = self._without_name(row, index)
        token, bound = row[index], self.context.bound
        candidate = Candidate(keyword=self.keyword, context=self.context, row=row, index=index)
        end = token.end if is_secret_value(candidate) else 0
        if not end or self.keyword.role is SecretRole.ANSWER:
            end = max(end, find_end_of_words(candidate))
        if not end:
            self._pass_by(token, word)
            return None
        span = extend_span(self.text, token, end, bound=bound)
        self._took(span[1])
        return span

    def _without_name(self, row: list[Token], index: int) -> list[Token]:
        """Return the tokens with a pair such as root:secret replaced by its value, and bind it."""
        token = row[index]
        pair = PAIR.match(token.text)
        if not pair or token.shape is TokenShape.NEVER:
            return row
        self.context = replace(self.context, bound=True, marked=True, identified=True)
        start, text = token.start + len(pair.group(1)), pair.group(2)
        value = Token(
            text=text, start=start, shape=classify_shape(text), lead=":", trail=token.trail
        )
        return [*row[:index], value, *row[index + 1 :]]

    def _binds(self, token: Token, word: str) -> bool:
        """Return whether the token is a copula, or a word that may follow one before the value."""
        context = self.context
        if JOINED_RUN.match(token.text):
            self._meet_joined(token.text)
            return True
        if not context.marked and is_copula(token.word, word, self.keyword.language):
            self.context = replace(context, bound=True, marked=False)
            return True
        if token.start == self.keyword.end and token.text.isalpha():
            return True  # the ending of an inflected keyword
        return context.bound and word in word_list("fillers")

    def _meet_joined(self, text: str) -> None:
        """Update the context by a run of a script without spaces: a particle in it binds."""
        self.context = replace(
            self.context,
            bound="。" not in text and any(char in text for char in word_list("cjk_copulas")),
            marked=False,
            words=self.context.words + 1,
            sentences=self.context.sentences + ("。" in text),
        )

    def _pass_by(self, token: Token, word: str) -> None:
        context = self.context
        named = token.shape is not TokenShape.WORD or context.bound or context.words == 0
        relative = context.relative or (context.words == 0 and word in word_list("relatives"))
        self.context = replace(
            context,
            bound=False,
            marked=False,
            words=context.words + 1,
            before=word,
            identified=context.identified or named,
            relative=relative,
            loose=context.loose or (not relative and word in word_list("turns")),
        )

    def _took(self, end: int) -> None:
        self.taken_to = end
        taken = self.context.taken + 1
        self.context = replace(
            self.context, bound=False, marked=False, taken=taken, before="", sentences=0
        )
