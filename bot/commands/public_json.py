"""Converts responses to the public JSON and to lines of text, and reads JSON lines."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, assert_never

from bot.domain import (
    Answer,
    AnswerReason,
    Channel,
    Escalation,
    Message,
    Outcome,
    Passage,
    Refusal,
    Response,
    Role,
    Span,
    Turn,
)
from bot.errors import InputError
from bot.redact import redact

MAX_CHARACTERS = 262_144  # of a text with its history
MAX_TURNS = 40  # of the history, the newest; no rule reads older ones
ESCALATE = "escalate"
SILENT, THANKS = "silent", "thanks"  # decision and reason of a message that asks nothing


def answer_json_lines(
    lines: Iterable[bytes], answer_line: Callable[[object], dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield the result for each JSON line and whether the line was valid.

    `answer_line` returns the result for a parsed line. The result for an invalid line holds an
    error, and the lines after it are still read.
    """
    for number, raw in enumerate((each for each in lines if each.strip()), 1):
        line: object = None
        try:
            line = json.loads(raw.decode("utf-8", "replace"))
            yield {"id": _id(line), **answer_line(line)}, True
        except (ValueError, RecursionError):
            yield {"id": None, "error": f"line {number} is no JSON object"}, False
        except InputError as error:
            yield {"id": _id(line), "error": str(error)}, False


def read_line_text(line: object) -> str:
    """Return the text of a line of `redact` or `guard`; InputError says what is wrong."""
    return check_size(str(_fields(line)["text"]))


def check_size(text: str) -> str:
    """Return `text`; InputError when it is longer than MAX_CHARACTERS."""
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"the text is longer than {MAX_CHARACTERS} characters")
    return text


def read_line_message(line: object) -> Message:
    """Return a line of `ask --jsonl` as a redacted message; InputError says what is wrong."""
    fields, text = _fields(line), read_line_text(line)
    if not text.strip():
        raise InputError("the text is empty")
    try:
        channel = Channel(fields.get("channel", Channel.EMAIL))
        turns = [_turn(turn) for turn in fields.get("history", ())][-MAX_TURNS:]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            'channel is "email" or "slack"; history is [{"role": "user" or "desk", "text": "…"}]'
        ) from None
    if len(text) + sum(len(turn.text) for turn in turns) > MAX_CHARACTERS:
        raise InputError(f"text and history are longer than {MAX_CHARACTERS} characters together")
    masked = redact(text)
    earlier = tuple(Turn(role=turn.role, text=redact(turn.text).text) for turn in turns)
    return Message(text=masked.text, channel=channel, history=earlier, redactions=masked.spans)


def name_decision(response: Response) -> str:
    """Return the decision of a whole message by its public name.

    It is `escalate` if any part escalates, else `refuse` if any part is refused, else `answer`; a
    message that asks nothing is `silent`.

    A suspicious mail that is answered from the post counts as escalated, because it opens a case.
    """
    return ESCALATE if any(map(opens_case, response.outcomes)) else name_visible_decision(response)


def name_visible_decision(response: Response) -> str:
    """Return the decision as the asker sees it, by its public name.

    A case that opens beside an answer is ignored.
    """
    kinds = {name_kind(o) for o in response.outcomes}
    return next((k for k in (ESCALATE, "refuse", "answer") if k in kinds), SILENT)


def name_reason(response: Response) -> str:
    """Return the public name of the reason of the first outcome that led to the decision."""
    decided = name_decision(response)
    return next((o.reason.value for o in response.outcomes if _decides(o, decided)), THANKS)


def opens_case(outcome: Outcome) -> bool:
    """Return whether the outcome gives the message to a person."""
    return isinstance(outcome, Escalation) or outcome.reason is AnswerReason.PHISHING_SAMPLE


def _decides(outcome: Outcome, decided: str) -> bool:
    return opens_case(outcome) if decided == ESCALATE else name_kind(outcome) == decided


def name_kind(outcome: Outcome) -> str:
    """Return the public name of the kind of an outcome."""
    match outcome:
        case Answer():
            return "answer"
        case Refusal():
            return "refuse"
        case Escalation():
            return ESCALATE
        case _:
            assert_never(outcome)


def response_json(response: Response, reply: str) -> dict[str, Any]:
    """Return the public JSON of a response and its reply, without the id of its line."""
    return {
        "decision": name_decision(response),
        "reason": name_reason(response),
        "reply": reply,
        "lang": response.language,
        "parts": [_part(o) for o in response.outcomes],
        "redactions": [span_json(s) for s in response.redactions],
        "knowledge": response.knowledge,
        "ms": round(response.milliseconds, 3),
    }


def span_json(span: Span) -> dict[str, Any]:
    """Return a masked span as JSON: its kind and its offsets into the input."""
    return {"kind": span.kind.value, "start": span.start, "end": span.end}


def response_lines(response: Response) -> Iterator[str]:
    """Yield lines of text about each question, or one for a message that asks nothing."""
    if not response.outcomes:
        yield f"{SILENT:<9}{THANKS}"
    for outcome in response.outcomes:
        passages = outcome.passages if isinstance(outcome, Answer) else outcome.candidates
        names = ", ".join(p.id for p in passages[:2])
        question = " ".join(outcome.question.split())[:70]
        decided = f"{name_kind(outcome):<9}{outcome.reason.value:<17}"
        yield f"{decided}p={outcome.probability:.2f}  {question}"
        if names:
            yield f"{'':<9}{'quotes' if isinstance(outcome, Answer) else 'nearest'}: {names}"


def _part(outcome: Outcome) -> dict[str, Any]:
    quoted = outcome.passages if isinstance(outcome, Answer) else ()
    return {
        "question": outcome.question,
        "decision": name_kind(outcome),
        "reason": outcome.reason.value,
        "probability": round(outcome.probability, 4),
        **_passages(quoted),
        "candidate": _passages(outcome.candidates),
    }


def _passages(passages: tuple[Passage, ...]) -> dict[str, list[str]]:
    return {"passages": [p.id for p in passages], "quotes": [p.text for p in passages]}


def _fields(line: object) -> Mapping[str, Any]:
    if not isinstance(line, Mapping) or not isinstance(line.get("text"), str):
        raise InputError('a line needs {"id": …, "text": "…"}')
    return line


def _id(line: object) -> object:
    return line.get("id") if isinstance(line, Mapping) else None


def _turn(turn: Mapping[str, object]) -> Turn:
    """Return an earlier turn unmasked, because its length is checked before it is masked."""
    text = turn["text"]
    if not isinstance(text, str):
        raise TypeError
    return Turn(role=Role(str(turn["role"])), text=text)
