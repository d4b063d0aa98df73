"""Tables of characters that stand for letters in disguises: leetspeak and upside-down letters."""


def _table(pairs: str, into: str) -> dict[int, str]:
    return {ord(a): b for a, b in zip(pairs, into, strict=True)}


LEET: dict[int, str] = _table("0345789@$€£", "oeastbgasel")
UPSIDE_DOWN: dict[int, str] = _table("ɐqɔpǝɟƃɓɥᴉıɾʞlɯuodbɹsʇnʌʍxʎz", "abcdefgghiijklmnopqrstuvwxyz")
