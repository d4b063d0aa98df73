"""Judges what the desk does with a mail against the outcome that is right for its kind.

The labels are lines of `expected.jsonl` beside the mails: `verdicts` and `decisions` that are right,
how many `questions` the person asks and pieces of them (`asks`), words of the post of which an
answer must quote one (`must_quote_any`), what may stand nowhere (`must_not`), and the language.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]
FINAL = ("drop", "bounce", "receipt")
DECISIONS = ("answer", "refuse", "escalate")


def is_silent(outcome: Row) -> bool:
    """Is nobody written to, and does nobody have to look?"""
    if outcome["verdict"] in (*FINAL, "hold"):
        return outcome["verdict"] in FINAL
    response = outcome.get("response") or {}
    if response.get("decision") not in DECISIONS:
        return True
    return response["decision"] != "escalate" and not (response.get("reply") or "").strip()


def is_lost(want: Row, outcome: Row) -> bool:
    """Did a person's mail end with neither reply nor case?"""
    return is_silent(outcome) and "drop" not in want["verdicts"]


def faults(want: Row, outcome: Row) -> list[str]:
    """Every reason why the outcome is not the right one; none when it is."""
    response = outcome.get("response") or {}
    decision, wanted = response.get("decision"), want["decisions"] or []
    if is_silent(outcome):
        fine = "drop" in want["verdicts"] or "silent" in wanted
        return [] if fine else [f"a person's mail is lost ({outcome['verdict']})"]
    verdict = outcome["verdict"]
    unwritten = decision == "escalate" and not (response.get("reply") or "").strip()
    if unwritten and "hold" in want["verdicts"]:
        verdict = "hold"  # a case and no reply
    if verdict not in want["verdicts"]:
        return [f"verdict {verdict}"]
    if verdict == "hold":
        wrong = decision == "refuse" and wanted and "refuse" not in wanted
        return ["refused in the draft"] if wrong else []
    return [*_decided(want, response), *_read(want, outcome)] if wanted else []


def _decided(want: Row, response: Row) -> Iterator[str]:
    """What is wrong with the decision and the quotes."""
    decision, wanted = response.get("decision"), want["decisions"]
    beside = "escalate+quote" in wanted and decision == "escalate"
    if decision not in wanted and not (beside and _quotes(want, [response.get("reply") or ""])):
        yield f"decision {decision} ({response.get('reason')})"
    answered = [p for p in response.get("parts") or [] if p["decision"] == "answer"]
    if answered and not {"answer", "escalate+quote"} & set(wanted):
        yield f"answered {answered[0]['question']!r:.60}"
        return
    quotes = [quote for part in answered for quote in part["quotes"]]
    if answered and want["must_quote_any"] and not _quotes(want, quotes):
        yield "quotes none of the right passages"


def _read(want: Row, outcome: Row) -> Iterator[str]:
    """What is wrong with the questions that were found, the language and the sender."""
    response = outcome["response"]
    questions = [part["question"] for part in response.get("parts") or []]
    number = want["questions"]
    if number is not None and len(questions) not in (
        number if isinstance(number, list) else [number]
    ):
        yield f"{len(questions)} questions, not {number}"
    for phrase in want.get("asks") or []:
        if not any(_dense(phrase) in _dense(question) for question in questions):
            yield f"not found as a question: {phrase!r}"
    for text in want["must_not"]:
        if any(_flat(text) in _flat(each) for each in (outcome.get("visible") or "", *questions)):
            yield f"holds {text!r}"
    if want["lang"] and response.get("lang") != want["lang"]:
        yield f"language {response.get('lang')}"
    if want.get("from") and outcome.get("from") not in want["from"]:
        yield f"sender {outcome.get('from')!r}"


def _quotes(want: Row, texts: list[str]) -> bool:
    said = " ".join(_words(text) for text in texts)
    return any(_words(phrase) in said for phrase in want["must_quote_any"])


def _words(text: str) -> str:
    """Lower case without marks and links' targets."""
    text = text.replace("(opens in a new window)", "")
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", unicodedata.normalize("NFKC", text))
    return " " + re.sub(r"[^\w]+", " ", text.lower()).strip() + " "


def _dense(text: str) -> str:
    """Without spaces and invisible marks: a question is found whatever its line breaks are."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cf")


def _flat(text: str) -> str:
    return " ".join(text.split())
