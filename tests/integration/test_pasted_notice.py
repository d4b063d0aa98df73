"""What a reply and a note say about a pasted secret is so."""

import pytest

from bot.channels.slack.pasted_secret_notices import render_notice
from bot.corpus import Knowledge
from bot.domain import Redaction
from bot.journal.pasted_secrets import PastedSecretMessage
from bot.redact import redact
from tests.conftest import KNOWLEDGE

LANGUAGES = (
    "ar",
    "de",
    "en",
    "es",
    "fr",
    "hi",
    "it",
    "ja",
    "ko",
    "nl",
    "pl",
    "pt",
    "ru",
    "sv",
    "tr",
    "uk",
    "zh",
)
# In each language: it is masked in what is kept, the mail stays as it was sent, until it is deleted.
SAID = {
    "ar": ("محجوبة", "كما أرسلتموها", "يحذفها"), "de": ("unkenntlich", "bleibt", "löscht"),
    "en": ("masked", "stays", "deletes"), "es": ("oculto", "permanece", "elimine"),
    "fr": ("masquée", "reste", "supprime"), "hi": ("छिपा", "बना रहता", "हटाए"),
    "it": ("oscurato", "resta", "elimina"), "ja": ("伏せ", "残り", "削除"), "ko": ("가렸", "남아", "삭제"),
    "nl": ("onleesbaar", "blijft", "verwijdert"), "pl": ("zamaskowane", "pozostaje", "usunie"),
    "pt": ("oculto", "permanece", "apague"), "ru": ("скрыты", "остаётся", "удалит"),
    "sv": ("maskerad", "ligger", "raderar"), "tr": ("maskelenmiştir", "kalır", "silene"),
    "uk": ("приховано", "залишається", "видалить"), "zh": ("遮盖", "保留", "删除"),
}  # fmt: skip
# What was promised before and is not kept: a raw mail stays in its folder.
PROMISES = (
    "does not keep", "bewahrt es nicht", "no lo guarda", "ne la conserve pas", "non lo conserva",
    "não o guarda", "bewaren het niet", "nie przechowujemy", "保存もしていません", "보관하지 않", "也不会保存",
    "सहेजते नहीं", "لا نحتفظ", "не храним", "sparar inte", "saklamıyoruz", "не зберігаємо",
)  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_asker_is_told_what_is_masked_what_stays_and_how_long(
    knowledge: Knowledge, language: str
) -> None:
    assert set(knowledge.templates) == set(LANGUAGES) == set(SAID)
    told = knowledge.templates[language].secret_found
    assert all(word in told for word in SAID[language]), told
    assert not [promise for promise in PROMISES if promise in told]
    assert told.endswith((":", "："))


def test_no_template_promises_that_nothing_is_kept() -> None:
    for file in (KNOWLEDGE / "replies").glob("*.yaml"):
        assert not [promise for promise in PROMISES if promise in file.read_text(encoding="utf-8")]


def test_staff_are_told_where_the_secret_still_stands() -> None:
    note = str(render_notice(PastedSecretMessage(message_id=1, kinds=("api_key",))).blocks)
    assert "masked" in note
    assert "Processed" in note
    assert "deletes it there" in note
    assert "before anything was stored" not in note


def test_the_notice_itself_is_never_masked(knowledge: Knowledge) -> None:
    for templates in knowledge.templates.values():
        for text in (templates.secret_found, *templates.secret_kinds.values()):
            assert redact(text) == Redaction(text=text)
