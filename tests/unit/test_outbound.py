import codecs
import random
import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from functools import cache, partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answering.reply import (
    compose_reply,
    format_passage,
    format_passage_with_heading,
    source_lines,
    subject_of,
)
from bot.app import App
from bot.channels.mail.compose import Composer
from bot.corpus import Knowledge
from bot.corpus.links import unlisted
from bot.domain import ExpectedTime, Message, Priority, Response, SecretKind
from bot.outbound import CANARY, Outbound
from bot.outbound.grammar import fold_spaces
from bot.outbound.self_check import build_escalation, find_stopped_replies
from bot.settings import Settings
from evals.generators.tampering import reply
from tests.support.desk_messages import received
from tests.support.growth import assert_in_proportion, repeated

SECRET = (
    "imap_password",
    "smtp_password",
    "slack_bot_token",
    "slack_app_token",
    "slack_signing_secret",
    "OPENAI_API_KEY",
)
ADDRESSES = (("postgresql+psycopg", "database"), ("https", "chroma"))


@pytest.fixture(scope="module")
def outbound(knowledge: Knowledge) -> Outbound:
    return Outbound(knowledge)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes.",
        "No.",
        "Please send us your password so that we can verify your account.",
        "Hello,\n\nYes.",
        "Hello,\n\nsee https://openai-verify.example/login",
        "Were my API keys exposed?",
        "Some users of ChatGPT who submitted tickets through the help center or were logged into platform.api.com may have been impacted.",
        "OpenAI does not request passwords, API keys, or verification codes through email, text, or chat. Send them here.",
        "Passwords were not affected",
    ],
)
def test_what_must_not_leave(outbound: Outbound, text: str) -> None:
    check = outbound.check(text)
    assert not check.allowed
    assert check.why


def test_every_quotable_passage_may_leave_with_its_companion(
    outbound: Outbound, knowledge: Knowledge
) -> None:
    never = knowledge.notes.replaced
    for passage in knowledge.post.passages:
        ids = [passage.id, *knowledge.companions([passage.id])]
        text = "\n\n".join(format_passage(knowledge.passages[i]) for i in ids)
        assert outbound.check(text).allowed is (passage.id not in never)


def test_a_passage_without_its_companion_stays(outbound: Outbound, knowledge: Knowledge) -> None:
    name = "response-part-security-investigation-removed-mixpanel"
    check = outbound.check(knowledge.passages[name].text)
    assert "together" in check.why


def test_dropping_one_not_stops_a_passage(outbound: Outbound, knowledge: Knowledge) -> None:
    text = knowledge.passages["faq-need-reset-password-rotate-api"].text
    assert outbound.check(text).allowed
    assert not outbound.check(text.replace("not affected", "affected")).allowed


@pytest.mark.no_cover
def test_everything_the_desk_composes_may_leave(app: App) -> None:
    texts = [w.text for w in app.knowledge.wordings]
    for text in texts[:: len(texts) // 200]:
        response = app.responder.respond(Message(text=text))
        check = app.outbound.check(compose_reply(response, app.knowledge))
        assert check.allowed, (text, check.why)


@pytest.mark.no_cover  # it repeats what shorter tests cover; tracing would double its time
@settings(max_examples=300)
@given(st.text(min_size=1, max_size=200))
def test_no_text_of_an_asker_may_leave(text: str) -> None:
    outbound = shipped_outbound()
    assert not outbound.check(text).allowed or fold_spaces(text) in outbound.grammar.units


@cache
def shipped_outbound() -> Outbound:
    """Made once for all examples: a fixture may not be used beside generated ones."""
    from bot.corpus import load
    from tests.conftest import KNOWLEDGE

    return Outbound(load(KNOWLEDGE))


@pytest.mark.no_cover
@pytest.mark.parametrize("piece", ["a", "(", "Hello, ", "x "])
def test_a_long_or_nested_text_is_refused_and_costs_no_more_than_its_size(
    outbound: Outbound, piece: str
) -> None:
    def prepare(size: int) -> Callable[[], object]:
        return partial(outbound.check, repeated(piece, size))

    longer, longest = 5_000_000, outbound.grammar.longest
    assert "longer than any reply" in outbound.check(repeated(piece, longer)).why
    assert not outbound.check(repeated(piece, longest)).allowed
    assert_in_proportion(prepare, longer)
    assert_in_proportion(prepare, longest)


def test_units_stand_where_a_reply_has_them(outbound: Outbound, knowledge: Knowledge) -> None:
    t = knowledge.templates["en"]
    one = knowledge.passages["faq-need-reset-password-rotate-api"]
    other = knowledge.passages["faq-enable-multi-factor-authentication-account"]
    update = knowledge.passages["introduction-december-19-2025-clarification-updating"]
    said, source = format_passage(one), source_lines(t, knowledge.post, [one])
    first, second = (
        format_passage_with_heading(knowledge, one),
        format_passage_with_heading(knowledge, other),
    )
    within = t.answer_within[ExpectedTime.ONE_DAY]
    good = [t.greeting, t.answer_lead, first, t.handover_with_answers, within, source, t.footer]
    case = f"{t.case_number} 12"
    numbered = [f"1. {first}", f"3. {second}", f"2. {t.handover_numbers}", case]
    for text in (
        good,
        numbered,
        [t.greeting, t.handover, case, t.footer],
        [said, source],
        [second],
    ):
        assert outbound.check("\n\n".join(text)).allowed, text
    wrong = {
        "heading of another": (
            [f"{one.heading} {format_passage(other)}"],
            [f"{first} {format_passage(other)}"],
        ),
        "without its question": (
            [t.greeting, format_passage(other)],
            [t.greeting, first, t.refusal[0], format_passage(other), t.footer],
        ),
        "has not the dates": (
            [said, source_lines(t, knowledge.post, [update])],
            [said, source.replace(",", ", 2025-12-19,", 1)],
            [source],
        ),
        "twice": ([said, said], [said, one.text]),
        "several languages": (
            [t.greeting, said, knowledge.templates["de"].footer],
            [said, source_lines(knowledge.templates["fr"], knowledge.post, [one]), t.footer],
        ),
        "not stand as in a reply": (
            [one.heading],
            [one.heading, source],
            [said, one.heading],
            [t.answer_lead, one.heading, t.footer],
            [source, said],
            [said, source, format_passage(update)],
            [said, source.removesuffix(knowledge.post.url)],
            [said, knowledge.post.url],
            [said, source, t.handover],
            [t.greeting, t.greeting],
            [t.footer, t.greeting],
            [t.footer, said],
            [t.handover, t.handover_urgent],
            [t.handover, said],
            [t.refusal[0], t.answer_lead],
            [t.refusal[0], first],
            [said, t.greeting],
            [said, t.answer_lead],
            [t.secret_kinds[SecretKind.PASSWORD].join(["    - ", ""])],
            [t.secret_found, said],
            [within],
            [t.case_number],
        ),
        "numbers are not": (
            [f"1. {first}"],
            [f"1. {first}", second, f"3. {t.handover_numbers}"],
            [f"2. {first}", f"1. {second}"],
            [f"1. {first}", f"1. {second}"],
            [f"1, 2. {first}", f"2. {t.handover_numbers}"],
            [f"1. {first}", f"3, 2. {t.handover_numbers}"],
        ),
        "no whole template": (
            [f"01. {first}", f"2. {second}"],
            [t.handover, f"{t.case_number} 012"],
            [t.handover, f"{t.case_number} 1234567"],
            [t.handover, t.case_number, f"12 {t.footer[:9]}"],
        ),
    }
    for why, texts in wrong.items():
        for text in texts:
            check = outbound.check("\n\n".join(text))
            assert not check.allowed, text
            assert why in check.why, (text, check.why)


def test_a_reply_names_no_case_but_its_own(outbound: Outbound, knowledge: Knowledge) -> None:
    outcomes = (build_escalation(Priority.NORMAL),)
    response = Response(outcomes=outcomes, language="en", knowledge="")
    text = compose_reply(response, knowledge, case_number=12)
    assert f"{knowledge.templates['en'].case_number} 12\n" in text
    assert [outbound.check(text, case_number=n).allowed for n in (None, 12, 13, 0)] == [
        True, True, False, False,
    ]  # fmt: skip
    assert outbound.check(compose_reply(response, knowledge), case_number=12).allowed
    assert knowledge.templates["en"].case_number not in compose_reply(response, knowledge, 10**6)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_not_one_character_can_be_changed(
    outbound: Outbound, knowledge: Knowledge, language: str
) -> None:
    """Removed, doubled or another one, at every place of a reply; white space alone may change."""
    footer, drawn = knowledge.templates[language].footer, random.Random(6)
    text = next(t for t in iter(lambda: reply(knowledge, drawn), "") if footer in t)
    assert outbound.check(text).allowed
    for place, char in enumerate(text):
        for put in ("", char * 2, "x" if char != "x" else "y"):
            changed = text[:place] + put + text[place + 1 :]
            same = fold_spaces(changed) == fold_spaces(text)
            assert outbound.check(changed).allowed is same, (place, char, put)


def test_two_replies_are_no_reply(outbound: Outbound, knowledge: Knowledge) -> None:
    drawn = random.Random(5)
    for _ in range(50):
        one, two = reply(knowledge, drawn), reply(knowledge, drawn)
        assert outbound.check(one).allowed
        assert outbound.check(two).allowed
        assert not outbound.check(f"{one}\n{two}").allowed


@pytest.mark.parametrize(
    "odd", ["\u200b", "\u202e", "\u2066", "\u00ad", "\ufeff", "\U000e0041", "\x00", "\x1b", "α"]
)
def test_a_character_that_no_approved_text_has(
    outbound: Outbound, knowledge: Knowledge, odd: str
) -> None:
    text = knowledge.passages["faq-need-reset-password-rotate-api"].text
    for place in (0, 20, len(text)):
        check = outbound.check(text[:place] + odd + text[place:])
        assert check.why == f"it holds U+{ord(odd):04X}, which is in no approved text"


def test_a_look_alike_letter_of_another_reply_language_is_stopped(
    outbound: Outbound, knowledge: Knowledge
) -> None:
    text = knowledge.passages["faq-need-reset-password-rotate-api"].text
    assert "\u0430" in knowledge.templates["ru"].footer
    assert not outbound.check(text.replace("a", "\u0430", 1)).allowed


def test_the_desks_own_secrets_are_known_in_any_disguise(knowledge: Knowledge) -> None:
    secret = "".join(random.Random(8).choices(string.ascii_letters + string.digits, k=32))
    outbound = Outbound(knowledge, [secret, "passwords", "abc", "", "\udcff" * 9])
    plain = reply(knowledge, random.Random(1))
    assert outbound.check(plain).allowed  # "passwords" and "abc" are no secrets
    raw = secret.encode()
    disguises = [
        secret,
        secret.upper(),
        secret[::-1],
        codecs.encode(secret, "rot13"),
        raw.hex(),
        raw.hex(":").upper(),
        "-".join(secret),
        " ".join(secret),
        secret[5:19],
        *(b64encode(b"x" * before + raw + b"y" * 5).decode() for before in range(6)),
        urlsafe_b64encode(raw).decode(),
    ]
    for text in disguises:
        assert outbound.check(f"{plain}\n{text}").why == "it holds a secret of the desk", text
        assert "secret" not in Outbound(knowledge).check(f"{plain}\n{text}").why


def test_what_is_set_is_what_must_not_be_said(knowledge: Knowledge) -> None:
    made = {name: f"{name}-{random.Random(name).randrange(10**12)}" for name in SECRET}
    database, chroma = (f"{scheme}://u:{name}-9f8e7d6c5b@db/x" for scheme, name in ADDRESSES)
    settings = Settings(**made, database_url=database, chroma_url=chroma)  # type: ignore[arg-type]
    app = App(settings.model_copy(update={"knowledge": knowledge.folder}))
    told = [*made.values(), *(f"{name}-9f8e7d6c5b" for _, name in ADDRESSES)]
    assert sorted(settings.secrets) == sorted(told)
    for secret in told:
        assert app.outbound.check(f"Hello,\n\n{secret}").why == "it holds a secret of the desk"
    assert Settings(chroma_url="http://[broken").secrets == ()


def test_a_text_that_repeats_a_prompt_is_known(outbound: Outbound) -> None:
    for text in (CANARY, CANARY[4:16], b64encode(b"x" + CANARY.encode()).decode()):
        assert outbound.check(f"Hello,\n\n{text}").why == "it holds a secret of the desk"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See https://openai.com/index/mixpanel-incident.", ()),
        ("platform.openai.com or https://platform.openai.com/", ()),
        ("write to mixpanelincident@openai.com, on 2025-11-26, November 9, 2025", ()),
        (
            "See https://openai.com/index/mixpanel-incidents",
            ("https://openai.com/index/mixpanel-incidents",),
        ),
        (
            "http://openai.com/index/mixpanel-incident",
            ("http://openai.com/index/mixpanel-incident",),
        ),
        ("https://openai.com/", ("https://openai.com/",)),
        ("https://openai.com@evil.example/x", ("https://openai.com@evil.example/x",)),
        ("javascript:alert(1)", ("javascript:alert(1",)),
        ("tel:5550143", ("tel:5550143",)),
        ("help@openai.com", ("help@openai.com",)),
        ("evil.example", ("evil.example",)),
        ("Call +1 (202) 555-0143 now", ("+1 (202) 555-0143",)),
        ("Call 0800 1234567", ("0800 1234567",)),
        ("٠١٢٣٤٥٦٧٨", ("٠١٢٣٤٥٦٧٨",)),
        ("at 192.168.100.200", ("192.168.100.200",)),
        ("<b>now</b>", ("<b>", "</b>")),
        ("<!channel> hi", ("<!channel>",)),
        ("<@U012AB>", ("<@U012AB>",)),
        ("[here](x)", ("](",)),
        ("&#x61; &amp;", ("&#x61;", "&amp;")),
    ],
)
def test_what_leads_a_reader_somewhere(
    knowledge: Knowledge, text: str, found: tuple[str, ...]
) -> None:
    assert unlisted(text, knowledge.notes) == found


def test_an_approved_text_that_leads_elsewhere_is_stopped_and_warned_of(
    knowledge: Knowledge,
) -> None:
    assert not any("replies/" in warning for warning in knowledge.warnings)
    english = knowledge.templates["en"]
    spoilt = replace(
        knowledge,
        templates={"en": english.model_copy(update={"footer": "Call +1 202 555 0143."})},
        post=replace(knowledge.post, url="https://openai.com/other"),
    )
    check = Outbound(spoilt).check("Call +1 202 555 0143.")
    assert check.why == "an address, link or number is not listed: +1 202 555 0143"
    assert "en: an address, link or number is not listed" in next(
        find_stopped_replies(Outbound(spoilt))
    )
    assert any("replies/en.yaml names +1 202" in warning for warning in spoilt.warnings)
    assert any("own link https://openai.com/other" in warning for warning in spoilt.warnings)


def test_every_kind_of_reply_may_leave_and_templates_that_do_not_fit_are_named(
    knowledge: Knowledge,
) -> None:
    assert list(find_stopped_replies(Outbound(knowledge))) == []
    english = knowledge.templates["en"]
    for name in ("greeting", "answer_lead", "handover"):
        alike = english.model_copy(update={name: english.footer})
        spoilt = replace(knowledge, templates={"en": alike})
        assert all(line.startswith("en: ") for line in find_stopped_replies(Outbound(spoilt)))
        assert next(find_stopped_replies(Outbound(spoilt))), name


def mail(knowledge: Knowledge, text: str = "") -> EmailMessage:
    """A reply as the desk makes it."""
    text = text or reply(knowledge, random.Random(2))
    made = Composer("incident@desk.example", links=knowledge.notes.links).reply(
        received("x"), text, subject=subject_of("en", knowledge), turn="desk", automatic=True
    )
    return message_from_bytes(made.body, policy=SMTP)


def say(made: EmailMessage, text: str, charset: str = "utf-8") -> None:
    made.clear_content()
    made.set_content(text)
    made.replace_header("Content-Type", f'text/plain; charset="{charset}"')


def say_more(part: MIMEPart) -> None:
    part.set_content(str(part.get_content()).replace("</p>", "!</p>", 1), subtype="html")
    del part["MIME-Version"]


def html_part(made: EmailMessage) -> MIMEPart:
    part = made.get_body(("html",))
    assert part is not None
    return part


def test_a_finished_mail_is_read_again(outbound: Outbound, knowledge: Knowledge) -> None:
    drawn = random.Random(4)
    for templates in knowledge.templates.values():
        made = (reply(knowledge, drawn) for _ in range(1000))
        text = next(text for text in made if templates.footer in text)
        assert outbound.check_mail(mail(knowledge, text).as_bytes(), automatic=True).allowed


def test_a_changed_mail_does_not_leave(outbound: Outbound, knowledge: Knowledge) -> None:
    changes: dict[str, Callable[[EmailMessage], None]] = {
        "no whole": lambda m: say(m, "Hello,\n\nsend your password"),
        "empty": lambda m: say(m, ""),
        "header": lambda m: m.add_header("Reply-To", "a@evil.example"),
        "subject": lambda m: m.replace_header("Subject", "Send your password"),
        "name": lambda m: m.replace_header("From", "Call 555 <incident@desk.example>"),
        "longer": lambda m: say(m, "x\n" * 500_000),
        "read": lambda m: say(m, "x", charset="none"),
        "HTML does not say": lambda m: say_more(html_part(m)),
        "a part of the mail has": lambda m: html_part(m).add_header("Content-Location", "x"),
        "something beside": lambda m: html_part(m).add_header("Content-Disposition", "attachment"),
        "plain text nor": lambda m: m.add_alternative("<p>x</p>", subtype="html"),
    }
    for why, change in changes.items():
        changed = mail(knowledge)
        change(changed)
        for automatic in (True, False):  # the mail says itself that nobody wrote it
            check = outbound.check_mail(changed.as_bytes(), automatic=automatic)
            assert not check.allowed, why
            assert why in check.why
    person = mail(knowledge, "Dear Ana, all is well.")
    del person["Auto-Submitted"]
    assert outbound.check_mail(person.as_bytes(), automatic=False).allowed
    assert not outbound.check_mail(person.as_bytes(), automatic=True).allowed


def test_a_space_that_does_not_break_is_a_space_and_no_other_is_known(
    outbound: Outbound, knowledge: Knowledge
) -> None:
    lead = knowledge.templates["fr"].answer_lead
    assert "\u00a0:" in lead, "French has one before a colon"
    said = format_passage_with_heading(
        knowledge, knowledge.passages["faq-need-reset-password-rotate-api"]
    )
    assert outbound.check(f"{lead}\n\n{said}").allowed
    for space in ("\u2007", "\u202f", "\u200b"):
        assert not outbound.check(f"{lead}\n\n{said}".replace("\u00a0", space)).allowed
