"""What gateways, companies and programs put around a text is told from what its writer says."""

import pytest

from bot.text.clean import clean_message

ASKED = "Were my API keys exposed?"
BANNERS = {
    "en": "CAUTION: This message was sent by an external sender. Please do not open attachments or follow links you were not expecting.",
    "en, marks": "*** EXTERNAL EMAIL *** Treat attachments and links with care unless you know the sender.",
    "en, long": "WARNING: This email originated outside of Example Group. DO NOT CLICK links or attachments unless you recognise the sender and know the content is safe.",
    "en, first": "Some people who received this message don't often get email from ana@example.org. Learn why this is important",
    "en, unknown": "You have not previously corresponded with this sender.",
    "en, label": "[EXT]",
    "en, lines": "This Message Is From an Untrusted Sender\nNobody here has written to this sender before.\nReport Suspicious",
    "en, alone": "This message originated outside of the organization.",
    "zh, short": "外部邮件，请谨慎点击链接和附件。",
    "de, short": "Externe E-Mail: Vorsicht bei Links und Anhängen.",
    "it, first": "Non si riceve spesso posta elettronica da ana@example.org. Informazioni sul perché è importante",
    "ko, first": "ana@example.org에서 전자 메일을 자주 받지 않습니다. 이 문제가 중요한 이유를 알아보기",
    "de": "Vorsicht! Diese Nachricht stammt von außerhalb der Organisation. Öffnen Sie Anhänge und Links nur, wenn Sie den Absender kennen.",
    "de, first": "Sie erhalten nicht häufig E-Mails von ana@example.org. Erfahren Sie, warum dies wichtig ist",
    "fr": "ATTENTION : cet e-mail provient d'un expéditeur externe. N'ouvrez pas les pièces jointes et ne cliquez pas sur les liens sans en vérifier l'origine.",
    "es": "PRECAUCIÓN: este correo procede de fuera de la organización. No haga clic en enlaces ni abra adjuntos a menos que reconozca al remitente.",
    "it": "ATTENZIONE: questa e-mail proviene dall'esterno. Non cliccare sui link e non aprire gli allegati se non si conosce il mittente.",
    "pt": "CUIDADO: este e-mail foi enviado de fora da organização. Não clique em links nem abra anexos, a menos que reconheça o remetente.",
    "nl": "LET OP: dit bericht komt van buiten de organisatie. Klik niet op koppelingen en open geen bijlagen tenzij u de afzender kent.",
    "pl": "UWAGA: ta wiadomość pochodzi spoza organizacji. Nie klikaj w linki i nie otwieraj załączników, jeśli nie znasz nadawcy.",
    "ja": "【注意】このメールは社外から送信されています。添付ファイルやリンクを開く前に送信者を確認してください。",
    "zh": "注意：此邮件来自外部发件人。除非您认识发件人，否则请勿点击链接或打开附件。",
    "ko": "[주의] 이 메일은 외부에서 발송되었습니다. 발신자를 확인하기 전에는 링크나 첨부 파일을 열지 마십시오.",
    "ar": "تنبيه: هذه الرسالة واردة من خارج المؤسسة. لا تفتح الروابط أو المرفقات ما لم تعرف المرسل.",
    "hi": "सावधान: यह ईमेल संगठन के बाहर से आया है। जब तक आप प्रेषक को न जानते हों, लिंक या अटैचमेंट न खोलें।",
    "ru": "ВНИМАНИЕ: это письмо отправлено извне. Не переходите по ссылкам и не открывайте вложения, если не знаете отправителя.",
    "sv": "VARNING: Detta meddelande kommer från en extern avsändare. Klicka inte på länkar om du inte känner igen avsändaren.",
    "tr": "DİKKAT: Bu e-posta kurum dışından gönderilmiştir. Göndereni tanımıyorsanız bağlantıları ve ekleri açmayın.",
}
FOOTERS = {
    "en": "The content of this email is confidential and intended for the recipient specified in message only. It is strictly forbidden to share any part of it with any third party. If you received this message by mistake, please reply and follow with its deletion.",
    "en, print": "Please consider the environment before printing this email.",
    "en, asks": "Do you really need to print this e-mail? Think of the trees.",
    "en, lines": "Confidentiality notice\nThis message may be privileged.\nIf it was not meant for you, please delete it.",
    "en, advertises": "Have you tried our app? Download it from the App Store: https://apps.example.org/x",
    "en, asks again": "Don't want these emails any more? Click here to opt out.",
    "en, networks": "Follow us on LinkedIn | Twitter | Facebook",
    "es, asks": "¿De verdad hay que imprimir este correo? Piense en el medio ambiente.",
    "ja, asks": "このメールを印刷する必要がありますか？環境にご配慮ください。",
    "nl, asks": "De informatie in dit bericht is vertrouwelijk. Bent u niet de geadresseerde? Verwijder het dan.",
    "en, virus": "This email has been scanned for viruses by a gateway.",
    "en, unsubscribe": "To unsubscribe from these emails, click here: https://news.example.org/u",
    "en, application": "Download our app from the App Store: https://apps.example.org/x",
    "en, company": "Example Ltd, registered in England, company number 01234567. Registered office: 1 Sample Street, Sampletown.",
    "de": "Der Inhalt dieser E-Mail ist vertraulich und ausschließlich für den bezeichneten Adressaten bestimmt. Sollten Sie sie irrtümlich erhalten haben, löschen Sie sie bitte. Jede Weitergabe ist untersagt.",
    "de, print": "Bitte prüfen Sie der Umwelt zuliebe, ob der Ausdruck dieser Mail nötig ist, bevor Sie drucken.",
    "fr": "Ce courriel et ses pièces jointes sont confidentiels et destinés à la seule personne nommée. Si vous l'avez reçu par erreur, merci d'en avertir l'expéditeur et de le détruire.",
    "es": "Este correo es confidencial y va dirigido exclusivamente a su destinatario. Si lo ha recibido por error, notifíquelo al remitente y elimínelo.",
    "it": "Questa e-mail è riservata ed è destinata unicamente al destinatario indicato. Se l'avete ricevuta per errore, vi preghiamo di cancellarla e di avvisare il mittente.",
    "pt": "Esta mensagem é confidencial e destina-se apenas ao destinatário. Se a recebeu por engano, por favor apague-a e avise o remetente.",
    "nl": "Dit bericht is vertrouwelijk en uitsluitend bestemd voor de geadresseerde. Heeft u het ten onrechte ontvangen, verwijder het dan en waarschuw de afzender.",
    "pl": "Niniejsza wiadomość jest poufna i przeznaczona wyłącznie dla adresata. Jeśli otrzymali ją Państwo omyłkowo, prosimy o jej usunięcie i powiadomienie nadawcy.",
    "ja": "本メールには機密情報が含まれている場合があります。誤って受信された場合は、送信者にご連絡のうえ削除してください。",
    "zh": "本邮件含有保密信息，仅供指定收件人使用。如您误收本邮件，请立即删除并通知发件人。",
    "ko": "본 메일은 지정된 수신인만을 위한 것이며 기밀 정보를 포함할 수 있습니다. 잘못 수신하신 경우 삭제해 주시기 바랍니다.",
    "ar": "هذه الرسالة سرية وموجهة إلى المستلم المقصود فقط. إذا وصلتك بالخطأ فيرجى حذفها وإبلاغ المرسل.",
    "hi": "यह ईमेल गोपनीय है और केवल प्राप्तकर्ता के लिए है। यदि यह गलती से मिला हो तो कृपया इसे हटा दें और प्रेषक को सूचित करें।",
    "ru": "Это сообщение конфиденциально и предназначено только для адресата. Если вы получили его по ошибке, удалите его и сообщите отправителю.",
}
DEVICES = [
    "Sent from my iPhone", "Sent from my Galaxy S24", "Get Outlook for Android", "Von meinem iPad gesendet",
    "Envoyé de mon iPhone", "Enviado desde mi iPhone", "Enviado do meu Android", "Inviato da iPhone",
    "Verstuurd vanaf mijn iPhone", "Wysłane z telefonu iPhone", "iPhoneから送信", "发自我的iPhone",
    "나의 iPhone에서 보냄", "أُرسلت من الـ iPhone", "मेरे iPhone से भेजा गया", "Отправлено с iPhone",
    "Надіслано з iPhone", "iPhone'umdan gönderildi", "Trimis de pe iPhone-ul meu", "נשלח מה-iPhone שלי",
    "Đã gửi từ iPhone của tôi", "Dikirim dari iPhone saya", "Poslano s mojeg iPhonea",
    "Skickat från min iPhone", "Lähetetty iPhonesta", "Odesláno z iPhonu", "Στάλθηκε από το iPhone μου",
    "Sent from Outlook for iOS <https://aka.example/o>", "Gesendet mit der GMX Mail App",
]  # fmt: skip
ATTRIBUTIONS = [
    "On Mon, 24 Nov 2025 at 09:12, <incident@desk.example> wrote:",
    "Vào Th 2, 24 thg 11, 2025 vào lúc 09:12 <incident@desk.example> đã viết:",
    "\u202bבתאריך יום ב׳, 24 בנוב׳ 2025 ב-9:12 מאת \u202a<incident@desk.example\u202c>:\u202c",
    "सोम, 24 नव॰ 2025 को 9:12 am बजे को <incident@desk.example> ने लिखा:",
    "pon, 24. stu 2025. u 09:12 <incident@desk.example> napisao je:",
    "Pada Sen, 24 Nov 2025 pukul 09.12 <incident@desk.example> menulis:",
    "24 Kas 2025 Pzt 09:12 tarihinde <incident@desk.example> şunu yazdı:",
    "Em seg., 24 de nov. de 2025 às 09:12, <incident@desk.example> escreveu:",
    "El lun, 24 nov 2025 a las 9:12, Bo Example (<bo@example.org>) escribió:",
    "2025年11月24日(月) 9:12 <incident@desk.example>:",
    "On Mon, 24 Nov 2025 at 09:12 Bo Example of the sample company\n<incident@desk.example> wrote:",
]
HONEST = [
    "I received your email in error, should I delete it?",
    "Is what I write to you confidential?",
    "An external sender told me to click on links and open attachments. Was that you?",
    "This email came from an external sender. Is it yours?",
    "Our gateway says that your message originated from outside of the organization. Why is that?",
    "We got your notice by mistake. Our address is on the list of somebody else.",
    "Your disclaimer says that this message is confidential. May we show it to our lawyer?",
    "How do I unsubscribe from these emails?",
    "Please unsubscribe me from this mailing list.",
    "Caution is fine, but what happened?",
    "Do I have to print the email as a proof?",
    "Habe ich diese E-Mail irrtümlich erhalten?",
    "J'ai reçu ce message par erreur, faut-il le détruire ?",
    "Bitte löschen Sie alle vertraulichen Daten unserer Firma.",
    "We use the app on an iPhone and an Android phone.",
    "My iPhone sent the code to the wrong person.",
    "Are the links and attachments in this message safe?",
    "Please delete all our confidential data and notify us when it is done.",
    "The attacker sent this message from outside your organization, right?",
    "Our lawyers want to know whether disclosure of the incident is prohibited.",
    "Are these emails confidential?",
    "How do we stop receiving these messages? There is no link to unsubscribe.",
    "Is the message that came from outside yours? Click here, it said.",
    "The links in this message go to another site. Is it safe?",
    "Please delete the account and confirm it.",
    "Were the confidential messages of our customers disclosed?",
    "Must we print this email for the auditors?",
    "Sent from my account was a mail that nobody here wrote.",
    "Wir haben diese Nachricht vertraulich behandelt. Dürfen wir sie weitergeben?",
    "Este correo es confidencial? Puedo reenviarlo?",
    "このメールは本物ですか？",
    "On 24 Nov 2025 at 09:12 I saw this in the log:",
]


@pytest.mark.parametrize("banner", BANNERS.values(), ids=BANNERS)
@pytest.mark.parametrize("gap", ["\n\n", "\n"])
def test_a_gateways_banner_is_no_part_of_the_message(banner: str, gap: str) -> None:
    cleaned = clean_message(f"{banner}{gap}{ASKED}")
    assert cleaned.own == ASKED
    assert ASKED not in cleaned.removed


@pytest.mark.parametrize("footer", FOOTERS.values(), ids=FOOTERS)
@pytest.mark.parametrize("close", ["\n\n", "\n\nKind regards\nAna Example\n\n"])
def test_a_disclaimer_or_footer_is_no_part_of_the_message(footer: str, close: str) -> None:
    assert clean_message(f"{ASKED}{close}{footer}").own == f"{ASKED}{close}".strip()


@pytest.mark.parametrize("footer", list(FOOTERS.values())[:1])
def test_a_disclaimer_behind_the_text_on_its_line_is_cut(footer: str) -> None:
    assert clean_message(f"We run a shop. {ASKED} {footer}").own == f"We run a shop. {ASKED}"


@pytest.mark.parametrize("line", DEVICES)
def test_a_line_of_a_device_or_program_is_no_part_of_the_message(line: str) -> None:
    assert clean_message(f"{ASKED}\n\n{line}").own == ASKED


@pytest.mark.parametrize("line", ATTRIBUTIONS)
@pytest.mark.parametrize("below", ["", "\n\n> Hello,\n> this is what was said before."])
def test_an_attribution_in_any_language_is_no_part_of_the_message(line: str, below: str) -> None:
    own = clean_message(f"{ASKED}\n\n{line}{below}").own
    assert [line for line in own.split("\n") if line and line[0] != ">"] == [ASKED]


@pytest.mark.parametrize("text", HONEST)
@pytest.mark.parametrize("before", ["", "Hello,\n\nwe run a small shop.\n\n"])
def test_an_honest_sentence_that_sounds_like_boilerplate_stays(text: str, before: str) -> None:
    cleaned = clean_message(f"{before}{text}")
    assert cleaned.own == f"{before}{text}"
    assert not cleaned.removed


def test_all_layers_around_a_short_text_are_taken_off() -> None:
    text = f"{BANNERS['en']}\n\n{ASKED}\n\nAna\n\nSent from my iPhone\n\n{FOOTERS['de']}\n{FOOTERS['en, print']}"
    assert clean_message(text).own == f"{ASKED}\n\nAna"


def test_a_text_of_boilerplate_alone_leaves_nothing() -> None:
    assert clean_message(f"[EXTERNAL]\n\n{FOOTERS['en']}").own == ""
