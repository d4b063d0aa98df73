"""Kinds of secrets that stand in no format and beside no word: each with wordings kept apart.

`SEEN` was looked at while the rules were made; `KEPT_APART` only afterwards.
"""

import random
import string
from collections.abc import Iterator

import pytest

from bot.redact import redact

BASE64 = string.ascii_letters + string.digits + "+/"
STARTS = {
    "PKCS 1": ("MIIEpAIBAAKCAQEA", 1200, 64),
    "PKCS 8": ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", 1300, 64),
    "SEC 1": ("MHcCAQEEI", 151, 64),
    "P-384": ("MIGkAgEBBDD", 209, 64),
    "EC in PKCS 8": ("MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg", 136, 64),
    "Ed25519": ("MC4CAQAwBQYDK2VwBCIEI", 43, 64),
    "OpenSSH": ("b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB", 500, 70),
    "encrypted": ("MIIFHDBOBgkqhkiG9w0BBQ0wQTApBgkqhkiG9w0BBQwwHAQI", 1500, 64),
}
JOINTS = ("\n", "\r\n", "\n> ", " ", "\n    ", "\\n")
MENTIONS = {
    "seen": ("This is my private key file, did it leak?", "I pasted my id_rsa:"),
    "kept apart": ("Ist mein SSH-Schlüssel (id_ed25519) betroffen?", "Voici ma clé privée :", "server.pem"),
}  # fmt: skip


def keys(part: str) -> Iterator[tuple[str, list[str]]]:
    """Private keys without their BEGIN line, some without their first or their last line too."""
    drawn = random.Random(part)
    for mention in MENTIONS[part]:
        for start, length, width in STARTS.values():
            body = (
                start
                + "".join(drawn.choices(BASE64, k=length - length % 4 - len(start) % 4))
                + "A="
            )
            lines = [body[place : place + width] for place in range(0, len(body), width)]
            for joint in JOINTS:
                cut = int(len(lines) > 3 and drawn.random() < 0.5)
                end = [
                    f"-----END {drawn.choice(['', 'RSA ', 'EC '])}PRIVATE KEY-----"
                ] * drawn.randrange(2)
                text = f"{mention}\n\n{joint.join([*lines[cut:], *end])}\n\nThanks, Ana"
                yield text, lines[cut:]


PASSWORDS = [
    "Kettle77",
    "moonlight12",
    "Blu3berry!",
    "dragonfly9",
    "tr0ub4dor",
    "Qwerty!9x",
    "maple2019",
    "Otto1987",
]
WIFI = {
    "seen": ("WIFI:T:WPA;S:home net;P:{};;", "WIFI:S:net;T:WPA2;P:{};H:true;;", "wifi:P:{};T:WEP;S:x;;"),
    "kept apart": (
        'the code says WIFI:T:SAE;S:"Café \\; Bar";P:{};;', "WIFI:S:a;P:{};", "x WIFI:H:true;P:{};S:guest;T:WPA;; y",
    ),
}  # fmt: skip
PGPASS = {
    "seen": ("db.example.org:5432:orders:ana:{}", "localhost:5432:*:postgres:{} ok", "*:*:*:admin:{}", "10.0.0.5:3306:shop:root:{}"),
    "kept apart": ("~/.pgpass has pg-main:6432:app:app_user:{}\nand more", "(replica.eu-west-1.rds.example.com:5432:prod:ro:{})", "127.0.0.1:*:*:kim:{}"),
}  # fmt: skip
ASKED = {
    "seen": (
        "Was {} leaked?", "Is {} still safe to use?", "Should I change {} now?", "Did they get {}?",
        "Can somebody log in with {} now?", "Do I need to replace {} on other sites?",
    ),
    "kept apart": (
        "Hi, has {} been stolen as well?", "I always type {}, is that still secure?", "Could {} be cracked?",
        "Wurde {} gestohlen?", "Est-ce que {} a fuité, dois-je changer ?", "¿Debo cambiar {} ahora?",
        "Would you keep using {} after this?",
    ),
}  # fmt: skip
SPELT = {
    "seen": (
        "My password is [[capital M, o, zero, seven, dash, k]]",
        "the password: [[uppercase B lowercase l u three exclamation mark]]",
        "password spelled: [[small a, big R, 4, at sign, z]]",
        "Mein Passwort ist [[großes M, o, null, sieben, Bindestrich]]",
        "mon mot de passe est [[M majuscule, o, zéro, sept]]",
        "mi contraseña es [[M mayúscula, o, cero, siete]]",
        "Password is [[M as in Mike, o as in Oscar, zero, seven]]",
        "It's [[capital K, e, t, t, l, e, seven, seven]] - that was my password",
    ),
    "kept apart": (
        "I cannot type it, so my password reads [[capital letter T, then r, then zero, then u, b, four]]",
        "To be sure: the password was [[lower case f, upper case G, nine, nine, hash, hash]].",
        "pw spelled out [[s as in Sam, capital L, two, underscore, q]]",
        "the passcode goes [[W, a, l, three, four, question mark]]",
        "Das Kennwort buchstabiert: [[großes F wie Friedrich, r, ü, h, neun, Ausrufezeichen]]",
        "le mot de passe : [[p minuscule, A majuscule, cinq, point d'exclamation]]",
        "wachtwoord is [[hoofdletter B, o, o, m, zeven]]",
        "a senha é [[M maiúsculo, a, r, dois, ponto de exclamação]]",
    ),
}
CHANGED = {
    "seen": (
        "My old password was [[blueberry7]] and the new one is the same with [[a capital B]]",
        "I use [[bluewhale]] for mail; the password here is the same with [[a capital B]]",
        "My mail password is [[otterfield]]. The one at OpenAI is the same with [[a 9 at the end]]",
        "My password is [[sunshine]] and the second is the same but with [[an exclamation mark]]",
    ),
    "kept apart": (
        "At work I have [[honeycomb]], and my password at yours is the same one but [[with a capital H]].",
        "password is [[walrus44]], the admin one is the same plus [[2024]]",
        "My bank password: [[Tulip!8]]. The other is the same, only [[with 9 instead]].",
        "Mein Passwort ist [[Sommerzeit]], das andere ist das gleiche mit [[großem S am Ende 7]]",
        "Mon mot de passe est [[soleil77]] et l'autre est le même avec [[un S majuscule]]",
    ),
}
HONEST = (
    "Is gpt4turbo safe to use?", "Was the account anna1987 leaked?", "Is TLSv1.3 used, and is SHA256 secure?",
    "Did they get user kim2024 or only mine?", "Are iphone15 and windows11 safe?", "Was CVE-2025-12345 used?",
    "Should I change anything before 2026-01-15?", "Do I have to log in on model davinci003 again?",
    "The rules for a password: at least 8 signs, a capital letter, a number and a mark.",
    "A password needs one capital letter, one figure and one exclamation mark, does it?",
    "My account is the same with the same address as before.", "Is my password the same as on Gmail a risk?",
    "I had the same password with two other companies.", "options a, b, c, d for the password reset page",
    "see pool.c:120:db:connect", "at 12:30:45:123:failed", "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
    "a0:12:bb:cc:dd:ee is the address", "The SSID is home net on WIFI:", "Is s3:80:us:east:fine?",
    f"Our public key:\n-----BEGIN PUBLIC KEY-----\n{'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A' * 2}\n{'MIIBCgKCAQEAq7Gk3vXo2bT1cD4eF5gH' * 2}\n-----END PUBLIC KEY-----",
)  # fmt: skip


def filled(wordings: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    for wording in wordings:
        for password in PASSWORDS:
            yield wording.format(password), [password]


def marked(wordings: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    for wording in wordings:
        secrets = [part.partition("]]")[0] for part in wording.split("[[")[1:]]
        yield wording.replace("[[", "").replace("]]", ""), secrets


def cases(part: str) -> dict[str, list[tuple[str, list[str]]]]:
    return {
        "private key": list(keys(part)), "wifi code": list(filled(WIFI[part])), "pgpass": list(filled(PGPASS[part])),
        "asked": list(filled(ASKED[part])), "spelt": list(marked(SPELT[part])), "changed": list(marked(CHANGED[part])),
    }  # fmt: skip


@pytest.mark.no_cover
@pytest.mark.parametrize("part", ["seen", "kept apart"])
@pytest.mark.parametrize("kind", cases("seen"))
def test_each_kind_is_masked(kind: str, part: str) -> None:
    rows = cases(part)[kind]
    missed = [text for text, secrets in rows if any(s in redact(text).text for s in secrets)]
    assert missed == [], f"{len(missed)} of {len(rows)}"


@pytest.mark.parametrize("text", HONEST)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert redact(text).text == text
