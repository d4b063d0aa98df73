"""Detects the language of a text; it is English unless another one is strongly indicated.

Any detector takes short English questions for many languages, and a reply in a wrong language
confuses more than an English one. So another language needs a high certainty.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path

from py3langid import langid
from py3langid.langid import LanguageIdentifier

# The languages that are distinguished: those with templates, and those mistaken for one of these.
KNOWN_LANGUAGES = [
    "en",
    "de",
    "fr",
    "es",
    "pt",
    "it",
    "nl",
    "pl",
    "ja",
    "ko",
    "zh",
    "ar",
    "hi",
    "ru",
    "tr",
    "sv",
    "uk",
    "cs",
    "da",
    "no",
    "fi",
    "ro",
    "hu",
    "el",
    "he",
    "fa",
    "vi",
    "th",
    "id",
    "az",
    "be",
    "bg",
    "kk",
    "mk",
    "sr",
]
# The languages in Cyrillic letters. In a text in one of them, words in Latin letters are names.
CYRILLIC_LANGUAGES = frozenset({"ru", "uk", "be", "bg", "kk", "mk", "sr"})
# Letters of similar languages that a language does not use; they distinguish short texts. In
# Russian a hard sign stands only before four letters.
FOREIGN_LETTERS = {
    language: re.compile(letters)
    for language, letters in {
        "ru": "[іїєґўјљњћђџѓќѕәғқңөұүһ]|ъ(?![еёюя])",
        "uk": "[ыэёъўјљњћђџѓќѕәғқңөұүһ]",
        "be": "[ищъїєґјљњћђџѓќѕәғқңөұүһ]",
        "bg": "[ыэёіїєґўјљњћђџѓќѕәғқңөұүһ]",
        "mk": "[йщъыьэюяёіїєґўәғқңөұүһћђ]",
        "sr": "[йщъыьэюяёіїєґўәғқңөұүһѓќѕ]",
        "sv": "[æø]",
        "da": "[äö]",
        "no": "[äö]",
        "tr": "ə",
    }.items()
}
# Letters of which a text in the language has at least one, if it has USUAL_SIZE letters or more.
USUAL_LETTERS = {"uk": re.compile("[іїєґ]"), "kk": re.compile("[әғқңөұүһ]")}
USUAL_SIZE = 40
# Words that only English has. They decide without the detector, which is slow to load.
ENGLISH_WORDS = frozenset({
    "the", "my", "your", "you", "were", "did", "does", "what", "how", "why", "should", "been",
})  # fmt: skip
# Common words of a language that no similar one has: the detector is unsure of a text of three
# words.
RUSSIAN_WORDS = """
что чтобы это этот эта эти этого кто надо нужно почему зачем откуда если меня мне мой моё
сейчас теперь сколько только такие такое такой какие какой какая был была были было есть нет тоже
также еще ещё вообще можно делать узнать понять здравствуйте пожалуйста взломали аккаунт
аккаунта данные данных почта почту утечка утечке утечки утечку утекли
"""
UKRAINIAN_WORDS = """
що щоб це цей цього ця ці чи хто коли куди навіщо звідки чому якщо мій мої моє мені або досі
зараз тепер вже теж також саме який яка які був було були є немає можна робити дізнатися добрий
доброго зламали дані даних витік витоку витекли вмикати
"""
TURKISH_WORDS = """
mı mü mıyım miyim mısınız misiniz musunuz nedir niye nasıl nasil değil degil için hesabım hesabim
şifrem şifremi sifrem sifremi verilerim verilerimi etkilendi etkilendim çalındı calindi güvende
hacklendi
"""
SWEDISH_WORDS = """
är jag inte vad och från också någon något vilka varför lösenord lösenorden nycklar nycklarna läckt
läckan mejl mejlet uppgifter uppgifterna hackat hackarna drabbad drabbat
"""
OWN_WORDS = {
    "ru": frozenset(RUSSIAN_WORDS.split()),
    "uk": frozenset(UKRAINIAN_WORDS.split()),
    "tr": frozenset(TURKISH_WORDS.split()),
    "sv": frozenset(SWEDISH_WORDS.split()),
}
# Hindi words in Latin letters, which the detector does not know and no other language here has.
HINDI_WORDS = """
hai hain kya kyu kyun kyon nahi nahin mera mere meri mujhe humein hamare hamara hamari aap
aapka aapke aapki kaise kaun kab kahan kitne kitna kitni gaya gayi gaye hua hui tha thi raha
rahe rahi karna karo karein aur ke ka ki ko se wala wale wali bhi toh agar lekin kuch koi
sab apna apne
"""
ROMAN_HINDI = frozenset(HINDI_WORDS.split())
# A text is Hindi where its share of Hindi words in Latin letters is above this.
MIN_HINDI_SHARE = 0.2
# A text is English from this share of ENGLISH_WORDS on; another language above it, by OWN_WORDS.
MIN_ENGLISH_SHARE = 0.15
# The least probability, by the detector, of another language in a text with an English word.
MIN_CERTAINTY_BESIDE_ENGLISH = 0.9
# The same in a text without one; a short question in another language reaches little more.
MIN_CERTAINTY = 0.5
# The same among languages in Cyrillic letters, where the text cannot be English.
MIN_CERTAINTY_CYRILLIC = 0.35
# Characters of a text that are read to detect its language.
MAX_CHARACTERS = 2000
# Least words of a text that changes the language of a conversation.
MIN_WORDS_OF_CHANGE = 4
# Languages by the range of a script of their own. Japanese comes before Chinese, as it uses Han
# letters too.
SCRIPTS = (
    ("ko", ("\uac00", "\ud7a3")),
    ("ja", ("\u3041", "\u30ff")),
    ("zh", ("\u4e00", "\u9fff")),
    ("hi", ("\u0900", "\u097f")),
    ("he", ("\u0590", "\u05ff")),
    ("th", ("\u0e00", "\u0e7f")),
    ("el", ("\u0370", "\u03ff")),
)
# A script decides the language above this share of the letters; Cyrillic, of the words.
MIN_SCRIPT_SHARE = 0.3
# The same for kana: a Japanese sentence may be mostly Han letters.
MIN_KANA_SHARE = 0.08
# The largest share of FOREIGN_LETTERS that a text in the language may have, because of names.
MAX_FOREIGN_SHARE = 0.01
WORD = re.compile(r"\w+")
CYRILLIC_WORD = re.compile("[\u0400-\u04ff]+(?:['’ʼ-][\u0400-\u04ff]+)*")


def detect(text: str) -> str:
    """Return the ISO 639-1 code of the language of `text`; English where none is certain."""
    return recognize_language(text) or "en"


def reply_language(asking: str, whole: str, earlier: Sequence[str] = ()) -> str:
    """Return the ISO 639-1 code of the language in which a message is answered.

    `asking` holds the sentences of the message that ask, `whole` all that the person wrote in it;
    `asking` decides where its language is certain. `earlier` holds the earlier texts of the same
    conversation, the newest first: their language is kept unless a text of some length is in
    another one. The result is English where none is certain.
    """
    spoken = next(filter(None, map(recognize_language, earlier)), "")
    for text in (asking, whole):
        language = recognize_language(text)
        if language and (language == spoken or not spoken or _is_long_enough(text)):
            return language
    return spoken or "en"


def recognize_language(text: str) -> str:
    """Return the ISO 639-1 code of the language of `text`; empty where none is certain."""
    sample = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
    if script := _language_of_script(sample):
        return script
    words = [word.strip(".,?!;:") for word in sample.lower().split()]
    if sample.isascii() and sum(w in ROMAN_HINDI for w in words) > MIN_HINDI_SHARE * len(words):
        return "hi"
    english = sum(w in ENGLISH_WORDS for w in words)
    if sample.isascii() and english >= max(1, MIN_ENGLISH_SHARE * len(words)):
        return "en"
    if not any(c.isalpha() for c in sample):
        return ""
    language, certainty = _most_likely(sample)
    least = MIN_CERTAINTY_CYRILLIC if language in CYRILLIC_LANGUAGES else MIN_CERTAINTY
    return language if certainty >= (MIN_CERTAINTY_BESIDE_ENGLISH if english else least) else ""


def _most_likely(text: str) -> tuple[str, float]:
    """Return the most likely language of `text` and its probability, 0 to 1.

    In a text with many Cyrillic words only these are read, as the others are names, and only
    languages in Cyrillic letters are candidates. Languages that do not fit the letters of the text
    are left out. Words that only one language has decide without the detector.
    """
    words = CYRILLIC_WORD.findall(text.lower())
    if len(words) > MIN_SCRIPT_SHARE * len(text.split()):
        text, candidates = " ".join(words), CYRILLIC_LANGUAGES
    else:
        words, candidates = (
            WORD.findall(text.lower()),
            frozenset(KNOWN_LANGUAGES) - CYRILLIC_LANGUAGES,
        )
    possible = {each for each in candidates if _is_written_so(text, each)} or candidates
    if language := _by_own_words(words, possible):
        return language, 1.0
    ranked = [(str(name), float(share)) for name, share in _identifier().rank(text)]
    shares = {name: share for name, share in ranked if name in possible}
    likely = max(shares, key=shares.__getitem__, default="")
    return likely, shares.get(likely, 0.0) / (sum(shares.values()) or 1.0)


def _is_written_so(text: str, language: str) -> bool:
    """Can `text` be in this language by its letters? A few may be foreign, as in a name."""
    size, small = sum(c.isalpha() for c in text), text.lower()
    usual, foreign = USUAL_LETTERS.get(language), FOREIGN_LETTERS.get(language)
    if usual and size >= USUAL_SIZE and not usual.search(small):
        return False
    return not foreign or len(foreign.findall(small)) <= MAX_FOREIGN_SHARE * size


def _by_own_words(words: Sequence[str], possible: AbstractSet[str]) -> str:
    """Return the language of which alone `words` has OWN_WORDS, and enough; else empty."""
    shares = {
        language: sum(word in own for word in words)
        for language, own in OWN_WORDS.items()
        if language in possible
    }
    found = [name for name, count in shares.items() if count]
    return found[0] if len(found) == 1 and shares[found[0]] > MIN_ENGLISH_SHARE * len(words) else ""


def _language_of_script(text: str) -> str:
    """Return the language whose script has enough of the letters; empty for shared scripts."""
    letters = [c for c in text if c.isalpha()]
    for language, (first, last) in SCRIPTS:
        share = MIN_KANA_SHARE if language == "ja" else MIN_SCRIPT_SHARE
        if sum(first <= c <= last for c in letters) > share * len(letters):
            return language
    return ""


def _is_long_enough(text: str) -> bool:
    """Is the text long enough to show that its writer changed the language?"""
    return len(text.split()) >= MIN_WORDS_OF_CHANGE or bool(_language_of_script(text))


@cache
def _identifier() -> LanguageIdentifier:
    path = str(Path(langid.__file__).parent / langid.MODEL_FILE)
    identifier = LanguageIdentifier.from_model_file(path, norm_probs=True)
    identifier.set_languages(KNOWN_LANGUAGES)
    return identifier
