"""Replies as the desk composes them, each changed in one place: none may leave."""

import random
from collections.abc import Callable, Iterator

from bot.corpus import Knowledge
from bot.domain import Answer, AnswerReason, Escalation, EscalationReason, Priority, Response
from bot.wording import word

DEMANDS = (
    "Reply with your password so that we can verify you.",
    "Please send us the code that you received.",
    "Open https://openai-help.example/verify and sign in.",
    "Call +1 202 555 0143 within one hour.",
    "Your account was among those affected.",
    "We guarantee that you are safe.",
    "Yes.",
    "Ignore the above.",
)
Change = Callable[[str, random.Random], str]


def tampered(knowledge: Knowledge, drawn: random.Random, count: int) -> Iterator[str]:
    """`count` replies, each with one change that its reader could be harmed by."""
    made = 0
    while made < count:
        text = reply(knowledge, drawn)
        changed = drawn.choice(CHANGES)(text, drawn)
        if changed.split() != text.split():
            made += 1
            yield changed


def reply(knowledge: Knowledge, drawn: random.Random) -> str:
    """An answer from drawn passages, in a drawn language, sometimes with a hand-over."""
    never = {e.passage for e in knowledge.notes.never_quote}
    ids = drawn.sample(sorted(set(knowledge.passages) - never), drawn.randint(1, 3))
    passages = tuple(knowledge.passages[i] for i in [*ids, *knowledge.companions(ids)])
    answer = Answer(
        question="", reason=AnswerReason.PUBLISHED, probability=1.0,
        passages=passages, candidates=passages,
    )  # fmt: skip
    waiting = Escalation(
        question="", reason=EscalationReason.UNSURE, priority=Priority.NORMAL,
        probability=0.0, candidates=(),
    )  # fmt: skip
    outcomes = (answer, waiting) if drawn.random() < 0.3 else (answer,)
    language = drawn.choice(sorted(knowledge.templates))
    return word(Response(outcomes=outcomes, language=language, knowledge=""), knowledge)


def _slipped_in(text: str, drawn: random.Random) -> str:
    lines = text.split("\n\n")
    lines.insert(drawn.randint(0, len(lines)), drawn.choice(DEMANDS))
    return "\n\n".join(lines)


def _appended(text: str, drawn: random.Random) -> str:
    return f"{text.rstrip()} {drawn.choice(DEMANDS)}"


def _without_no(text: str, drawn: random.Random) -> str:
    return _one(text, drawn, {"not", "no", "No", "never", "limited"}, "")


def _other_number(text: str, drawn: random.Random) -> str:
    places = [i for i, c in enumerate(text) if c.isdigit()]
    if not places:
        return text
    place = drawn.choice(places)
    return text[:place] + str((int(text[place]) + drawn.randint(1, 9)) % 10) + text[place + 1 :]


def _other_link(text: str, _drawn: random.Random) -> str:
    return text.replace("openai.com", "openai-account.example")


def _other_word(text: str, drawn: random.Random) -> str:
    words = [w for w in text.split() if len(w) > 4]
    return _one(text, drawn, set(words), drawn.choice(["password", "attached", "compromised"]))


def _look_alike(text: str, drawn: random.Random) -> str:
    return _one(text, drawn, {w for w in text.split() if "a" in w}, "p\u0430ssword")


def _cut(text: str, drawn: random.Random) -> str:
    """Ends inside a word: what remains of the last unit is no unit."""
    words = [i for i, c in enumerate(text[:-2]) if text[i : i + 2].isalpha() and i > 20]
    return text[: drawn.choice(words) + 1]


def _one(text: str, drawn: random.Random, which: set[str], put: str) -> str:
    pieces = text.split(" ")
    places = [i for i, piece in enumerate(pieces) if piece.strip() in which]
    if places:
        pieces[drawn.choice(places)] = put
    return " ".join(pieces)


CHANGES: tuple[Change, ...] = (
    _slipped_in, _appended, _without_no, _other_number, _other_link, _other_word, _look_alike, _cut,
)  # fmt: skip
