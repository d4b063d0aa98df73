"""Which language a text is in; English unless the sign of another is strong.

A short English question looks like many languages to any detector, and a wrong template language
confuses more than an English one, so a high certainty is asked for.
"""

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


def detect(text: str) -> str:
    """ISO 639-1 code of the text's language."""
    words = text[:MAX_CHARACTERS].lower().split()
    if text.isascii() and sum(w.strip(".,?!") in ROMAN_HINDI for w in words) > ROMAN_SHARE * len(
        words
    ):
        return "hi"
    english = sum(w.strip(".,?!;:") in ENGLISH for w in words)
    if text.isascii() and english >= max(1, PLAIN_SHARE * len(words)):
        return "en"
    sample = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
    language, certainty = _identifier().classify(sample)
    return str(language) if certainty >= (CERTAIN if english else LIKELY) else "en"


@cache
def _identifier() -> LanguageIdentifier:
    path = str(Path(langid.__file__).parent / langid.MODEL_FILE)
    identifier = LanguageIdentifier.from_model_file(path, norm_probs=True)
    identifier.set_languages(KNOWN)
    return identifier
