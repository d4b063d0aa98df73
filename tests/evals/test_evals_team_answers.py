"""The answers of a team that are measured can be used, and their paraphrases are none of them."""

from pathlib import Path

from bot.corpus import Knowledge
from bot.corpus.team_answers import PREFIX
from bot.resources import parse_yaml
from evals.team_answers import DATA, FIRST_CASE, copy_with, paraphrases


def test_ten_answers_are_in_use_and_a_hundred_other_wordings_ask_for_them(
    knowledge: Knowledge, tmp_path: Path
) -> None:
    rows = parse_yaml(DATA.read_text(encoding="utf-8"))
    copied = copy_with(knowledge, tmp_path / "knowledge", rows)
    added = {name for name in copied.passages if name.startswith(PREFIX)}
    assert added == {f"{PREFIX}{FIRST_CASE + number}" for number in range(10)}
    assert not copied.unreadable
    asked = paraphrases(rows)
    texts = {case.text for _, case in asked}
    assert len(texts) == 100
    assert {name for name, _ in asked} == added
    known = {wording.text.casefold() for wording in copied.wordings}
    assert not {text.casefold() for text in texts} & known
