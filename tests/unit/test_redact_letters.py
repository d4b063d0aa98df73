"""A key with a letter exchanged, or with something in it that nobody sees, is masked whole."""

import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from bot.redact import redact
from bot.text.unicode import INVISIBLE, ascii_readings, ligatures
from evals.generators.draws import fill
from tests.support.masking import SEED, covered
from tests.support.secret_examples import STRINGS, examples

HEAD = 12  # characters that tell a format from others: each is exchanged
KEYS = ("sk-proj-<t:74>", "ghp_<w:36>", "AIza<t:35>", "glpat-<t:20>", "npm_<w:36>", "hf_<w:34>")
PASSING: dict[str, str] = {}
for char, read in ascii_readings().items():
    for one in read:
        PASSING[one] = PASSING.get(one, "") + char
# Nothing here is a secret: people write so in their languages, English names among their words.
HONEST = (
    "Здравствуйте! Нужно ли мне менять API-ключи и пароль? Письмо OpenAI от 26.11.2025, заявка №12345.",
    "Моя SMSка не пришла, email'ом тоже ничего. iPhone'ом пользуюсь с 2019 года.",
    "Γεια σας, έλαβα το e-mail σας για το Mixpanel στις 26/11/2025. Πρέπει να αλλάξω το API key μου;",
    "Արդյո՞ք պետք է փոխեմ իմ API բանալին OpenAI-ում 2025 թվականին։",
    "שלום, קיבלתי את המייל של OpenAI ב-26.11.2025. האם עליי להחליף את מפתחות ה-API שלי?",
    "مرحباً، وصلتني رسالة OpenAI بتاريخ ٢٦/١١/٢٠٢٥. هل يجب تغيير مفاتيح API الخاصة بي؟",
    "क्या मुझे 26 नवंबर २०२५ के बाद अपनी API कुंजियाँ बदलनी चाहिए?",
    "2025年11月26日にOpenAIからのメールを受け取りました。APIキーを変更する必要がありますか？",
    "Jörg Müller-Lüdenscheid2025, Straße 12, http://müller.example/über-uns/2025, Größe: 42",
    "Ça m'inquiète : l'équipe2025 a reçu l'e-mail n°12345 du 26/11/2025.",
    "Người dùng không cần đổi mật khẩu của tài khoản OpenAI ngày 26/11/2025 phải không?",
    "ข้อมูลของฉันใน ChatGPT รั่วไหลเมื่อวันที่ ๒๖/๑๑/๒๕๖๘ หรือไม่",
)


def exchanged(text: str, low: int, high: int, drawn: random.Random) -> Iterator[str]:
    """`text` with each of its first letters, and some of the others, exchanged for a look-alike."""
    for place in range(low, high):
        passing = PASSING.get(text[place], "")
        if passing and (place < low + HEAD or drawn.random() < 0.1):
            yield text[:place] + drawn.choice(passing) + text[place + 1 :]


@pytest.mark.no_cover
@pytest.mark.parametrize("name", STRINGS)
def test_each_format_is_masked_whole_with_any_letter_exchanged(name: str) -> None:
    drawn = random.Random(f"{SEED}{name}")
    text, spans = next(examples(name))
    for low, high in spans:
        for told in exchanged(text, low, high, drawn):
            assert covered(redact(told), spans, told), told


@pytest.mark.no_cover
@pytest.mark.parametrize("letter", sorted(PASSING.keys() & set("skproj-_AIzagh")))
def test_each_look_alike_of_a_letter_is_known(letter: str) -> None:
    drawn = random.Random(SEED)
    for char in PASSING[letter]:
        key = fill(next(key for key in KEYS if letter in key.partition("<")[0]), drawn)
        told = key.replace(letter, char, 1)
        assert covered(redact(told), [(0, len(told))], told), told


def _marked(key: str, drawn: random.Random) -> str:
    return "".join(chr(drawn.choice(range(0x300, 0x370))) + c for c in key)


def _marked_by_another_script(key: str, _drawn: random.Random) -> str:
    odd = itertools.cycle("\u05b4\u064e\u093c\u0e34")
    return "".join(c + next(odd) for c in key[:-1]) + key[-1]


def _sprinkled(key: str, drawn: random.Random) -> str:
    odd = sorted(INVISIBLE)
    return "".join(drawn.choice(odd) + c for c in key)


def _right_to_left(key: str, _drawn: random.Random) -> str:
    return f"\u202e{key[::-1]}"


def _within_marks(key: str, _drawn: random.Random) -> str:
    return f"\u2067{key[:9]}\u200f{key[9:]}"


def _full_width(key: str, _drawn: random.Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) for c in key)


def _mathematical(key: str, _drawn: random.Random) -> str:
    return "".join(
        chr(0x1D5D4 + ord(c) - 65) if c.isupper()
        else chr(0x1D5EE + ord(c) - 97) if c.islower()
        else chr(0x1D7EC + int(c)) if c.isdigit() else c
        for c in key
    )  # fmt: skip


def _every_letter_exchanged(key: str, drawn: random.Random) -> str:
    """Into the script of one's choice; figures stay, which is what mixes it with ASCII."""
    return "".join(drawn.choice(PASSING[c]) if c.isalpha() else c for c in key)


def _from_a_page(key: str, _drawn: random.Random) -> str:
    """A page sets fi, fl and ff as one sign; the key is made to hold them."""
    return f"{key[:-6]}ﬁ0ﬂ1ﬀ"


@pytest.mark.parametrize(
    "disguise",
    [_marked, _marked_by_another_script, _sprinkled, _right_to_left, _within_marks, _full_width,
     _mathematical, _every_letter_exchanged, _from_a_page],
)  # fmt: skip
def test_a_key_that_only_looks_the_same_is_masked_whole(
    disguise: Callable[[str, random.Random], str],
) -> None:
    drawn = random.Random(SEED)
    for form in KEYS:
        hidden = disguise(fill(form, drawn), drawn)
        told = f"my key:\n{hidden}\nplease check it"
        masked = redact(told)
        assert masked.text.startswith("my key:\n"), masked.text
        assert masked.text.endswith("\nplease check it"), masked.text
        assert masked.text.count("[removed: ") == 1, masked.text
        assert masked.spans[0].end == len("my key:\n" + hidden), masked.text


@pytest.mark.parametrize("word", ["pаssword", "рassword", "passwоrd", "РASSWORD"])
def test_a_word_in_two_scripts_is_read_as_the_word(word: str) -> None:
    assert redact(f"my {word} is Fluffy-99").text == f"my {word} is [removed: password]"


def test_places_lead_back_through_a_ligature() -> None:
    key = fill("ghp_<w:30>", random.Random(SEED)) + "ﬁ4"
    told = f"ключ {key} ключ"
    (span,) = redact(told).spans
    assert told[span.start : span.end] == key


@pytest.mark.parametrize("text", HONEST)
def test_honest_texts_in_every_script_stay(text: str) -> None:
    assert redact(text).text == text


def test_no_passing_letter_is_left_to_chance() -> None:
    assert all(PASSING.get(letter) for letter in "abcdefghijklmnopqrstuvwxyz")
    assert all(PASSING.get(letter) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert "ﬁ" in ligatures()
