import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.corpus import Knowledge, load
from bot.corpus.clarify import read_clarifications
from bot.corpus.incident import read_incident
from bot.corpus.messages import read_messages
from bot.corpus.notes import read_notes
from bot.corpus.passage_ids import read_ids
from bot.corpus.post import clean, read_post, sentences
from bot.corpus.questions import read_questions, repeated_intents
from bot.corpus.snippets import read_snippets
from bot.corpus.templates import read_templates
from bot.corpus.translations import read_translations
from bot.domain import SecretKind
from bot.errors import KnowledgeError
from bot.staff.staff_texts import read_staff_texts
from tests.conftest import KNOWLEDGE
from tests.support.small_knowledge import copy_knowledge

FRONT = "---\ntitle: T\nurl: https://x.example/p\npublished: 2025-01-02\n---\n"


def post(tmp_path: Path, body: str, front: str = FRONT) -> Path:
    path = tmp_path / "incident-post.md"
    path.write_text(front + body, encoding="utf-8")
    return path


def test_the_post_has_its_28_passages_with_unique_readable_ids(knowledge: Knowledge) -> None:
    assert len(knowledge.passages) == 28
    assert all(i == i.lower() and " " not in i for i in knowledge.passages)


def test_a_list_stays_with_its_lead_in(knowledge: Knowledge) -> None:
    listed = next(p for p in knowledge.post.passages if "was limited to:" in p.text)
    assert len(listed.sentences) == 8
    assert listed.sentences[-1] == "Organization or User IDs associated with the account"


def test_full_sentence_bullets_stand_alone(knowledge: Knowledge) -> None:
    texts = [p.text for p in knowledge.post.passages]
    assert (
        "OpenAI does not request passwords, API keys, or verification codes through email, text, or chat."
        in texts
    )


def test_the_clarification_carries_its_own_date(knowledge: Knowledge) -> None:
    assert knowledge.post.passages[0].date == "2025-12-19"
    assert knowledge.post.passages[1].date == "2025-11-26"


def test_no_markdown_is_left(knowledge: Knowledge) -> None:
    for passage in knowledge.post.passages:
        assert not any(
            mark in passage.text for mark in ("**", "](", "opens in a new window", "_platform")
        )


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a [link(opens in a new window)](https://x.example) here", "a link here"),
        ("[_it_(opens in a new window)](http://x.example)", "it"),
        ("**bold** and _soft_ and snake_case", "bold and soft and snake_case"),
    ],
)
def test_clean(raw: str, expected: str) -> None:
    assert clean(raw) == expected


def test_sentences_keep_abbreviations_together() -> None:
    assert sentences("Ids (e.g., user IDs) were in. Beware.") == (
        "Ids (e.g., user IDs) were in.",
        "Beware.",
    )


@pytest.mark.parametrize(
    ("body", "front", "says"),
    [
        ("text here", "no front matter\n", "front matter"),
        ("text here", "---\ntitle: T\n---\n", "front matter"),
        ("\n\n", FRONT, "no passage"),
        ("text here", "---\ntitle: [\n---\n", "front matter"),
    ],
)
def test_a_broken_post_is_named(tmp_path: Path, body: str, front: str, says: str) -> None:
    with pytest.raises(KnowledgeError, match=says):
        read_post(post(tmp_path, body, front))


def test_a_missing_post_is_named(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="missing"):
        read_post(tmp_path / "incident-post.md")


def test_another_post_is_read_the_same_way(tmp_path: Path) -> None:
    body = "Hello world.\n\n**Head**\n\nLead in:\n\n- Item one\n- Item two\n\nLead alone:\n\nMore text.\n\n**FAQ**\n\n**Is it safe?**\n\n- Yes, it is so.\n"
    found = read_post(post(tmp_path, body)).passages
    assert [p.text for p in found] == [
        "Hello world.",
        "Lead in:\nItem one\nItem two",
        "More text.",
        "Yes, it is so.",
    ]
    assert found[-1].id.startswith("faq-")


def test_the_posts_own_mistakes_are_warned_of(knowledge: Knowledge) -> None:
    said = "\n".join(knowledge.warnings)
    assert "platform.api.com" in said
    assert "'Yes.'" in said


def test_errata_are_replaced_and_companions_added(knowledge: Knowledge) -> None:
    assert "faq-chatgpt-accounts-affected" not in knowledge.quotable(
        ["faq-chatgpt-accounts-affected"]
    )
    clarified = "introduction-december-19-2025-clarification-updating"
    know = "faq-know-organization-impacted"
    assert knowledge.quotable([know, clarified]) == [know, clarified]
    assert knowledge.companions([know]) == [clarified]
    response = "response-part-security-investigation-removed-mixpanel"
    assert knowledge.companions([response]) == [clarified]
    assert knowledge.companions(["faq-need-reset-password-rotate-api"]) == []


def test_loading_twice_gives_the_same_version(knowledge: Knowledge) -> None:
    again = load(KNOWLEDGE)
    assert (again.version, again.question_version) == (
        knowledge.version,
        knowledge.question_version,
    )


def test_every_kind_of_wording_is_there(knowledge: Knowledge) -> None:
    assert {w.kind for w in knowledge.wordings} == {"intent", "near", "silent", "act"}
    assert all(w.passages for w in knowledge.wordings if w.kind == "intent")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- intent: x\n  ask: {en: a}\n", "answers"),
        ("- intent: [\n", "not valid YAML"),
        ("- act: dance\n  say: {en: a}\n", "act"),
    ],
)
def test_a_broken_question_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(KnowledgeError, match=says):
        read_questions(tmp_path)


QUESTION = "- {id: a, author: b, text: t, kind: answerable"
ENGLISH = (KNOWLEDGE / "replies" / "en.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "replies/cs.yaml", ENGLISH.replace("\nfooter:", "\n# "),
            ": the sentence `footer` is missing; copy it from en.yaml",
        ),
        ("replies/en.yaml", "gretting: Hi\n", (", line 1: there is no sentence `gretting`; did you "
            "mean `greeting`?")),
        ("notes.yaml", "links: []\nnever_qote: []\n", (", line 2: there is no `never_qote`; did you "
            "mean `never_quote`?")),
        ("notes.yaml", "superseded:\n- {passage: a, by: b}\n", (", line 2, superseded: `why` is "
            "missing")),
        ("messages/a.yaml", f"{QUESTION}, gold: [p]}}\n", (", line 1, entry 1: write gold with two "
            "pairs of brackets: [[passage]]")),
        ("messages/a.yaml", f"{QUESTION}s, gold: [[p]]}}\n", (", line 1, entry 1: `kind` must be "
            "one of answerable, false_premise, unanswerable, refuse, escalate, offtopic; did you "
            "mean `answerable`?")),
        ("messages/a.yaml", f"{QUESTION}}}\n", (", line 1, entry 1: kind answerable needs gold: the "
            "passages that answer")),
        ("questions/b.yaml", "- intent: x\n  answers: [a]\n  ask: {en: b: c}\n", (", line 3: not valid YAML "
            "(a bracket that is not closed?)")),
        ("questions/b.yaml", "- intent: x\n  ask:\n    en: |-\n      a\n   near: b\n", (", line 5: not "
            "valid YAML (a wrong indent?)")),
        ("questions/b.yaml", "- intent: x\n  answers: [a]\n  ask: {en: 5}\n", (", line 3, entry 1: "
            "`en` must be a text; put a number, a date or a word such as no in quotes")),
        ("questions/b.yaml", "- intent: x\n  answers: [a]\n  ask: {no: a}\n", (", line 3, entry 1: the "
            "keys of `ask` must be texts; put a number or a word such as no in quotes")),
        ("questions/b.yaml", "- intnt: x\n", (", line 1, entry 1: an entry begins with one of act, "
            "intent, silent")),
        ("incident.yaml", "language: de\nlanguages: de\n", (", line 2: write languages as a list, in "
            "brackets: [one, two]")),
        ("ids.yaml", "- {id: a, heading: b, text: c, gone: maybe}\n", (", line 1, entry 1: `gone` must "
            "be true or false")),
        ("snippets/en.yaml", "a: b\n", ": it must be a list, each entry of which begins with a dash"),
        ("translations/de.yaml", "a-b: {original: 'x', heading: h, text: t, reviewd: true}\n", (", line "
            "1, a-b: there is no `reviewd`; did you mean `reviewed`?")),
        ("clarify.yaml", "- about: [x\n  ask: b\n", (", line 2: not valid YAML (a bracket that is not "
            "closed?)")),
        ("slack.yaml", "green_from: '\n", ", line 1: not valid YAML (a quote that is not closed?)"),
    ],
)  # fmt: skip
def test_every_file_that_people_write_is_explained_in_plain_words(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KnowledgeError) as caught:
        read_all(tmp_path)
    assert str(caught.value) == f"{path}{says}"


def test_a_name_that_two_intents_have_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- {intent: x, answers: [a], ask: {en: b}}\n")
    assert list(repeated_intents(tmp_path)) == []
    (tmp_path / "b.yaml").write_text("- {intent: x, answers: [c], ask: {en: d}}\n")
    (line,) = repeated_intents(tmp_path)
    assert line.startswith("questions/b.yaml: the intent 'x' stands in questions/a.yaml already")


def read_all(folder: Path) -> None:
    """Read each file of a knowledge folder but the post."""
    read_templates(folder / "replies")
    notes = read_notes(folder / "notes.yaml")
    read_incident(folder / "incident.yaml", notes)
    read_ids(folder / "ids.yaml")
    read_messages(folder / "messages")
    read_questions(folder / "questions")
    read_translations(folder / "translations")
    read_clarifications(folder / "clarify.yaml")
    read_snippets(folder)
    read_staff_texts(folder)


def test_templates_have_no_slot(tmp_path: Path) -> None:
    english = (KNOWLEDGE / "replies" / "en.yaml").read_text()
    (tmp_path / "en.yaml").write_text(
        english.replace("greeting: Hello,", "greeting: Hello {name},")
    )
    with pytest.raises(KnowledgeError, match="slot"):
        read_templates(tmp_path)
    (tmp_path / "en.yaml").write_text(english.replace("  api_key: an API key\n", ""))
    with pytest.raises(KnowledgeError, match="api_key"):
        read_templates(tmp_path)
    (tmp_path / "en.yaml").write_text("greeting: 1\n")
    with pytest.raises(KnowledgeError, match=r"en\.yaml"):
        read_templates(tmp_path)
    (tmp_path / "en.yaml").write_text("- greeting\n")
    with pytest.raises(KnowledgeError, match="by their keys"):
        read_templates(tmp_path)
    (tmp_path / "en.yaml").write_text("greeting: Hello,\nsubject: x\ngreeting: Hi,\n")
    with pytest.raises(KnowledgeError, match=r"en\.yaml: line 3: the key 'greeting' stands twice"):
        read_templates(tmp_path)


@pytest.mark.parametrize(
    ("language", "familiar"),
    [
        ("ru", r"\b(?:вы|вас|вам|ваш\w*)\b"), ("uk", r"\b(?:ви|вас|вам|ваш\w*)\b"),
        ("de", r"\b(?:du|dich|dir|dein\w*|euch)\b"), ("fr", r"\b(?:tu|te|ton|ta|tes)\b"),
        ("ar", "إليك(?!م)|إخبارك(?!م)|رسالتك(?!م)|يمكنك(?!م)|إعداداتك(?!م)"), ("tr", r"\b[İi]letiniz"), ("zh", "您的消息"),
        ("ko", "해 주세요|보내신 메시지"),
    ],
)  # fmt: skip
def test_a_language_addresses_people_in_one_way(
    knowledge: Knowledge, language: str, familiar: str
) -> None:
    found = [text for text in knowledge.templates[language].texts() if re.search(familiar, text)]
    assert found == []


def test_every_language_names_every_kind_of_secret(knowledge: Knowledge) -> None:
    for templates in knowledge.templates.values():
        assert set(templates.secret_kinds) == set(SecretKind)


def test_the_threshold_is_chosen_on_messages_whose_passages_are_all_there(
    tmp_path: Path,
) -> None:
    folder = copy_knowledge(tmp_path / "k", messages=60)
    before = load(folder)
    gone = next(m.related[0] for m in before.messages if m.related and not m.gold)
    for path in (folder / "messages").glob("*.yaml"):
        path.write_text(path.read_text().replace(f'"{gone}"', '"no-such-passage"'), "utf-8")
    after = load(folder)
    assert before.whole_messages == before.messages
    assert set(after.whole_messages) < set(after.messages)
    assert not any("no-such-passage" in m.related for m in after.messages)


@pytest.mark.parametrize(
    "folder", ["questions", "messages", "exercises", "replies", "translations"]
)
@pytest.mark.parametrize("name", [".#en.yaml", "._en.yaml"])
def test_what_editors_and_file_managers_put_beside_a_file_is_not_read(
    tmp_path: Path, folder: str, name: str
) -> None:
    shutil.copytree(KNOWLEDGE, tmp_path / "knowledge")
    before = load(tmp_path / "knowledge").version
    path = tmp_path / "knowledge" / folder / name
    if name.startswith(".#"):
        path.symlink_to("ana@host.4711")  # as Emacs marks a file that is being edited
    else:
        path.write_bytes(b"\0\5\x16\7\0\2\xff")  # as macOS keeps what a disk has no place for
    now = load(tmp_path / "knowledge")
    assert now.version == before
    assert now.stated_messages
    assert now.stated_wordings


@pytest.mark.parametrize(
    ("folder", "read"),
    [
        ("replies", lambda home: read_templates(home / "replies")),
        ("translations", lambda home: read_translations(home / "translations")),
        ("snippets", read_snippets),
    ],
)
def test_a_copy_that_is_put_aside_is_no_language(
    tmp_path: Path, folder: str, read: Callable[[Path], object]
) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "de (copy).yaml").write_text("", "utf-8")
    with pytest.raises(KnowledgeError, match="named after the code of its language"):
        read(tmp_path)
