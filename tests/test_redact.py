"""Secrets are masked whole, honest talk about them is not, and no text is too much."""

import gzip
import hashlib
import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import coverage
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain import Redaction, SecretKind
from bot.redact import WORDS, redact
from bot.redact.checks import CHECKS, PLACEHOLDER
from bot.redact.checksums import CHECKSUMS
from bot.redact.cues import KINDS, Role, cues
from bot.redact.judgement import JUDGES
from bot.redact.views import folded, lowered, squeezed
from evals.generators.draws import fill
from evals.generators.secrets import (
    LabelledText,
    families,
    held_out,
    lookalikes,
    secrets,
    with_secret,
)

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT.parent / "shared" / "samples" / "secrets.jsonl.gz"
FORMATS = yaml.safe_load(
    (ROOT / "bot" / "data" / "secret_formats.yaml").read_text(encoding="utf-8")
)
SEED = 7
MARKED = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
KEYED = "sk-proj-<t:48>"

# What stands in [[ ]] is the secret.
PROSE = (
    """
Hey, I logged in with [[Sunflower!77]] last week and now it says wrong password
my passwd: [[Kilo4Bravo]]
Can you check if [[Mango-Tiger-82]] (my password) was in the leak?
The password I've been using everywhere is [[Fluffy2019]], should I worry?
PW: [[qwerty12345]]
I use the same password (it's [[Rex&Max07]]) for Gmail
username: kara.b⏎password: [[ocean-breeze]]
my chatgpt password was [[Bluebird]] and I changed it to [[Redbird22]]
I changed my password from [[Autumn2023!]] to [[Winter2024!]]
Is "[[tr1ckyPa$$]]" a safe password?
someone got my password which is [[iloveyou3]]
the pin for my phone is [[4471]]
My 2FA code is [[771 204]], please verify me
[[902113]] is my OpenAI verification code
here is the code: [[7J2K9Q]]
sms said "[[229103]] is your ChatGPT code"
your code: [[G-482913]]
my recovery codes are⏎[[1284-5592]]⏎[[7712-0038]]⏎[[5530-1947]]
Recovery key [[ABCD-1234-EFGH-5678]]
my seed phrase: [[river stone apple candle maple tiger ocean velvet sunset hammer lemon orbit]]
seed words⏎[[1. zebra⏎2. quilt⏎3. ankle⏎4. robot⏎5. lunch⏎6. vivid⏎7. crane⏎8. oxygen⏎9. pulp⏎10. ghost⏎11. motor⏎12. elbow]]
security answer is [[Whiskers]]
my mother's maiden name is [[Kowalczyk]]
Mein altes Passwort war [[Katze99]], das neue ist [[Hund2025!]]
Zugangsdaten: max.muster / [[Fr0hling!]]
Ich habe [[Apfelkuchen!1]] als Passwort benutzt
Das Passwort habe ich von [[Winter22!]] auf [[Sommer23!]] geändert
Der Sicherheitscode auf der Rückseite ist [[442]]
mon ancien mdp c'était [[Paris2020!]]
la clave es [[sol2024luna]]
usuario juan clave [[Toro1234]]
el código que me llegó es [[871002]]
o código de verificação é [[209 556]]
la mia password è [[Napoli1926!]]
het wachtwoord was [[fiets-99-oranje]]
min adgangskode er [[Hygge1234]]
salasanani on [[Kissa2020]]
moje hasło to [[Kotek123!]]
a jelszavam [[Budapest9]]
şifremi [[Boğaz1453]] olarak ayarladım
doğrulama kodu [[605518]]
пароль: [[Барсик77]]
мой пароль был [[qwerty77]], сменил на [[asdfg88!]]
код из смс [[440192]]
ο κωδικός μου είναι [[Athina21!]]
έδωσα τον κωδικό [[Olympos12]]
הסיסמה שלי היא [[Shalom123]]
كلمة السر: [[ahmed@123]]
رمز التحقق هو [[٤٨٢٩١٣]]
رمز عبور من [[Tehran99]] است
मेरा पासवर्ड [[Delhi@2023]] है
मेरा ओटीपी [[४५८२१०]] है
รหัสผ่านของฉันคือ [[Bangkok55]]
mật khẩu của tôi là [[Hanoi2024]]
kata sandi saya [[Jakarta88]]
私のパスワードは「[[neko-123]]」です。安全ですか？
認証コード [[559201]] が届きました
暗証番号は[[8842]]です
비밀번호는 [[seoul1234]]입니다
我的密码是[[beijing2008]]，需要修改吗？
助记词：[[apple banana cherry dog elephant fox grape hat ice jacket kite lemon]]
my wifi password is [[coffee-and-cream]]
{"user":"bob","password":"[[p@ss-w0rd9]]"}
<password>[[8201Sunset#x]]</password>
export DB_PASSWORD='[[Zx9!kk]]'
the password is: [[MyDogIsCute]]
password is [[dragon]]
passphrase is [[correct horse battery staple]]
my password is [[blue horse 42]]
CVV [[382]]
creds - root:[[toor99x]]
client_secret: [[q8W-er_TY12]]
мой пароль: [[*Oscar65]]
Password: [[Berlin53*]]
Password: [[Berlin53?]]
my password is [[Berlin53?]]
ｐａｓｓｗｏｒｄ： [[ｈｕｎｔｅｒ２２]]
my pass\u200bword is [[hun\u200bter22]]
Password: [[Password#1]]
my password is [[@Paris1150]]
ok the pw on that is [[fluffykins]] lol
backup codes [[9f2c81aa]] [[77bd02ce]]
recovery code: [[qWeRtYuI]]
recovery code: [[abcd-efgh-ijkl]]
login: bob@x.example / [[dragonfly]]
login: bob@x.example / [[482913]]
logged in again with [[Br1stol!]]
my password is [[Foo9(bar)]]
my mnemonic: [[river stone apple candle maple tiger ocean velvet]]. I wrote it down
mnemonic⏎[[river stone apple candle maple tiger ocean velvet]]⏎⏎please help
Password:⏎[[hunterxyz]]⏎thanks
my password is "[[blue horse]]"
my password, "[[Kettle]]", was it in there?
net password of the box: [[krokodil8]]
password_confirmation=[[s3cr3tive]]
the door code is [[A7K9Q2]]
I changed my password from [[12345678]] to [[87654321]]
my password: [[12345]]
""".strip()
    .replace("⏎", "\n ")
    .replace("\n ", "⏎")
)

HONEST = """
PIN 4 of the chip is bent
the code review is done, PR #48213
Is my password exposed?
password reset link expired after 15 minutes
my password was changed 3 times in 2025
my password is 8 characters, is that enough?
error code 500123 when I log in
I get status code 429 and exit code 137
zip code 94107, country code +49, promo code SAVE20
Our order number is 4829133, password was not changed
Case 00482913: was my password leaked?
Your password reset request #559203
My order 482913 was charged twice, also is my password safe?
What is the key takeaway for admins?
do I need to rotate the API key named prod-backend-01?
our key id key_8fhK2LmNopQ
the api key ending in 4WKX
my api key starts with sk-proj- is that normal
commit 9fceb02d0ae598e95dc970b74767f19372d61af8 removed the secret
token usage was 1234567 yesterday
I use 1Password and a YubiKey 5C
Do you store passwords as bcrypt or SHA256?
I got an SMS from 22395 on 24/11/2025
Text message came at 10:29 from +1 415 555 0132
the code expires in 10 minutes
How do backup codes work? I have 10 of them.
a 12-word seed phrase should never be shared
password: where can I change it?
Password: [hidden]
Password: ********
my password is not "password" anymore
the mail says "your password was not affected"
the button "Forgot password?" does nothing
my password is strong enough, 16+ chars
my user name is j.doe and I can't log in
I signed in with Microsoft365
account manager John / Sales
password123 is a bad password
Mein Passwort ist sicher, oder?
Fehlercode 40213 beim Login
mon mot de passe est compromis
mi contraseña está segura?
a senha é obrigatória
la password è stata cambiata
is mijn wachtwoord gelekt?
mitt lösenord är säkert
moje hasło jest bezpieczne?
şifrem güvende mi?
мой пароль был украден
код ошибки 50321; кодекс 2023
هل كلمة المرور الخاصة بي آمنة؟
क्या मेरा पासवर्ड सुरक्षित है?
パスワードは安全ですか？
エラーコード 50321 が出ます
비밀번호를 바꿔야 하나요?
我的密码安全吗？
sk-learn based model
sk-your-api-key-here
AKIAIOSFODNN7EXAMPLE
Authorization: Bearer YOUR_API_KEY_HERE
https://user:password@example.com/ is just the docs example
DKIM pass 2048 spf=pass dmarc=pass
Thanks for the update on the passwords?\nJess
request 46788241-5798-6718-c8e9-dddf6f1e0928 and c57dad18-adbe-6241-4785-610384237268
the tracking number is 4111 1111 1111 1112
order 4111111111111111
SSN 000-12-3456 and 666-45-6789
part 987-65-43210 of the series
VAT DE773485939
part 123.456.789-00 of the manual
released 2025-11-26T10:22:00Z under password policy v2.3
if password is None: raise ValueError
risk-based and task-oriented 2024 desk-work with iPhone15
spf=pass (google.com: best guess record)
the verification code mail of 2025
Authorization: Basic dGVzdA!! and Basic AAAAAAAA
ssn 123-45-6789-1
my mnemonic is lost. river stone apple candle maple tiger
base64 QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo= and hex 4142434445464748494a4b4c4d4e4f50515253545556
passport of my colleague, and my passport, are fine
the password ""
logged in with my phone, account settings / notifications
my password is absolutely unforgettable
""".strip()


def marked(line: str) -> tuple[str, list[tuple[int, int]]]:
    """The text of a line of PROSE and where its secrets stand."""
    text, spans, place = "", [], 0
    line = line.replace("⏎", "\n").replace("\\n", "\n")
    for match in MARKED.finditer(line):
        text += line[place : match.start()]
        spans.append((len(text), len(text) + len(match[1])))
        text += match[1]
        place = match.end()
    return text + line[place:], spans


def covered(masked: Redaction, spans: list[tuple[int, int]], text: str) -> bool:
    hidden = {place for span in masked.spans for place in range(span.start, span.end)}
    wanted = {
        place for low, high in spans for place in range(low, high) if not text[place].isspace()
    }
    return wanted <= hidden


def whole(case: LabelledText) -> bool:
    return covered(redact(case.text), [(s.start, s.end) for s in case.spans], case.text)


def drawn_key() -> str:
    return fill(KEYED, random.Random(SEED))


def sampled(pattern: str, drawn: random.Random) -> str:
    """A string that `pattern` matches; classes are drawn from, repeats stay near their floor."""
    return "".join(_sampled(_parser.parse(pattern), drawn))


def _sampled(tree: Any, drawn: random.Random) -> Iterator[str]:
    for kind, told in tree:
        if kind is sre.LITERAL:
            yield chr(told)
        elif kind is sre.IN:
            yield _from_class(told, drawn)
        elif kind in (sre.ANY, sre.NOT_LITERAL):
            yield " "
        else:
            for part in _parts(kind, told, drawn):
                yield from _sampled(part, drawn)


def _parts(kind: Any, told: Any, drawn: random.Random) -> list[Any]:
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        low, high, part = told
        return [part] * drawn.randint(low, min(high, low + 3))
    if kind is sre.BRANCH:
        return [drawn.choice(told[1])]
    return [] if kind is sre.AT else [told[3]]


def _from_class(told: Any, drawn: random.Random) -> str:
    letters = "aBcDeFgHkLmN0123456789xYz"
    inside: list[str] = []
    for kind, value in told:
        if kind is sre.LITERAL:
            inside.append(chr(value))
        elif kind is sre.RANGE:
            inside += map(chr, range(value[0], value[1] + 1))
        elif kind is sre.CATEGORY:
            inside += "aB3x" if value is sre.CATEGORY_NOT_SPACE else " "
    negated = told[0][0] is sre.NEGATE
    if not negated:
        return drawn.choice(inside)
    return drawn.choice([c for c in letters if c not in inside]) if " " in inside else " "


def example(row: dict[str, Any], drawn: random.Random) -> tuple[str, str]:
    """A text that holds the format, and the part of it that is secret."""
    pattern = row["pattern"].replace("(?i:", "(?:")
    check = CHECKS[row.get("check", "random")]
    for _ in range(20_000):
        text = sampled(pattern, drawn)
        match = re.search(pattern, text)
        assert match, text
        secret = match[1] if match.re.groups else match[0]
        if len(secret) > 3 and check(secret) and not PLACEHOLDER.search(secret):
            return text, secret
    raise AssertionError(row["name"])


def wif_key() -> str:
    """A Bitcoin key with its right checksum."""
    raw = b"\x80" + bytes(random.Random(SEED).choices(range(256), k=32)) + b"\x01"
    raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[rest] + text
    return text


@pytest.mark.parametrize(
    "row", [*FORMATS["tokens"], *FORMATS["places"]], ids=lambda row: row["name"]
)
def test_each_format_is_masked_whole_whatever_stands_behind_it(row: dict[str, Any]) -> None:
    drawn = random.Random(SEED)
    for after in ("", ".", ") thanks", "\nthanks", ", ok?", "。次"):
        basic = fill("<basic>", drawn)
        made = {"bitcoin_wif": (wif_key(), wif_key()), "basic": (f"Basic {basic}", basic)}
        text, secret = made.get(row["name"]) or example(row, drawn)
        told = f"see {text}{after}"
        start = told.rindex(secret)
        assert covered(redact(told), [(start, start + len(secret))], told), told


@pytest.mark.parametrize("row", FORMATS["numbers"], ids=lambda row: row["name"])
def test_each_number_is_masked_beside_its_name(row: dict[str, Any]) -> None:
    drawn = random.Random(SEED)
    for name in row.get("label", ["here it is:"]):
        text, number = example(row, drawn)
        told = f"my {name} {text} please"
        start = told.index(number)
        masked = redact(told)
        assert covered(masked, [(start, start + len(number))], told), told
        assert {span.kind for span in masked.spans} & {SecretKind(row["kind"]), SecretKind.CARD}


@pytest.mark.parametrize("line", PROSE.split("\n"))
def test_a_value_beside_its_word_is_masked_whole(line: str) -> None:
    text, spans = marked(line)
    masked = redact(text)
    assert covered(masked, spans, text), masked.text
    assert all(text[low:high] not in masked.text for low, high in spans)


@pytest.mark.parametrize("line", HONEST.split("\n"))
def test_honest_talk_stays_as_it_is(line: str) -> None:
    text = line.replace("\\n", "\n")
    assert redact(text) == Redaction(text=text)


def test_ids_that_staff_need_survive_beside_every_word() -> None:
    drawn = random.Random(SEED)
    for word in ("password", "api key", "account", "user", "code:", "secret =", "token"):
        for kind in ("org", "user"):
            named = fill(f"{kind}-<w:24>", drawn)
            assert named in redact(f"my {word} {named} was in the notice").text
            assert named in redact(f"{named} is my {word}").text


@pytest.mark.parametrize("kind", list(SecretKind))
def test_the_mark_names_the_kind_and_nothing_else(kind: SecretKind) -> None:
    assert re.fullmatch(r"[A-Za-z ]+", WORDS[kind])


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


@pytest.mark.parametrize("name", sorted(CHECKSUMS))
def test_a_wrong_check_digit_is_noticed(name: str) -> None:
    good = {
        "luhn": "4111111111111111", "mod97": "GB82WEST12345698765432", "ssn": "219-09-9999",
        "verhoeff": "2363", "cpf": "529.982.247-25", "dni": "12345678Z", "nir": "255081416802538",
        "codice_fiscale": "RSSMRA85T10A562S", "steuer_id": "86095742719", "bsn": "111222333",
        "belgian": "85.07.30-033.28", "pesel": "44051401359", "personnummer": "811218-9876",
        "fnr": "01010750160", "hetu": "131052-308T", "ean": "756.9217.0769.85", "nino": "AB123456C",
        "nhs": "9434765919", "tckn": "10000000146", "cn_resident": "11010519491231002X",
        "birthday": "850101-1234567", "nric": "S1234567D", "rut": "12.345.678-5", "wif": wif_key(),
    }[name]  # fmt: skip
    place = max(i for i, char in enumerate(good) if char.isdigit())
    bad = {
        "ssn": "666-09-9999", "nino": "GB123456C", "birthday": "851301-1234567",
    }.get(name, f"{good[:place]}{(int(good[place]) + 1) % 10}{good[place + 1:]}")  # fmt: skip
    assert CHECKSUMS[name](good), good
    assert not CHECKSUMS["cpf"]("111.111.111-11")
    assert not CHECKSUMS[name](bad), bad


def test_every_role_has_its_words_its_kind_and_its_judge() -> None:
    assert set(JUDGES) == set(KINDS) == set(Role)
    found = {cue.role for word in ("password", "otp", "code", "cvv", "backup code", "seed phrase",
             "secret answer", "api key", "login") for cue in cues(word)}  # fmt: skip
    assert found == set(Role)


def test_private_keys_are_masked_and_public_ones_are_not() -> None:
    block = fill("<pem>", random.Random(SEED))
    cut = block.rsplit("\n", 2)[0]
    quoted = block.replace("\n", "\n> ")
    for told in (block, cut, quoted, block.replace("\n", "\\n")):
        masked = redact(f"see\n{told}\n\nregards")
        assert masked.text == "see\n[removed: private key]\n\nregards", masked.text
    public = re.sub(r"(?:RSA |EC |OPENSSH )?PRIVATE", "PUBLIC", block)
    assert redact(public).spans == ()


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_taken(text: str) -> None:
    check_shape(text, redact(text))


WORDY = st.sampled_from(
    ["password", "is", ":", "=", '"', "\n", "=\n", "> ", "\u200b", "\ud800", "パスワード", "は", "123456",
     "[removed: password]", "sk-", "eyJ", ".", "@", "https://", "user", "*", "?", "\\", "Ab3$x", "code",
     "4111 1111 1111 1111", "ssn", "seed phrase", "maple", "İ", "org-abcDEF123", "</b>", "(", ")", "1."]
)  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(WORDY, st.sampled_from(["", " "])), max_size=24))
def test_any_mixture_of_its_own_words_is_taken(parts: list[tuple[str, str]]) -> None:
    text = "".join(word + gap for word, gap in parts)
    check_shape(text, redact(text))


def check_shape(text: str, masked: Redaction) -> None:
    """Ordered, not overlapping, inside the text; everything else is kept."""
    parts, place = [], 0
    for span in masked.spans:
        assert place <= span.start < span.end <= len(text)
        parts += [text[place : span.start], f"[removed: {WORDS[span.kind]}]"]
        place = span.end
    assert masked.text == "".join([*parts, text[place:]])


def test_views_lead_back_to_the_original() -> None:
    text = "a\u200bﬁ\u0301Ｂ\n> c=\nd\\_e"
    view = folded(text)
    assert [text[place] for place in view.at] == [c for c in text if c not in "\u200b\u0301"]
    tight = squeezed(view)
    assert tight.text == "aﬁBcd_e"
    assert lowered("İĞÜÉß") == "igues"


def test_what_was_masked_once_is_not_masked_again() -> None:
    for case in with_secret(SEED, 300):
        once = redact(case.text).text
        assert redact(once).text == once


# A tracer slows every line of Python down; what is promised is the time without one.
SECONDS = 4 if coverage.Coverage.current() else 1
PATHOLOGICAL = {
    "one letter": "a" * 200_000,
    "sk-": "sk-" * 60_000,
    "brackets": "[" * 100_000 + "]" * 100_000,
    "NULs": "\0" * 256_000,
    "lone surrogates": "\ud800" * 256_000,
    "cues": "password " * 28_000,
    "secrets": "password is a1b2 " * 15_000,
    "one long value": "password: " + "a1" * 120_000,
    "one token of cues": "password=" * 28_000,
    "joined cues": "パスワードはabc123です" * 18_000,
    "figures": "1 " * 128_000,
    "cards": "4111 1111 1111 1111 " * 12_800,
    "identity numbers": "ssn 123-45-6789 " * 16_000,
    "key heads": "-----BEGIN RSA PRIVATE KEY-----\n" * 8_000,
    "token heads": "eyJaaaaaaaa." * 21_000,
    "wraps": "=\n" * 128_000,
    "seed words": "seed phrase " + "maple " * 42_000,
}


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_a_quarter_of_a_megabyte_takes_less_than_a_second(name: str) -> None:
    redact("password: warm-up 1")
    start = time.process_time()
    masked = redact(PATHOLOGICAL[name])
    assert time.process_time() - start < SECONDS
    assert len(masked.text) > 0


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
    assert 0.15 < sum(map(held_out, names)) / len(names) < 0.45
    made = with_secret(SEED, 600)
    assert {case.family for case in made} == names
    assert {case.kind for case in made} == set(SecretKind)
    assert all(case.text[s.start : s.end] for case in made for s in case.spans)
    assert list(secrets(SEED, 50)) == list(secrets(SEED, 50))


@pytest.mark.parametrize("held", [False, True])
def test_generated_secrets_are_masked(*, held: bool) -> None:
    made = [case for case in with_secret(SEED, 1_200) if held_out(case.family) is held]
    spoken = [
        c
        for c in made
        if re.match("password|otp|pin|cvv|login|plain|env|passphrase|seed|security", c.family)
    ]
    formats = [c for c in made if c not in spoken]
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
