"""A key that was encoded, altered or taken apart is masked, and the words round it stay."""

import random

import pytest

from bot.redact import redact
from bot.redact.detectors.altered_tokens import find_altered_tokens
from bot.redact.escapes import decode_escapes
from bot.redact.normalize import folded
from evals.generators.draws import fill
from evals.generators.secrets import DISGUISES

SEED = 11
KEYS = ("sk-proj-<t:74>", "sk-<w:48>", "ghp_<w:36>", "xoxb-<d:12>-<d:12>-<w:24>", "AIza<t:35>")
DRAWS = 8
BEHIND = "\nplease check it, Anna"
# Nothing here is a key: a word, a slug, a name or a hash that only begins or ends like one.
INNOCENT = (
    "sk-learn-based-pipelines-of-2024 and sk_learn_model_selection_v2",
    "SK-LEARN-BASED-PIPELINES-OF-THE-YEAR",
    "https://blog.example/2025/11/27/sk-and-hf-in-one-post-about-security-and-trust",
    "rt_of_the_meeting_on_thursday_about_all_of_this",
    "AKIAB is a town; eyJ is how a token begins",
    "100% of 25% and 3%2 is no escape, AT&T; R&D; &nbsp; &unknown;",
    "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z",
    "1-2-3-4-5-6-7-8-9-0-1-2-3-4-5-6-7-8-9-0-1-2-3",
    "q, r, s, t, u, v, w, x, y, z, a, b, c, d, e, f, g, h, i, j, k",
    '"one" + "two" and {"name": "thomas", "role": "admin"}',
    "<b>Is</b> <i>my</i> account<br>affected<br>Anna2",
    "- one\n- two\n- three_3\n- four-4",
)


@pytest.mark.no_cover
@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguised_key_is_masked_whole_and_what_is_behind_it_stays(name: str) -> None:
    drawn = random.Random(SEED)
    whole = 0
    for _ in range(DRAWS):
        for key in KEYS:
            hidden = DISGUISES[name](fill(key, drawn), drawn)
            masked = redact(f"my key:\n{hidden}{BEHIND}")
            whole += masked.text in {
                f"my key:\n[removed: {kind}]{BEHIND}" for kind in ("API key", "access token")
            }
    assert whole >= DRAWS * len(KEYS) - 2


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_looks_disguised_stays(text: str) -> None:
    assert redact(text).text == text


def test_places_lead_back_through_escapes() -> None:
    key = fill("sk-proj-<w:48>", random.Random(SEED))
    hidden = key.replace("-", "&#45;")
    text = f"a &amp; b: {hidden}&nbsp;c"
    (span,) = redact(text).spans
    assert text[span.start : span.end] == hidden


def test_escapes_are_read_as_their_characters() -> None:
    told = r"%2D%41&#45;&#x5F;&period;&shy;&nbsp;\u002d\x2d\u{5f}=2D%252D%E2"
    view = decode_escapes(folded(told))
    assert view
    assert view.text == "-A-_. --_--%E2"
    assert told[view.start(0) : view.end(1)] == "%2D"
    assert decode_escapes(folded("no escape: 5% & more; =Z")) is None


def test_a_value_beside_its_word_is_found_behind_an_escape() -> None:
    assert redact("my&nbsp;pa&#115;sword is blue&#45;horse&#45;7").text == (
        "my&nbsp;pa&#115;sword is [removed: password]"
    )


def test_an_unaltered_key_is_left_to_the_plain_reading() -> None:
    key = fill("ghp_<w:36>", random.Random(SEED)).encode()
    found = list(find_altered_tokens(key, []))
    assert found
    assert list(find_altered_tokens(key, found)) == []
