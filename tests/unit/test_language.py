"""The language of short questions: those with templates are known, their neighbours are not mistaken."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from bot.answering.reply import compose_reply
from bot.corpus import Knowledge
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Outcome,
    Priority,
    Refusal,
    RefusalReason,
    Response,
)
from bot.text.language import detect, recognize_language, reply_language

QUESTIONS: dict[str, list[str]] = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "short_questions.yaml").read_text("utf-8")
)
ADDED = ("ru", "tr", "sv", "uk")
NEIGHBOURS = {"bg": ("ru", "uk"), "no": ("sv",), "da": ("sv",), "az": ("tr",)}


@pytest.mark.no_cover
@pytest.mark.parametrize("language", ADDED)
def test_nearly_every_short_question_is_known(language: str) -> None:
    found = Counter(map(detect, QUESTIONS[language]))
    assert found[language] >= 0.9 * found.total() > 25, found


@pytest.mark.parametrize("language", ADDED)
def test_a_question_is_hardly_ever_taken_for_another_language_with_templates(
    language: str, knowledge: Knowledge
) -> None:
    others = set(knowledge.templates) - {language, "en"}
    wrong = [text for text in QUESTIONS[language] if detect(text) in others]
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize("language", NEIGHBOURS)
def test_few_questions_of_a_neighbour_are_taken_for_a_language_with_templates(
    language: str,
) -> None:
    taken = [text for text in QUESTIONS[language] if detect(text) in NEIGHBOURS[language]]
    assert len(taken) <= 0.25 * len(QUESTIONS[language]), taken


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Мой API key и access token от ChatGPT leaked?", "ru"),
        ("Чи треба мені робити key rotation у platform.openai.com?", "uk"),
        ("OpenAI Platform account'um için password reset gerekiyor mu?", "tr"),
        ("Måste jag göra key rotation i OpenAI Platform?", "sv"),
        ("My name is Søren, was my password leaked?", "en"),
        ("Hello, this is Åsa from Gävle. Was my account affected?", "en"),
        ("Меня зовут Олексій. Затронут ли мой аккаунт и все данные?", "ru"),
        ("I read the headline «Утечка». Is it true?", "en"),
        ("Паролата ми в безопасност ли е, или трябва да я сменя?", "bg"),
        ("Подъезд, объект, съёмка: это всё мои данные?", "ru"),
    ],
)
def test_names_of_products_and_people_do_not_change_the_language(text: str, language: str) -> None:
    assert detect(text) == language


def test_a_bare_product_name_has_no_language() -> None:
    assert recognize_language("Mixpanel") == ""
    assert recognize_language("...") == ""


def test_a_short_remark_keeps_the_language_of_a_conversation() -> None:
    assert reply_language("OK?", "OK?", ["Чи треба мені змінювати пароль?"]) == "uk"


def outcomes(knowledge: Knowledge) -> dict[str, tuple[Outcome, ...]]:
    """What a reply may have to say, by the name of the template that says it."""
    passage = next(p for name, p in knowledge.passages.items() if name.startswith("faq-"))
    answer = Answer(
        question="q", reason=AnswerReason.PUBLISHED, probability=1.0, passages=(passage,),
        candidates=(),
    )  # fmt: skip
    refusal = Refusal(question="q", reason=RefusalReason.SECRET, probability=0.0, candidates=())
    normal, urgent = (
        Escalation(
            question="q", reason=EscalationReason.UNSURE, priority=priority, probability=0.0,
            candidates=(),
        )
        for priority in (Priority.NORMAL, Priority.PAGE)
    )  # fmt: skip
    return {
        "answer_lead": (answer,),
        "refusal": (refusal,),
        "handover": (normal,),
        "handover_with_answers": (answer, normal),
        "handover_urgent": (urgent,),
    }


@pytest.mark.parametrize("language", ADDED)
def test_a_whole_reply_stands_in_its_language(knowledge: Knowledge, language: str) -> None:
    """No sentence is left in English but those of the post, and the reviewed one is there."""
    templates, english = knowledge.templates[language], knowledge.templates["en"]
    for kind, made in outcomes(knowledge).items():
        reply = compose_reply(Response(outcomes=made, language=language, knowledge="k"), knowledge)
        assert reply.startswith(templates.greeting)
        assert reply.rstrip().endswith((templates.footer, templates.acknowledgement))
        assert not [text for text in english.texts() if f"\n{text}\n" in reply]
        expected = getattr(templates, kind)
        for text in [expected] if isinstance(expected, str) else expected:
            assert f"\n{text}\n" in reply


@pytest.mark.parametrize("language", ADDED)
def test_every_sentence_of_the_templates_is_known_as_its_language(
    knowledge: Knowledge, language: str
) -> None:
    templates = knowledge.templates[language]
    texts = [t for t in templates.texts() if len(t.split()) > 6 and t != templates.subject]
    assert len(texts) >= 7
    assert {detect(text) for text in texts} == {language}


@pytest.mark.parametrize(
    ("language", "formal", "familiar"),
    [
        ("ru", ("Вы", "Вам", "Вас", "Ваш"), ("ты", "тебе", "твой")),
        ("uk", ("Ви", "Вам", "Вас", "Ваш"), ("ти", "тобі", "твій")),
        ("tr", ("Sizin", "sizden", "size"), ("sen", "sana", "senin")),
        ("sv", ("du", "dig", "ditt"), ("Ni", "Er", "Ert")),
    ],
)
def test_one_form_of_address_is_kept(
    knowledge: Knowledge, language: str, formal: tuple[str, ...], familiar: tuple[str, ...]
) -> None:
    words = " ".join(knowledge.templates[language].texts()).replace(".", " ").split()
    assert any(word in words for word in formal)
    assert not [word for word in familiar if word in words]
