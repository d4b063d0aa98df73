"""Verifies check digits of cards, accounts and identity numbers, and of one kind of private key.

Each check takes the number as written, with separators, and returns whether it can be a valid one;
its name is that of the check in bot/data/secret_formats.yaml.
"""

import hashlib
from collections.abc import Callable
from datetime import date


def digits_of(value: str) -> list[int]:
    """Return the digits of a text as numbers."""
    return [int(c) for c in value if c.isdigit()]


def weighted_sum(digits: list[int], weights: str) -> int:
    """Return the sum of the digits times the weights, which are base-36 digits."""
    return sum(d * int(w, 36) for d, w in zip(digits, weights, strict=False))


def luhn(value: str) -> bool:
    """Return whether it passes the Luhn check of payment cards and several identity numbers."""
    digits = digits_of(value)[::-1]
    doubled = (d * 2 - 9 if d > 4 else d * 2 for d in digits[1::2])
    return any(digits) and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def mod97(value: str) -> bool:
    """Return whether it is valid by ISO 7064 MOD 97-10, as IBANs use it."""
    turned = (value[4:] + value[:4]).upper()
    return int("".join(str(int(c, 36)) for c in turned if c.isalnum())) % 97 == 1


def ssn(value: str) -> bool:
    """Return whether it may be a Social Security number of the United States."""
    digits = "".join(c for c in value if c.isdigit())
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"


def verhoeff(value: str) -> bool:
    """Return whether it passes the Verhoeff check, which the Aadhaar number of India uses."""
    check = 0
    for index, digit in enumerate(reversed(digits_of(value))):
        check = DIHEDRAL[check][PERMUTED[index % 8][digit]]
    return check == 0


def cpf(value: str) -> bool:
    """Return whether it is a CPF number of Brazil."""
    digits = digits_of(value)
    if len(set(digits)) == 1:
        return False
    first = weighted_sum(digits, "a98765432") * 10 % 11 % 10
    second = weighted_sum(digits, "ba98765432") * 10 % 11 % 10
    return digits[9:] == [first, second]


def dni(value: str) -> bool:
    """Return whether it is a DNI or NIE number of Spain."""
    bare = "".join(c for c in value.upper() if c.isalnum())
    number = bare[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return bare[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def nir(value: str) -> bool:
    """Return whether it is a NIR number of France."""
    digits = "".join(c for c in value if c.isdigit())
    return 97 - int(digits[:13]) % 97 == int(digits[13:]) and 1 <= int(digits[3:5]) <= 42


def codice_fiscale(value: str) -> bool:
    """Return whether it is a codice fiscale of Italy."""
    odd = {c: v for v, c in zip((1, 0, 5, 7, 9, 13, 15, 17, 19, 21), "0123456789", strict=True)}
    odd |= {c: v for v, c in zip((1, 0, 5, 7, 9, 13, 15, 17, 19, 21), "ABCDEFGHIJ", strict=True)}
    tail = (2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    odd |= {c: v for v, c in zip(tail, "KLMNOPQRSTUVWXYZ", strict=True)}
    text = value.upper()
    total = sum(odd[c] for c in text[0:15:2])
    total += sum(int(c) if c.isdigit() else ord(c) - 65 for c in text[1:15:2])
    return chr(65 + total % 26) == text[15]


def steuer_id(value: str) -> bool:
    """Return whether it is a tax identification number of Germany."""
    digits, product = digits_of(value), 10
    for digit in digits[:10]:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return digits[0] != 0 and (11 - product) % 10 == digits[10]


def bsn(value: str) -> bool:
    """Return whether it is a BSN number of the Netherlands."""
    digits = digits_of(value)
    return (weighted_sum(digits[:8], "98765432") - digits[8]) % 11 == 0 and any(digits)


def belgian(value: str) -> bool:
    """Return whether it is a national number of Belgium."""
    digits = "".join(c for c in value if c.isdigit())
    check = int(digits[9:])
    return check in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)


def pesel(value: str) -> bool:
    """Return whether it is a PESEL number of Poland."""
    digits = digits_of(value)
    return -weighted_sum(digits[:10], "1379137913") % 10 == digits[10]


def personnummer(value: str) -> bool:
    """Return whether it is a personnummer of Sweden."""
    return luhn("".join(c for c in value if c.isdigit())[-10:])


def fnr(value: str) -> bool:
    """Return whether it is a fødselsnummer of Norway."""
    digits = digits_of(value)
    first = -weighted_sum(digits[:9], "376189452") % 11
    second = -weighted_sum(digits[:10], "5432765432") % 11
    return digits[9:] == [first, second]


def hetu(value: str) -> bool:
    """Return whether it is a personal identity code of Finland."""
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(value[:6] + value[7:10]) % 31] == value[10].upper()


def ean(value: str) -> bool:
    """Return whether it has a valid EAN-13 check digit, as the AHV number of Switzerland has."""
    digits = digits_of(value)
    return -weighted_sum(digits[:12], "131313131313") % 10 == digits[12]


def nino(value: str) -> bool:
    """Return whether it may be a National Insurance number of the United Kingdom."""
    return value[:2].upper() not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def nhs(value: str) -> bool:
    """Return whether it is an NHS number of the United Kingdom."""
    digits = digits_of(value)
    return -weighted_sum(digits[:9], "a98765432") % 11 == digits[9]


def tckn(value: str) -> bool:
    """Return whether it is a national identification number of Turkey."""
    digits = digits_of(value)
    tenth = (sum(digits[0:9:2]) * 7 - sum(digits[1:8:2])) % 10
    return digits[9:] == [tenth, sum(digits[:10]) % 10]


def cn_resident(value: str) -> bool:
    """Return whether it is a resident identity number of China."""
    total = weighted_sum(digits_of(value[:17]), "79a584216379a5842")
    return "10X98765432"[total % 11] == value[17].upper() and _is_a_day(value[6:14])


def birthday(value: str) -> bool:
    """Return whether it begins with a date of birth, as the resident number of Korea does."""
    century = "18" if value[7] in "90" else "19" if value[7] in "1256" else "20"
    return _is_a_day(century + value[:6])


def _is_a_day(digits: str) -> bool:
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return True


def nric(value: str) -> bool:
    """Return whether it is an NRIC or FIN number of Singapore."""
    text = value.upper()
    total = (
        weighted_sum(digits_of(text), "2765432") + {"S": 0, "F": 0, "T": 4, "G": 4, "M": 3}[text[0]]
    )
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "KLJNPQRTUWX"}.get(
        text[0], "XWUTRQPNMLK"
    )
    position = 10 - total % 11 if text[0] == "M" else total % 11
    return letters[position] == text[8]


def rut(value: str) -> bool:
    """Return whether it is a RUT number of Chile."""
    bare = "".join(c for c in value.upper() if c.isalnum())
    total = weighted_sum(digits_of(bare[:-1])[::-1], "23456723")
    return "0123456789K0"[-total % 11] == bare[-1]


def _permutations() -> list[list[int]]:
    rows = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    while len(rows) < 8:
        rows.append([rows[-1][position] for position in rows[1]])
    return rows


PERMUTED = _permutations()
DIHEDRAL = [
    [(b + a) % 5 + b // 5 * 5 if a < 5 else (a - b) % 5 + (5 if b < 5 else 0) for b in range(10)]
    for a in range(10)
]


def wif(value: str) -> bool:
    """Return whether it is a Bitcoin private key: Base58 that ends in a checksum by double hash."""
    number = 0
    for char in value:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(
            char
        )
    raw = number.to_bytes(40, "big").lstrip(b"\0")
    return hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


CHECKSUMS: dict[str, Callable[[str], bool]] = {
    check.__name__: check
    for check in (
        luhn, mod97, ssn, verhoeff, cpf, dni, nir, codice_fiscale, steuer_id, bsn, belgian, pesel,
        personnummer, fnr, hetu, ean, nino, nhs, tckn, cn_resident, birthday, nric, rut, wif,
    )
}  # fmt: skip
