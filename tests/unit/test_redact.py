"""Secrets are masked whole, honest talk about them is not, and no text is too much."""

import gzip
import json
import random
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain import Redaction, SecretKind
from bot.redact import KIND_NAMES, redact
from bot.redact.normalize import folded, lowered, without_gaps
from evals.generators.draws import fill
from evals.generators.secrets import (
    LabelledText,
    families,
    is_family_held_out,
    lookalikes,
    secrets,
    with_secret,
)
from tests.support.growth import assert_in_proportion, repeated
from tests.support.masking import SEED, covered

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT.parent / "shared" / "samples" / "secrets.jsonl.gz"
KEYED = "sk-proj-<t:48>"


def whole(case: LabelledText) -> bool:
    return covered(redact(case.text), [(s.start, s.end) for s in case.spans], case.text)


def drawn_key() -> str:
    return fill(KEYED, random.Random(SEED))


def test_ids_that_staff_need_survive_beside_every_word() -> None:
    drawn = random.Random(SEED)
    for word in ("password", "api key", "account", "user", "code:", "secret =", "token"):
        for kind in ("org", "user"):
            named = fill(f"{kind}-<w:24>", drawn)
            assert named in redact(f"my {word} {named} was in the notice").text
            assert named in redact(f"{named} is my {word}").text


@pytest.mark.parametrize("kind", list(SecretKind))
def test_the_mark_names_the_kind_and_nothing_else(kind: SecretKind) -> None:
    assert re.fullmatch(r"[A-Za-z ]+", KIND_NAMES[kind])


def test_spans_are_places_of_the_original() -> None:
    key = drawn_key()
    text = f"\u200b\ud800ｋｅｙ: {key[:20]}\u200b{key[20:]}\nthe password was Fluffy2019"
    masked = redact(text)
    assert [span.certain for span in masked.spans] == [True, False]
    assert text[masked.spans[0].start : masked.spans[0].end].replace("\u200b", "") == key
    assert text[masked.spans[1].start : masked.spans[1].end] == "Fluffy2019"
    assert masked.text.endswith("[removed: API key]\nthe password was [removed: password]")


@pytest.mark.parametrize("gap", ["\n", "=\n", "\r\n", "\n> ", "\n    ", "\u200b", " ", "\n>> "])
def test_a_key_that_was_taken_apart_is_followed(gap: str) -> None:
    key = drawn_key()
    told = f"my key:\n{key[:30]}{gap}{key[30:]}\nRegards, Anna"
    assert redact(told).text == "my key:\n[removed: API key]\nRegards, Anna"


def test_two_keys_stay_two_and_words_behind_a_key_stay() -> None:
    drawn = random.Random(SEED)
    first, second = fill("ghp_<w:36>", drawn), fill("ghp_<w:36>", drawn)
    masked = redact(f"{first}\n{second}\nplease check")
    assert len(masked.spans) == 2
    assert masked.text.endswith("\nplease check")


@settings(max_examples=150)
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_taken(text: str) -> None:
    check_shape(text, redact(text))


WORDY = st.sampled_from(
    ["password", "is", ":", "=", '"', "\n", "=\n", "> ", "\u200b", "\ud800", "パスワード", "は", "123456",
     "[removed: password]", "sk-", "eyJ", ".", "@", "https://", "user", "*", "?", "\\", "Ab3$x", "code",
     "4111 1111 1111 1111", "ssn", "seed phrase", "maple", "İ", "org-abcDEF123", "</b>", "(", ")", "1."]
)  # fmt: skip


@pytest.mark.no_cover
@settings(max_examples=250)
@given(st.lists(st.tuples(WORDY, st.sampled_from(["", " "])), max_size=24))
def test_any_mixture_of_its_own_words_is_taken(parts: list[tuple[str, str]]) -> None:
    text = "".join(word + gap for word, gap in parts)
    check_shape(text, redact(text))


def check_shape(text: str, masked: Redaction) -> None:
    """Ordered, not overlapping, inside the text; everything else is kept."""
    parts, place = [], 0
    for span in masked.spans:
        assert place <= span.start < span.end <= len(text)
        parts += [text[place : span.start], f"[removed: {KIND_NAMES[span.kind]}]"]
        place = span.end
    assert masked.text == "".join([*parts, text[place:]])


def test_views_lead_back_to_the_original() -> None:
    text = "a\u200bﬁ\u0301Ｂ\n> c=\nd\\_e"
    view = folded(text)
    assert [text[place] for place in view.at] == [c for c in text if c not in "\u200b\u0301"]
    tight = without_gaps(view)
    assert tight.text == "aﬁBcd_e"
    assert lowered("İĞÜÉß") == "igues"


@pytest.mark.no_cover
def test_what_was_masked_once_is_not_masked_again() -> None:
    for case in with_secret(SEED, 300):
        once = redact(case.text).text
        assert redact(once).text == once


SIZE = 256 * 1024  # characters
REPEATED = {
    "one letter": "a",
    "sk-": "sk-",
    "NULs": "\0",
    "lone surrogates": "\ud800",
    "cues": "password ",
    "secrets": "password is a1b2 ",
    "one token of cues": "password=",
    "joined cues": "パスワードはabc123です",
    "figures": "1 ",
    "cards": "4111 1111 1111 1111 ",
    "identity numbers": "ssn 123-45-6789 ",
    "key heads": "-----BEGIN RSA PRIVATE KEY-----\n",
    "token heads": "eyJaaaaaaaa.",
    "wraps": "=\n",
    "escapes": f"%73%6B{drawn_key()[2:24]} ",
    "tags": "<b>",
    "letters apart": "a.",
    "keys": f"{drawn_key()[:28]} ",
    "signs": "login a1!b2# ",
}
PATHOLOGICAL: dict[str, Callable[[int], str]] = {
    **{name: partial(repeated, unit) for name, unit in REPEATED.items()},
    "brackets": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "one long value": lambda size: "password: " + "a1" * (size // 2),
    "seed words": lambda size: "seed phrase " + "maple " * (size // 6),
}


@pytest.mark.no_cover
@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_no_text_costs_more_than_its_size(name: str) -> None:
    make = PATHOLOGICAL[name]
    assert len(redact(make(SIZE)).text) > 0
    assert_in_proportion(lambda size: partial(redact, make(size)), SIZE)


def test_a_flood_of_cues_still_loses_its_values() -> None:
    text = "password " * 2_000 + "hunter2 and x9y8z7"
    assert redact(text).text.endswith("[removed: password] and [removed: password]")


def test_a_value_longer_than_the_window_is_masked_to_its_end() -> None:
    secret = "x1" * 500
    assert redact(f"my password is {secret} ok").text == "my password is [removed: password] ok"


def share(cases: list[LabelledText]) -> float:
    return sum(whole(case) for case in cases) / len(cases)


def test_generated_families_are_many_and_split() -> None:
    names = families()
    assert len(names) >= 60
    assert 0.15 < sum(map(is_family_held_out, names)) / len(names) < 0.45
    made = with_secret(SEED, 600)
    assert {case.family for case in made} == names
    assert {case.kind for case in made} == set(SecretKind)
    assert all(case.text[s.start : s.end] for case in made for s in case.spans)
    assert list(secrets(SEED, 50)) == list(secrets(SEED, 50))


@pytest.mark.no_cover
@pytest.mark.parametrize("held", [False, True])
def test_generated_secrets_are_masked(*, held: bool) -> None:
    made = [case for case in with_secret(SEED, 1_200) if is_family_held_out(case.family) is held]
    spoken = [c for c in made if not c.formatted]
    formats = [c for c in made if c.formatted]
    assert share(formats) >= 0.985
    assert share(spoken) >= 0.92


def test_generated_look_alikes_stay() -> None:
    made = lookalikes(SEED, 700)
    assert len(made) == 700
    masked = [case.text for case in made if redact(case.text).spans]
    assert len(masked) <= 3, masked


@pytest.mark.skipif(not SAMPLES.exists(), reason="the public samples are not beside this checkout")
def test_public_samples_reach_the_floors() -> None:
    lines = gzip.decompress(SAMPLES.read_bytes()).decode().splitlines()
    rows = [json.loads(line) for line in lines]
    told = [row for row in rows if not row["benign"]]
    spoken = [row for row in told if row["kind"] in ("password_prose", "otp", "seed_phrase")]
    formats = [row for row in told if row not in spoken]
    for part, floor in ((formats, 0.98), (spoken, 0.8)):
        good = sum(
            covered(redact(r["text"]), [tuple(s) for s in r["spans"]], r["text"]) for r in part
        )
        assert good >= floor * len(part)
    alike = [row for row in rows if row["benign"]]
    assert sum(bool(redact(row["text"]).spans) for row in alike) <= len(alike) // 100
