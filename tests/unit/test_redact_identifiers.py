"""Links, addresses and reference numbers raise no suspicion; what is secret by its form is masked."""

import random

import pytest

from bot.redact import redact
from evals.generators.draws import fill
from tests.support.masking import SEED

# What a ticket, an order or a request is called, with the number that its program gives it.
REFERENCES = (
    "Do I need new API keys?\n\nRef:<u:3><d:7>", "Do I need new API keys?\n\nRef: REQ<d:7>",
    "Did my API key leak? Reference: <U:4>-<U:4>-<U:4>", "Is my password safe? Ticket: <U:10>",
    "Is my password safe? [Ticket#<d:16>]", "Is my password safe? [SD-<d:4>]",
    "Do I need a new password? Case <d:4>x0000<w:8>", "Our API keys?\nref:!00D<w:8>.!500<w:10>:ref",
    "Do we need new keys? [<U:6>-<U:4>]", "Do we need new keys? Jira key: ABCD-<d:4>",
    "Issue key ABCD-<d:4>: do we need new API keys?", "Is the password safe? Order <d:3>-<d:7>-<d:7>",
    "Is the password safe? Tracking number: 1Z<U:16>", "Was my password in it? PO no. <d:10>",
    "Muss ich mein Passwort ändern? Bestellnummer: DE<d:4>-<U:3><d:1>", "Passwort? Kundennummer: K<d:4>-<d:2>B",
    "Muss ich den API-Schlüssel tauschen? Aktenzeichen 4 O <d:3>/25", "Passwort ändern? Vorgangsnummer 2025-ABC-<d:4>",
    "Faut-il changer le mot de passe ? Référence : AB-<d:4>-X<d:3>", "La clé API ? Dossier n° <d:4>A<d:4>",
    "¿Debo cambiar la contraseña? Número de caso: CAS-<d:4>-X1", "¿La contraseña? Expediente nº 2025/<d:4>",
    "Devo cambiare la password? Numero pratica: PR<d:4>X", "Devo trocar a senha? Protocolo nº <d:15>",
    "Moet ik mijn wachtwoord wijzigen? Ons kenmerk: 2025-<d:2>A12", "Hasło? Numer zgłoszenia: ZG<d:4>X<d:4>",
    "Нужно ли менять пароль? Номер обращения: SR<d:4>X<d:4>", "Мой пароль? Заявка № <d:4>-77A",
    "パスワードを変更する必要がありますか？受付番号：A<d:4>-<d:4>X", "我需要更改密码吗？工单号：T<d:4>X<d:4>",
    "비밀번호를 변경해야 하나요? 접수번호: R<d:4>X<d:4>", "क्या मुझे पासवर्ड बदलना चाहिए? शिकायत संख्या: C<d:4>X<d:4>",
    "هل يجب تغيير كلمة المرور؟ رقم التذكرة: T<d:4>X<d:4>", "Şifremi değiştirmeli miyim? Talep no: T<d:4>X<d:4>",
    "Our API key fails, tenant ID: <uuid>", "our API keys? request id: req_<h:16>", "my API key fails, X-Request-ID: <h:18>",
    "my API key fails, Correlation ID <uuid>", "Teams meeting ID: <d:3> <d:3> <d:3>, about the password",
)  # fmt: skip
# Links of notices as mail programs and gateways rewrite them, and addresses with drawn parts.
LINKS = (
    ("https://eur03.safelinks.protection.outlook.com/?url=https%3A%2F%2Fshop.example%2F&data=05%7C02%7Ckim%40site.example%7C"
     "<h:32>%7C<h:32>%7C0%7C0%7C<d:18>%7CUnknown%7C<w:60>%3D%3D%7C0%7C%7C%7C&sdata=<w:43>%3D&reserved=0"),
    "https://urldefense.com/v3/__https://shop.example/x__;!!<w:8>!<w:20>$",
    "https://urldefense.proofpoint.com/v2/url?u=https-3A__shop.example&d=DwMFaQ&c=<t:43>&r=<t:43>&m=<t:43>&s=<t:43>&e=",
    "https://protect-us.mimecast.com/s/<w:18>?domain=shop.example",
    "https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fshop.example&c=E,1,<t:40>&typo=1",
    "https://links.mail.shop.example/ls/click?upn=u001.<t:60>-2B<t:20>-3D-3D<t:12>_<t:40>",
    "https://shop.us1.list-manage.com/track/click?u=<h:25>&id=<h:10>&e=<h:10>",
    "https://www.search.example/url?q=https://shop.example&sa=D&ust=<d:16>&usg=AOvVaw<w:18>",
    "https://shop.example/help/password-<w:24>", "shop.example/login/<w:24>", "www.shop.example/<w:12>/key/<w:12>",
    "hxxps://shop.example/password/<w:12>", "mailto:leave+<h:20>@shop.example",
    "<<w:40>@mail.shop.example>", "bounce+<h:6>.<h:6>-kim=site.example@mg.shop.example", "<w:24>@shop.example",
)  # fmt: skip
SECRETS = (
    "https://shop.example/login:kim@site.example:[[<u:1><l:6>!<d:2>]]",
    "see https://shop.example/help my password is [[<u:1><l:6>!<d:2>]]",
    "https://shop.example/a?b=[[sk-proj-<t:60>]]",
    "https://shop.example/reset?token=[[<w:32>]]",
    "https://kim:[[<u:1><l:6><d:4>]]@shop.example/",
    "https://safe.example/?url=https%3A%2F%2Fshop.example%2Freset%3Ftoken%3D[[<w:32>]]&data=1",
    "Ticket 12345, my password is [[<u:1><l:6>!<d:2>]]",
    "Ref: 4711 the API key is [[ghp_<w:36>]]",
    "kim@site.example:[[<u:1><l:6>!<d:2>]]",
    "my password for order 4711 is [[<u:1><l:6>!<d:2>]]",
    "case number 4711 verification code: [[<d:6>]]",
    "PIN for the order: [[<d:4>]]",
    "password of the ticket system: [[<u:1><l:6>!<d:2>]]",
    "serial [[<l:6><d:2>]] is my password",
    "id: kim, password: [[<u:1><l:6>!<d:2>]]",
)


def drawn(form: str) -> str:
    return fill(form, random.Random(f"{SEED}{form}"))


@pytest.mark.parametrize("form", REFERENCES)
def test_a_reference_number_beside_a_word_for_secrets_stays(form: str) -> None:
    told = drawn(form)
    assert redact(told).text == told


@pytest.mark.parametrize("form", LINKS)
@pytest.mark.parametrize(
    "said", ["Was my password in it? {}", "my API key\n{}\nthe password", "password {}"]
)
def test_a_link_or_an_address_beside_a_word_for_secrets_stays(form: str, said: str) -> None:
    told = said.format(drawn(form))
    assert redact(told).text == told


@pytest.mark.parametrize("width", [60, 72, 76])
def test_a_long_link_that_a_mail_program_wrapped_stays(width: int) -> None:
    link = drawn(LINKS[0])
    lines = [link[i : i + width] for i in range(0, len(link), width)]
    told = "Was my password in it?\n> " + "\n> ".join(lines) + "\nKim"
    assert redact(told).text == told


@pytest.mark.parametrize("form", SECRETS)
def test_a_secret_in_or_beside_a_link_or_a_reference_is_masked(form: str) -> None:
    before, secret, behind = drawn(form).replace("]]", "[[").split("[[")
    masked = redact(before + secret + behind).text
    assert secret not in masked
    assert masked.startswith(before)


def test_a_password_behind_a_wrapped_link_is_masked() -> None:
    link = drawn(LINKS[0])
    assert redact(f"{link}\nPassword=Fluffy!99").text == f"{link}\nPassword=[removed: password]"


@pytest.mark.parametrize(
    "line",
    ['spf=pass smtp.mfrom=a@b.example\nFrom: "Ortiz, Ana9" <a@b.example>', "did not pass\n550-5.7.26 relay",
     "dkim=pass (2048-bit key) header.a=rsa-sha256 header.s=mimecast20190719 header.b=NekoNyaan"],
)  # fmt: skip
def test_headers_that_somebody_pasted_stay(line: str) -> None:
    assert redact(line).text == line
