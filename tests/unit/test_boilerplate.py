"""What gateways, companies and programs put around a text is told from what its writer says."""

import pytest

from bot.text.clean import clean_message
from tests.support.boilerplate import ATTRIBUTIONS, BANNERS, DEVICES, FOOTERS

ASKED = "Were my API keys exposed?"
HONEST = [
    "I received your email in error, should I delete it?",
    "Is what I write to you confidential?",
    "An external sender told me to click on links and open attachments. Was that you?",
    "This email came from an external sender. Is it yours?",
    "Our gateway says that your message originated from outside of the organization. Why is that?",
    "We got your notice by mistake. Our address is on the list of somebody else.",
    "Your disclaimer says that this message is confidential. May we show it to our lawyer?",
    "How do I unsubscribe from these emails?",
    "Please unsubscribe me from this mailing list.",
    "Caution is fine, but what happened?",
    "Do I have to print the email as a proof?",
    "Habe ich diese E-Mail irrtümlich erhalten?",
    "J'ai reçu ce message par erreur, faut-il le détruire ?",
    "Bitte löschen Sie alle vertraulichen Daten unserer Firma.",
    "We use the app on an iPhone and an Android phone.",
    "My iPhone sent the code to the wrong person.",
    "Are the links and attachments in this message safe?",
    "Please delete all our confidential data and notify us when it is done.",
    "The attacker sent this message from outside your organization, right?",
    "Our lawyers want to know whether disclosure of the incident is prohibited.",
    "Are these emails confidential?",
    "How do we stop receiving these messages? There is no link to unsubscribe.",
    "Is the message that came from outside yours? Click here, it said.",
    "The links in this message go to another site. Is it safe?",
    "Please delete the account and confirm it.",
    "Were the confidential messages of our customers disclosed?",
    "Must we print this email for the auditors?",
    "Sent from my account was a mail that nobody here wrote.",
    "Wir haben diese Nachricht vertraulich behandelt. Dürfen wir sie weitergeben?",
    "Este correo es confidencial? Puedo reenviarlo?",
    "このメールは本物ですか？",
    "On 24 Nov 2025 at 09:12 I saw this in the log:",
]


@pytest.mark.parametrize("banner", BANNERS.values(), ids=BANNERS)
@pytest.mark.parametrize("gap", ["\n\n", "\n"])
def test_a_gateways_banner_is_no_part_of_the_message(banner: str, gap: str) -> None:
    cleaned = clean_message(f"{banner}{gap}{ASKED}")
    assert cleaned.own == ASKED
    assert ASKED not in cleaned.removed


@pytest.mark.parametrize("footer", FOOTERS.values(), ids=FOOTERS)
@pytest.mark.parametrize("close", ["\n\n", "\n\nKind regards\nAna Example\n\n"])
def test_a_disclaimer_or_footer_is_no_part_of_the_message(footer: str, close: str) -> None:
    assert clean_message(f"{ASKED}{close}{footer}").own == f"{ASKED}{close}".strip()


@pytest.mark.parametrize("footer", list(FOOTERS.values())[:1])
def test_a_disclaimer_behind_the_text_on_its_line_is_cut(footer: str) -> None:
    assert clean_message(f"We run a shop. {ASKED} {footer}").own == f"We run a shop. {ASKED}"


@pytest.mark.parametrize("line", DEVICES)
def test_a_line_of_a_device_or_program_is_no_part_of_the_message(line: str) -> None:
    assert clean_message(f"{ASKED}\n\n{line}").own == ASKED


@pytest.mark.parametrize("line", ATTRIBUTIONS)
@pytest.mark.parametrize("below", ["", "\n\n> Hello,\n> this is what was said before."])
def test_an_attribution_in_any_language_is_no_part_of_the_message(line: str, below: str) -> None:
    own = clean_message(f"{ASKED}\n\n{line}{below}").own
    assert [line for line in own.split("\n") if line and line[0] != ">"] == [ASKED]


@pytest.mark.parametrize("text", HONEST)
@pytest.mark.parametrize("before", ["", "Hello,\n\nwe run a small shop.\n\n"])
def test_an_honest_sentence_that_sounds_like_boilerplate_stays(text: str, before: str) -> None:
    cleaned = clean_message(f"{before}{text}")
    assert cleaned.own == f"{before}{text}"
    assert not cleaned.removed


def test_all_layers_around_a_short_text_are_taken_off() -> None:
    text = f"{BANNERS['en']}\n\n{ASKED}\n\nAna\n\nSent from my iPhone\n\n{FOOTERS['de']}\n{FOOTERS['en, print']}"
    assert clean_message(text).own == f"{ASKED}\n\nAna"


def test_a_text_of_boilerplate_alone_leaves_nothing() -> None:
    assert clean_message(f"[EXTERNAL]\n\n{FOOTERS['en']}").own == ""
