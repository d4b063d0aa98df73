"""Detects the language of a text; English unless the sign of another is strong.

A short English question looks like many languages to any detector, and a wrong template language
confuses more than an English one, so a high certainty is asked for.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from py3langid import langid
from py3langid.langid import LanguageIdentifier

# The languages told apart: those with templates, and neighbours they are mistaken for.
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
]
# Words that only English has; a plain question then needs no detector, which is slow to load.
ENGLISH_WORDS = frozenset({
    "the", "my", "your", "you", "were", "did", "does", "what", "how", "why", "should", "been",
})  # fmt: skip
# Hindi in Latin letters, which the detector does not know: words that no other language here has.
HINDI_WORDS = """
hai hain kya kyu kyun kyon nahi nahin mera mere meri mujhe humein hamare hamara hamari aap
aapka aapke aapki kaise kaun kab kahan kitne kitna kitni gaya gayi gaye hua hui tha thi raha
rahe rahi karna karo karein aur ke ka ki ko se wala wale wali bhi toh agar lekin kuch koi
sab apna apne
"""
ROMAN_HINDI = frozenset(HINDI_WORDS.split())
# A larger share of Hindi words in Latin letters makes a text Hindi.
MIN_HINDI_SHARE = 0.2
# This share of words that only English has makes a text English.
MIN_ENGLISH_SHARE = 0.15
# The least certainty of the detector for a language beside English words.
MIN_CERTAINTY_BESIDE_ENGLISH = 0.9
# The same where no word is English: a short foreign question gives little more.
MIN_CERTAINTY = 0.5
# Characters of a text whose language is detected.
MAX_CHARACTERS = 2000
# Words of a sentence that changes the language of a conversation.
MIN_WORDS_OF_CHANGE = 4
# Scripts of one language here, in the order in which they are looked for: Japanese has Han letters.
SCRIPTS = (
    ("ko", ("\uac00", "\ud7a3")),
    ("ja", ("\u3041", "\u30ff")),
    ("zh", ("\u4e00", "\u9fff")),
    ("hi", ("\u0900", "\u097f")),
    ("he", ("\u0590", "\u05ff")),
    ("th", ("\u0e00", "\u0e7f")),
    ("el", ("\u0370", "\u03ff")),
)
# The least share of letters of a script that decides the language.
MIN_SCRIPT_SHARE = 0.3
# The same of kana: a Japanese sentence may be mostly Han letters.
MIN_KANA_SHARE = 0.08


def detect(text: str) -> str:
    """Returns the ISO 639-1 code of the language of `text`; English where no language is plain."""
    return recognize_language(text) or "en"


def reply_language(asking: str, whole: str, earlier: Sequence[str] = ()) -> str:
    """Returns the ISO 639-1 code of the language in which a message is answered.

    `asking` holds the sentences of the message that ask, `whole` all that the person wrote in it;
    the sentences that ask decide where they are plain. `earlier` holds what was written before in
    the same conversation, the newest first: its language stays unless a sentence of some length
    asks in another one. The result is English where nothing is plain.
    """
    spoken = next(filter(None, map(recognize_language, earlier)), "")
    for text in (asking, whole):
        language = recognize_language(text)
        if language and (language == spoken or not spoken or _is_long_enough(text)):
            return language
    return spoken or "en"


def recognize_language(text: str) -> str:
    """Returns the ISO 639-1 code of the language of `text`; empty where no language is plain."""
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
    language, certainty = _identifier().classify(sample)
    return (
        str(language)
        if certainty >= (MIN_CERTAINTY_BESIDE_ENGLISH if english else MIN_CERTAINTY)
        else ""
    )


def _language_of_script(text: str) -> str:
    """Returns the language whose own letters are a good part of the text; empty for shared
    scripts.
    """
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
