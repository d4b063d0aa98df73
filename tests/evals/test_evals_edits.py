"""Edits of the knowledge: made where they say, learned, and measured on what they do not touch."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bot.answering.examples import classes_of
from bot.corpus import Knowledge, load
from bot.domain import Escalation, Message
from evals.__main__ import main
from evals.edits import HEAD, EditResult, edit_row, measure_edits
from evals.measuring.grade import Graded
from evals.measuring.knowledge_edits import (
    EDITS,
    REMOVED_ANSWER,
    EditedKnowledge,
    EditScope,
    apply_edit,
)
from evals.measuring.light import QueryCache, light_desk, measure_cases
from evals.measuring.schema import Case
from tests.support.small_knowledge import copy_knowledge
from tests.support.tiny_evals import CASES, PLAIN, UNKNOWN, desk_in, knowledge_in
from tests.support.word_encoder import WordEncoder

HEADING = "an FAQ heading renamed"
KEYS = "faq-need-reset-password-rotate-api"
USED = "faq-openai-use-mixpanel"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    return load(
        copy_knowledge(tmp_path_factory.mktemp("small") / "knowledge", wordings=2, intents=3)
    )


@pytest.fixture
def encoder(tmp_path: Path) -> QueryCache:
    return QueryCache(WordEncoder(), tmp_path / "eval-vectors.npz")


def case(name: str, text: str, *gold: str, lang: str = "en", split: str = "test") -> Case:
    return Case.model_validate(
        {"id": name, "family": name, "slice": "faq", "author": "tiny", "split": split,
         "lang": lang, "text": text, "kind": "answerable", "gold": [gold]}
    )  # fmt: skip


@pytest.mark.parametrize("name", list(EDITS))
def test_an_edit_changes_the_copy_and_nothing_else(
    small: Knowledge, tmp_path: Path, name: str
) -> None:
    before = load(small.folder).question_version
    edited = apply_edit(name, small, tmp_path / "copy")
    assert edited.knowledge.question_version != before
    assert load(small.folder).question_version == before
    assert edited.touched.passages or edited.touched.language
    assert set(edited.renamed) <= edited.touched.passages


def test_a_renamed_heading_keeps_its_id_and_its_questions(small: Knowledge, tmp_path: Path) -> None:
    edited = apply_edit(HEADING, small, tmp_path / "copy")
    assert not edited.renamed
    new = set(edited.knowledge.warnings) - set(small.warnings)
    assert all(
        each.startswith("translations/") for each in new
    )  # they are older than their original
    assert {c.now.id for c in edited.knowledge.changes.changed} == edited.touched.passages


@pytest.mark.no_cover
def test_where_no_ids_are_kept_a_renamed_heading_is_warned_of_and_a_person_gets_its_questions(
    small: Knowledge, tmp_path: Path, encoder: QueryCache
) -> None:
    shutil.copytree(small.folder, tmp_path / "one", ignore=shutil.ignore_patterns("ids.yaml"))
    for path in (tmp_path / "one" / "questions").glob("*.yaml"):
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        kept = [
            each | {"answers": each["answers"][:1]} if "answers" in each else each
            for each in entries
        ]
        path.write_text(yaml.safe_dump(kept, allow_unicode=True), encoding="utf-8")
    edited = apply_edit(HEADING, load(tmp_path / "one"), tmp_path / "copy")
    ((old, new),) = edited.renamed.items()
    known = edited.knowledge
    assert any(old in warning for warning in known.warnings)
    orphans = {w.label for w in known.wordings if w.kind == "intent" and not w.passages}
    classes = classes_of(known)
    assert orphans
    assert not orphans & {classes.labels[place] for place in (*classes.answered, *classes.silent)}
    asked = next(w.text for w in known.wordings if w.label in orphans and w.language == "en")
    light = light_desk(known, encoder)
    (outcome,) = light.desk.responder.respond(Message(text=asked)).outcomes
    assert isinstance(outcome, Escalation)
    assert edited.case(case("c", "x", old)).gold == ((new,),)


def test_a_case_meets_an_edit_by_its_labels_or_its_language() -> None:
    of_keys = EditScope(passages=frozenset({KEYS}))
    assert of_keys.meets(case("c", "x", KEYS))
    assert not of_keys.meets(case("c", "x", USED))
    assert EditScope(language="de").meets(case("c", "x", USED, lang="de"))
    assert not EditScope(language="de").meets(case("c", "x", USED))


def test_an_edit_is_measured_on_the_cases_of_the_test_split(
    small: Knowledge, encoder: QueryCache, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {w.passages[0]: w.text for w in small.wordings if w.answers}
    cases = [case(name, text, name) for name, text in texts.items()]
    cases.append(case("other", "x", KEYS, split="confirm"))
    (result,) = measure_edits(small, encoder, cases, ["a wording added"])
    elsewhere, there = result.rates(touched=False), result.rates(touched=True)
    assert elsewhere[0].of + there[0].of == len(texts)
    assert result.seconds > 0
    told = capsys.readouterr().out
    assert HEAD in told
    assert "| a wording added | " in told
    assert encoder.used


def test_fewer_right_answers_elsewhere_fail(tmp_path: Path) -> None:
    rows = {each["id"]: each for each in CASES}
    asked = Case.model_validate({**PLAIN, **rows["c-names"]})
    (good,) = measure_cases([asked], desk_in(tmp_path / "good"))
    (bad,) = measure_cases([asked], desk_in(tmp_path / "bad", {"c-names": UNKNOWN}))
    assert (good.correct, bad.correct) == (True, False)
    knowledge = knowledge_in(tmp_path / "good")
    assert _result(knowledge, good, good).holds
    assert not _result(knowledge, good, bad).holds
    changed = EditResult(
        name=REMOVED_ANSWER, edited=EditedKnowledge(knowledge=knowledge, touched=EditScope(), renamed={}),
        before=(good,) * 50, after=(*(good,) * 49, bad), seconds=1.0,
    )  # fmt: skip
    assert changed.holds, "98 % keep their answer"
    assert (changed.kept.hits, changed.same_first.hits) == (49, 49)
    assert not replace(changed, name="x").holds, "nothing was removed, and 2 % fewer are right"
    assert not replace(changed, after=(*(good,) * 48, bad, bad)).holds
    assert "100.0 % (1/1) → 0.0 % (0/1): -100.0" in edit_row(_result(knowledge, good, bad))


def test_an_unknown_edit_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["edits", "--edit", "nothing"])
    assert "invalid choice" in capsys.readouterr().err


def _result(knowledge: Knowledge, before: Graded, after: Graded) -> EditResult:
    edited = EditedKnowledge(knowledge=knowledge, touched=EditScope(), renamed={})
    return EditResult(name="x", edited=edited, before=(before,), after=(after,), seconds=1.0)
