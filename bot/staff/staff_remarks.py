"""Finds what a person should look at once more before their words go to a user.

Nothing is forbidden here: staff write freely and are answerable for it. Each warning names what was
found; whether to ask for a confirmation is up to the caller.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import re2
from pydantic import BaseModel, ConfigDict

from bot.corpus import Knowledge
from bot.corpus.links import unlisted_links
from bot.domain import SecretKind
from bot.policy.disguises import fold
from bot.redact import redact
from bot.resources import data_path, parse_yaml
from bot.text.language import detect

WORDS = data_path("staff_words.yaml")
MAX_CHARACTERS = 10_000
MAX_SHOWN = 100  # characters of a link
SENTENCE = re2.compile(r"[^.!?\n。؟।]+[.!?\n。؟।]*")


class Speech(BaseModel):
    """The patterns by which a language asks for a secret or says whether somebody is in the data.

    `spared` and `unsure` are the patterns of sentences that do not count as such.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    secret: str
    give: str
    demand: list[str]
    spared: str
    member: str
    unsure: str

    def filled(self, pattern: str) -> str:
        """Return a pattern with its placeholders filled in, folded like the text."""
        named = pattern.replace("{secret}", f"(?:{self.secret})")
        return fold(named.replace("{give}", f"(?:{self.give})"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """The patterns of one language for one thing to look at."""

    fits: "re2._Regexp[str]"
    spared: "re2._Regexp[str]"


def _says(remarks: Mapping[str, Remark], sentences: Sequence[str], language: str) -> bool:
    """Return whether a sentence matches a remark of any language and none of its exceptions.

    Words are alike across languages, so the exceptions of English and of the text's own language
    count for every remark.
    """
    common = [remarks[name].spared for name in {"en", language} & remarks.keys()]
    return any(
        remark.fits.search(sentence)
        and not any(spared.search(sentence) for spared in (remark.spared, *common))
        for remark in remarks.values()
        for sentence in sentences
    )


@cache
def _spoken() -> dict[str, Speech]:
    rows = parse_yaml(WORDS.read_text(encoding="utf-8"))
    return {language: Speech.model_validate(row) for language, row in rows.items()}


@cache
def _demands() -> dict[str, Remark]:
    return {
        language: Remark(
            fits=re2.compile("|".join(f"(?:{each.filled(p)})" for p in each.demand)),
            spared=re2.compile(each.filled(each.spared)),
        )
        for language, each in _spoken().items()
    }


@cache
def _members() -> dict[str, Remark]:
    return {
        language: Remark(
            fits=re2.compile(each.filled(each.member)), spared=re2.compile(each.filled(each.unsure))
        )
        for language, each in _spoken().items()
    }


def find_remarks(text: str, knowledge: Knowledge) -> tuple[str, ...]:
    """Return a line for each thing in `text` to look at before it goes out; empty for none."""
    return tuple(_found(text, knowledge))


def _found(text: str, knowledge: Knowledge) -> Iterator[str]:
    if not text.strip():
        yield "the text is empty"
        return
    if len(text) > MAX_CHARACTERS:
        yield f"the text is longer than {MAX_CHARACTERS} characters"
        text = text[:MAX_CHARACTERS]
    for kind in dict.fromkeys(span.kind for span in redact(text).spans):
        yield f"it holds what looks like {_article(kind)}"
    sentences = SENTENCE.findall(fold(text))
    language = detect(text)
    if _says(_demands(), sentences, language):
        yield "it seems to ask for a password, key or code: we never do that"
    if _says(_members(), sentences, language):
        yield "it seems to say whether somebody is in the data: the desk never confirms or denies that"
    for lead in unlisted_links(text, knowledge.notes):
        shown = redact(lead).text[:MAX_SHOWN]
        yield f"it names {shown}, which is not on the list of our addresses"


def _article(kind: SecretKind) -> str:
    return f"an {kind.words}" if kind.words[0] in "aeiouA" else f"a {kind.words}"
