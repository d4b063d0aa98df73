"""A question in another language, word by word in plain English, which is what the encoder reads.

knowledge/lexicon/<language>.yaml lists English words with the forms that mean them. A gloss is only
looked up with: nobody is ever shown one. Words the lexicon does not know are left out, names and
numbers pass through.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from bot.errors import KnowledgeError
from bot.resources import parse_yaml

LETTER = r"[\w\u0900-\u0963]"  # \w lacks the vowel signs of Devanagari
WORD = re.compile(rf"{LETTER}+(?:['.@-]{LETTER}+)*")
APOSTROPHE = re.compile(r"['’]")
MARKS = re.compile("[\u064b-\u0652\u0670\u0640\u200c\u200d]")  # of Arabic, and joiners
RUN = re.compile(r"[a-z0-9][a-z0-9.@-]*")  # Latin letters within another script
UNSPACED = frozenset({"ja", "zh"})
GLUED = frozenset({"ko"})  # particles stand at the end of the word
COMPOUNDING = frozenset({"de", "nl"})
LATIN = frozenset({"de", "es", "fr", "it", "nl", "pl", "pt"})
BEFORE = "ولل وبال وب ول وس وال بال فال كال لل ال و ف ب ل ك س"
CLITICS = tuple(BEFORE.split())
AFTER = "هما كم هم نا ها ات ون ين تم ني ه ك ي ة ت ا"
ENDINGS = tuple(AFTER.split())
LONGEST = 5  # words of a form
SHORTEST_PART = 5  # letters of a word that is looked for within a compound
FEWEST = 2  # English words that make a gloss worth looking up

# Words that mean the same everywhere.
SAME_EVERYWHERE = """
openai mixpanel chatgpt mfa api sso faq 2fa gpt sora codex okta token tokens login id ids ip
email phishing spam dataset google browser chat hacker admin prompt prompts support link sms
app online cookies gdpr platform.openai.com
"""
NAMES = frozenset(SAME_EVERYWHERE.split())


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """The forms of one language; `words` has whole forms, `stems` those that ended in a star."""

    language: str
    words: Mapping[str, str]
    stems: Mapping[str, str]

    def gloss(self, text: str) -> str:
        """`text` in plain English words; empty when too few of them are known."""
        flat = _flat(text, self.language)
        if self.language in UNSPACED:
            found = list(self._unspaced(flat))
        else:
            found = list(self._spaced(WORD.findall(flat)))
        known = " ".join(w for w in found if w)
        if len(known.split()) < FEWEST:
            return ""
        return known + ("?" if text.rstrip()[-1:] in "?？؟" else "")

    def _spaced(self, tokens: list[str]) -> Iterator[str]:
        place = 0
        while place < len(tokens):
            for count in range(min(LONGEST, len(tokens) - place), 0, -1):
                found = self._word(" ".join(tokens[place : place + count]))
                if found is not None:
                    yield found
                    place += count
                    break
            else:
                yield from self._unknown(tokens[place])
                place += 1

    def _word(self, form: str) -> str | None:
        """The English for a form: itself, else the longest stem that it begins with."""
        if form in self.words:
            return self.words[form]
        for end in range(len(form), max(2, form.rfind(" ") + 1), -1):
            if form[:end] in self.stems:
                return self.stems[form[:end]]
        return None

    def _unknown(self, token: str) -> Iterator[str]:
        if self.language in GLUED:
            yield from self._unspaced(token)
        elif self.language == "ar":
            yield self._bare(token)
        elif len(parts := re.split(r"['’-]", token)) > 1:
            yield from self._spaced(parts)
        elif self._passes(token):
            yield token
        elif self.language in COMPOUNDING:
            yield self._last_part(token)

    def _passes(self, token: str) -> bool:
        """Numbers, names, and Latin letters within another script."""
        foreign = self.language not in LATIN and token.isascii()
        return foreign or token in NAMES or any(c.isdigit() for c in token)

    def _last_part(self, token: str) -> str:
        """The longest known word that a compound ends in: it says what the thing is."""
        for start in range(1, len(token) - SHORTEST_PART + 1):
            found = self._word(token[start:])
            if found:
                return found
        return ""

    def _bare(self, token: str) -> str:
        """An Arabic word without what is written onto it."""
        for clitic in ("", *CLITICS):
            if not token.startswith(clitic) or len(token) - len(clitic) < 2:
                continue
            stem = token[len(clitic) :]
            for ending in ("", *ENDINGS):
                if stem.endswith(ending) and len(stem) - len(ending) > 1:
                    found = self.words.get(stem[: len(stem) - len(ending)] if ending else stem)
                    if found is not None:
                        return found
        return token if token.isascii() else ""

    def _unspaced(self, text: str) -> Iterator[str]:
        """The longest known form at each place; Latin runs pass through, the rest is skipped."""
        place = 0
        while place < len(text):
            for size in range(min(self._widest, len(text) - place), 0, -1):
                found = self.words.get(text[place : place + size])
                if found is not None:
                    yield found
                    place += size
                    break
            else:
                run = RUN.match(text, place)
                if run:
                    yield run.group()
                place = run.end() if run else place + 1

    @cached_property
    def _widest(self) -> int:
        return max(map(len, self.words), default=0)


def read_lexicon(path: Path) -> Lexicon:
    """The lexicon in `path`, named by its language; KnowledgeError says what is wrong."""
    words: dict[str, str] = {}
    stems: dict[str, str] = {}
    for english, forms in _rows(path):
        for form in forms:
            flat = _flat(str(form), path.stem).strip()
            table = stems if flat.endswith("*") else words
            table.setdefault(flat.rstrip("*").strip(), english)
    return Lexicon(language=path.stem, words=words, stems=stems)


def _rows(path: Path) -> list[tuple[str, list[str]]]:
    try:
        read = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise KnowledgeError(f"{path}: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(read, dict) or not all(
        isinstance(k, str) and isinstance(v, list) for k, v in read.items()
    ):
        raise KnowledgeError(f"{path}: write `english: [form, form]`, a line each")
    return list(read.items())


def _flat(text: str, language: str) -> str:
    """Compatibility forms in lower case, in Latin script without accents."""
    flat = unicodedata.normalize("NFKC", text).lower()
    flat = APOSTROPHE.sub("'", flat)
    if language not in LATIN:
        return MARKS.sub("", flat)
    parted = unicodedata.normalize("NFD", flat.replace("ß", "ss").replace("ł", "l"))
    return "".join(c for c in parted if not unicodedata.combining(c))
