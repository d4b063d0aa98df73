"""Character sets: what the bytes say decides, and nobody decides on letters that are lost."""

import codecs

import pytest

from bot.channels.mail.decode import decode_encoded_words, decode_text, is_garbled
from bot.channels.mail.parse import parse
from bot.channels.mail.rules import MailRuleContext, apply_rules

SENTENCES = {
    "de": "Wurden meine Schlüssel gestohlen? Muss ich mein Passwort ändern?",
    "fr": "Mes clés ont-elles été exposées ? Dois-je changer mon mot de passe ?",
    "es": "¿Debo cambiar la contraseña de mi cuenta?",
    "pt": "Minha senha foi exposta? Não sei o que fazer com ela.",
    "pl": "Czy moje klucze zostały ujawnione? Czy muszę zmienić hasło?",
    "cs": "Musím si změnit heslo? Děkuji",
    "tr": "Şifremi değiştirmem gerekiyor mu?",
    "ru": "Нужно ли мне менять пароль? Спасибо, Анна",
    "uk": "Чи потрібно мені змінити пароль? Дякую",
    "ja": "パスワードを変更する必要がありますか。メールアドレスは漏れましたか。",
    "zh": "请问我的密码和邮箱地址被泄露了吗？",
    "zh-tw": "請問我的密碼外洩了嗎？需要更改密碼嗎？",
    "ko": "안녕하세요. 제 비밀번호가 유출되었나요? 변경해야 하나요?",
    "el": "Πρέπει να αλλάξω τον κωδικό μου;",
    "he": "האם אני צריך לשנות את הסיסמה שלי?",
    "ar": "هل أحتاج إلى تغيير كلمة المرور الخاصة بي؟",
}
SETS = {
    "de": ["cp1252", "mac_roman"],
    "fr": ["cp1252"],
    "es": ["cp1252"],
    "pt": ["cp1252"],
    "pl": ["cp1250", "iso8859-2"],
    "cs": ["cp1250", "iso8859-2"],
    "tr": ["cp1254"],
    "ru": ["cp1251", "koi8-r", "iso8859-5"],
    "uk": ["cp1251", "koi8-u"],
    "ja": ["cp932", "euc_jp", "iso2022_jp"],
    "zh": ["gb18030"],
    "zh-tw": ["cp950"],
    "ko": ["cp949"],
    "el": ["cp1253"],
    "he": ["cp1255"],
    "ar": ["cp1256"],
}
CASES = [(language, name) for language, names in SETS.items() for name in [*names, "utf-8"]]


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "declared", ["", "us-ascii", "utf-8", "iso-8859-1", "x-user-defined", "gb2312"]
)
@pytest.mark.parametrize(("language", "name"), CASES)
def test_text_is_right_whatever_set_is_declared(language: str, name: str, declared: str) -> None:
    text = SENTENCES[language]
    assert decode_text(text.encode(name), declared) == text


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("x-sjis", "cp932"),
        ("X-SJIS", "cp932"),
        ("windows-31j", "cp932"),
        ("x-euc-jp", "euc_jp"),
        ("ms_kanji", "cp932"),
    ],
)
def test_other_names_of_japanese_sets(charset: str, name: str) -> None:
    assert decode_text(SENTENCES["ja"].encode(name), charset) == SENTENCES["ja"]


@pytest.mark.parametrize(
    ("charset", "name", "language"),
    [
        ("x-big5", "big5", "zh-tw"),
        ("cn-big5", "big5", "zh-tw"),
        ("x-gbk", "gbk", "zh"),
        ("gb_2312-80", "gb2312", "zh"),
        ("hz-gb-2312", "hz", "zh"),
        ("ks_c_5601", "cp949", "ko"),
        ("ks_c_5601-1987", "cp949", "ko"),
        ("iso-2022-kr", "iso2022_kr", "ko"),
        ("x-mac-roman", "mac_roman", "de"),
        ("macintosh", "mac_roman", "fr"),
        ("x-mac-cyrillic", "mac_cyrillic", "ru"),
        ("x-windows-1252", "cp1252", "de"),
        ("x-cp1251", "cp1251", "ru"),
        ("unicode-1-1-utf-7", "utf-7", "de"),
        ("utf-16", "utf-16-le", "ru"),
        ("utf-16", "utf-16-be", "ja"),
        ("utf-16le", "utf-16-le", "de"),
        ("", "utf-16-le", "fr"),
        ('3D"utf-8"', "utf-8", "de"),
        ('=3D"iso-8859-1"', "cp1252", "de"),
        ("'cp1252'", "cp1252", "fr"),
    ],
)
def test_names_that_senders_use(charset: str, name: str, language: str) -> None:
    text = SENTENCES[language]
    if name in ("hz", "iso2022_kr"):
        text = text.replace("？", "").replace("?", "")
    assert decode_text(text.encode(name), charset) == text


def test_japanese_mail_holds_signs_of_nec_and_half_width_letters() -> None:
    nec = b"\x1b$B-!\x1b(BAPI\x1b$B%-!<$O\x1b(B \x1b(I1\x1b(B"
    assert decode_text(nec, "iso-2022-jp") == "①APIキーは ｱ"
    assert decode_text(nec, "") == "①APIキーは ｱ"
    assert decode_text(nec.replace(b"\x1b", b""), "iso-2022-jp").startswith("①APIキー")
    assert decode_text("丂".encode("iso2022_jp_1"), "iso-2022-jp-1") == "丂"
    assert decode_encoded_words("=?ISO-2022-JP?B?GyRCLSEbKEI=?=") == "①"


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
@pytest.mark.parametrize("language", ["de", "fr", "ru", "ja", "zh"])
def test_utf8_encoded_twice_is_undone(language: str, encoding: str) -> None:
    text = SENTENCES[language]
    raw = text.encode()
    once = "".join(
        chr(byte) if encoding == "latin-1" or byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
        else bytes([byte]).decode(encoding)
        for byte in raw
    )  # fmt: skip
    assert decode_text(once.encode(), "utf-8") == text
    assert not is_garbled(text)


@pytest.mark.parametrize(
    "text",
    ["CAFÉ» «ÎLE»", "NÃO sei, ÀS vezes Â", "Ä° 5 µm ±3 °C", "naïve “quotes” – and € 5", "Ünïcödé"],
)
def test_odd_but_right_text_is_left_alone(text: str) -> None:
    assert decode_text(text.encode(), "utf-8") == text
    assert not is_garbled(text)


def mail(body: bytes, kind: bytes, subject: bytes = b"Question") -> bytes:
    return (
        b"From: Ana <ana@example.org>\nTo: d@desk.example\nSubject: " + subject
        + b"\nContent-Type: " + kind + b"\n\n" + body
    )  # fmt: skip


@pytest.mark.parametrize(
    ("language", "name", "head"),
    [
        ("ja", "cp932", '<meta charset="shift_jis">'),
        (
            "ru",
            "cp1251",
            '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
        ),
        ("ko", "cp949", "<META CHARSET=euc-kr>"),
        ("de", "cp1252", '<?xml version="1.0" encoding="iso-8859-1"?>'),
        ("zh-tw", "cp950", '<style>@charset "big5";</style>'),
        ("pl", "iso8859-2", "<meta charset='iso-8859-2'>"),
    ],
)
def test_a_page_names_its_set_itself(language: str, name: str, head: str) -> None:
    text = SENTENCES[language]
    for kind in (b"text/html", b"text/html; charset=us-ascii", b"text/html; charset=iso-8859-1"):
        raw = f"{head}<body><p>{text}</p></body>".encode(name)
        assert parse(mail(raw, kind)).visible.replace("\xa0", " ") == text


def test_a_byte_order_mark_decides() -> None:
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF8, "utf-8")):
        raw = mark + SENTENCES["ru"].encode(name)
        assert decode_text(raw, "iso-8859-1").strip("\ufeff") == SENTENCES["ru"]


def test_headers_without_a_set_are_read_by_their_bytes_or_like_the_body() -> None:
    for language, name in (("ru", "koi8-r"), ("ja", "cp932"), ("de", "cp1252"), ("zh", "gb18030")):
        text = SENTENCES[language]
        raw = mail(b"x", b"text/plain; charset=" + name.encode(), text.encode(name))
        assert parse(raw).subject == text
        assert parse(mail(b"x", b"text/plain", text.encode(name))).subject == text


def test_a_gateways_lines_in_another_set_spoil_no_letter() -> None:
    raw = (
        "Wurde der Schlüssel gestohlen?\n\n".encode()
        + "Geprüft, mit freundlichen Grüßen\n".encode("cp1252")
    )
    assert (
        decode_text(raw, "utf-8")
        == "Wurde der Schlüssel gestohlen?\n\nGeprüft, mit freundlichen Grüßen\n"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\x81\x8d\xfe" * 9,
        "MÃ¼ller fragt, ob der Schlüssel sicher ist".encode(),
        "Wurde mein Schl\ufffdssel gestohlen?".encode(),
        "锟斤拷锟斤拷 密码".encode(),
        b"M\x9fller",
    ],
)
def test_lost_letters_are_held_for_a_person_and_never_decided_on(body: bytes) -> None:
    for declared in (b"text/plain", b"text/plain; charset=utf-8"):
        found = parse(mail(body, declared))
        assert found.garbled
        assert apply_rules(found, MailRuleContext()).rule == "R15 sealed or garbled"


def test_one_bad_byte_in_a_long_text_holds_nothing() -> None:
    raw = ("Wurde mein Schlüssel gestohlen, und was soll ich nun tun? " * 20).encode() + b"\xff"
    assert not parse(mail(raw, b"text/plain; charset=utf-8")).garbled
