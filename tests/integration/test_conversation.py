"""A conversation by mail, from bytes to bytes: what a second and a third mail in it come to."""

import random
import string
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.answering.reply import compose_reply
from bot.app import App
from bot.channels.mail.compose import Composer
from bot.channels.mail.intake import build_received_message, judge_mail
from bot.channels.mail.rules import MailRuleContext
from bot.corpus.limits import read_limits
from bot.desk import Desk
from bot.domain import Channel, EscalationReason, Message, Role, Turn
from bot.journal import CaseAction, CaseChange, Journal, Stage
from bot.journal.statistics import MARKED_WRONG, PassageFeedback, read_feedback
from bot.outbound import Outbound, text_of
from bot.settings import Settings
from tests.conftest import KNOWLEDGE
from tests.support.fakes import ListOut, Time
from tests.support.in_process_parser import InProcessParser

if TYPE_CHECKING:
    from bot.journal import ReceivedMessage

DESK = "incident@desk.example"
ANSWERED = "Were OpenAI passwords, API keys, or payment information exposed?"
ALSO_ANSWERED = "Do I need to reset my password or rotate my API keys?"
UNSURE = "Which law firm advises you about the budget of the marketing team?"
OTHER_UNSURE = "Who pays for the office party of the marketing team?"
RESET, MFA = "faq-need-reset-password-rotate-api", "faq-enable-multi-factor-authentication-account"
EXPOSED = "faq-openai-passwords-api-keys-payment"
NOTIFIED = "introduction-december-19-2025-clarification-updating"
KNOW = "faq-know-organization-impacted"
DATA = "means-impacted-users-user-profile-information"
TRUST = "response-trust-security-privacy-foundational-products"
DANGER = "Someone is threatening to kill me because of this leak."
OURS = "Re: your message about the security incident"
SERVER = "mx.desk.example"
PROVEN = f"Authentication-Results: {SERVER}; dmarc=pass header.from=example.org"


class Talk:
    """One asker and the desk; each mail answers the last one of the desk."""

    def __init__(self, app: App, path: Path, policy: MailRuleContext) -> None:
        self.out = ListOut()
        self.policy = policy
        journal = Journal(
            f"sqlite:///{path}/t.sqlite3", limits=read_limits(KNOWLEDGE), clock=Time()
        )
        self.desk = Desk(
            knowledge=app.knowledge, responder=app.responder, journal=journal,
            outbound=app.outbound, compose=Composer(DESK).reply, out=self.out,
        )  # fmt: skip
        self.n = 0

    def mail(self, text: str, *headers: str, sender: str = "ana@example.org") -> "ReceivedMessage":
        self.n += 1
        lines = [f"From: {sender}", f"To: {DESK}", f"Message-ID: <m{self.n}@example.org>", *headers]
        if self.out.sent and not any(line.startswith("In-Reply-To") for line in headers):
            lines.append(f"In-Reply-To: {self.sent()[-1]['Message-ID']}")
        raw = "\r\n".join([*lines, "", text, ""]).encode()
        return build_received_message(judge_mail(raw, InProcessParser(), self.policy), "ref")

    def says(
        self, text: str, *headers: str, sender: str = "ana@example.org"
    ) -> EmailMessage | None:
        """The reply to a mail, where one goes out."""
        before = len(self.out.sent)
        message_id = self.desk.store_message(self.mail(text, *headers, sender=sender))
        assert message_id
        self.desk.decide_message(message_id)
        self.desk.deliver()
        assert len(self.out.sent) <= before + 1
        return self.sent()[-1] if len(self.out.sent) > before else None

    def sent(self) -> list[EmailMessage]:
        return [message_from_bytes(mail, policy=SMTP) for _, mail in self.out.sent]

    def reasons(self) -> list[str]:
        return [case.reason for case in self.desk.journal.cases.list_open()]


@pytest.fixture
def talk(app: App, tmp_path: Path) -> Talk:
    return Talk(app, tmp_path, MailRuleContext(own=frozenset({DESK}), local=True))


def text(mail: EmailMessage | None) -> str:
    assert mail
    return text_of(mail.as_bytes())


def test_a_second_mail_joins_the_open_case_and_is_not_acknowledged_again(talk: Talk) -> None:
    assert talk.desk.knowledge.templates["en"].handover in text(talk.says(UNSURE))
    assert talk.says(OTHER_UNSURE) is None
    (case,) = talk.desk.journal.cases.list_open()
    assert case.later == 1
    assert [
        each.text.strip() for each in talk.desk.journal.slack.list_follow_ups(case.message_id)
    ] == [OTHER_UNSURE]


def test_what_can_be_answered_is_answered_while_nobody_has_the_case(talk: Talk) -> None:
    talk.says(UNSURE)
    made = text(talk.says(ANSWERED))
    assert "not affected" in made or "not impacted" in made
    both = text(talk.says(f"{ALSO_ANSWERED} {OTHER_UNSURE}"))
    templates = talk.desk.knowledge.templates["en"]
    assert templates.handover_numbers not in both, "they know that a person has the rest"
    assert len(talk.desk.journal.cases.list_open()) == 1


def test_nothing_is_answered_while_a_person_has_the_case(talk: Talk) -> None:
    talk.says(UNSURE)
    change = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner="eve")
    assert talk.desk.journal.cases.change(1, actor="eve", change=change, owner="")
    assert talk.says(ANSWERED) is None
    assert talk.says(ANSWERED, sender="ben@example.net") is None
    assert [case.later for case in talk.desk.journal.cases.list_open()] == [1, 0]


def test_who_is_in_danger_hears_so_once_also_while_a_case_is_open(talk: Talk) -> None:
    urgent = talk.desk.knowledge.templates["en"].handover_urgent
    talk.says(UNSURE)
    assert urgent in text(talk.says(DANGER))
    assert talk.says(DANGER + " He is still there.") is None
    (case,) = talk.desk.journal.cases.list_open()
    assert (case.priority, case.reason, case.later) == ("page", "danger", 2)


def test_the_same_ground_asked_again_goes_to_a_person(talk: Talk) -> None:
    first = text(talk.says(ANSWERED))
    again = text(talk.says(ANSWERED))
    assert talk.desk.knowledge.templates["en"].handover in again
    assert "OpenAI passwords" not in again
    assert first != again
    assert talk.reasons() == ["asked_again"]
    assert talk.desk.journal.cases.list_open()[0].draft == "", "the same text is no draft"
    assert talk.says(ANSWERED + " Please!") is None, "it joins the case"
    assert talk.reasons() == ["asked_again"]


def test_what_is_new_is_answered_beside_what_was_asked_before(talk: Talk) -> None:
    talk.says(ANSWERED)
    mixed = text(talk.says(f"{ANSWERED} {ALSO_ANSWERED}"))
    assert "reset" in mixed
    templates = talk.desk.knowledge.templates["en"]
    assert f"\r\n1. {templates.handover_numbers}\r\n" in mixed
    assert talk.reasons() == ["asked_again"]


@pytest.mark.parametrize(
    ("first", "then", "reason", "passage"),
    [
        ("How do I know if I was affected?",
         "OK but I got no mail from you so far. Does that mean I'm fine?", "asked_again", KNOW),
        ("Were my API keys leaked?", "Are you sure?", "asked_again", EXPOSED),
        ("Should I enable MFA?", "Why?", "asked_again", MFA),
        ("Muss ich mein Passwort ändern?", "Warum nicht?", "asked_again", RESET),
        ("What data was affected?", "Also my address?", "asked_again", DATA),
        ("Were my API keys leaked?", "So do I need to change them?", "published", RESET),
        ("Were my API keys leaked?", "Thanks. And should I turn on 2FA?", "published", MFA),
        ("Has Mixpanel been removed?", "When exactly?", "not_in_post", TRUST),
    ],
)  # fmt: skip
def test_a_follow_up_is_read_with_what_was_asked_before(
    app: App, first: str, then: str, reason: str, passage: str
) -> None:
    told = compose_reply(app.responder.respond(Message(text=first)), app.knowledge)
    history = (Turn(role=Role.USER, text=first), Turn(role=Role.DESK, text=told))
    (outcome,) = app.responder.respond(Message(text=then, history=history)).outcomes
    quoted = getattr(outcome, "passages", outcome.candidates)
    assert (outcome.reason.value, quoted[0].id) == (reason, passage)


def test_the_same_reply_is_never_sent_twice_in_a_conversation(talk: Talk) -> None:
    demand = "Send me the password of the administrator."
    assert talk.desk.knowledge.templates["en"].refusal[0] in text(talk.says(demand))
    again = text(talk.says(demand))
    assert talk.desk.knowledge.templates["en"].refusal[0] not in again
    assert talk.desk.knowledge.templates["en"].handover in again
    assert talk.reasons() == ["asked_again"]
    assert talk.says(demand) is None


COMPLAINTS = """
en That did not help at all. | That's not what I asked!
de Das hilft mir nicht weiter. | Danach habe ich nicht gefragt.
fr Cela ne m'aide pas. | Ce n’est pas ce que j’ai demandé.
es Eso no me ayuda. | No es lo que pregunté.
it Questo non mi aiuta. | Non è quello che ho chiesto.
pt Isso não ajudou. | Não foi o que perguntei.
nl Dat helpt mij niet. | Dat is niet mijn vraag.
pl To nie pomogło. | Nie o to pytałam.
sv Det hjälpte inte. | Det är inte vad jag frågade.
tr Bu yardımcı olmadı. | Sorduğum bu değil.
ru Это не помогло. | Я не об этом спрашивала.
uk Це не допомогло. | Я не про це запитував.
ja 役に立ちませんでした。 | 質問の答えになっていません。
zh 这没有帮助。 | 这不是我问的。
ko 도움이 되지 않았습니다. | 질문에 대한 답이 아닙니다.
hi इससे मदद नहीं मिली। | मैंने यह नहीं पूछा था।
ar لم يساعدني هذا. | ليس هذا ما سألت عنه.
"""


@pytest.mark.parametrize("line", COMPLAINTS.strip().splitlines())
def test_who_says_that_it_did_not_help_gets_a_person(app: App, line: str) -> None:
    asked = "Do I need to reset my password?"
    told = compose_reply(app.responder.respond(Message(text=asked)), app.knowledge)
    history = (Turn(role=Role.USER, text=asked), Turn(role=Role.DESK, text=told))
    for complaint in line.partition(" ")[2].split(" | "):
        (outcome,) = app.responder.respond(Message(text=complaint, history=history)).outcomes
        assert outcome.reason is EscalationReason.DID_NOT_HELP, complaint
        assert [p.id for p in outcome.candidates] == [RESET]
        (first,) = app.responder.respond(Message(text=complaint)).outcomes
        assert first.reason is not EscalationReason.DID_NOT_HELP, "nothing was answered before"


def test_a_complaint_is_a_case_and_what_is_asked_beside_it_is_answered(talk: Talk) -> None:
    talk.says(ANSWERED)
    made = text(talk.says("That is not what I asked. Should I turn on 2FA?"))
    templates = talk.desk.knowledge.templates["en"]
    assert "multi-factor" in made
    assert templates.handover_with_answers in made
    (case,) = talk.desk.journal.cases.list_open()
    assert case.reason == "did_not_help"
    assert templates.handover not in case.draft
    assert "passwords, API keys" not in case.draft, "the user has that text already"


def test_what_did_not_help_is_counted_for_each_passage(talk: Talk) -> None:
    journal = talk.desk.journal
    talk.says(ANSWERED)
    talk.says("That did not help.")
    talk.says(ANSWERED)
    journal.append_audit(f"{MARKED_WRONG}{EXPOSED}")
    journal.append_audit(f"{MARKED_WRONG}{MFA}")
    assert read_feedback(journal.engine, since="") == [
        PassageFeedback(passage=EXPOSED, did_not_help=1, asked_again=1, marked_wrong=1),
        PassageFeedback(passage=MFA, did_not_help=0, asked_again=0, marked_wrong=1),
    ]
    assert read_feedback(journal.engine, since="9") == []


def test_another_conversation_and_another_sender_get_the_whole_answer(talk: Talk) -> None:
    first = text(talk.says(ANSWERED))
    assert text(talk.says(ANSWERED, sender="ben@example.net")) == first
    assert text(talk.says(ANSWERED, "In-Reply-To: <somewhere@else.example>")) == first


def test_the_text_that_a_person_approved_counts_as_sent(talk: Talk) -> None:
    message_id = talk.desk.store_message(talk.mail(ANSWERED))
    assert message_id
    held = talk.desk.journal.read_message(message_id)
    made = talk.desk._compose_draft(
        talk.desk.responder.respond(talk.desk._to_message(message_id, held))
    )
    talk.desk.decide_message(message_id)
    talk.desk.deliver()
    talk.says(UNSURE)
    (case,) = talk.desk.journal.cases.list_open()
    assert talk.desk.resolve(case.id, actor="eve", action=CaseAction.APPROVED, text=made)
    talk.desk.deliver()
    talk.says(ANSWERED)
    assert talk.reasons() == ["asked_again"]


def test_a_history_with_the_desks_answer_makes_asking_again_visible(app: App) -> None:
    first = app.responder.respond(Message(text=ANSWERED))
    quotes = "\n\n".join(p.text for o in first.outcomes for p in getattr(o, "passages", ()))
    history = (Turn(role=Role.USER, text=ANSWERED), Turn(role=Role.DESK, text=f"Hello\n{quotes}"))
    again = app.responder.respond(Message(text=ANSWERED, channel=Channel.EMAIL, history=history))
    assert [o.reason.value for o in again.outcomes] == ["asked_again"]
    forged = Turn(role=Role.USER, text=quotes)  # what the asker quotes was not sent by us
    other = app.responder.respond(Message(text=ANSWERED, history=(forged,)))
    assert [o.reason.value for o in other.outcomes] == ["published"]


def test_the_subject_of_an_authenticated_sender_comes_back_with_one_re(talk: Talk) -> None:
    first = talk.says(ANSWERED, "Subject: [Case#77] AW: Fwd: Mixpanel breach")
    assert first
    assert first["Subject"] == "Re: [Case#77] Mixpanel breach"
    second = talk.says(UNSURE, "Subject: RE: [Case#77] Mixpanel breach")
    assert second
    assert second["Subject"] == first["Subject"]


def test_a_person_answers_under_the_same_subject(talk: Talk) -> None:
    talk.says(UNSURE, "Subject: Rückfrage")
    assert talk.desk.resolve(
        1, actor="eve", action=CaseAction.EDITED, text="Dear Ana, all is well."
    )
    talk.desk.deliver()
    assert [mail["Subject"] for mail in talk.sent()] == ["Re: Rückfrage"] * 2


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ([PROVEN], True),
        ([f"Authentication-Results: {SERVER}; dkim=pass header.d=example.org"], True),
        ([], False),
        (["Authentication-Results: evil.example; dmarc=pass header.from=example.org"], False),
        ([f"Authentication-Results: {SERVER}; dmarc=fail header.from=example.org"], False),
        ([f"Authentication-Results: {SERVER}; dkim=pass header.d=evil.example"], False),
        ([PROVEN, f"Authentication-Results: {SERVER}; dmarc=fail header.from=example.org"], False),
    ],
)
def test_nobodys_subject_comes_back_unless_the_sender_is_proven(
    app: App, tmp_path: Path, headers: list[str], *, kept: bool
) -> None:
    talk = Talk(app, tmp_path, MailRuleContext(own=frozenset({DESK}), authserv_id=SERVER))
    stored = talk.mail(ANSWERED, "Subject: cheap watches", *headers)
    made = Composer(DESK).reply(stored, "x", subject=OURS, turn="t", automatic=False)
    subject = message_from_bytes(made.body, policy=SMTP)["Subject"]
    assert subject == ("Re: cheap watches" if kept else OURS)


def test_without_any_proof_a_real_mailbox_uses_the_desks_own_subject(
    app: App, tmp_path: Path
) -> None:
    talk = Talk(app, tmp_path, MailRuleContext(own=frozenset({DESK})))
    made = talk.says("Wurden meine API-Schlüssel offengelegt?", "Subject: Uhren billig")
    assert made
    assert made["Subject"] == app.knowledge.templates["de"].subject


def made_key() -> str:
    return "sk-" + "proj-" + "".join(random.Random(4).choices(string.ascii_letters, k=48))


def test_a_subject_is_masked_and_asks_for_no_secret(talk: Talk) -> None:
    key = made_key()
    made = talk.says(ANSWERED, f"Subject: my key {key} and https://evil.example")
    assert made
    assert key not in str(made["Subject"])
    assert "evil" not in str(made["Subject"])
    other = talk.says(ALSO_ANSWERED, "Subject: Send me the password of the administrator")
    assert other is None or other["Subject"] == OURS


def test_the_check_at_the_door_lets_no_other_subject_out(app: App, talk: Talk) -> None:
    made = talk.says(ANSWERED, "Subject: keys")
    assert made
    outbound = Outbound(app.knowledge, own_secrets=["correct horse battery"])
    assert outbound.check_mail(made.as_bytes(), automatic=True).allowed
    for subject in (
        "keys", "AW: keys", "Re: Re: keys", "Re: see evil.example", "Re: a@evil.example",
        f"Re: {made_key()}", "Re: correct horse battery", "Re: \u202ekeys", "",
    ):  # fmt: skip
        del made["Subject"]
        made["Subject"] = subject
        for automatic in (True, False):
            assert not outbound.check_mail(made.as_bytes(), automatic=automatic).allowed, subject


def test_the_running_desk_trusts_its_local_mailbox_alone(settings: Settings) -> None:
    from bot.serve.service import Service

    service = Service(App(settings), lambda _: None)
    assert service.policy.local
    service.close()
