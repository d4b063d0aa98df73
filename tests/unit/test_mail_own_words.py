"""Our own reply comes back in every mail program's way, and is never taken for the asker's words."""

import html
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from bot.answering.reply import compose_reply
from bot.app import App
from bot.channels.mail.intake import question_text
from bot.channels.mail.parse import ParsedMail, parse
from bot.corpus import Knowledge, load
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Message,
    Outcome,
    Priority,
    Refusal,
    RefusalReason,
    Response,
)

FOLDER = Path(__file__).parents[2] / "knowledge"
LANGUAGES = sorted(path.stem for path in (FOLDER / "replies").glob("*.yaml"))
ASKED = "Thanks. Was my phone number in the data as well?"
DESK = "desk@desk.example"


@cache
def knowledge() -> Knowledge:
    return load(FOLDER)


def reply(language: str = "en") -> str:
    """A reply of ours with an answer, a refusal and a hand-over."""
    passages = tuple(
        knowledge().passages[name] for name in list(knowledge().passages) if name.startswith("faq-")
    )
    outcomes: tuple[Outcome, ...] = (
        Answer(
            question="q", reason=AnswerReason.PUBLISHED, probability=1.0,
            passages=passages[:2], candidates=(),
        ),
        Refusal(question="q", reason=RefusalReason.SECRET, probability=0.0, candidates=()),
        Escalation(
            question="q", reason=EscalationReason.UNSURE, priority=Priority.NORMAL,
            probability=0.0, candidates=(),
        ),
    )  # fmt: skip
    response = Response(outcomes=outcomes, language=language, knowledge="k")
    return compose_reply(response, knowledge())


def wrapped(text: str, width: int, mark: str = "") -> str:
    """Wrapped like a mail program does it, each new line with its mark."""
    lines = (textwrap.wrap(line, width) or [""] for line in text.split("\n"))
    return "\n".join(f"{mark}{line}" for each in lines for line in each)


def half_marked(text: str) -> str:
    """Quoted first and wrapped after, so that only the first of each line's pieces has a mark."""
    lines = (textwrap.wrap(f"> {line}", 70) or [">"] for line in text.split("\n"))
    return "\n".join(line for each in lines for line in each)


BLOCK = {
    "en": "From: {d}\nSent: Thursday, November 27, 2025 10:00 AM\nTo: Ana Example\nSubject: Re: yours\n",
    "de": "Von: {d}\nGesendet: Donnerstag, 27. November 2025 10:00\nAn: Ana Example\nBetreff: AW: Ihre\n",
    "fr": "De : {d}\nEnvoyé : jeudi 27 novembre 2025 10:00\nÀ : Ana Example\nObjet : RE: votre\n",
    "uk": "Від: {d}\nНадіслано: четвер, 27 листопада 2025 р. 10:00\nКому: Ana\nТема: Re: ваше\n",
    "sv": "Från: {d}\nSkickat: den 27 november 2025 10:00\nTill: Ana\nÄmne: Sv: ert\n",
    "tr": "Kimden: {d}\nGönderildi: 27 Kasım 2025 Perşembe 10:00\nKime: Ana\nKonu: Ynt: sizin\n",
    "ar": "من: {d}\nتم الإرسال: الخميس، 27 نوفمبر 2025 10:00\nإلى: Ana\nالموضوع: رد: رسالتك\n",
    "th": "จาก: {d}\nส่งเมื่อ: 27 พฤศจิกายน 2025 10:00\nถึง: Ana\nเรื่อง: Re: your\n",
    "ja": "差出人: {d}\n送信日時: 2025年11月27日 10:00\n宛先: Ana\n件名: Re: ご連絡\n",
    "id": "Dari: {d}\nDikirim: Kamis, 27 November 2025 10.00\nKepada: Ana\nSubjek: Re: pesan\n",
}
ATTRIBUTIONS = [
    f"On Thu, Nov 27, 2025 at 10:00 AM <{DESK}> wrote:",
    f"Am 27.11.25 um 10:00 schrieb {DESK}:",
    f"Dana 27. stu 2025. u 11:00 <{DESK}> napisao je:",
    f"Vào Th 5, 27 thg 11, 2025 vào lúc 17:00 <{DESK}> đã viết:",
    f"Четверг, 27 ноября 2025, 10:00 +03:00 от Desk <{DESK}>:",
    "Incident Desk said:",
    "Incident Desk hat am Donnerstag geschrieben:",
    f"-----{DESK} schrieb: -----",
    "",
]
STYLES: dict[str, Callable[[str], str]] = {
    "marked": lambda text: "\n".join(f"> {line}" for line in text.split("\n")),
    "twice marked": lambda text: "\n".join(f">> {line}" for line in text.split("\n")),
    "initials": lambda text: "\n".join(f"ID> {line}" for line in text.split("\n")),
    "bare": lambda text: text,
    "bars": lambda text: "\n".join(f"| {line}" for line in text.split("\n")),
    "wrapped at 60": lambda text: wrapped(text, 60, "> "),
    "wrapped bare at 40": lambda text: wrapped(text, 40),
    "half marked": half_marked,
    "one line": lambda text: " ".join(text.split()),
    "no empty lines": lambda text: "\n".join(line for line in text.split("\n") if line),
}


def mail(body: str, subject: str = "Re: your message", kind: str = "text/plain") -> ParsedMail:
    head = (
        f"From: Ana <ana@example.org>\nTo: {DESK}\nSubject: {subject}\nMessage-ID: <1@example.org>\n"
        f"In-Reply-To: <r.1@desk.example>\nContent-Type: {kind}; charset=utf-8\n\n"
    )
    return parse((head + body).encode(), knowledge().own_words)


@pytest.mark.no_cover
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_our_reply_quoted_back_is_not_the_askers(language: str, style: str) -> None:
    quoted = STYLES[style](reply(language))
    found = mail(f"{ASKED}\n\nOn Nov 27, 2025 at 10:00 <{DESK}> wrote:\n\n{quoted}\n")
    assert found.visible == ASKED
    assert found.quotes_us


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize("style", ["bare", "half marked", "marked"])
def test_our_reply_is_known_below_any_attribution(attribution: str, style: str) -> None:
    assert mail(f"{ASKED}\n\n{attribution}\n\n{STYLES[style](reply())}").visible == ASKED


@pytest.mark.parametrize("rule", ["", "_" * 32, "-----Original Message-----", "---- Reply ----"])
@pytest.mark.parametrize("language", BLOCK)
def test_our_reply_is_known_below_copied_headers_in_any_language(language: str, rule: str) -> None:
    block = BLOCK[language].format(d=DESK)
    assert mail(f"{ASKED}\n\n{rule}\n{block}\n{reply()}").visible == ASKED
    table = "\n".join(f"| {line.replace(':', ' |', 1)} |" for line in block.strip().split("\n"))
    assert mail(f"{ASKED}\n\n{rule}\n{table}\n{reply('de')}").visible == ASKED


def page(text: str) -> str:
    return "".join(f"<div>{html.escape(line) or '<br>'}</div>" for line in text.split("\n"))


@pytest.mark.parametrize(
    "frame",
    [
        "<hr><div id=divRplyFwdMsg><b>From:</b> {d}<br><b>Sent:</b> Thursday 10:00<br><b>To:</b> Ana</div><div>{q}</div>",
        "<div class=gmail_quote><div class=gmail_attr>On 27 Nov 2025 {d} wrote:<br></div><blockquote>{q}</blockquote></div>",
        "<div id=ydp1yahoo_quoted_1><div>On Thursday, {d} wrote:</div>{q}</div>",
        "<hr id=zwchr><div><b>De: </b>{d}<br><b>À: </b>ana<br><b>Envoyé: </b>27 Novembre 2025 11:00<br></div>{q}",
        "<table><tr><td>From</td><td>{d}</td></tr><tr><td>Date</td><td>11/27/2025 10:00</td></tr></table>{q}",
        "<div>Gesendet: Donnerstag, 27. November 2025 um 10:00 Uhr<br>Von: {d}<br>An: ana<br>Betreff: Re</div>{q}",
        "<blockquote type=cite>{q}</blockquote>",
        "{q}",
    ],
)
@pytest.mark.parametrize("language", ["en", "ja", "ar", "fr"])
def test_our_reply_is_known_in_html_of_any_program(language: str, frame: str) -> None:
    body = f"<p>{ASKED}</p>" + frame.format(d=DESK, q=page(reply(language)))
    assert mail(body, kind="text/html").visible == ASKED


@pytest.mark.parametrize("style", [name for name in STYLES if name != "one line"])
@pytest.mark.parametrize("language", ["en", "de", "zh", "hi"])
def test_a_question_below_our_reply_is_the_askers(language: str, style: str) -> None:
    quoted = STYLES[style](reply(language))
    found = mail(f"On 27 Nov 2025 at 10:00, {DESK} wrote:\n{quoted}\n\n{ASKED}\n")
    assert found.visible == ASKED
    assert mail(f"{quoted}\n\n{ASKED}\n").visible == ASKED


@pytest.mark.parametrize("style", ["marked", "bare", "wrapped at 60", "bars"])
def test_questions_between_the_lines_of_our_reply_are_the_askers(style: str) -> None:
    lines = reply().split("\n\n")
    between = ["Does that include invoices?", "And my phone number?"]
    body = "\n\n".join([
        STYLES[style]("\n\n".join(lines[:3])), between[0],
        STYLES[style]("\n\n".join(lines[3:5])), between[1],
        STYLES[style]("\n\n".join(lines[5:])),
    ])  # fmt: skip
    found = mail(f"See below.\n\nFrom: {DESK}\nSent: Thursday 27 November 2025\nTo: Ana\n\n{body}")
    assert [line for line in found.visible.split("\n") if line] == ["See below.", *between]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_about_our_pasted_reply_is_the_askers(language: str) -> None:
    asked = "Your desk sent me what stands below. Does it mean that my prompts are safe?"
    assert mail(f"{asked}\n\n{reply(language)}", "What is this?").visible == asked


def test_one_sentence_of_the_post_within_a_question_stays() -> None:
    own = knowledge().own_words
    sentence = next(p for name, p in knowledge().passages.items() if "passwords" in p.heading).text
    for asked in (
        f'You write "{sentence}" - is that so for keys of an organisation?',
        f"Is it true that {sentence[4:].rstrip('.')}?",
        knowledge().post.passages[-5].heading,
    ):
        assert own.without(asked) == asked


def test_a_question_in_the_words_of_a_heading_above_our_reply_stays() -> None:
    heading = next(p.heading for p in knowledge().post.passages if p.heading.endswith("?"))
    assert mail(f"{heading}\n\n{STYLES['marked'](reply())}").visible == heading


def test_paragraphs_of_the_post_that_are_pasted_are_not_the_askers() -> None:
    passages = [p.text for p in knowledge().post.passages[3:6]]
    asked = "Does this mean that my invoices are safe?"
    assert knowledge().own_words.without("\n\n".join([*passages, asked])) == asked
    # Without a question beside them they are all that the asker says.
    assert knowledge().own_words.without("\n\n".join(passages)) == "\n\n".join(passages)


@pytest.mark.parametrize(
    "style", [name for name in STYLES if name != "initials"], ids=lambda name: name
)
def test_a_reply_of_ours_pasted_into_a_message_of_any_channel_is_never_refused(
    app: App, style: str
) -> None:
    asked = "Your bot sent me this. Were my API keys exposed?"
    for text in (f"{asked}\n\n{STYLES[style](reply())}", f"{STYLES[style](reply())}\n\n{asked}"):
        response = app.responder.respond(Message(text=text))
        assert [type(o) for o in response.outcomes] == [Answer], text
        assert "keys exposed" in response.outcomes[0].question


def test_a_message_of_nothing_but_our_reply_goes_to_a_person(app: App) -> None:
    response = app.responder.respond(Message(text=reply()))
    assert [o.reason for o in response.outcomes] == [EscalationReason.NO_QUESTION]


def test_nothing_but_our_reply_asks_nothing() -> None:
    found = mail(f"On 27 Nov 2025 at 10:00, {DESK} wrote:\n{STYLES['marked'](reply())}")
    assert (found.visible, question_text(found)) == ("", "")


@pytest.mark.parametrize(
    "above",
    [
        "##- Please type your reply above this line -##\n\nAna (Example)\nNov 27, 2025, 10:00 GMT\n\n{q}\n\n--------------------------\ndesk\nNov 27, 2025, 09:00 GMT\n\n",
        "{q}\n\n-----------------------------------------------\ndesk, Nov 27, 2025, 09:00 GMT:\n\n",
        "{q}\n\n=== Please reply above this line ===\n\nComment by desk (desk@desk.example) on 27/Nov/25 9:00 AM:\n",
        "{q}\n\n2025-11-27 09:00:12 GMT - Incident Desk                Additional comments\n",
        '{q}\n\n------------------ 原始邮件 ------------------\n发件人: "desk" <desk@desk.example>;\n发送时间: 2025年11月27日(星期四) 晚上6:00\n收件人: "ana"<ana@example.org>;\n主题: Re: your message\n\n',
    ],
)
def test_our_reply_is_known_in_a_ticket_systems_copy(above: str) -> None:
    found = mail(above.format(q=ASKED) + reply())
    assert ASKED in found.visible
    assert "automated desk" not in found.visible
    assert found.visible.count("?") == 1


def test_our_reply_is_known_as_often_as_it_stands_in_a_long_text() -> None:
    own = knowledge().own_words
    text = STYLES["half marked"](reply())
    assert own.without(text * 60) == ""
    assert len(own.stretches(f"{ASKED}\n" + f"{text}\n{ASKED}\n" * 50)) == 50


def test_a_reply_that_went_out_before_its_wording_changed_is_still_ours() -> None:
    passage = knowledge().passages["response-trust-security-privacy-foundational-products"]
    assert knowledge().heading_of(passage) != passage.heading
    for language, t in knowledge().templates.items():
        said = f"2. {passage.heading}\n    {passage.text}"
        old = "\n\n".join([t.greeting, t.answer_lead, said, *t.earlier, t.footer])
        assert knowledge().own_words.without(f"{ASKED}\n\n{old}") == ASKED, language
