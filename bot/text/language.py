"""Which language a text is in; English unless the sign of another is strong.

A short English question looks like many languages to any detector, and a wrong template language
confuses more than an English one, so a high certainty is asked for.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from py3langid import langid
from py3langid.langid import LanguageIdentifier

# The languages told apart: those with templates, and neighbours they are mistaken for.
KNOWN = [
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
ENGLISH = frozenset({
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
ROMAN_SHARE = 0.2
PLAIN_SHARE = 0.15
CERTAIN = 0.9
LIKELY = 0.5  # is enough where no word is English; a short foreign question gives little more
MAX_CHARACTERS = 2000
CHANGING_WORDS = 4  # of a sentence that changes the language of a conversation
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
SCRIPT_SHARE = 0.3  # of the letters of a text
KANA_SHARE = 0.08  # a Japanese sentence may be mostly Han letters


def detect(text: str) -> str:
    """ISO 639-1 code of the language of `text`; English where no language is plain."""
    return recognize(text) or "en"


def reply_language(asking: str, whole: str, earlier: Sequence[str] = ()) -> str:
    """ISO 639-1 code of the language in which a message is answered.

    `asking` holds the sentences of the message that ask, `whole` all that the person wrote in it;
    the sentences that ask decide where they are plain. `earlier` holds what was written before in
    the same conversation, the newest first: its language stays unless a sentence of some length
    asks in another one. English where nothing is plain.
    """
    spoken = next(filter(None, map(recognize, earlier)), "")
    for text in (asking, whole):
        language = recognize(text)
        if language and (language == spoken or not spoken or _is_long_enough(text)):
            return language
    return spoken or "en"


def recognize(text: str) -> str:
    """ISO 639-1 code of the language of `text`; empty where no language is plain."""
    sample = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
    if script := _by_script(sample):
        return script
    words = [word.strip(".,?!;:") for word in sample.lower().split()]
    if sample.isascii() and sum(w in ROMAN_HINDI for w in words) > ROMAN_SHARE * len(words):
        return "hi"
    english = sum(w in ENGLISH for w in words)
    if sample.isascii() and english >= max(1, PLAIN_SHARE * len(words)):
        return "en"
    if not any(c.isalpha() for c in sample):
        return ""
    language, certainty = _identifier().classify(sample)
    return str(language) if certainty >= (CERTAIN if english else LIKELY) else ""


def _by_script(text: str) -> str:
    """The language whose own letters are a good part of the text; empty for shared scripts."""
    letters = [c for c in text if c.isalpha()]
    for language, (first, last) in SCRIPTS:
        share = KANA_SHARE if language == "ja" else SCRIPT_SHARE
        if sum(first <= c <= last for c in letters) > share * len(letters):
            return language
    return ""


def _is_long_enough(text: str) -> bool:
    """Is the text long enough to show that its writer changed the language?"""
    return len(text.split()) >= CHANGING_WORDS or bool(_by_script(text))


@cache
def _identifier() -> LanguageIdentifier:
    path = str(Path(langid.__file__).parent / langid.MODEL_FILE)
    identifier = LanguageIdentifier.from_model_file(path, norm_probs=True)
    identifier.set_languages(KNOWN)
    return identifier
