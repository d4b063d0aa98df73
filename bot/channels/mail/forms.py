"""Recognizes mails in which a program passes on what a person typed into a form.

Such a mail comes from the program's address. Where no Reply-To names the person, the person's
address stands only in the text, and an answer to the sender would reach nobody.
"""

import re2

from bot.channels.mail.parse import ParsedMail
from bot.channels.mail.phrasing import ADDRESS, holds_pattern, normal_form, split_mail_sentences
from bot.channels.mail.rule_words import has_local_part_in

# Matches "Name: Petra", "*E-mail:* petra@example.org", and "Message Body:" with its value below.
FIELD = re2.compile(r"(?m)^[ \t*_>|•-]*([^\s:：*][^:：\n]*?)[ *_]*[:：][*_]*[ \t]*(\S.*)?$")
# Characters of a field's name: a longer text before a colon is a sentence.
MAX_FIELD_NAME = 40
# Characters at the beginning of a text in which its fields stand.
MAX_FORM_CHARACTERS = 3000
# Fields of a form; a single one may be any line with a colon.
MIN_FIELDS = 2
# Headers of a mail that a person pasted into the text: no form has fields of these names.
MAIL_HEADERS = frozenset({"message-id", "mime-version", "received", "return-path", "content-type"})


def is_form(mail: ParsedMail) -> bool:
    """Does the mail hold the fields of a form, filled in by somebody other than its sender?

    Either a program's address or a form's last line says so, or a field for the message stands
    beside one with an address that is not the sender's. A person's signature has fields as well,
    but none for a message.
    """
    if has_local_part_in(mail.sender, "form_programs"):
        return True
    if mail.shown and not mail.only_shows:
        return False  # a person's own words above a mail that they pass on, whose head has fields
    text = mail.text.strip()  # all of it: fields such as "From:" look like those of a quoted mail
    named_values = FIELD.findall(text[:MAX_FORM_CHARACTERS])
    fields = [
        (n, value)
        for n, value in named_values
        if len(n) <= MAX_FIELD_NAME and not value.startswith("//")
    ]
    if len(fields) < MIN_FIELDS or MAIL_HEADERS & {name.lower() for name, _ in fields}:
        return False
    has_message_field = any(holds_pattern("message_field", normal_form(name)) for name, _ in fields)
    noted = any(holds_pattern("form_notice", each.form) for each in split_mail_sentences(text))
    site = has_local_part_in(mail.sender, "form_senders") or has_local_part_in(
        mail.sender, "system_senders"
    )
    return (has_message_field or noted) and (
        site or ((len(fields) > MIN_FIELDS or noted) and _names_another(mail, fields))
    )


def _names_another(mail: ParsedMail, fields: list[tuple[str, str]]) -> bool:
    """Does a field hold an address that is not the sender's?"""
    addresses = {each.lower() for _, value in fields for each in ADDRESS.findall(value)}
    return bool(addresses - {mail.sender.lower()})
