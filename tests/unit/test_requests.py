"""Thanks, requests for a person, and mails that somebody shows: what is recognised, and what is not."""

import pytest

from bot.answering.reply import compose_reply
from bot.app import App
from bot.commands.public_json import name_decision, response_json
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Message,
    Refusal,
    Response,
    Role,
    Turn,
)
from bot.policy import (
    asks_if_genuine,
    only_thanks,
    wants_person,
    without_quotes,
)

THANKS = [
    "Thank you, that explains everything.\n\nBest regards\nAnn Sample\nHead of IT\n+44 20 7946 0011",
    "Danke schön, damit sind meine Fragen beantwortet.\n\nViele Grüße\nUwe Muster",
    "Merci beaucoup pour votre réponse, c'est très clair.\n\nCordialement\nLuc",
    "Muchas gracias, todo aclarado. ¡Buen día!",
    "Grazie per la risposta, è tutto chiaro.",
    "Obrigado pela ajuda, ficou claro.",
    "Bedankt voor je snelle antwoord!",
    "Dziękuję za pomoc, wszystko jasne.",
    "ご回答ありがとうございました。理解しました。",
    "谢谢您的帮助，我明白了。",
    "답변 감사합니다. 잘 이해했습니다.",
    "जवाब देने के लिए धन्यवाद।",
    "شكرا جزيلا على المساعدة.",
    "ok",
    "Perfect, cheers!",
    "👍",
    "Got it, thanks Julia 🙏",
    "No more questions from my side, thanks again.",
]
NOT_ONLY_THANKS = [
    "Thanks, but were my chats exposed?",
    "Thanks. One more thing: please remove me from the list.",
    "Thanks for nothing, I still don't know whether my address leaked.",
    "Thanks in advance",
    "Danke, aber das hilft mir nicht.",
    "Danke.\nBitte löschen Sie mein Konto",
    "Merci de me rappeler",
    "Gracias, pero sigo con dudas.",
    "ありがとうございます。ですが、まだ不安です。",
    "谢谢，不过我还有一个问题",
    "감사합니다만 아직 모르겠습니다.",
    "धन्यवाद, लेकिन मुझे और जानना है।",
    "شكرا لكن لدي سؤال آخر",
    "Thanks\nDelete my data",
    "Best regards\nAnn",
    "yes",
    "no",
    "👎",
    "",
    "Thanks \ud800",
]
PERSON_WANTED = [
    "person",
    "Hello,\n\nperson\n\nAnn Sample",
    '"Person" please',
    "I want to talk to a real human being.",
    "Stop these bots and let someone from your team call me.",
    "I don't want an automated answer. Were keys exposed?",
    "Get me your supervisor.",
    "Please ring me back on +44 20 7946 0022.",
    "Ich möchte mit einem Menschen sprechen, nicht mit einem Roboter.",
    "Je souhaite parler à un conseiller.",
    "Quisiera hablar con una persona.",
    "Vorrei parlare con un operatore umano.",
    "Preciso de falar com um atendente.",
    "Ik wil een medewerker spreken.",
    "Chciałbym porozmawiać z konsultantem.",
    "担当者と話したいです。",
    "我想找人工客服。",
    "상담원 연결해 주세요.",
    "मुझे एक असली इंसान से बात करनी है।",
    "أريد التحدث مع موظف.",
    "Хочу поговорить с оператором.",
]
NO_PERSON_WANTED = [
    "Was any person's address in the file?",
    "Which person do I contact about billing?",
    "Did a human read my chats?",
    "Can your support staff see my password?",
    "I spoke to a person yesterday, and she said that keys were safe.",
    "Will somebody phone me if I am affected?",
    "My manager asks whether our keys leaked.",
    "A caller said that he is an agent of yours. Is that so?",
    "We run a bot on the API. Is its key affected?",
    "Call me paranoid, but are my prompts safe?",
    "Ann Sample\nManager",
    "Wie viele Personen sind betroffen?",
    "Hat ein Mitarbeiter meine Chats gelesen?",
    "Combien de personnes sont touchées ?",
    "¿Cuántas personas están afectadas?",
    "私の個人情報は含まれていますか。",
    "有多少人受影响？",
]
HEAD = "From: OpenAI <alerts@openai-mail.example>\nSubject: Your account\n"
DEMAND = "Please reply with your password and your API key to keep your account."
SHOWN = [
    f"FYI\n\n---------- Forwarded message ---------\n{HEAD}\n{DEMAND}",
    f"Begin forwarded message:\n\n{HEAD}\n{DEMAND}",
    f"Is this from you?\n\n-----Original Message-----\n{HEAD}\n{DEMAND}",
    "Ist das von Ihnen?\n\nVon: OpenAI <a@mail.example>\nBetreff: Konto\n\nSenden Sie Ihr Passwort.",
    f"What is this?\n\nthey show us:\n{HEAD}\n{DEMAND}",
    "Is the attached mail from you?",
    "Is this screenshot of a mail genuine?",
    "I got this link, is it safe? https://openai-mail.example/login",
    'I got this text message: "Your account is locked, go to openai-mail.example now". Is it real?',
    "Ist diese Nachricht von Ihnen?",
    "Cet e-mail vient-il de vous ?",
    "このメールは本物ですか。",
]


def respond(app: App, text: str, *earlier: str, subject: str = "") -> Response:
    history = tuple(Turn(role=Role.USER, text=each) for each in earlier)
    return app.responder.respond(Message(text=text, history=history, subject=subject))


# --- 8: a text that asks nothing -------------------------------------------------------------------


@pytest.mark.parametrize("text", THANKS)
def test_thanks_close_silently_without_reply_or_case(app: App, text: str) -> None:
    response = respond(app, text, "Were API keys exposed?")
    assert response.outcomes == ()
    made = response_json(response, compose_reply(response, app.knowledge))
    assert (made["decision"], made["reply"], made["parts"]) == ("silent", "", [])


@pytest.mark.parametrize("text", NOT_ONLY_THANKS)
def test_thanks_with_anything_else_are_no_mere_thanks(text: str) -> None:
    assert not only_thanks(text)


@pytest.mark.parametrize("subject", ["Re: Were API keys exposed?", "Thank you", "", "AW: Frage"])
def test_thanks_close_under_the_subject_of_a_reply(app: App, subject: str) -> None:
    assert respond(app, "Thanks!", subject=subject).outcomes == ()


@pytest.mark.parametrize("subject", ["Were API keys exposed?", "My key leaked", "Call me back"])
def test_thanks_below_a_question_in_the_subject_close_nothing(app: App, subject: str) -> None:
    assert respond(app, "Thanks!\nAnn", subject=subject).outcomes


def test_a_cry_for_help_among_thanks_is_heard(app: App) -> None:
    (outcome,) = respond(app, "Thank you. I will kill myself.").outcomes
    assert outcome.reason is EscalationReason.DANGER


@pytest.mark.parametrize(
    "text",
    [
        "Please call me back.\n\nAnn Sample\nTel. +44 20 7946 0033",
        "Case number: AB0054321",
        "My ticket is 1234-567.",
        "+49 30 7654321",
        "org-ZyXwVu0987654321",
        "Ann Sample\nHead of IT\nT +44 20 7946 0044",
        "Invoice R-2025-17 attached.",
        "Kundennummer 998877",
        "27.11.2025 10:00",
    ],
)
def test_what_asks_for_nothing_forbidden_goes_to_a_person_and_is_not_refused(
    app: App, text: str
) -> None:
    outcomes = respond(app, text).outcomes
    assert outcomes
    assert all(isinstance(o, Escalation) for o in outcomes)


# --- 16: a person --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", PERSON_WANTED)
def test_who_asks_for_a_person_gets_one(app: App, text: str) -> None:
    response = respond(app, text)
    assert name_decision(response) == "escalate"
    assert EscalationReason.WANTS_PERSON in {o.reason for o in response.outcomes}
    assert not any(isinstance(o, Answer) for o in response.outcomes)
    told = compose_reply(response, app.knowledge)
    templates = app.knowledge.templates[response.language]
    assert templates.handover in told
    assert app.outbound.check(told).allowed


@pytest.mark.parametrize("text", NO_PERSON_WANTED)
def test_who_only_speaks_of_people_asks_for_none(text: str) -> None:
    assert not wants_person(text)


def test_nothing_automatic_follows_in_that_conversation(app: App) -> None:
    response = respond(app, "Were API keys exposed?", "person")
    assert {o.reason for o in response.outcomes} == {EscalationReason.WANTS_PERSON}
    assert response.outcomes[0].candidates
    assert compose_reply(response, app.knowledge) == ""


def test_a_demand_is_refused_though_a_person_is_wanted(app: App) -> None:
    outcomes = respond(app, "Let me talk to a human. And send me my API key.").outcomes
    assert any(isinstance(o, Refusal) for o in outcomes)
    assert any(o.reason is EscalationReason.WANTS_PERSON for o in outcomes)
    assert not any(isinstance(o, Answer) for o in outcomes)


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "it", "pt", "nl", "pl", "ja", "zh", "ko", "hi", "ar", "ru", "tr", "sv", "uk"])  # fmt: skip
def test_the_word_that_each_footer_names_is_read(app: App, language: str) -> None:
    footer = app.knowledge.templates[language].footer
    assert "person" in footer
    assert wants_person("person")


# --- 15: mails that they show us -----------------------------------------------------------------


@pytest.mark.parametrize("text", SHOWN)
def test_who_shows_a_suspicious_mail_gets_the_rules_of_the_post(app: App, text: str) -> None:
    (outcome,) = respond(app, text).outcomes
    assert isinstance(outcome, Answer)
    assert outcome.reason is AnswerReason.PHISHING_SAMPLE
    rules = ("does not request", "with caution", "Double-check")
    assert any(rule in p.text for p in outcome.passages for rule in rules)


@pytest.mark.parametrize("text", SHOWN[:5])
def test_the_words_of_a_shown_mail_are_not_the_askers(text: str) -> None:
    own = without_quotes(text)
    assert "password" not in own.lower()
    assert "passwort" not in own.lower()


def test_a_question_beside_a_shown_mail_is_answered_itself(app: App) -> None:
    text = f"Were API keys exposed?\n\n---------- Forwarded message ---------\n{HEAD}\n{DEMAND}"
    (outcome,) = respond(app, text).outcomes
    assert isinstance(outcome, Answer)
    assert any("API keys" in p.text for p in outcome.passages)


def test_our_word_for_a_link_is_still_refused(app: App) -> None:
    text = "Just confirm that https://openai-mail.example is safe, a simple yes is enough."
    (outcome,) = respond(app, text).outcomes
    assert isinstance(outcome, Refusal)


@pytest.mark.parametrize(
    "text",
    [
        "Were API keys exposed?",
        "Is it safe to go on with ChatGPT?",
        "Is my account safe?",
        "Ist mein Konto sicher?",
        "Was my email address in the file?",
        "Is it true that passwords leaked?",
    ],
)
def test_a_question_of_the_incident_asks_for_no_word_on_a_mail(text: str) -> None:
    assert not asks_if_genuine(text)
