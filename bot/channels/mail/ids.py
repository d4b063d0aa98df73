"""Message-IDs: which mails a mail names, and what of them may stand in a header of ours.

The two need different readings. Whoever looks an id up wants every form that a mail program may
have made of it; what leaves must be an id by RFC 5322, for a strict reader refuses anything else.
"""

from collections.abc import Iterable, Sequence

import re2

from bot.channels.mail.decode import decode_encoded_words

MAX_ID_CHARACTERS = 995  # a line has at most 998 characters, of which two or three are not the id's
MAX_IDS_PER_END = 500  # ids that are looked at, from the beginning and from the end of the headers
BRACKETED = re2.compile(r"<([^<>]*)>")
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_\x60{|}~-]+"
DOT_ATOM = rf"{ATOM}(?:\.{ATOM})*"
VALID_ID = re2.compile(rf"<{DOT_ATOM}@(?:{DOT_ATOM}|\[[!-Z^-~]*\])>")
SURROUNDING_MARKS = "<>()\"',;"


def find_message_ids(values: Iterable[str]) -> tuple[str, ...]:
    """The ids that the values of some headers name, each once, in brackets and without white space.

    Ids in brackets come first, in their order: a word with an @ beside them may be an address.
    """
    text = _joined_values(values)
    names = ["".join(each.split()) for each in BRACKETED.findall(text)]
    loose = (word.strip(SURROUNDING_MARKS) for word in _words(BRACKETED.sub(" ", text)))
    names += [word for word in loose if "@" in word]
    ids = list(
        dict.fromkeys(f"<{each}>" for each in names if each and len(each) < MAX_ID_CHARACTERS)
    )
    return tuple(
        ids if len(ids) <= 2 * MAX_IDS_PER_END else ids[:MAX_IDS_PER_END] + ids[-MAX_IDS_PER_END:]
    )


def find_valid_ids(values: Iterable[str]) -> tuple[str, ...]:
    """Those of the ids in some headers that may leave as they are; brackets are added to bare ids.

    An id with white space is none, nor is what is left of it.
    """
    text = _joined_values(values)
    candidates = [f"<{each.strip()}>" for each in BRACKETED.findall(text)]
    if "<" not in text and ">" not in text:
        candidates = [f"<{word}>" for word in _words(text)]
    return tuple(dict.fromkeys(each for each in candidates if is_valid_id(each)))


def read_message_id(value: str) -> str:
    """The one id of a Message-ID header, if it may leave; else nothing."""
    text = _joined_values([value])
    ids = find_valid_ids([text])
    alone = "<" in text or len(text.split()) == 1
    return ids[0] if ids and alone else ""


def is_valid_id(message_id: str) -> bool:
    """Is this a msg-id by RFC 5322 that fits into a line, and that no reader takes for encoded?"""
    return (
        len(message_id) <= MAX_ID_CHARACTERS
        and "=?" not in message_id
        and bool(VALID_ID.fullmatch(message_id))
    )


def first_id_of_thread(references: Sequence[str], replied: Sequence[str]) -> str:
    """The first mail of a thread: the first id of References, else of In-Reply-To, else nothing."""
    return next(iter((*references, *replied)), "")


def _joined_values(values: Iterable[str]) -> str:
    """The values as one text, as they stood before a mail program encoded them."""
    text = " ".join(values)
    if "=?" in text:
        text = decode_encoded_words(text)
    return text.replace("&lt;", "<").replace("&gt;", ">")


def _words(text: str) -> list[str]:
    return text.replace(",", " ").replace(";", " ").split()
