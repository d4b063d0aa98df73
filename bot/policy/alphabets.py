"""Letters that stand for others: look-alikes, digits for letters, letters turned over."""


def _table(pairs: str, into: str) -> dict[int, str]:
    return {ord(a): b for a, b in zip(pairs, into, strict=True)}


LOOKALIKES: dict[int, str] = {
    # Cyrillic
    **_table("аАвВеЕёЁіІїЇјЈкКмМнНоОрР", "aAbBeEeEiIiIjJkKmMhHoOpP"),
    **_table("сСтТуУхХѕЅһҺԁԛԝгпьѵ", "cCtTyYxXsShHdqwrnbv"),
    # Greek
    **_table("αΑβΒεΕζΖηΗιΙκΚμΜνΝοΟρΡτΤυΥχΧωσ", "aAbBeEzZnHiIkKuMvNoOpPtTuYxXwo"),
    # Armenian, Cherokee and phonetic letters
    **_table("աԁհոսցօյքɑɡɩʏɢɪɴʀʙʜʟᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜱꜰ", "wdhnugojpagiyginrbhlacdejkmoptuvwzsf"),
    **{0x1F1E6 + i: chr(ord("a") + i) for i in range(26)},  # regional indicators
    **{start + i: chr(ord("a") + i) for start in (0x1F150, 0x1F170) for i in range(26)},  # in discs
}  # fmt: skip
LEET: dict[int, str] = _table("0345789@$€£", "oeastbgasel")
UPSIDE_DOWN: dict[int, str] = _table("ɐqɔpǝɟƃɓɥᴉıɾʞlɯuodbɹsʇnʌʍxʎz", "abcdefgghiijklmnopqrstuvwxyz")
