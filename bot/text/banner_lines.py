"""Separates banners and footers that ask their reader a question from the text of a message.

A mail gateway's banner asks whether the reader knows the sender, Outlook's asks why it matters that
an address does not write often, and a footer asks whether its reader still wants the mails. Such a
line is recognized by its place, by what it mentions (the sender, the mail, the newsletter, the
service), and by having no first person. The phrases of all languages are in
bot/data/edge_lines.yaml; bot/text/boilerplate.py recognizes boilerplate that asks nothing.
"""

import re
from collections.abc import Sequence
from functools import cache, lru_cache

from bot.resources import read_yaml
from bot.text.boilerplate import (
    ADDRESS,
    FRAME_MARKS,
    QUOTED,
    SENTENCE_END,
    SeparatedText,
    WeighedSentence,
    has_words,
    split_blocks,
    split_label,
    weigh_sentence,
)
from bot.text.phrase_index import PhraseIndex, fold_text

# The most paragraphs of a banner.
MAX_BANNER_BLOCKS = 4
# Footers are looked for in so many lines with words at the end of a text.
MAX_FOOTER_LINES = 8
# A longer line is not split into sentences.
MAX_LINE_CHARACTERS = 1500
# The least weight of a banner: that of what it mentions, and QUESTION_WEIGHT for each question.
MIN_BANNER_WEIGHT = 3
# What a question and a mark such as [EXTERNAL] add to the weight of a banner.
QUESTION_WEIGHT, LABEL_WEIGHT = 1, 2
# The most words of a question that introduces an offer, such as "Questions?".
MAX_OFFER_WORDS = 4
# The most characters of such a question, for scripts without spaces.
MAX_OFFER_CHARACTERS = 20
ASKING = re.compile(r"[?？؟]\s*(?:<[^<>]*>|\([^()]*\)|\[[^\[\]]*\]|https?://\S+)?[\s*|]*$")
LINK = re.compile(r"https?://|www\.|\w\.[a-z]{2,6}/|<[^<>\s]+\.[^<>\s]+>")


def separate_asking_edges(text: str) -> SeparatedText:
    """Return the text without a banner or footer that asks something, and what was taken out.

    `text` is unwrapped: each paragraph is one line. Where no words would remain, nothing is taken.
    """
    groups = list(split_blocks(text.split("\n")))
    kept, top = _without_banner(groups)
    lines = [line for block in kept for line in block]
    rest, bottom = _without_footer(lines)
    if not has_words(rest):
        return SeparatedText(own=text, removed="")
    return SeparatedText(own="\n".join(rest).strip(), removed="\n".join([*top, *bottom]))


def _without_banner(groups: Sequence[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Return the paragraphs without a banner at the beginning, and the lines of that banner."""
    removed: list[str] = []
    skipped = 0  # index of the first paragraph that is not yet taken as a banner
    for index, block in enumerate(groups[: 2 * MAX_BANNER_BLOCKS]):
        if not block[0].strip():
            continue
        own, banner, asks = _separate_banner(block)
        if not banner:
            break
        if asks:
            removed += [line for each in groups[skipped:index] for line in each if line.strip()]
            removed += banner
            skipped = index + 1
        if own:
            return ([own, *groups[index + 1 :]] if asks else list(groups[skipped:])), removed
    return list(groups[skipped:]), removed


def _separate_banner(block: Sequence[str]) -> tuple[list[str], list[str], bool]:
    """Return the person's lines of a paragraph, the banner above them, and whether it asks."""
    banner: list[str] = []
    weights: dict[str, int] = {}
    questions = label_weight = 0
    for index, line in enumerate(block):
        label, rest = split_label(line)
        if label:
            label_weight += LABEL_WEIGHT
            banner.append(label)
        sentences = _split_line(rest)
        for number, sentence in enumerate(sentences):
            if not sentence.text.strip(FRAME_MARKS):
                continue
            if _asks_of_sender(sentence):
                questions += 1
            elif weight := _banner_weights(sentence):
                weights |= {name: max(w, weights.get(name, 0)) for name, w in weight.items()}
            else:
                own = " ".join(each.text for each in sentences[number:])
                return _decide_banner(
                    [own, *block[index + 1 :]], banner, weights, questions, label_weight
                )
            banner.append(sentence.text)
    return _decide_banner([], banner, weights, questions, label_weight)


def _decide_banner(
    own: list[str], banner: list[str], weights: dict[str, int], questions: int, label_weight: int
) -> tuple[list[str], list[str], bool]:
    """Return the parts of a paragraph: where the banner weighs too little, all is the person's."""
    telling = label_weight + sum(weights.values())
    if not telling or telling + QUESTION_WEIGHT * questions < MIN_BANNER_WEIGHT:
        return [*banner, *own], [], False
    return own, banner, questions > 0


def _banner_weights(sentence: WeighedSentence) -> dict[str, int]:
    """Return the weights of a sentence's topics in the group "banner"; none for a question."""
    if sentence.is_personal or ASKING.search(sentence.text):
        return {}
    if ADDRESS.search(sentence.text) and _sentence_holds(sentence, "often"):
        return {"unknown": MIN_BANNER_WEIGHT}
    return {name: weight for name, weight in sentence.weights["banner"].items() if weight}


def _asks_of_sender(sentence: WeighedSentence) -> bool:
    """Does a banner ask this: whether the mail was expected, or why it is important?"""
    if not ASKING.search(sentence.text) or sentence.is_personal:
        return False
    known = _sentence_holds(sentence, "expects") and (
        _sentence_holds(sentence, "sender") or _sentence_holds(sentence, "mail")
    )
    return known or (_sentence_holds(sentence, "reason") and _sentence_holds(sentence, "important"))


def _without_footer(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the lines without questions of footers among the last ones, and those questions."""
    own_lines, removed = list(lines), list[str]()
    seen = 0
    for index in range(len(own_lines) - 1, 0, -1):
        line = own_lines[index]
        if not line.strip():
            continue
        seen += 1
        if seen > MAX_FOOTER_LINES or QUOTED.match(line) or not has_words(own_lines[:index]):
            break
        own, footer = _separate_footer(line)
        own_lines[index] = own
        removed += footer
    return own_lines, removed


def _separate_footer(line: str) -> tuple[str, list[str]]:
    """Return the person's part of a line, and the footer's question with all that follows it."""
    sentences = _split_line(line)
    for index, sentence in enumerate(sentences):
        if ASKING.search(sentence.text) and _is_footer_question(sentence, sentences[index + 1 :]):
            first = index
            while (
                first
                and not sentences[first - 1].is_personal
                and sentences[first - 1].weight("footer")
            ):
                first -= 1  # "This mail is confidential. Are you not the addressee? Delete it."
            return " ".join(each.text for each in sentences[:first]), [
                e.text for e in sentences[first:]
            ]
    return line, []


def _is_footer_question(question: WeighedSentence, after: Sequence[WeighedSentence]) -> bool:
    """Does a footer ask this of its reader, given the sentences `after` it in the line?"""
    if any(ASKING.search(each.text) and each.is_personal for each in after):
        return False
    follows = fold_text(" ".join(each.text for each in after))
    links = bool(LINK.search(f"{question.text} {follows}"))
    if _is_offer(question, follows) or (links and _asks_for_rating(question, follows)):
        return True
    if _speaks_for_oneself(question):
        return False
    if _sentence_holds(question, "recipient") and (_holds_phrase(follows, "discards") or not after):
        return bool(after)
    if _asks_for_rating(question, follows):
        return True
    unwanted = _sentence_holds(question, "wants") and _sentence_holds(question, "no_longer")
    return unwanted and _sentence_holds(question, "mail")


def _is_offer(question: WeighedSentence, follows: str) -> bool:
    """Is it a short question before an offer with a link, such as "Questions? Book a call"?"""
    short = (
        len(question.text.split()) <= MAX_OFFER_WORDS and len(question.text) <= MAX_OFFER_CHARACTERS
    )
    return short and bool(LINK.search(follows)) and _holds_phrase(follows, "offers")


def _asks_for_rating(question: WeighedSentence, follows: str) -> bool:
    """Does it ask how the reader was served, and for a rating?"""
    return _sentence_holds(question, "served") and (
        _holds_phrase(follows, "rates") or _sentence_holds(question, "rates")
    )


def _speaks_for_oneself(sentence: WeighedSentence) -> bool:
    """Is it in the first person, and does not speak of mails? A footer too says "our mails"."""
    return sentence.is_personal and not _sentence_holds(sentence, "mail")


def _split_line(line: str) -> list[WeighedSentence]:
    if len(line) > MAX_LINE_CHARACTERS:
        return [weigh_sentence(line)]
    return [weigh_sentence(part) for part in SENTENCE_END.split(line) if part.strip()]


def _sentence_holds(sentence: WeighedSentence, name: str) -> bool:
    return _holds_phrase(fold_text(sentence.text), name)


def _holds_phrase(folded: str, name: str) -> bool:
    return name in _find_lists(folded)


@lru_cache(maxsize=1024)
def _find_lists(folded: str) -> frozenset[str]:
    """Return the names of the lists of which the text holds a phrase."""
    return frozenset(_index().find(folded))


@cache
def _index() -> PhraseIndex:
    return PhraseIndex(read_yaml("edge_lines.yaml"))
