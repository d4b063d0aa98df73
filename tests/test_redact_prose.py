"""Passwords and codes in sentences are masked whole, honest talk about them is not."""

import pytest

from bot.domain import Redaction
from bot.redact import redact
from bot.redact.cues import KINDS, Role, cues
from bot.redact.judgement import JUDGES
from tests.masking import covered, marked

# What stands in [[ ]] is the secret.
PROSE = (
    """
Hey, I logged in with [[Sunflower!77]] last week and now it says wrong password
my passwd: [[Kilo4Bravo]]
Can you check if [[Mango-Tiger-82]] (my password) was in the leak?
The password I've been using everywhere is [[Fluffy2019]], should I worry?
PW: [[qwerty12345]]
I use the same password (it's [[Rex&Max07]]) for Gmail
username: kara.b⏎password: [[ocean-breeze]]
my chatgpt password was [[Bluebird]] and I changed it to [[Redbird22]]
I changed my password from [[Autumn2023!]] to [[Winter2024!]]
Is "[[tr1ckyPa$$]]" a safe password?
someone got my password which is [[iloveyou3]]
the pin for my phone is [[4471]]
My 2FA code is [[771 204]], please verify me
[[902113]] is my OpenAI verification code
here is the code: [[7J2K9Q]]
sms said "[[229103]] is your ChatGPT code"
your code: [[G-482913]]
my recovery codes are⏎[[1284-5592]]⏎[[7712-0038]]⏎[[5530-1947]]
Recovery key [[ABCD-1234-EFGH-5678]]
my seed phrase: [[river stone apple candle maple tiger ocean velvet sunset hammer lemon orbit]]
seed words⏎[[1. zebra⏎2. quilt⏎3. ankle⏎4. robot⏎5. lunch⏎6. vivid⏎7. crane⏎8. oxygen⏎9. pulp⏎10. ghost⏎11. motor⏎12. elbow]]
security answer is [[Whiskers]]
my mother's maiden name is [[Kowalczyk]]
Mein altes Passwort war [[Katze99]], das neue ist [[Hund2025!]]
Zugangsdaten: max.muster / [[Fr0hling!]]
Ich habe [[Apfelkuchen!1]] als Passwort benutzt
Das Passwort habe ich von [[Winter22!]] auf [[Sommer23!]] geändert
Der Sicherheitscode auf der Rückseite ist [[442]]
mon ancien mdp c'était [[Paris2020!]]
la clave es [[sol2024luna]]
usuario juan clave [[Toro1234]]
el código que me llegó es [[871002]]
o código de verificação é [[209 556]]
la mia password è [[Napoli1926!]]
het wachtwoord was [[fiets-99-oranje]]
min adgangskode er [[Hygge1234]]
salasanani on [[Kissa2020]]
moje hasło to [[Kotek123!]]
a jelszavam [[Budapest9]]
şifremi [[Boğaz1453]] olarak ayarladım
doğrulama kodu [[605518]]
пароль: [[Барсик77]]
мой пароль был [[qwerty77]], сменил на [[asdfg88!]]
код из смс [[440192]]
ο κωδικός μου είναι [[Athina21!]]
έδωσα τον κωδικό [[Olympos12]]
הסיסמה שלי היא [[Shalom123]]
كلمة السر: [[ahmed@123]]
رمز التحقق هو [[٤٨٢٩١٣]]
رمز عبور من [[Tehran99]] است
मेरा पासवर्ड [[Delhi@2023]] है
मेरा ओटीपी [[४५८२१०]] है
รหัสผ่านของฉันคือ [[Bangkok55]]
mật khẩu của tôi là [[Hanoi2024]]
kata sandi saya [[Jakarta88]]
私のパスワードは「[[neko-123]]」です。安全ですか？
認証コード [[559201]] が届きました
暗証番号は[[8842]]です
비밀번호는 [[seoul1234]]입니다
我的密码是[[beijing2008]]，需要修改吗？
助记词：[[apple banana cherry dog elephant fox grape hat ice jacket kite lemon]]
my wifi password is [[coffee-and-cream]]
{"user":"bob","password":"[[p@ss-w0rd9]]"}
<password>[[8201Sunset#x]]</password>
export DB_PASSWORD='[[Zx9!kk]]'
the password is: [[MyDogIsCute]]
password is [[dragon]]
passphrase is [[correct horse battery staple]]
my password is [[blue horse 42]]
CVV [[382]]
creds - root:[[toor99x]]
client_secret: [[q8W-er_TY12]]
мой пароль: [[*Oscar65]]
Password: [[Berlin53*]]
Password: [[Berlin53?]]
my password is [[Berlin53?]]
ｐａｓｓｗｏｒｄ： [[ｈｕｎｔｅｒ２２]]
my pass\u200bword is [[hun\u200bter22]]
Password: [[Password#1]]
my password is [[@Paris1150]]
ok the pw on that is [[fluffykins]] lol
backup codes [[9f2c81aa]] [[77bd02ce]]
recovery code: [[qWeRtYuI]]
recovery code: [[abcd-efgh-ijkl]]
login: bob@x.example / [[dragonfly]]
login: bob@x.example / [[482913]]
logged in again with [[Br1stol!]]
my password is [[Foo9(bar)]]
my mnemonic: [[river stone apple candle maple tiger ocean velvet]]. I wrote it down
mnemonic⏎[[river stone apple candle maple tiger ocean velvet]]⏎⏎please help
Password:⏎[[hunterxyz]]⏎thanks
my password is "[[blue horse]]"
my password, "[[Kettle]]", was it in there?
net password of the box: [[krokodil8]]
password_confirmation=[[s3cr3tive]]
the door code is [[A7K9Q2]]
I changed my password from [[12345678]] to [[87654321]]
my password: [[12345]]
[[walnutcake]] is my password
der Türcode ist [[3584]]
my real one is [[Peach44x]], my actual password, I mean
[[Lantern41x]], same as my other password
pls check account kim@acme.example pwd [[Butterfly]]
the current pass is: [[oldtrafford]]
it used to be [[Arsenal99]] but not now
Kennwort für den Router [[36281940571829304756]]
the lock code is [[2468]]
first pet: [[Scruffy]]
mein Schlüssel ist [[sk-test-0000]] glaube ich
contraseña [[elgatito]] usuario kim
пароль [[vesnushka]]
I used [[walnut]] as my password
my pass phrase reads "[[the quiet otter swims far]]"
access code for the big meeting door [[7731]]
the combination of the safe is [[24-17-88]]
clave de API [[Zk3jR9sLq0Xw8]]
Mein Passwort ist dann [[Pusteblume!]]
my three digit code [[662]]
Wi-Fi: Guest / [[welcome-guest-77]]
my recovery phrase is: [[lemon hammer sunset velvet ocean tiger candle maple river stone cloud other]]
the login is kim and then [[harbor2018!]]
I use [[Copper!41]] everywhere
they all have the same one: [[Lantern#7x]]
I set it to [[Glacier$52]] this morning
the clerk wrote it down, [[Saddle!9]]. My password, I mean
one of [[Timber14x!]] or [[Timber15x!]] is my password
here is my login: kim@acme.example [[Biscuit99]]
user: kim pass: [[velvetino]]
password [[walnutcake]] username kim
identifiant kim, mot de passe [[Canyon-83]]
I used "[[quartzes]]" as the password
I took as password [[umbrella]] and that was it
the password that I use is [[orbital]]
the code was [[four eight two nine one three]], I told him
der Code ist [[acht zwei null vier]]
I read the code out, [[4 8 2 - 9 1 3]], and hung up
她问验证码，我说[[四八二九一三]]
pin no. [[5582]]
el pin de la tarjeta es [[9031]]
min pinkode er [[4471]]
Please take [[934871]] to verify me
got a text with [[650 118]] from nobody I know
I typed in [[447190]] where it wanted the authentication code
Google sent me [[G-771930]] just now
the passcode is [[80-21-95]]
I entered [[PX7-44Q]] as the one time code
my backup codes, who can use them?⏎1. [[83hf-2kd9]]⏎2. [[02jf-9xm1]]⏎3. [[kd83-11pq]]
security question answer: [[Maple Lane]]
my password for the box is [[nine-grey-owls-sing]]
password [[tunnel-vision-31]]
wifi key: [[8837220199441002]]
the account key is [[771299034881]]
密码改成了[[Bamboo-12]]
私のパスは[[fuji3776]]
şifrem [[Lokum19x]] idi
""".strip()
    .replace("⏎", "\n ")
    .replace("\n ", "⏎")
)

HONEST = """
PIN 4 of the chip is bent
the code review is done, PR #48213
Is my password exposed?
password reset link expired after 15 minutes
my password was changed 3 times in 2025
my password is 8 characters, is that enough?
error code 500123 when I log in
I get status code 429 and exit code 137
zip code 94107, country code +49, promo code SAVE20
Our order number is 4829133, password was not changed
Case 00482913: was my password leaked?
Your password reset request #559203
My order 482913 was charged twice, also is my password safe?
What is the key takeaway for admins?
do I need to rotate the API key named prod-backend-01?
our key id key_8fhK2LmNopQ
the api key ending in 4WKX
my api key starts with sk-proj- is that normal
commit 9fceb02d0ae598e95dc970b74767f19372d61af8 removed the secret
token usage was 1234567 yesterday
I use 1Password and a YubiKey 5C
Do you store passwords as bcrypt or SHA256?
I got an SMS from 22395 on 24/11/2025
Text message came at 10:29 from +1 415 555 0132
the code expires in 10 minutes
How do backup codes work? I have 10 of them.
a 12-word seed phrase should never be shared
password: where can I change it?
Password: [hidden]
Password: ********
my password is not "password" anymore
the mail says "your password was not affected"
the button "Forgot password?" does nothing
my password is strong enough, 16+ chars
my user name is j.doe and I can't log in
I signed in with Microsoft365
account manager John / Sales
password123 is a bad password
Mein Passwort ist sicher, oder?
Fehlercode 40213 beim Login
mon mot de passe est compromis
mi contraseña está segura?
a senha é obrigatória
la password è stata cambiata
is mijn wachtwoord gelekt?
mitt lösenord är säkert
moje hasło jest bezpieczne?
şifrem güvende mi?
мой пароль был украден
код ошибки 50321; кодекс 2023
هل كلمة المرور الخاصة بي آمنة؟
क्या मेरा पासवर्ड सुरक्षित है?
パスワードは安全ですか？
エラーコード 50321 が出ます
비밀번호를 바꿔야 하나요?
我的密码安全吗？
sk-learn based model
sk-your-api-key-here
AKIAIOSFODNN7EXAMPLE
Authorization: Bearer YOUR_API_KEY_HERE
https://user:password@example.com/ is just the docs example
DKIM pass 2048 spf=pass dmarc=pass
Thanks for the update on the passwords?\nJess
request 46788241-5798-6718-c8e9-dddf6f1e0928 and c57dad18-adbe-6241-4785-610384237268
the tracking number is 4111 1111 1111 1112
order 4111111111111111
SSN 000-12-3456 and 666-45-6789
part 987-65-43210 of the series
VAT DE773485939
part 123.456.789-00 of the manual
released 2025-11-26T10:22:00Z under password policy v2.3
if password is None: raise ValueError
risk-based and task-oriented 2024 desk-work with iPhone15
spf=pass (google.com: best guess record)
the verification code mail of 2025
Authorization: Basic dGVzdA!! and Basic AAAAAAAA
ssn 123-45-6789-1
my mnemonic is lost. river stone apple candle maple tiger
base64 QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo= and hex 4142434445464748494a4b4c4d4e4f50515253545556
passport of my colleague, and my passport, are fine
the password ""
logged in with my phone, account settings / notifications
my password is absolutely unforgettable
"password": "<hidden>"
"password": "********"
seed=1234
https://a.example/?q=password&lang=en2
people use qwerty as a password and never use 123456 as a password
the verification code never arrives on my Nokia 3310
password hint: cat
PASSWORD_RESET_TIMEOUT=259200 and code_challenge_method=S256
pwd prints /home/kim/projects/app2
pin=GPIO14, key=value1
logged in using Edge119
she forgot her pw, typical, but the pw wasnt in there
muss ich mein pw aendern?
12 words or 24 words, which is better?
9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c was in the notice, is my api key affected?
00QOMMDA30hABCfx9r was in the mail, is my password affected?
I changed my password. Ref ft:gpt-4o-mini:acme::KbFz3Cvi
I changed my password. Ref fYR09kpU7pleRJbhFy0u3M
I forgot the password. The log had arn:aws:iam::501405861683:role/app
I changed my password, order A77kQ2xP9
EAN 4006381333931 and the barcode 4624098449625
faq-need-reset-password-rotate-api and password-reset-2025.html
the page password-reset-faq-2025 and staff-pw-exposed
key fingerprint 3A:7B:22:90:1C:DE:44:F1:09:AB:CD:EF:12:34:56:78
gpt-4o-2024-08-06 and the key
a password like hunter2 is weak
the session expired (code 1006)
cost code 4410-22 and room code 3141
Pinterest pin 4821 likes
¿Mi clave de acceso está segura? ¿Puede mirar?
Passwort: siehe unten
lösenordet är bytt
le password sono uscite
risponda con la parola "person"
şifrem 2021'den beri aynı
key: prod-eu-1
my password on the site in 120 countries is fine
verify 1500 of our accounts
1, 2, 3, 4, 5, 6: which code is right?
three or four passwords and one code
I use Office365 and Windows11 everywhere
login for AT&T, Q&A, R&D and issue#12
kim@host1.example is my login, see http://a.example/?x=a!b1
we use node18 and python3.12 everywhere
""".strip()


@pytest.mark.parametrize("line", PROSE.split("\n"))
def test_a_value_beside_its_word_is_masked_whole(line: str) -> None:
    text, spans = marked(line)
    masked = redact(text)
    assert covered(masked, spans, text), masked.text
    assert all(text[low:high] not in masked.text for low, high in spans)


@pytest.mark.parametrize("line", HONEST.split("\n"))
def test_honest_talk_stays_as_it_is(line: str) -> None:
    text = line.replace("\\n", "\n")
    assert redact(text) == Redaction(text=text)


def test_every_role_has_its_words_its_kind_and_its_judge() -> None:
    assert set(JUDGES) == set(KINDS) == set(Role)
    found = {cue.role for word in ("password", "otp", "code", "cvv", "backup code", "seed phrase",
             "secret answer", "api key", "login", "a text", "everywhere") for cue in cues(word)}  # fmt: skip
    assert found == set(Role)
