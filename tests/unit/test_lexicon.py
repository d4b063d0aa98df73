"""Glosses: from a question in another language to plain English words."""

from pathlib import Path

import pytest

from bot.corpus import load
from bot.corpus.lexicon import Lexicon, read_lexicon
from bot.errors import KnowledgeError
from bot.text.language import detect
from tests.conftest import KNOWLEDGE

LEXICON = KNOWLEDGE / "lexicon"


def lexicon(tmp_path: Path, language: str, text: str) -> Lexicon:
    path = tmp_path / f"{language}.yaml"
    path.write_text(text, encoding="utf-8")
    return read_lexicon(path)


@pytest.mark.parametrize(
    ("language", "forms", "text", "gloss"),
    [
        ("de", "password: ['passwort*']\nwas: [wurde]\nmy: ['mein*']\nstolen: ['gestohlen*']",
         "Wurde mein PASSWORT gestohlen?", "was my password stolen?"),
        # The longest form wins, also across words; the empty key drops a word.
        ("de", "how many: [wie viele]\nhow: [wie]\npeople: [leute]\n'': [denn]",
         "Wie viele Leute denn", "how many people"),
        # A compound is what its last part is; accents do not matter, names and numbers stay.
        ("de", "key: ['schlüssel*']\nmy: [meine]", "meine Produktionsschluessel", ""),
        ("de", "key: ['schlüssel*']\nmy: [meine]", "Meine Produktionsschlüssel bei OpenAI 2025",
         "my key openai 2025"),
        ("fr", "my: [mes]\nkeys: ['clé*']\nthe: [l]\naccount: [compte]", "mes cles, l'compte",
         "my keys the account"),
        ("ja", "password: [パスワード]\nleak: [漏れ]\n'?': [ますか]", "パスワード漏れてますか？",
         "password leak ??"),
        ("zh", "password: [密码]\nleaked: [泄露了]\nleak: [泄露]", "我的密码泄露了吗 OpenAI",
         "password leaked openai"),
        ("ko", "password: [비밀번호]\nleaked: [유출]", "비밀번호가 유출됐나요?", "password leaked?"),
        ("ar", "password: [كلمة المرور]\nstolen: [سرقت]\nis: [هل]", "هل سُرقت كلمة المرور؟",
         "is stolen password?"),
        ("ar", "keys: [مفاتيح]\nmy: [خاص]", "بالمفاتيح خاصي", "keys my"),
        ("hi", "my: [मेरा]\npassword: [पासवर्ड]\nstolen: [चोरी]", "क्या मेरा पासवर्ड चोरी हुआ?",
         "my password stolen?"),
        # Too little is known: nothing, in place of something misleading.
        ("pl", "my: [moje]", "moje hasło", ""),
    ],
)  # fmt: skip
def test_gloss(tmp_path: Path, language: str, forms: str, text: str, gloss: str) -> None:
    assert lexicon(tmp_path, language, forms).gloss(text) == gloss


@pytest.mark.parametrize("text", ["- password", "password: passwort", "1: [eins]", "a: [b"])
def test_a_broken_lexicon_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(KnowledgeError, match=r"de\.yaml"):
        lexicon(tmp_path, "de", text)


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("de", "Wurde mein Passwort gestohlen?", {"was", "my", "password", "stolen"}),
        ("fr", "Mon mot de passe a-t-il été volé ?", {"my", "password", "stolen"}),
        ("es", "¿Me robaron la contraseña?", {"password", "stole"}),
        ("pt", "A minha senha foi roubada?", {"my", "password", "stolen"}),
        ("it", "La mia password è stata rubata?", {"my", "password", "stolen"}),
        ("nl", "Is mijn wachtwoord gestolen?", {"my", "password", "stolen"}),
        ("pl", "Czy moje hasło zostało skradzione?", {"my", "password", "stolen"}),
        ("ja", "私のパスワードは盗まれましたか？", {"my", "password", "stolen"}),
        ("ko", "제 비밀번호가 유출됐나요?", {"password", "leaked"}),
        ("zh", "我的密码被盗了吗？", {"my", "password", "stolen"}),
        ("ar", "هل سُرقت كلمة المرور الخاصة بي؟", {"password", "stolen"}),
        ("hi", "क्या मेरा पासवर्ड चोरी हो गया?", {"my", "password", "stolen"}),
    ],
)
def test_a_lexicon_knows_the_words_of_its_language(
    language: str, text: str, words: set[str]
) -> None:
    gloss = read_lexicon(LEXICON / f"{language}.yaml").gloss(text)
    assert words <= set(gloss.replace("?", "").split()), gloss


def test_what_no_lexicon_knows_stays_as_it_is() -> None:
    knowledge = load(KNOWLEDGE)
    assert {p.stem for p in LEXICON.glob("*.yaml")} < set(knowledge.templates)
    assert knowledge.plain("Byl můj účet napaden?", "cs") == "Byl můj účet napaden?"
    assert knowledge.plain("Were my keys exposed?", "en") == "Were my keys exposed?"
    assert knowledge.plain("Xyz", "de") == "Xyz"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("mera password chori ho gaya kya", "hi"),
        ("hacker pakda gaya?", "hi"),
        ("Was the key of my account in it?", "en"),
        ("Wurde mein Passwort gestohlen?", "de"),
        ("¿Debo restablecer mi contraseña?", "es"),
        ("Dites-moi si ma clé API a fuité.", "fr"),
        ("API keys leaked or not", "en"),
        ("Why MFA?", "en"),
    ],
)
def test_the_language_of_a_short_text_is_known(text: str, language: str) -> None:
    assert detect(text) == language
