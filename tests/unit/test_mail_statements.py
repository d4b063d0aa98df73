"""What programs say in free wording is held, and what people say of programs is answered."""

from email.message import EmailMessage
from pathlib import Path

import pytest
import yaml

from bot.channels.mail.parse import parse
from bot.channels.mail.rules import MailRuleContext, MailVerdict, Ruling, apply_rules

MAILS = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "mail" / "free_wording.yaml").read_text(encoding="utf-8")
)
POLICY = MailRuleContext(own=frozenset({"desk@x.example"}))
FEW = 0.03  # of programs' mails may be taken for a person's


def judged(subject: str, body: str, sender: str = "Kim Berg <k.berg@example.net>") -> Ruling:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, "desk@x.example", subject
    mail["Message-ID"] = "<a1@example.net>"
    mail.set_content(body + "\n")
    return apply_rules(parse(mail.as_bytes()), POLICY)


def test_programs_in_free_wording_get_no_reply() -> None:
    answered = [
        row for row in MAILS["programs"] if judged(row["subject"], row["body"]).verdict == "answer"
    ]
    assert len(answered) <= FEW * len(MAILS["programs"]), answered


def test_people_who_speak_of_programs_are_answered() -> None:
    rulings = [(row, judged(row["subject"], row["body"])) for row in MAILS["people"]]
    assert [each for each in rulings if each[1].verdict is not MailVerdict.ANSWER] == []


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("担当の方", "機械の返事ではなく、人と話したいです。"),
        ("A human please", "Please no automated mail. I prefer a human who answers."),
        ("Bitte ein Mensch", "Ich will keine automatische Antwort, sondern einen Mitarbeiter."),
        ("Una persona", "Quiero hablar con una persona en lugar de una respuesta automática."),
        ("मेरा खाता", "मुझे आपकी सूचना मिल गयी है। मेरा ग्राहक नंबर 100200 है।"),
    ],
)
def test_who_wants_a_person_instead_of_a_program_is_answered(subject: str, body: str) -> None:
    assert judged(subject, body).verdict is MailVerdict.ANSWER


FORMS = {
    "de": "Name: Kim Berg\nE-Mail: kim@example.org\n\nNachricht:\nWurde mein Name kopiert?\n\n-- \nGesendet über das Kontaktformular von https://www.example.net",
    "en": "From: Kim Berg <kim@example.org>\nSubject: Incident\n\nMessage Body:\nWas my name copied?\n\n-- \nThis e-mail was sent from a contact form on Example",
    "fr": "Nom : Kim Berg\nCourriel : kim@example.org\nMessage : Mon nom a-t-il été copié ?",
    "es": "Nombre: Kim Berg\nCorreo: kim@example.org\nMensaje: ¿Se copió mi nombre?",
    "pl": "Imię: Kim Berg\nE-mail: kim@example.org\nTreść: Czy skopiowano moje imię?",
    "ja": "お名前：Kim Berg\nメール：kim@example.org\nお問い合わせ内容：名前は含まれていましたか？",
    "zh": "姓名：Kim Berg\n邮箱：kim@example.org\n留言：我的名字被复制了吗？",
    "ru": "Имя: Kim Berg\nE-mail: kim@example.org\nСообщение: Скопировано ли моё имя?",
}


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("sender", ["WordPress <wordpress@example.net>", "Site <web@example.net>"])
def test_a_forms_mail_without_the_persons_reply_to_is_held(sender: str, body: str) -> None:
    assert judged("New message", body, sender).verdict is MailVerdict.HOLD


@pytest.mark.parametrize(
    "body",
    [
        "Was my name copied?\n\nKim Berg\nTel: 000 000\nWeb: https://www.example.net",
        "Was my name copied?\n\nKim Berg\nTel: 000 000\nE-mail: kim@example.org",
        "Name: Kim Berg\nE-mail: k.berg@example.net\nQuestion: Was my name copied?",
        "Is this mail yours?\n\nFrom: it@example.org\nDate: today\nMessage-ID: <k@example.org>",
        "I filled in your contact form a week ago. Was my name copied?",
    ],
)
def test_fields_that_a_person_writes_of_himself_are_no_forms(body: str) -> None:
    assert judged("Question", body).verdict is MailVerdict.ANSWER
