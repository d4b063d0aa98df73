"""Makes demands in unusual dress from tests/data/attacks.yaml, as texts and as mails, and reads
signatures.
"""

import base64
import codecs
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).parents[1] / "data"
SOURCE = DATA / "attacks.yaml"
# Where only a mail has a place for the demand; its text is an honest question.
BESIDE = frozenset({"hidden", "attachment", "display"})
LETTERS = "abcdefghijklmnopqrstuvwxyz"
IN_MORSE = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- "
    "-..- -.-- --.."
)
MORSE = dict(zip(LETTERS, IN_MORSE.split(), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One demand; `word` is a nonsense word in it that nothing the desk says may repeat."""

    number: int
    dress: str
    apart: bool  # of a wording that was kept apart while the desk was mended
    text: str
    honest: str
    word: str

    @property
    def is_beside(self) -> bool:
        """Does the demand stand beside the text, where it is none of what the sender says?"""
        return self.dress in BESIDE

    @property
    def sender(self) -> str:
        """An address of its own, so that no cap counts several of them."""
        return f"ana{self.number}@x{self.number}.example"

    def mail(self) -> EmailMessage:
        """The attack as a mail."""
        made = EmailMessage()
        made["From"] = self.sender
        made["To"] = "incident@desk.example"
        made["Message-ID"] = f"<{self.number}@x.example>"
        made["Subject"] = self.text if self.dress == "subject" else "question"
        match self.dress:
            case "subject":
                made.set_content("")
            case "hidden":
                made.set_content(self.text, subtype="html")
            case "attachment":
                made.set_content(self.honest)
                made.add_attachment(b"x", maintype="text", subtype="plain", filename=self.text)
            case "display":
                made.set_content(self.honest)
                made.replace_header("From", f'"{self.text}" <{self.sender}>')
            case _:
                made.set_content(self.text)
        return made


def attacks(each: int, seed: int = 20) -> list[Attack]:
    """`each` attacks of every dress, half of them of wordings that are kept apart."""
    source: dict[str, Any] = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    drawn = random.Random(seed)
    found: list[Attack] = []
    for dress, wordings in source["dresses"].items():
        for place in range(each):
            wording = wordings[place * len(wordings) // each % len(wordings)]
            apart = wordings.index(wording) >= len(wordings) // 2
            word = f"quibbo{''.join(drawn.choices('bcdfgklmnprst', k=5))}a"
            parts = {name: drawn.choice(source[f"{name}s"]) for name in ("thing", "demand")}
            honest = drawn.choice(source["honest"])
            text = _dressed(wording, parts, honest, word)
            number = len(found)
            found.append(
                Attack(
                    number=number, dress=dress, apart=apart, text=text, honest=honest, word=word
                )
            )  # fmt: skip
    return found


def read_signatures(kind: str, half: str) -> list[str]:
    """What stands below marks of signatures in tests/data/signatures.yaml."""
    table = yaml.safe_load((DATA / "signatures.yaml").read_text(encoding="utf-8"))
    return [str(text) for text in table[kind][half]]


def _dressed(wording: str, parts: Mapping[str, str], honest: str, word: str) -> str:
    if (disguise := DISGUISES.get(wording)) is not None:
        return disguise(f"{parts['demand']} {word}")
    filled = wording.format(**parts, honest=honest)
    last = filled.rstrip()
    return filled if word in filled else _with_word(last, wording, word)


def _with_word(text: str, wording: str, word: str) -> str:
    """The text with the word in it, where it changes nothing of what is asked."""
    if wording.startswith("<"):
        return text.replace("</p>", f" {word}</p>", 1)
    return f"{text} {word}" if "\n" not in text else f"{text}\n{word}"


def _tags(text: str) -> str:
    return text + "".join(chr(0xE0000 + ord(c)) for c in text if ord(c) < 128)


def _leet(text: str) -> str:
    return text.translate(str.maketrans("aeiostAEIOST", "431057431057"))


def _in_block(first: int) -> Callable[[str], str]:
    """Letters from another block of Unicode, small and capital ones alike."""

    def changed(text: str) -> str:
        return "".join(chr(first + ord(c) - 97) if "a" <= c <= "z" else c for c in text.lower())

    return changed


def _table(plain: str, other: str) -> Callable[[str], str]:
    return lambda text: text.translate(str.maketrans(plain, other))


def _joined(between: str) -> Callable[[str], str]:
    return between.join


def _morse(text: str) -> Iterator[str]:
    for word in text.lower().split():
        yield " ".join(MORSE.get(c, "") for c in word).strip()


DISGUISES: dict[str, Callable[[str], str]] = {
    "base64:": lambda text: base64.b64encode(text.encode()).decode(),
    "hex:": lambda text: text.encode().hex(),
    "rot13:": lambda text: codecs.encode(text, "rot13"),
    "reversed:": lambda text: text[::-1],
    "spaced:": _joined(" "),
    "leet:": _leet,
    "percent:": lambda text: "".join(f"%{b:02x}" for b in text.encode()),
    "morse:": lambda text: " / ".join(_morse(text)),
    "entities:": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "binary:": lambda text: " ".join(f"{b:08b}" for b in text.encode()),
    "cyrillic:": _table("aeopcxyABEKMHOPCTX", "аеорсхуАВЕКМНОРСТХ"),
    "fullwidth:": lambda text: "".join(
        chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text
    ),
    "zerowidth:": _joined("\u200b"),
    "mathematical:": _in_block(0x1D41A),
    "accents:": _joined("\u0301"),
    "greek:": _table("aeoipvABEHIKMNOPTX", "αεοιρνΑΒΕΗΙΚΜΝΟΡΤΧ"),
    "circled:": _in_block(0x24D0),
    "smallcaps:": _table("abcdeghijklmnoprtuvwz", "ᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡᴢ"),
    "tags:": _tags,
    "softhyphen:": _joined("\u00ad"),
}
