"""Which meanings a labelled message teaches."""

from pathlib import Path

from bot.answering.examples import UNANSWERED, classes_of, examples_of_message
from bot.corpus import load
from bot.corpus.messages import LabelledMessage
from tests.support.small_knowledge import copy_knowledge


def names(folder: Path, message: LabelledMessage) -> set[str]:
    classes = classes_of(load(folder))
    return {
        classes.labels[place]
        for example in examples_of_message(message, classes)
        for place in example.meanings
    }


def test_what_no_intent_quotes_any_more_is_a_meaning_that_is_not_answered(tmp_path: Path) -> None:
    folder = copy_knowledge(tmp_path / "knowledge", messages=40)
    whole = load(folder)
    message = next(m for m in whole.messages if m.gold and len(m.gold) == 1)
    assert UNANSWERED not in classes_of(whole).labels
    meant = names(folder, message)
    assert meant
    for path in (folder / "questions").glob("*.yaml"):
        lines = path.read_text(encoding="utf-8")
        for passage in message.gold[0]:
            lines = lines.replace(
                f"- {passage}\n", "- introduction-transparency-important-want-inform-about\n"
            )
        path.write_text(lines, encoding="utf-8")
    classes = classes_of(load(folder))
    assert names(folder, message) == {UNANSWERED}
    place = classes.labels.index(UNANSWERED)
    assert place not in classes.answered
    assert place not in classes.silent
