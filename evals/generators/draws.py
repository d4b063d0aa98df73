"""Draws random strings that look like secrets: passwords, and numbers with valid check digits.

The check digits are computed independently of the product, to detect a wrong formula there.
"""

import base64
import hashlib
import json
import random
import re
from collections.abc import Callable
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits

ALPHABETS = {
    "d": digits, "l": ascii_lowercase, "u": ascii_uppercase, "L": ascii_lowercase + digits,
    "U": ascii_uppercase + digits, "w": ascii_letters + digits, "t": ascii_letters + digits + "_-",
    "b": ascii_letters + digits + "+/", "h": "0123456789abcdef",
    "x": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "n": "023456789acdefghjklmnpqrstuvwxyz",
}  # fmt: skip
SLOT = re.compile(r"<([a-zA-Z_0-9]+)((?::[A-Z0-9-]+)*)>")
NOUNS = [
    "river",
    "maple",
    "candle",
    "tiger",
    "ocean",
    "velvet",
    "sunset",
    "hammer",
    "lemon",
    "orbit",
    "pepper",
    "rocket",
    "garden",
    "winter",
    "falcon",
    "guitar",
    "anchor",
    "bridge",
    "copper",
    "dragon",
    "ember",
    "forest",
    "glacier",
    "harbor",
    "island",
    "jungle",
    "kettle",
    "lantern",
    "meadow",
    "nectar",
    "oyster",
    "pirate",
    "quartz",
    "ribbon",
    "saddle",
    "timber",
    "umbrella",
    "violin",
    "walnut",
    "zebra",
    "biscuit",
    "canyon",
    "dolphin",
]
NAMES = [
    "Anna",
    "Berlin",
    "Carlos",
    "Denver",
    "Emma",
    "Fido",
    "Gloria",
    "Hannah",
    "Igor",
    "Jupiter",
    "Kiwi",
    "Luna",
    "Monty",
    "Nemo",
    "Oscar",
    "Paris",
]
SPOKEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LEET = str.maketrans("aeios", "@3105")


def fill(pattern: str, rng: random.Random) -> str:
    """Return `pattern` with a random value in each slot."""
    return SLOT.sub(lambda m: _slot(m[1], [a for a in m[2].split(":") if a], rng), pattern)


def _slot(name: str, words: list[str], rng: random.Random) -> str:
    if name == "d1":
        return str(rng.randint(1, int(words[0])))
    if name in ALPHABETS:
        low, _, high = words[0].partition("-")
        return chars(ALPHABETS[name], rng.randint(int(low), int(high or low)), rng)
    return MAKERS[name](rng, *words)


def chars(alphabet: str, length: int, rng: random.Random) -> str:
    return "".join(rng.choices(alphabet, k=length))


def strong_password(rng: random.Random) -> str:
    """Return a password of letters with digits or signs, in one of the ways people make them."""
    noun, other, name = rng.choice(NOUNS), rng.choice(NOUNS), rng.choice(NAMES)
    number, year = rng.randint(10, 9999), rng.randint(1958, 2026)
    sign = rng.choice("!#$%&*?@")
    return rng.choice(
        (
            f"{noun.title()}{year}",
            f"{noun}{number}",
            f"{name}{number}{sign}",
            f"{noun}-{other}-{number}",
            f"{noun.title()}{sign}{number}",
            f"{noun.translate(LEET)}{number}",
            f"{noun}_{other}_{number % 10}",
            f"{noun.title()}{other.title()}{number % 100}",
            f"{sign}{name}{number}",
            f"{number}{noun.title()}{sign}x",
            chars(ascii_letters + digits, rng.randint(8, 14), rng) + str(number % 10),
            chars(ascii_letters + digits + "!#$%*", rng.randint(9, 16), rng) + "7z",
            f"{noun[:3].title()}{sign}{other[:3]}{number % 100}",
        )
    )  # fmt: skip


def plain_word(rng: random.Random) -> str:
    noun, other = rng.sample(NOUNS, 2)
    return rng.choice((noun, f"{noun}{other}", noun.title(), f"{noun}-{other}"))


def any_password(rng: random.Random) -> str:
    return plain_word(rng) if rng.random() < 0.06 else strong_password(rng)


def loud_password(rng: random.Random) -> str:
    """Return a password with a sign between letters and digits."""
    noun, sign = rng.choice(NOUNS), rng.choice("!#$*^")
    return f"{rng.choice((noun, noun.title()))}{sign}{rng.randint(10, 9999)}"


def read_out(rng: random.Random) -> str:
    """Return six digits as they are read out: as words, or one by one in two groups."""
    figures = rng.sample(digits, 6)
    words = " ".join(SPOKEN[int(figure)] for figure in figures)
    return rng.choice((words, " - ".join((" ".join(figures[:3]), " ".join(figures[3:])))))


def words_of(count: int, rng: random.Random) -> str:
    return " ".join(rng.sample(NOUNS, count))


def seed(rng: random.Random) -> str:
    row = rng.sample(NOUNS, rng.choice((12, 12, 15, 24)))
    numbered = " ".join(f"{place}. {word}" for place, word in enumerate(row, 1))
    return rng.choice((" ".join(row), " ".join(row), ", ".join(row), numbered))


def one_time(rng: random.Random) -> str:
    six = chars(digits, 6, rng)
    return rng.choice((six, six, f"{six[:3]} {six[3:]}", f"{six[:3]}-{six[3:]}"))


def backup(rng: random.Random) -> str:
    low = ALPHABETS["L"]
    mixed = f"{rng.choice(digits)}{chars(low, 3, rng)}-{chars(low, 3, rng)}{rng.choice(digits)}"
    return rng.choice((mixed, f"{chars(digits, 4, rng)}-{chars(digits, 4, rng)}"))


def luhn(body: str) -> str:
    total = sum(sum(divmod(int(c) * (2 - i % 2), 10)) for i, c in enumerate(reversed(body)))
    return body + str(-total % 10)


def card(rng: random.Random, head: str, length: str) -> str:
    return luhn(head + chars(digits, int(length) - len(head) - 1, rng))


def card_grouped(rng: random.Random) -> str:
    number = card(rng, rng.choice(("4", "52", "6011")), "16")
    return rng.choice(" -").join(number[i : i + 4] for i in range(0, 16, 4))


def bad_card(rng: random.Random) -> str:
    good = card(rng, "4", "16")
    return good[:-1] + str((int(good[-1]) + rng.randint(1, 9)) % 10)


def iban(rng: random.Random, country: str, length: str) -> str:
    body = chars(digits, int(length), rng)
    turned = "".join(str(int(c, 36)) for c in f"{body}{country}00")
    return f"{country}{98 - int(turned) % 97:02}{body}"


def iban_grouped(rng: random.Random, country: str, length: str) -> str:
    number = iban(rng, country, length)
    return " ".join(number[i : i + 4] for i in range(0, len(number), 4))


def ssn(rng: random.Random) -> str:
    area = rng.choice([n for n in range(1, 900) if n != 666])
    return f"{area:03}-{rng.randint(1, 99):02}-{rng.randint(1, 9999):04}"


def cpf(rng: random.Random) -> str:
    row = [rng.randint(0, 9) for _ in range(9)]
    for _ in range(2):
        rest = sum(d * w for d, w in zip(row, range(len(row) + 1, 1, -1), strict=True)) % 11
        row.append(0 if rest < 2 else 11 - rest)
    text = "".join(map(str, row))
    return f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}"


def dni(rng: random.Random) -> str:
    number = rng.randint(10_000_000, 99_999_999)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def pesel(rng: random.Random) -> str:
    born = f"{rng.randint(50, 99)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
    body = born + chars(digits, 4, rng)
    total = sum(int(d) * w for d, w in zip(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True))
    return f"{body}{-total % 10}"


def nir(rng: random.Random) -> str:
    born = f"{rng.randint(1, 2)}{rng.randint(40, 99)}{rng.randint(1, 12):02}"
    body = f"{born}{rng.randint(10, 95)}{chars(digits, 6, rng)}"
    return f"{body}{97 - int(body) % 97:02}"


def jwt(rng: random.Random) -> str:
    head = _packed({"alg": "HS256", "typ": "JWT"})
    body = _packed({"sub": chars(ALPHABETS["w"], 14, rng), "iat": rng.randint(10**9, 2 * 10**9)})
    return f"{head}.{body}.{chars(ALPHABETS['t'], 43, rng)}"


def _packed(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def basic(rng: random.Random) -> str:
    return base64.b64encode(f"kim:{strong_password(rng)}".encode()).decode()


def pem(rng: random.Random) -> str:
    name = rng.choice(("RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PRIVATE KEY"))
    lines = "\n".join(chars(ALPHABETS["b"], 64, rng) for _ in range(rng.randint(3, 12)))
    return f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----"


def wif(rng: random.Random) -> str:
    """Return a Bitcoin private key in wallet import format: Base58 with a checksum."""
    raw = b"\x80" + rng.randbytes(32) + b"\x01"
    raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = ALPHABETS["x"][rest] + text
    return text


def uuid(rng: random.Random) -> str:
    return "-".join(chars(ALPHABETS["h"], size, rng) for size in (8, 4, 4, 4, 12))


MAKERS: dict[str, Callable[..., str]] = {
    "password": any_password, "card": card, "card_grouped": card_grouped, "badcard": bad_card,
    "iban": iban, "iban_grouped": iban_grouped, "ssn": ssn, "cpf": cpf, "dni": dni, "pesel": pesel,
    "nir": nir, "jwt": jwt, "basic": basic, "pem": pem, "uuid": uuid, "wif": wif,
    "luhn": lambda rng, length: luhn(chars(digits, int(length) - 1, rng)),
    "d4a": lambda rng: rng.choice("23456789") + chars(digits, 3, rng),
}  # fmt: skip
STYLES: dict[str, Callable[[random.Random], str]] = {
    "any": any_password,
    "strong": strong_password,
    "loud": loud_password,
    "read_out": read_out,
    "word": plain_word,
    "phrase": lambda rng: words_of(rng.choice((4, 5)), rng),
    "otp": one_time,
    "pin": lambda rng: f"{rng.randint(0, 9)}{rng.randint(300, 899)}",
    "cvv": lambda rng: chars(digits, 3, rng),
    "backup": backup,
    "seed": seed,
    "name": lambda rng: rng.choice(NAMES) + rng.choice(("by", "ska", "ton")),
    "random": lambda rng: chars(ALPHABETS[rng.choice("wth")], rng.choice((24, 32, 40)), rng) + "4a",
}
