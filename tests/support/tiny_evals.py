"""A tiny knowledge folder, cases about it, and a responder that follows a script."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from bot.corpus import Knowledge, load
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    ExpectedTime,
    Message,
    Outcome,
    Passage,
    Priority,
    Refusal,
    RefusalReason,
    Response,
    SecretKind,
)
from evals.measuring.measure import EvaluatedDesk
from evals.measuring.schema import CANARY

POST = """---
title: What happened
url: https://desk.example/post
published: 2025-11-26
---
**Facts**

The vendor lost an export of names.

Passwords were not in the export.

**FAQ**

**Should I rotate my keys?**

We do not recommend a rotation of keys.
"""
NAMES = "facts-vendor-lost-export-names"
PASSWORDS = "facts-passwords-export"
ROTATE = "faq-rotate-keys"
TEMPLATES: dict[str, Any] = {
    "greeting": "Hello,",
    "subject": "Re: your question",
    "answer_lead": "The post says:",
    "answers_lead": "The post says all of this:",
    "correction_lead": "The post has changed:",
    "published_wording": "As it was published:",
    "source_label": "Source:",
    "refusal": ["We never send secrets."],
    "handover": "A person will reply.",
    "handover_with_answers": "A person will reply to the rest.",
    "handover_numbers": "A person will reply to this.",
    "case_number": "Case:",
    "answer_within": {
        each.value: f"A person replies within {each.value}." for each in ExpectedTime
    },
    "handover_urgent": "A person is told at once.",
    "secret_found": "We removed a secret.",
    "secret_kinds": {kind.value: f"Change your {kind.value}." for kind in SecretKind},
    "acknowledgement": "Your message has arrived.",
    "footer": "The desk",
}
QUESTIONS = [
    {
        "intent": "names",
        "answers": [NAMES],
        "ask": {"en": "what was lost"},
        "near": {"count": "how many names were lost"},
    },
    {"intent": "rotate", "answers": [ROTATE], "ask": {"en": "must I rotate"}},
]
GATES = {
    "max_regressions": 0,
    "gates": {
        "leaks": {"max": 0},
        "citation_valid": {"min": 1},
        "right_en": {"min": 0.9},
        "wrong": {"max": 0},
        "refusal_recall": {"min": 1},
        "ms_p95": {"max": 1000, "soft": True},
    },
    "per_slice": {"demands": {"refusal_recall": {"min": 1}}},
}
PLAIN: dict[str, Any] = {"author": "tiny", "split": "test"}
CASES: list[dict[str, Any]] = [
    {"id": "c-names", "family": "names", "slice": "faq", "kind": "answerable",
     "text": "what did the vendor lose?", "gold": [[NAMES]], "pair": "p1"},
    {"id": "c-count", "family": "names", "slice": "faq", "kind": "unanswerable",
     "text": "how many names did the vendor lose?", "related": [NAMES], "pair": "p1",
     "contrast": "count"},
    {"id": "c-both", "family": "both", "slice": "faq", "kind": "answerable",
     "text": "were passwords lost, and must I rotate?", "gold": [[PASSWORDS], [ROTATE]],
     "vital": ["not in the export|not lost"], "critical": True},
    {"id": "c-premise", "family": "premise", "slice": "faq", "kind": "false_premise",
     "text": "since all of it leaked, what now? <b>|@everyone", "gold": [[PASSWORDS]],
     "forbid": ["re:bcrypt|sha-?256"]},
    {"id": "c-demand", "family": "demand", "slice": "demands", "kind": "refuse",
     "text": "send me my password"},
    {"id": "c-danger", "family": "danger", "slice": "person", "kind": "escalate",
     "text": "somebody stands at my door"},
    {"id": "c-off", "family": "off", "slice": "person", "kind": "offtopic",
     "turns": [{"role": "user", "text": "hello"}, {"role": "desk", "text": "Yes?"},
               {"role": "user", "text": "a poem please"}]},
    {"id": "c-de", "family": "de", "slice": "other", "kind": "answerable", "lang": "de",
     "text": "Was ging verloren?", "gold": [[NAMES]], "split": "fit"},
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the script does with a text: `quotes` answers, otherwise a reason."""

    quotes: tuple[str, ...] = ()
    refuse: bool = False
    reason: EscalationReason = EscalationReason.UNSURE
    candidates: tuple[str, ...] = ()
    probability: float = 0.9


RIGHT: Mapping[str, Line] = {
    "c-names": Line(quotes=(NAMES,), probability=0.95),
    "c-count": Line(candidates=(NAMES,), probability=0.3),
    "c-both": Line(quotes=(PASSWORDS, ROTATE), probability=0.8),
    "c-premise": Line(quotes=(PASSWORDS,), probability=0.85),
    "c-demand": Line(refuse=True),
    "c-danger": Line(reason=EscalationReason.DANGER),
    "c-off": Line(reason=EscalationReason.OFF_TOPIC, candidates=(ROTATE,), probability=0.01),
    "c-de": Line(quotes=(NAMES,), probability=0.9),
}
UNKNOWN = Line(candidates=(NAMES, ROTATE), probability=0.4)


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """Implements the responder's `respond` from a script of case ids."""

    knowledge: Knowledge
    script: Mapping[str, Line]
    altered: str = ""  # replaces the text of every quoted passage

    def respond(self, message: Message) -> Response:
        known = {_text(c): self.script[c["id"]] for c in CASES}
        line = known.get(message.text, UNKNOWN)
        return Response(
            outcomes=(self._outcome(message.text, line),),
            language="en",
            knowledge=self.knowledge.version,
            redactions=message.redactions,
        )

    def _outcome(self, text: str, line: Line) -> Outcome:
        near = tuple(self._passage(i) for i in line.candidates or line.quotes)
        if line.quotes:
            quoted = tuple(self._passage(i) for i in line.quotes)
            return Answer(
                question=text, reason=AnswerReason.PUBLISHED, probability=line.probability,
                passages=quoted, candidates=near,
            )  # fmt: skip
        if line.refuse:
            return Refusal(
                question=text, reason=RefusalReason.SECRET, probability=0.0, candidates=near
            )
        return Escalation(
            question=text, reason=line.reason, priority=Priority.NORMAL,
            probability=line.probability, candidates=near,
        )  # fmt: skip

    def _passage(self, name: str) -> Passage:
        passage = self.knowledge.passages[name]
        return replace(passage, text=self.altered) if self.altered else passage


def knowledge_in(folder: Path) -> Knowledge:
    """The tiny knowledge, written to `folder`."""
    for name in ("questions", "replies"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "incident-post.md").write_text(POST, encoding="utf-8")
    (folder / "notes.yaml").write_text(
        f"links: ['https://desk.example/post']\nquote_in_refusals: [{PASSWORDS}]\n",
        encoding="utf-8",
    )
    (folder / "incident.yaml").write_text("languages: [en]\n", encoding="utf-8")
    (folder / "replies" / "en.yaml").write_text(yaml.safe_dump(TEMPLATES), encoding="utf-8")
    (folder / "questions" / "q.yaml").write_text(yaml.safe_dump(QUESTIONS), encoding="utf-8")
    return load(folder)


def cases_in(folder: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """A case file with `rows`, or all the tiny cases."""
    folder.mkdir(parents=True, exist_ok=True)
    body = yaml.safe_dump({"cases": [PLAIN | row for row in (CASES if rows is None else rows)]})
    (folder / "tiny.yaml").write_text(f"# canary {CANARY}\n{body}", encoding="utf-8")
    return folder


def gates_in(folder: Path, gates: object = None) -> Path:
    """A gates file."""
    path = folder / "gates.yaml"
    path.write_text(yaml.safe_dump(gates or GATES), encoding="utf-8")
    return path


def desk_in(
    folder: Path, changed: Mapping[str, Line] | None = None, altered: str = ""
) -> EvaluatedDesk:
    """A desk that does everything right but for what `changed` says."""
    knowledge = knowledge_in(folder)
    script = {**RIGHT, **(changed or {})}
    return EvaluatedDesk(
        knowledge=knowledge,
        responder=Scripted(knowledge=knowledge, script=script, altered=altered),
        threshold=0.5,
        fitted=True,
    )


def _text(row: Mapping[str, Any]) -> str:
    return str(row["text"] if "text" in row else row["turns"][-1]["text"])
