"""Ids of passages outlive edits of the post, and a reference to what has gone stops nothing."""

from pathlib import Path

import pytest

from bot.commands.index_update import index_change_lines
from bot.corpus import load
from bot.errors import KnowledgeError
from tests.support.small_post import CLOSED, HAPPENED, PASSWORD, PAY, POST, TOLD, write

# What is edited, the words that take the place of others, and the ids that go and come.
EDITS = [
    ("a word", "a list of names", "a file of names", set(), set()),
    ("the first words", "On 3 May somebody", "As we know now, on 3 May an employee", set(), set()),
    ("a heading", "**What happened**", "**The events of May**", set(), set()),
    ("a question", "**Was my password copied?**", "**Is my password safe with you?**", set(), set()),
    ("an answer, wholly", "No. Passwords are kept elsewhere and were not copied.",
     "Please choose a new one, we were wrong about that.", set(), set()),
    ("a denial", "were not copied", "were copied", set(), set()),
    ("a bullet removed", "-   Be careful with messages that mention your booking and ask for money.\n",
     "", {"careful-messages-mention-booking-ask-money"}, set()),
    ("a question removed", "**Was my password copied?**\n\n-   No. Passwords are kept elsewhere and were not copied.\n",
     "", {PASSWORD}, set()),
    ("a bare answer removed", "**Do I have to pay again?**\n\n-   Yes.\n", "", {PAY}, set()),
    ("a question added", "**Has the supplier", "**Who is affected?**\n\n-   All guests of May.\n\n**Has the supplier",
     set(), {"faq-affected"}),
    ("the same paragraph twice", "We closed the access",
     "We closed the access on the same day and called the police.\n\nWe closed the access", set(), set()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "gone", "added"), [e[1:] for e in EDITS], ids=[e[0] for e in EDITS]
)
def test_an_edit_keeps_the_ids_of_everything_that_is_still_there(
    tmp_path: Path, old: str, new: str, gone: set[str], added: set[str]
) -> None:
    before = write(tmp_path / "k", POST)
    before.keep_ids()
    assert POST.count(old) == 1
    after = write(tmp_path / "k", POST.replace(old, new))
    assert set(after.passages) == set(before.passages) - gone | added
    assert {p.id for p in after.changes.added} == added
    assert {p.id for p in after.changes.gone} == gone


def test_an_id_comes_back_with_its_passage(tmp_path: Path) -> None:
    write(tmp_path / "k", POST).keep_ids()
    without = POST.replace("**Has the supplier been told?**\n\n-   Yes.\n", "")
    write(tmp_path / "k", without).keep_ids()
    again = write(tmp_path / "k", POST)
    assert TOLD in again.passages
    assert [p.id for p in again.changes.added] == [TOLD]
    again.keep_ids()
    assert load(tmp_path / "k").changes.added == ()


def test_an_id_may_be_changed_by_hand(tmp_path: Path) -> None:
    write(tmp_path / "k", POST).keep_ids()
    path = tmp_path / "k" / "ids.yaml"
    path.write_text(path.read_text("utf-8").replace(f"id: {PASSWORD}", "id: passwords"), "utf-8")
    assert "passwords" in load(tmp_path / "k").passages
    path.write_text(path.read_text("utf-8").replace(f"id: {TOLD}", "id: passwords"), "utf-8")
    with pytest.raises(KnowledgeError, match="'passwords' stands twice"):
        load(tmp_path / "k")


def test_the_changes_are_shown_with_both_texts(tmp_path: Path) -> None:
    write(tmp_path / "k", POST).keep_ids()
    edited = POST.replace("were not copied", "were copied").replace("**Do I have to pay again?**\n\n-   Yes.\n", "")  # fmt: skip
    assert list(index_change_lines(write(tmp_path / "k", edited).changes)) == [
        f"changed  {PASSWORD}",
        "    before: No. Passwords are kept elsewhere and were not copied.",
        "    now:    No. Passwords are kept elsewhere and were copied.",
        f"gone     {PAY}: Yes.",
    ]


def test_what_refers_to_a_passage_that_has_gone_is_named_by_file_and_line_and_left_out(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "k"
    (folder / "questions").mkdir(parents=True)
    (folder / "messages").mkdir()
    (folder / "notes.yaml").write_text(
        "links: []\n"
        f"never_quote: [{{passage: {PASSWORD}, instead: [gone-1], why: w}}, {{passage: gone-2, instead: [{PAY}], why: w}}]\n"
        f"quote_together: [{{passage: {CLOSED}, together: gone-3, why: w}}]\n"
        f"quote_one_of: [{{passages: [{HAPPENED}, gone-4], why: w}}]\n"
        f"quote_in_refusals:\n  - {PAY}\n  - gone-5\n"
        f"superseded: [{{passage: {HAPPENED}, by: gone-0, why: w}}]\n"
    )
    (folder / "questions" / "a.yaml").write_text(
        "- intent: x\n  answers: [gone-6]\n  ask: {en: a}\n  near: {count: b}\n"
        f"- intent: y\n  answers: [gone-7, {PAY}]\n  ask: {{en: c}}\n"
        "- silent: z\n  nearest: gone-8\n  ask: {en: d}\n"
    )
    row = '- {id: "%s", author: m, kind: unanswerable, text: t, related: ["gone-9"]}\n'
    (folder / "messages" / "m.yaml").write_text("# mine\n" + row % "m1" + row % "m2")
    known = write(folder, POST)
    assert [w for w in known.warnings if "the post does not have" in w] == [
        "notes.yaml:2: never_quote names 'gone-1', which the post does not have; nothing is quoted in its place",
        "notes.yaml:2: never_quote names 'gone-2', which the post does not have",
        f"notes.yaml:3: quote_together names 'gone-3', which the post does not have; {CLOSED} is quoted without it now",
        "notes.yaml:4: quote_one_of names 'gone-4', which the post does not have",
        "notes.yaml:7: quote_in_refusals names 'gone-5', which the post does not have",
        f"notes.yaml:8: superseded names 'gone-0', which the post does not have; {HAPPENED} is quoted again now",
        "questions/a.yaml:2: x names 'gone-6', which the post does not have; nothing answers it now",
        "questions/a.yaml:6: y names 'gone-7', which the post does not have",
        "questions/a.yaml:9: z names 'gone-8', which the post does not have",
        "messages/m.yaml:2: 2 messages name 'gone-9', which the post does not have",
    ]
    assert known.quotable([PASSWORD]) == []
    assert known.companions([CLOSED]) == []
    assert known.templates["en"].refusal_fact == [PAY]
    asked = {w.label: w for w in known.wordings}
    assert not asked["x"].answers
    assert not asked["near:x"].passages
    assert asked["y"].passages == (PAY,)
    assert known.silent_topics == {"z"}


def test_a_listed_link_keeps_its_address_and_any_other_only_its_words(tmp_path: Path) -> None:
    folder = tmp_path / "k"
    folder.mkdir()
    (folder / "notes.yaml").write_text("links: ['https://x.example/2fa', 'mailto:us@x.example']\n")
    body = (
        "Turn on [two-step login](https://x.example/2fa) in your settings. Read [this](https://y.example).\n\n"
        "Write to [us@x.example](mailto:us@x.example) or to [our team](mailto:us@x.example).\n\n"
        "See [x.example/2fa](https://x.example/2fa), ![a picture](https://x.example/a.png) <https://x.example/2fa>.\n"
    )
    assert [p.text for p in write(folder, body).post.passages] == [
        "Turn on two-step login (https://x.example/2fa) in your settings. Read this.",
        "Write to us@x.example or to our team (us@x.example).",
        "See x.example/2fa, https://x.example/2fa.",
    ]


def test_an_answer_without_wordings_is_asked_for_by_its_own_question(tmp_path: Path) -> None:
    folder = tmp_path / "k"
    assert not write(folder, POST).wordings, "a post alone is not learned from"
    (folder / "questions").mkdir()
    (folder / "questions" / "a.yaml").write_text(
        f"- intent: pay\n  answers: [{PAY}]\n  ask: {{en: must I pay}}\n"
    )
    (folder / "notes.yaml").write_text(f"never_quote: [{{passage: {TOLD}, instead: [], why: w}}]\n")
    own = [w for w in load(folder).wordings if w.label in load(folder).passages]
    assert [(w.text, w.passages) for w in own] == [("Was my password copied?", (PASSWORD,))]
