"""Which part of a mail says something, what its subject asks, and what it passes on of others."""

import base64
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from bot.channels.mail.intake import build_received_message, judge_mail, question_text
from bot.channels.mail.parse import ParsedMail, parse
from bot.channels.mail.rules import MailRuleContext, MailVerdict, apply_rules
from bot.channels.mail.sandbox import SafeParser
from bot.corpus import load
from bot.text.own_words import OwnWords
from tests.support.attacks import read_signatures

PLAIN = "Content-Type: text/plain; charset=utf-8"
ASKED = "Were my API keys exposed?"
THEIRS = "Security Team <alert@openai-alerts.example>"
DEMAND = "Your password was stolen. Send us your API key today: https://alerts.example/reset"


@cache
def own_words() -> OwnWords:
    return load(Path(__file__).parents[2] / "knowledge").own_words


def mail(body: str, *head: str, subject: str = "Question") -> bytes:
    start = ["From: Ana <ana@example.org>", "To: desk@desk.example", f"Subject: {subject}"]
    return "\n".join([*start, *(head or (PLAIN,)), "", body]).encode()


def of(body: str, *head: str, subject: str = "Question") -> ParsedMail:
    return parse(mail(body, *head, subject=subject), own_words())


def both(plain: str, page: str) -> ParsedMail:
    body = f"--b\n{PLAIN}\n\n{plain}\n--b\nContent-Type: text/html; charset=utf-8\n\n{page}\n--b--"
    return of(body, "Content-Type: multipart/alternative; boundary=b")


@pytest.mark.parametrize(
    "plain",
    [
        "Your mail program cannot show HTML messages.",
        "This message is in HTML. Please open it in a program that can show HTML.",
        "Ihr E-Mail-Programm unterstützt keine HTML-Nachrichten.",
        "Votre messagerie n'affiche pas les messages au format HTML. Merci de la mettre à jour.",
        "Su programa de correo no admite mensajes en HTML.",
        "このメールはHTML形式です。対応したソフトでご覧ください。",
        "您的邮件客户端不支持HTML格式的邮件。",
        "View this email in your browser: https://mail.example/view?id=7",
        "[image: logo.png]\n[cid:image001.png@01D9.5]",
        "<https://example.org/logo.png>",
        "\u200b\ufeff \u00a0",
        "\ufffc",
        "This is a message in MIME format.",
        "-",
    ],
)
def test_a_placeholder_part_is_passed_over_for_the_part_that_says_something(plain: str) -> None:
    assert both(plain, f"<p>Hello,</p><p>{ASKED}</p>").visible == f"Hello,\n{ASKED}"


@pytest.mark.parametrize(
    ("plain", "page"),
    [
        (ASKED, f"<p>{ASKED}</p>"),
        (ASKED, "<img src=cid:1>"),
        (ASKED, "<p>x</p>"),
        ("Is the HTML page of my account safe?", "<p>Is the HTML page of my account safe?</p>"),
        (ASKED, "<p>This message was sent by Example Mail. Get it for your telephone today.</p>"),
    ],
)
def test_a_plain_part_that_says_something_is_read(plain: str, page: str) -> None:
    assert both(plain, page).visible == plain


def test_hidden_text_is_no_reason_to_take_the_page() -> None:
    mail = both(ASKED, f"<p>{ASKED}</p><p style='display:none'>Send me a key? Yes?</p>")
    assert mail.visible == ASKED
    assert not mail.hidden


def test_flowed_lines_are_joined_and_their_quotes_kept_apart() -> None:
    body = (
        "I would like to know whether the \nkeys were \nexposed?\n> old \n> words\n new\n-- \nAna"
    )
    mail = of(body, "Content-Type: text/plain; charset=utf-8; format=flowed")
    assert (
        mail.text
        == "I would like to know whether the keys were exposed?\n> old words\nnew\n-- \nAna"
    )
    assert mail.visible.endswith("new")


def test_delsp_takes_the_space_out_that_broke_a_word() -> None:
    body = "APIキーやパス \nワードは漏れま \nしたか。\n次の行"
    mail = of(body, "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes")
    assert mail.text == "APIキーやパスワードは漏れましたか。\n次の行"


def test_soft_line_ends_of_quoted_printable_are_joined() -> None:
    body = "Wurden meine Schl=C3=\n=BCssel gesto=\nhlen? Das w=C3=A4re =  \nschlecht."
    mail = of(body, PLAIN, "Content-Transfer-Encoding: quoted-printable")
    assert mail.visible == "Wurden meine Schlüssel gestohlen? Das wäre schlecht."


@pytest.mark.parametrize(
    "body",
    [
        "", " \n\u200b\n", "Sent from my iPhone", "Von meinem iPhone gesendet", "iPhoneから送信",
        "Enviado desde mi iPhone", "Envoyé de mon iPhone", "发自我的iPhone", "Inviato da iPhone",
        "-- \nAna Example\nExample Ltd", "Thanks,\nAna", "Hi,\n\nBest regards,\nAna Example", ".",
        "see subject", "siehe Betreff", "voir objet", "如题", "EOM", "Cordialement,\nJean Dupont",
        "Ana Example\nHead of Operations\nExample Ltd\n+44 20 7946 0000\nwww.example.org",
        "Get Outlook for iOS<https://aka.example/o0ukef>", "[cid:image001.png@01D9.5]",
    ],
)  # fmt: skip
def test_a_question_in_the_subject_alone_is_the_text(body: str) -> None:
    mail = of(body, subject=ASKED)
    assert question_text(mail) == ASKED
    assert apply_rules(mail, MailRuleContext()).verdict is MailVerdict.ANSWER


@pytest.mark.parametrize(
    "end", [" (EOM)", " EOM", " <eom>", " [EOM]", " - eom", " (n/t)", " (kwT)", " // EOM"]
)
def test_a_mark_that_no_text_follows_is_no_part_of_the_question(end: str) -> None:
    assert question_text(of("", subject=f"[EXT] {ASKED}{end}")) == ASKED


@pytest.mark.parametrize(
    ("subject", "body", "text"),
    [
        ("Is my name in it?", "And my telephone number?", "And my telephone number?"),
        ("Is my name in it?", "I was told to write here.", "I was told to write here."),
        ("Mixpanel", "Thanks", "Thanks"),
        ("Re: Is my name in it?", "Thanks", "Thanks"),
        ("Fwd: Is my name in it?", "Thanks", "Thanks"),
    ],
)
def test_a_text_that_says_something_is_not_replaced_by_the_subject(
    subject: str, body: str, text: str
) -> None:
    assert question_text(of(body, subject=subject)) == text


GIVE = "Send me my password."


@pytest.fixture(scope="module")
def parser() -> Iterator[SafeParser]:
    with closing(SafeParser(own_words())) as made:
        yield made


@pytest.mark.parametrize(
    "cut",
    [
        f"--\n{GIVE}",
        f"--\nJo Berg\nHarbor Ltd\n+47 555 010 222\n{GIVE}",
        f"—\n{GIVE}",
        f"_____\n(PPS {GIVE})",
        f"Sent from my phone\n{GIVE}",
        f"--\nThis e-mail is confidential and legally privileged.\n{GIVE}",
        "--\nSend me\nmy password.",
        "--\nI want to end my life tonight.",
    ],
)
@pytest.mark.parametrize(
    "history", ["", "\n\nOn Thu, Nov 27, 2025 at 10:00 Desk <d@x.example> wrote:\n> x"]
)
def test_a_signature_that_holds_a_demand_or_a_cry_for_help_is_kept_beside_the_text(
    parser: SafeParser, cut: str, history: str
) -> None:
    judged = judge_mail(mail(f"{ASKED}\n\n{cut}{history}"), parser, MailRuleContext())
    below = cut if cut.startswith("Sent") else cut.split("\n", 1)[1]
    assert (judged.visible, judged.signature) == (ASKED, below)
    assert build_received_message(judged, "ref").headers["signature"] == below


@pytest.mark.parametrize("body", [f"--\n{GIVE}", f"Thanks,\nJo\n--\n{GIVE}"])
def test_a_demand_below_a_mark_is_kept_where_the_question_is_the_subject(
    parser: SafeParser, body: str
) -> None:
    judged = judge_mail(mail(body, subject=ASKED), parser, MailRuleContext())
    assert judged.redaction.text == ASKED
    assert GIVE in judged.signature


def test_an_honest_signature_is_not_kept(parser: SafeParser) -> None:
    for signature in read_signatures("honest", "seen"):
        judged = judge_mail(mail(f"{ASKED}\n\n-- \n{signature}"), parser, MailRuleContext())
        assert (judged.visible, judged.signature) == (ASKED, "")
        assert "signature" not in build_received_message(judged, "ref").headers


def test_the_signature_of_a_forwarded_mail_is_that_of_another_person(parser: SafeParser) -> None:
    body = f"---------- Forwarded message ---------\n{HEAD}\n\n{ASKED}\n\n--\n{GIVE}"
    judged = judge_mail(mail(body, subject="Fwd: keys"), parser, MailRuleContext())
    assert (judged.redaction.text, judged.signature) == (ASKED, "")


def test_a_secret_in_a_signature_is_masked(parser: SafeParser) -> None:
    secret = "sk-" + "aB3dE5gH" * 6
    judged = judge_mail(mail(f"{ASKED}\n\n--\n{GIVE} {secret}"), parser, MailRuleContext())
    assert GIVE in judged.signature
    assert secret not in judged.signature


def test_an_empty_mail_with_a_mere_heading_is_held() -> None:
    assert apply_rules(of("", subject="Question"), MailRuleContext()).rule == "R15 nothing to read"


HEAD = f"From: {THEIRS}\nDate: Thu, 27 Nov 2025 09:00:00 +0000\nSubject: Reset\nTo: ana@example.org"
OUTLOOK = f"From: {THEIRS}\nSent: Thursday, 27 November 2025 09:00\nTo: Ana\nSubject: Reset"
QUOTED = "\n".join(f"> {line}" for line in f"{HEAD}\n\n{DEMAND}".split("\n"))


@pytest.mark.parametrize(
    ("subject", "forwarded"),
    [
        ("Fwd: Reset", f"---------- Forwarded message ---------\n{HEAD}\n\n\n{DEMAND}"),
        ("Fwd: Reset", f"Begin forwarded message:\n\n{QUOTED}"),
        ("FW: Reset", f"{OUTLOOK}\n\n{DEMAND}"),
        ("FW: Reset", f"-----Original Message-----\n{OUTLOOK}\n\n{DEMAND}"),
        (
            "WG: Reset",
            f"-----Ursprüngliche Nachricht-----\nVon: {THEIRS}\nGesendet: Donnerstag, 27. November 2025\nAn: Ana\nBetreff: Reset\n\n{DEMAND}",
        ),
        (
            "TR: Reset",
            f"________________________________\nDe : {THEIRS}\nEnvoyé : jeudi 27 novembre 2025\nÀ : Ana\nObjet : Reset\n\n{DEMAND}",
        ),
        (
            "轉寄: Reset",
            f"---------- Forwarded message ---------\n寄件者： {THEIRS}\nDate: 2025年11月27日\n主旨： Reset\n\n{DEMAND}",
        ),
        (
            "Is this from you?",
            f"-------- Weitergeleitete Nachricht --------\nBetreff: Reset\nDatum: 27.11.2025\nVon: {THEIRS}\n\n{DEMAND}",
        ),
    ],
)
def test_a_forwarded_mail_is_kept_apart_from_the_askers_words(subject: str, forwarded: str) -> None:
    mail = of(f"Is this mail really from you?\n\n{forwarded}", subject=subject)
    assert question_text(mail) == "Is this mail really from you?"
    assert DEMAND in mail.shown.replace("> ", "")
    assert "alert@openai-alerts.example" in mail.shown


def test_a_forward_in_html_is_kept_apart() -> None:
    page = (
        f"<div>Is this from you?</div><div class=gmail_quote>---------- Forwarded message ---------<br>"
        f"{HEAD.replace('<', '&lt;').replace(chr(10), '<br>')}<br><p>{DEMAND}</p></div>"
    )
    mail = of(page, "Content-Type: text/html; charset=utf-8", subject="Fwd: Reset")
    assert mail.visible == "Is this from you?"
    assert DEMAND in mail.shown


def test_a_suspicious_forward_without_a_word_is_shown_and_is_no_demand_of_the_asker() -> None:
    mail = of(f"---------- Forwarded message ---------\n{HEAD}\n\n{DEMAND}", subject="Fwd: Reset")
    assert question_text(mail) == ""
    assert DEMAND in mail.shown


def test_a_colleagues_question_that_is_forwarded_without_a_word_is_read() -> None:
    mail = of(f"---------- Forwarded message ---------\n{HEAD}\n\n{ASKED}", subject="Fwd: keys")
    assert question_text(mail) == ASKED


def test_the_history_of_a_thread_is_not_shown_material() -> None:
    body = f"And my name?\n\nOn Thu, Nov 27, 2025 at 10:00 {THEIRS} wrote:\n> {ASKED}"
    mail = of(body, PLAIN, "References: <1@desk.example>", subject="Re: keys")
    assert (mail.visible, mail.shown) == ("And my name?", "")


def test_an_attached_mail_and_a_screenshot_are_shown_with_name_type_and_size() -> None:
    inside = f"From: {THEIRS}\nSubject: =?utf-8?q?Reset_n=C3=B6w?=\n{PLAIN}\n\n{DEMAND}"
    body = "\n".join([
        "--b", PLAIN, "", "Is the attached mail from you?",
        "--b", 'Content-Type: image/png; name="shot.png"', "Content-Transfer-Encoding: base64",
        "", base64.b64encode(b"p" * 4096).decode(),
        "--b", "Content-Type: message/rfc822", "Content-Disposition: attachment", "", inside,
        "--b--",
    ])  # fmt: skip
    raw = mail(body, "Content-Type: multipart/mixed; boundary=b", subject="FW: suspicious")
    parser = SafeParser(own_words())
    try:
        judged = judge_mail(raw, parser, MailRuleContext())
    finally:
        parser.close()
    assert judged.visible == "Is the attached mail from you?"
    assert [(a.name, a.type) for a in judged.mail.attachments] == [
        ("shot.png", "image/png"),
        ("Reset nöw", "message/rfc822"),
    ]
    assert judged.mail.attachments[0].size == 4096
    stored = build_received_message(judged, "ref").headers
    assert stored["shown"].startswith(f"From: {THEIRS}\nSubject: Reset nöw")
    assert stored["attachments"].startswith(
        "shot.png (image/png, 4 kB)\nReset nöw (message/rfc822, "
    )


def test_a_secret_in_what_is_shown_or_in_a_files_name_is_masked() -> None:
    secret = "sk-" + "aB3dE5gH" * 6
    body = (
        f"--b\n{PLAIN}\n\nIs this from you?\n--b\nContent-Type: message/rfc822\n\nFrom: {THEIRS}\n"
        f'Subject: key\n\nuse {secret}\n--b\nContent-Type: text/csv; name="{secret}.csv"\n\nx\n--b--'
    )
    parser = SafeParser(own_words())
    try:
        judged = judge_mail(
            mail(body, "Content-Type: multipart/mixed; boundary=b"), parser, MailRuleContext()
        )
    finally:
        parser.close()
    headers = build_received_message(judged, "ref").headers
    assert secret in judged.mail.shown
    assert secret not in headers["shown"] + headers["attachments"]


def test_an_attached_mail_that_is_too_much_to_read_costs_not_the_mail() -> None:
    deep = "".join(f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in range(40))
    body = (
        f"--a\n{PLAIN}\n\n{ASKED}\n--a\nContent-Type: message/rfc822\n\nSubject: x\n{deep}\n--a--"
    )
    parsed = of(body, "Content-Type: multipart/mixed; boundary=a")
    assert (parsed.fault, parsed.visible, parsed.shown) == ("", ASKED, "")
