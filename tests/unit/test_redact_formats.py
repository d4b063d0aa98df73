"""Every format of a secret and every number that identifies: masked by its row, and by no other."""

import random
import re
from typing import Any

import pytest

from bot.domain import SecretKind
from bot.redact import KIND_NAMES, patterns, redact
from bot.redact.detectors import altered_tokens, encoded_tokens, identity_numbers, split_tokens
from bot.redact.patterns import SecretFormat
from bot.redact.validators import CHECKSUMS
from evals.generators.draws import fill
from tests.support.masking import SEED, covered
from tests.support.secret_examples import EXAMPLES, FORMATS, ROWS, STRINGS, examples

BEHIND = ("", ".", ") thanks", "\nthanks", ", ok?", "。次", "</b>", '"}')


def without(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The formats as if the row were not there."""

    def rest(formats: tuple[SecretFormat, ...]) -> tuple[SecretFormat, ...]:
        return tuple(each for each in formats if each.name != name)

    by_group, prefixed = patterns.secret_formats, patterns.prefixed_formats
    loose = altered_tokens._loose_formats
    for module in (patterns, identity_numbers, altered_tokens):
        monkeypatch.setattr(module, "secret_formats", lambda group: rest(by_group(group)))
    for module in (split_tokens, encoded_tokens):
        monkeypatch.setattr(module, "prefixed_formats", lambda: rest(prefixed()))
    monkeypatch.setattr(altered_tokens, "_loose_formats", lambda: rest(loose()))


def is_masked(name: str, text: str, spans: list[tuple[int, int]]) -> bool:
    """Whole, and as what the row says."""
    masked, (start, end) = redact(text), spans[0]
    told = {(s.kind, s.certain) for s in masked.spans if s.start < end and s.end > start}
    row = ROWS[name]
    return covered(masked, spans, text) and (
        (SecretKind(row["kind"]), row.get("certain", True)) in told
    )


def test_every_row_has_its_examples() -> None:
    assert set(ROWS) == set(STRINGS) | set(EXAMPLES["numbers"])
    assert len(ROWS) == sum(map(len, FORMATS.values()))


@pytest.mark.no_cover
@pytest.mark.parametrize("name", STRINGS)
def test_each_format_is_masked_whole_whatever_stands_behind_it(name: str) -> None:
    for text, spans in examples(name):
        for after in BEHIND if spans[0][1] == len(text) else [""]:
            told = f"see {text}{after}"
            moved = [(low + 4, high + 4) for low, high in spans]
            assert covered(redact(told), moved, told), told


@pytest.mark.no_cover
@pytest.mark.parametrize("name", ROWS)
def test_no_other_row_does_the_work_of_a_row(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list(examples(name))
    assert all(is_masked(name, *example) for example in told)
    without(name, monkeypatch)
    assert not all(is_masked(name, *example) for example in told)


@pytest.mark.parametrize("row", FORMATS["numbers"], ids=lambda row: row["name"])
def test_a_number_is_masked_beside_each_of_its_names(row: dict[str, Any]) -> None:
    text, spans = next(examples(row["name"]))
    number = text[slice(*spans[0])]
    for name in row.get("label", ()):
        masked = redact(f"my {name} {number} please")
        assert masked.text == f"my {name} [removed: {KIND_NAMES[SecretKind(row['kind'])]}] please"


@pytest.mark.parametrize("name", sorted(CHECKSUMS))
def test_a_wrong_check_digit_is_noticed(name: str) -> None:
    good = {
        "luhn": "4111111111111111", "mod97": "GB82WEST12345698765432", "ssn": "219-09-9999",
        "verhoeff": "2363", "cpf": "529.982.247-25", "dni": "12345678Z", "nir": "255081416802538",
        "codice_fiscale": "RSSMRA85T10A562S", "steuer_id": "86095742719", "bsn": "111222333",
        "belgian": "85.07.30-033.28", "pesel": "44051401359", "personnummer": "811218-9876",
        "fnr": "01010750160", "hetu": "131052-308T", "ean": "756.9217.0769.85", "nino": "AB123456C",
        "nhs": "9434765919", "tckn": "10000000146", "cn_resident": "11010519491231002X",
        "birthday": "850101-1234567", "nric": "S1234567D", "rut": "12.345.678-5",
        "wif": fill("<wif>", random.Random(SEED)),
    }[name]  # fmt: skip
    place = max(i for i, char in enumerate(good) if char.isdigit())
    bad = {
        "ssn": "666-09-9999", "nino": "GB123456C", "birthday": "851301-1234567",
    }.get(name, f"{good[:place]}{(int(good[place]) + 1) % 10}{good[place + 1:]}")  # fmt: skip
    assert CHECKSUMS[name](good), good
    assert not CHECKSUMS["cpf"]("111.111.111-11")
    assert not CHECKSUMS[name](bad), bad


@pytest.mark.parametrize("gap", ["", " ", "  ", "-", " - ", ".", "_", "/"])
def test_a_card_is_found_however_its_groups_are_parted(gap: str) -> None:
    number = fill("<card:4:16>", random.Random(SEED))
    parted = gap.join(number[place : place + 4] for place in range(0, 16, 4))
    assert redact(f"I paid with {parted}.").text == "I paid with [removed: card number]."


def test_private_keys_are_masked_and_public_ones_are_not() -> None:
    block = fill("<pem>", random.Random(SEED))
    cut = block.rsplit("\n", 2)[0]
    short = f"{cut}\n{fill('<b:12>aB3', random.Random(SEED))}"
    headless = block.split("\n", 1)[1]
    quoted = block.replace("\n", "\n> ")
    for told in (block, cut, short, headless, quoted, block.replace("\n", "\\n")):
        masked = redact(f"see\n{told}\n\nregards")
        assert masked.text == "see\n[removed: private key]\n\nregards", masked.text
    public = re.sub(r"(?:RSA |EC |OPENSSH )?PRIVATE", "PUBLIC", block)
    assert redact(public).spans == ()
