"""Mails as people write them, one of each kind, played from mail to reply."""

import pytest

from bot.app import App
from bot.domain import EscalationReason
from bot.outbound import text_of
from evals.pictures import ConversationResult, play_letters, read_letters

LETTERS = {letter.name: letter for letter in read_letters()}


@pytest.fixture(scope="module")
def played(app: App) -> dict[str, ConversationResult]:
    return {each.letter.name: each for each in play_letters(app, list(LETTERS.values()))}


@pytest.mark.no_cover
@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_gets_the_reply_that_its_writer_needs(
    app: App, played: dict[str, ConversationResult], name: str
) -> None:
    letter, made = LETTERS[name], played[name]
    templates = app.knowledge.templates[letter.language]
    texts = [text_of(reply) for reply in made.replies if reply]
    assert (made.replies[-1] is None) is letter.silent
    assert made.case == letter.case or (letter.case == "any" and made.case)
    assert set(letter.quotes) <= set(made.passages)
    assert len(set(texts)) == len(texts), "no reply goes out twice"
    for text, reply in zip(texts, filter(None, made.replies), strict=True):
        assert app.outbound.check_mail(reply, automatic=True).allowed
        assert text.startswith(templates.greeting)
        assert text.rstrip().endswith((templates.footer, templates.acknowledgement))
        assert text.count(templates.source_label) == (templates.acknowledgement not in text)
    told_case = templates.case_number in texts[-1]
    assert told_case is (letter.case not in ("", EscalationReason.PHISHING_SAMPLE))
