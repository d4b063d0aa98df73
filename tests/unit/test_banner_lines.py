"""Lines of banners and footers that ask their reader something are no questions of the asker's."""

import pytest

from bot.text.clean import clean_message

ASKED = "Were my API keys exposed?"
FIRST_CONTACT = {
    "en": "Some people who received this message don't often get email from kim@example.org. Why is this important?",
    "en, link": "You don't often get email from kim@example.org. Learn why this is important<https://aka.example/l>",
    "de": "Sie erhalten nicht oft eine E-Mail von kim@example.org. Warum ist das wichtig?",
    "fr": "Vous ne recevez pas souvent de courriels de kim@example.org. Pourquoi est-ce important ?",
    "es": "No suele recibir correos de kim@example.org. ¿Por qué es importante?",
    "pt": "Não recebe e-mails com frequência de kim@example.org. Por que isto é importante?",
    "it": "Non ricevi spesso messaggi da kim@example.org. Perché è importante?",
    "nl": "Je ontvangt niet vaak e-mail van kim@example.org. Waarom is dit belangrijk?",
    "pl": "Rzadko otrzymujesz wiadomości od kim@example.org. Dlaczego to jest ważne?",
    "cs": "Od kim@example.org nedostáváte e-maily často. Proč je to důležité?",
    "sv": "Du får inte ofta mejl från kim@example.org. Varför är det viktigt?",
    "da": "Du modtager ikke ofte mails fra kim@example.org. Hvorfor er det vigtigt?",
    "fi": "Saat harvoin tai et usein viestejä osoitteesta kim@example.org. Miksi se on tärkeää?",
    "ru": "Вы не часто получаете письма с адреса kim@example.org. Почему это важно?",
    "uk": "Ви нечасто отримуєте листи з адреси kim@example.org. Чому це важливо?",
    "tr": "kim@example.org adresinden sık ileti almazsınız. Neden önemli?",
    "ro": "Nu primiți frecvent mesaje de la kim@example.org. De ce este important?",
    "hu": "Nem gyakran kap levelet a kim@example.org címről. Miért fontos ez?",
    "ja": "kim@example.org からのメールはあまり届きません。なぜ重要なのですか？",
    "zh": "您不经常收到 kim@example.org 的邮件。为什么这很重要？",
    "ko": "kim@example.org의 메일은 자주 받지 않습니다. 왜 중요한가요?",
    "ar": "لا تصلك رسائل من kim@example.org في كثير من الأحيان. لماذا هذا مهم؟",
    "hi": "आपको kim@example.org से अक्सर मेल नहीं आते। यह क्यों महत्वपूर्ण है?",
}
BANNERS = {
    "en": "External mail. Are you familiar with the sender? Were you expecting this message? If in doubt, do not open attachments.",
    "en, label": "[EXTERNAL] Do you recognise the sender? Think before you click.",
    "de, lines": "VORSICHT: Diese Nachricht kommt von extern.\nIst Ihnen der Absender bekannt? Haben Sie die Nachricht erwartet?\nÖffnen Sie sonst keine Anhänge.",
    "fr": "Message externe. Reconnaissez-vous l'expéditeur ? N'ouvrez pas les pièces jointes si vous avez un doute.",
    "es": "AVISO: correo externo. ¿Reconoce al remitente? No haga clic en enlaces.",
    "it": "AVVISO: e-mail esterna. Riconosci il mittente? Non cliccare sui link.",
    "nl": "Let op: externe e-mail. Ken je de afzender? Open geen bijlagen.",
    "pl": "Uwaga: wiadomość zewnętrzna. Czy rozpoznajesz nadawcę? Nie otwieraj załączników.",
    "sv": "Obs: externt mejl. Känner du igen avsändaren? Öppna inte bilagor.",
    "ru": "Внимание: внешнее письмо. Вы узнаете отправителя? Не переходите по ссылкам.",
    "ja": "【社外メール】送信者に心当たりがありますか？添付ファイルを開かないでください。",
    "zh": "【外部邮件】您是否认识发件人？请勿打开附件。",
}
FOOTERS = {
    "en": "Do you no longer wish to get these mails?",
    "en, book": "Questions? Book a call: https://book.example/k",
    "en, served": "How was our service? Rate us: https://rate.example/k",
    "en, recipient": "Are you not the addressee? Please delete this mail.",
    "de": "Sie wollen keine Nachrichten mehr von uns bekommen? Hier klicken: https://u.example/k",
    "de, served": "Waren Sie mit uns zufrieden? Zur Umfrage: https://rate.example/k",
    "fr": "Vous ne désirez plus recevoir nos messages ? Se désabonner : https://u.example/k",
    "es": "¿Ya no quiere recibir nuestros mensajes? Cancele aquí: https://u.example/k",
    "it": "Non desidera più ricevere i nostri messaggi? Clicchi qui: https://u.example/k",
    "pt": "Não quer mais receber as nossas mensagens? Clique aqui: https://u.example/k",
    "nl": "Wil je onze mails niet langer ontvangen? Klik hier: https://u.example/k",
    "pl": "Nie chcesz już dostawać naszych wiadomości? Kliknij tutaj: https://u.example/k",
    "ru": "Больше не хотите получать нашу рассылку и письма? Отписаться: https://u.example/k",
    "ja": "今後メールの配信を希望されませんか？こちら：https://u.example/k",
    "zh": "不希望再收到我们的邮件？点击退订：https://u.example/k",
}
HONEST = [
    "Do you know this sender? Is the message from you?",
    "Kennen Sie diesen Absender? Ist die Mail echt?",
    "¿Conocen ustedes al remitente de este correo?",
    "Why is this important?",
    "Why did you write to us at kim@example.org, and is it important?",
    "I don't often get email from kim@example.org. Why is this important?",
    "I no longer want to receive your mails. How do I stop them?",
    "Wir möchten keine Mails mehr erhalten. Wie melden wir uns ab?",
    "Are you satisfied with the answer of Mixpanel?",
    "Can we book a meeting with your security team?",
    "Is the link https://x.example/a safe?",
    "Was the mail from help@x.example sent by you?",
]


@pytest.mark.parametrize("line", FIRST_CONTACT.values(), ids=FIRST_CONTACT)
@pytest.mark.parametrize("gap", ["\n\n", "\n"])
def test_the_line_for_a_first_contact_asks_nothing_of_the_desk(line: str, gap: str) -> None:
    assert clean_message(f"{line}{gap}{ASKED}").own == ASKED


@pytest.mark.parametrize("line", BANNERS.values(), ids=BANNERS)
def test_a_banner_that_asks_for_the_sender_is_no_question(line: str) -> None:
    assert clean_message(f"{line}\n\n{ASKED}").own == ASKED


@pytest.mark.parametrize("line", FOOTERS.values(), ids=FOOTERS)
@pytest.mark.parametrize("close", ["", "Kind regards\nKim Example\n\n"])
def test_a_footer_that_asks_its_reader_is_no_question(line: str, close: str) -> None:
    assert clean_message(f"{ASKED}\n\n{close}{line}").own == f"{ASKED}\n\n{close}".strip()


@pytest.mark.parametrize("text", HONEST)
@pytest.mark.parametrize("before", ["", "Hello,\n\n"])
@pytest.mark.parametrize("after", ["", "\n\nRegards\nKim Example"])
def test_a_person_who_asks_about_a_sender_or_a_mail_is_heard(
    text: str, before: str, after: str
) -> None:
    assert clean_message(f"{before}{text}{after}").own == f"{before}{text}{after}"
