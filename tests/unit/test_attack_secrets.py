"""Forty secrets in the dress that attackers and frightened people give them, half of them kept apart.

A wording marks its secret by [[ ]]; what stands in it is drawn from a seed for each wording.
"""

import random
import string
from base64 import b64encode
from collections.abc import Callable

import pytest

from bot.channels.mail.intake import build_received_message, judge_mail
from bot.channels.mail.rules import MailRuleContext
from bot.redact import redact
from tests.support.halves import APART, SEEN, halves
from tests.support.in_process_parser import InProcessParser
from tests.support.masking import covered, marked

LETTERS = string.ascii_letters + string.digits
WORDS = ("Walnut", "Harbour", "Thimble", "Juniper", "Lantern", "Pelican", "Saffron", "Meadow")
DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CIPHERS = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
CIFRAS = ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve")
NATO = (
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima", "mike", "november",
    "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey", "xray", "yankee", "zulu",
)  # fmt: skip


def password(drawn: random.Random) -> str:
    return f"{drawn.choice(WORDS)}{drawn.choice('!-_#')}{drawn.randint(100, 9999)}"


def plain(drawn: random.Random) -> str:
    return f"{drawn.choice(WORDS).lower()}{drawn.randint(10, 99)}"


def base64(drawn: random.Random, size: int) -> str:
    return "".join(drawn.choices(LETTERS + "+/", k=size))


def lines(drawn: random.Random, before: str = "") -> str:
    return "\n".join(f"{before}[[{base64(drawn, 64)}]]" for _ in range(4))


def hexadecimal(drawn: random.Random) -> str:
    return "".join(drawn.choices("0123456789abcdef", k=64))


def token(drawn: random.Random) -> str:
    return "sk-" + "proj-" + "".join(drawn.choices(LETTERS, k=48))


def spelt(drawn: random.Random, capital: str, digits: tuple[str, ...]) -> str:
    """Four letters, of which the first is a capital, and two digits, as somebody says them."""
    first, *more = drawn.choices(string.ascii_lowercase, k=4)
    numbers = [digits[drawn.randrange(10)] for _ in range(2)]
    return ", ".join([capital.format(first.upper()), *more, *numbers])


def in_nato(drawn: random.Random) -> str:
    words = drawn.sample(NATO, 5)
    return ", ".join([f"capital {words[0]}", *words[1:], str(drawn.randrange(10))])


def by_line(drawn: random.Random) -> str:
    return "\n".join([drawn.choice(string.ascii_uppercase), *drawn.choices("abcdefgh2345", k=7)])


def basic(drawn: random.Random) -> str:
    return b64encode(f"ana:{password(drawn)}".encode()).decode()


Wording = Callable[[random.Random], str]
TEXTS: list[Wording] = [
    lambda r: f"This is the middle part of our private key, was it exposed?\n{lines(r)}",
    lambda r: f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 4\n{lines(r)}",
    lambda r: f"server.key got cut off in the paste:\n{lines(r)}\n-----END RSA PRIVATE KEY-----",
    lambda r: f"as my colleague wrote about the private key:\n{lines(r, '> > ')}\nIs that safe?",
    lambda r: f'{{"kty":"EC","crv":"P-256","d":"[[{base64(r, 43).replace("/", "_").replace("+", "-")}]]"}}',
    lambda r: f'"private_key": "[[MIIEvQIBADANBgkqhkiG9w0BAQEFAASC{base64(r, 900)}]]\\n"',
    lambda r: f"key for our backups: [[AGE-SECRET-KEY-1{''.join(r.choices('QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L', k=58))}]]",
    lambda r: f"[Interface]\nPrivateKey = [[{base64(r, 43)}=]]\nAddress = 10.0.0.2/32",
    lambda r: f"My private key in hex is [[{hexadecimal(r)}]], do I have to move the coins?",
    lambda r: "id_rsa, with numbers:\n" + "\n".join(f"{n}: [[{base64(r, 64)}]]" for n in range(7, 12)),
    lambda r: f"<RSAKeyValue><Modulus>{base64(r, 40)}</Modulus><D>[[{base64(r, 171)}=]]</D></RSAKeyValue>",
    lambda r: f"WIFI:S:Barn;T:WPA;P:[[{password(r)}\\;x]];;",
    lambda r: f"WIFI:T:WPA2-EAP;S:corp;E:PEAP;PH2:MS-CHAPv2;I:ana;P:[[{password(r)}]];;",
    lambda r: f"Our wifi is called Barn and its key is [[{password(r)}]]. Is it in the data?",
    lambda r: f'network={{\n  ssid="Barn"\n  psk="[[{password(r)}]]"\n}}',
    lambda r: f"I ran nmcli dev wifi connect Barn password [[{password(r)}]] on that day",
    lambda r: f"mysql -h db1.example -u root -p[[{password(r)}]] orders",
    lambda r: f"Server=db1;Database=orders;User Id=sa;Password=[[{password(r)}]];Encrypt=true",
    lambda r: f"machine mail.example.org login ana password [[{password(r)}]]",
    lambda r: f"curl -u ana:[[{password(r)}]] https://api.example.org/v1",
    lambda r: f"redis://:[[{password(r)}]]@cache.example.org:6379/0",
    lambda r: f"db.example.org:5432:orders:ana:[[{password(r)}\\:9]]",
    lambda r: f"sshpass -p '[[{password(r)}]]' ssh root@10.0.0.7",
    lambda r: f'<add key="SmtpPassword" value="[[{password(r)}]]" />',
    lambda r: f"ldapsearch -x -D cn=admin,dc=example -w [[{password(r)}]] -b dc=example",
    lambda r: f"The request had Authorization: Basic [[{basic(r)}]] in it. Was that logged?",
    lambda r: f"My password, so that you can check: [[{spelt(r, 'capital {}', DIGIT_NAMES)}]]. Was it in there?",
    lambda r: f"The password over the phone was [[{in_nato(r)}]]",
    lambda r: f"Das Passwort lautet [[{spelt(r, 'großes {}', CIPHERS)}]], ist es betroffen?",
    lambda r: f"La contraseña es [[{spelt(r, '{} mayúscula', CIFRAS)}]]",
    lambda r: f"My password is spelled [[{'-'.join(plain(r))}]], was it taken?",
    lambda r: f"My password, one sign a line:\n[[{by_line(r)}]]\n\nIs it known to them?",
    lambda r: f"At home I use [[{plain(r)}]] and here the same password with [[a {r.choice('ABC')} in front]].",
    lambda r: f"My old password was [[{plain(r)}]], the new one is the same with [[two question marks]]",
    lambda r: f"Was [[{password(r)}]] among what was stolen?",
    lambda r: f'A mail says "I know that [[{password(r)}]] is your password". Did they get it from you?',
    lambda r: f"Do they know that I log in with [[{plain(r)}]]?",
]  # fmt: skip
HEADERS = (
    "Message-ID: <{}@x.example>",
    "References: <a@x.example>\r\n <{}.b@x.example>",
    "Reply-To: {}@x.example",
)
HONEST = (
    "My password was given to Anton, Berta and Emil.", "Does the password page of hotel, golf and spa change?",
    "The reset password mail went to Mike, Oscar and Victor, all three.",
    '{"d": "the field of the event", "k": "v"}', "<D>distance in kilometres</D>", '"q": "what-happened-to-the-data-of-our-company"',
    "1: What was taken?\n2: When did you know of it?\n3: Do we need to rotate our private key?",
)  # fmt: skip
KIND: dict[str, list[tuple[int, Wording | str]]] = halves(
    [*enumerate(TEXTS), *enumerate(HEADERS, 100)]
)
# Apart: 15 of 20 were masked when they were first looked at. A word with a number behind a dash may be
# the name of a thing, and letters one a line are how demands are disguised: neither is masked.
MOST_MISSED = {SEEN: 0, APART: 2}


def is_masked(number: int, wording: Wording | str) -> bool:
    drawn = random.Random(f"secret {number}")
    if isinstance(wording, str):
        secret = token(drawn)
        head = f"From: {secret}@x.example\r\n{wording.format(secret)}\r\nTo: d@desk.example\r\n"
        raw = f"{head}\r\nWere keys exposed?\r\n".encode()
        return (
            secret[8:].lower()
            not in repr(
                build_received_message(judge_mail(raw, InProcessParser(), MailRuleContext()), "r")
            ).lower()
        )
    text, spans = marked(wording(drawn))
    return covered(redact(text), spans, text)


@pytest.mark.no_cover
@pytest.mark.parametrize("half", [SEEN, APART])
def test_secrets_in_unusual_dress_are_masked(half: str) -> None:
    missed = [number for number, wording in KIND[half] if not is_masked(number, wording)]
    assert len(missed) <= MOST_MISSED[half], missed


@pytest.mark.parametrize("text", HONEST)
def test_what_only_looks_like_them_stays(text: str) -> None:
    assert redact(text).text == text
