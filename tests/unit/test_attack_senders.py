"""Forty mails as servers write them, honest and forged; half of them kept apart.

A sender counts as proven where our own server said so, in whichever of the usual forms it writes
it, and never by anything that a stranger can bring into the headers.
"""

import pytest

from bot.channels.mail.authentication import prove_sender
from bot.channels.mail.parse import parse
from bot.domain import SenderProof
from tests.support.halves import APART, SEEN, halves

US, VICTIM, EVIL = "mx.desk.example", "victim.github.io", "evil.example"
PASS = f"dmarc=pass header.from={VICTIM}"
SERVER = f"by {US} (Postfix) with ESMTPS id b for <desk@desk.example>; Mon"
BORDER = f"Received: from a.example (a.example [192.0.2.7]) {SERVER}"
FOREIGN = "Received: from b.example (b.example [198.51.100.4]) by a.example with ESMTP; Mon"
FROM = f"From: Ana <ana@{VICTIM}>"


def says(results: str, server: str = US) -> str:
    return f"Authentication-Results: {server}; {results}"


def behind(client: str) -> tuple[str, ...]:
    """Our server saw no DMARC; below the hop of this client stands the stranger's own header."""
    return (says("spf=none"), f"Received: {client} {SERVER}", says(PASS), FROM)


def inserted(header: str) -> tuple[str, ...]:
    """A server that inserts its results below its hop wrote none, and this one is a stranger's."""
    return (BORDER, header, FOREIGN, FROM)


# Header lines of mails whose sender nobody has proven.
FORGED: list[tuple[str, ...]] = [
    behind("from localhost (localhost [192.0.2.7])"),
    behind("from\t[127.0.0.1] (evil.example [192.0.2.7])"),
    behind("from\r\n evil.example (evil.example [192.0.2.7])"),
    behind("FROM evil.example (evil.example [192.0.2.7])"),
    behind("from [192.0.2.7] (port=4711 helo=[127.0.0.1] ident=by x with lmtp)"),
    behind("from [127.0.0.1] (evil.example [192.0.2.7] (may be forged)) (authenticated bits=0)"),
    behind('from x (unknown [IPv6:2001:db8::7]) (Client CN "by x with LMTP [127.0.0.1]", Issuer "y" (not verified))'),
    behind("from unknown (HELO [127.0.0.1]) (127.0.0.1@203.0.113.9)"),
    behind("from x ([100.64.0.9])"),
    behind("from mx2.desk.example (unknown [10.0.0.9])"),
    behind("from x ([::ffff:192.0.2.7])"),
    behind("from mx.desk.example by localhost with LMTP (evil.example [192.0.2.7])"),
    inserted(says(PASS, "mx.des\u212a.example")),
    inserted(says(PASS, "\uff4dx.desk.example")),
    inserted(says(PASS, "mx.desk.example evil.example")),
    inserted(f'Authentication-Results: "{US}; {PASS}"'),
    inserted(says(PASS, "evil.example (\r\n mx.desk.example)")),
    (says('spf=none smtp.mailfrom="x; dmarc=pass header.from=victim.github.io; y"@evil.example'), BORDER, FROM),
    (says(f"spf=pass smtp.mailfrom={EVIL}; dmarc=temperror header.from={VICTIM}; dkim=pass header.d={VICTIM}"), BORDER, FROM),
    (says(f"dkim=pass header.d={EVIL} header.i=@{VICTIM}; arc=pass header.d={VICTIM}; iprev=pass"), BORDER, FROM),
    (says(f"auth=pass smtp.auth=ana header.from={VICTIM}; bimi=pass header.d={VICTIM}; sender-id=pass header.from={VICTIM}"), BORDER, FROM),
    (says(f"dmarc=none header.from={VICTIM}; {PASS}"), BORDER, FROM),
    (says("spf=none " + "x" * 9_000), BORDER, says(PASS), FROM),
    (says(f"dmarc=pass header.from={EVIL}"), BORDER, f"From : eve@{EVIL}", FROM),
    (says(f"dmarc=pass header.from={EVIL}"), BORDER, f"From: =?utf-8?q?ana=40{VICTIM}?= <eve@{EVIL}>", FROM),
    (says("dkim=none"), BORDER, f"Received-SPF: pass ({US}) client-ip=192.0.2.7; envelope-from=ana@{VICTIM}", FROM),
]  # fmt: skip
# What servers in wide use write about a mail that passes; their names replaced by ours.
HONEST: list[tuple[str, ...]] = [
    ("Received: by 2002:a05:6a10:1 with SMTP id c; Mon", "Return-Path: <x@y.example>", BORDER, f"Received-SPF: pass ({US}: permitted)",
     f"Authentication-Results: {US};\r\n       dkim=pass header.i=@{VICTIM} header.s=s1 header.b=AbC/d+e;\r\n       spf=pass ({US}: domain of x@{VICTIM} designates 192.0.2.7 as permitted sender) smtp.mailfrom=x@{VICTIM};\r\n       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from={VICTIM}"),
    (f"Authentication-Results: {US};\r\n    arc=none (no signatures found);\r\n    dkim=pass (2048-bit rsa key sha256) header.d={VICTIM}\r\n    header.i=@{VICTIM} header.b=AbC1 header.a=rsa-sha256 header.s=s1 x-bits=2048;\r\n    dmarc=pass policy.published-domain-policy=reject policy.applied-disposition=none\r\n    policy.evaluated-disposition=none (p=reject,d=none,d.eval=none) policy.policy-from=p header.from={VICTIM};\r\n    iprev=pass smtp.remote-ip=192.0.2.7 (a.example);\r\n    spf=pass smtp.mailfrom=x@{VICTIM} smtp.helo=a.example;\r\n    x-tls=pass smtp.version=TLSv1.3 smtp.cipher=TLS_AES_256_GCM_SHA384 smtp.bits=256/256;\r\n    x-vs=clean score=0", BORDER),
    (f"Authentication-Results: {US};\r\n\tdkim=pass header.d={VICTIM} header.s=s1 header.b=AbC;\r\n\tdmarc=pass (policy=reject) header.from={VICTIM};\r\n\tspf=pass ({US}: domain of x@{VICTIM} designates 192.0.2.7 as permitted sender) smtp.mailfrom=x@{VICTIM}", BORDER),
    (says(f"dmarc=pass (p=none dis=none) header.from={VICTIM}"), f"Authentication-Results: {US};\r\n\tdkim=pass (2048-bit key; unprotected) header.d={VICTIM} header.i=@{VICTIM} header.a=rsa-sha256 header.s=s1 header.b=AbC;\r\n\tdkim-atps=neutral", BORDER),
    (f"Authentication-Results: {US};\r\n dkim=pass header.i=@{VICTIM} header.s=s1;\r\n spf=pass smtp.mailfrom={VICTIM};\r\n dmarc=pass(p=REJECT) header.from={VICTIM};", BORDER),
    (says(PASS), says('bimi=skipped reason="insufficient dmarc"'), BORDER),
    (says("spf=pass smtp.mailfrom=y.example"), says("arc=none smtp.remote-ip=192.0.2.7"), says(f"dmarc=pass (p=none dis=none) header.from={VICTIM}"), says(f"dkim=pass (2048-bit key) header.d={VICTIM} header.i=@{VICTIM} header.b=AbC"), BORDER),
    (BORDER, f"Authentication-Results: {US};\r\n\tiprev=pass (a.example) smtp.remote-ip=192.0.2.7;\r\n\tspf=pass smtp.mailfrom={VICTIM};\r\n\tdkim=pass header.d={VICTIM} header.s=s1 header.a=rsa-sha256;\r\n\tdmarc=pass header.from={VICTIM}", FOREIGN),
    (f"Authentication-Results: {US};\r\n\tdkim=pass header.d={VICTIM} header.s=s1 header.b=AbC;\r\n\tspf=pass ({US}: domain of x@{VICTIM} designates 192.0.2.7 as permitted sender) smtp.mailfrom=x@{VICTIM} smtp.helo=a.example;\r\n\tiprev=pass policy.iprev=192.0.2.7;\r\n\tdmarc=pass header.from={VICTIM} policy.dmarc=reject", BORDER),
    (f"Received: from {US} ([172.22.1.253])\r\n\tby 5a2b3c4d with LMTP id x (envelope-from <x@{VICTIM}>)\r\n\tfor <desk@desk.example>; Mon", says(PASS), BORDER.replace("(Postfix)", "(Postcow)")),
    (f"Authentication-Results: {US};\r\n\tdkim=pass;\r\n\tspf=pass ({US}: domain of {VICTIM} designates 192.0.2.7 as permitted sender)  smtp.mailfrom=x@{VICTIM};\r\n\tdmarc=pass(p=reject dis=none)  header.from=ana@{VICTIM}", BORDER),
    (f"Authentication-Results: {US} 1; spf=pass smtp.mailfrom={VICTIM};\r\n\tdkim=pass header.i=@{VICTIM}; {PASS}", f"Received: from a.example (a.example. [192.0.2.7])\r\n        by {US} with ESMTPS id x\r\n        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256); Mon"),
    (f"Authentication-Results: {US} (rspamd);\r\n\t{PASS} (mail.victim.github.io, policy=none)", "Received: from mail.a.example (HELO mail.a.example) (192.0.2.7)\r\n  by mx.desk.example with SMTP; Mon"),
    (says(f"dkim=fail (bad signature) header.d={EVIL}; dkim=pass header.d={VICTIM}; {PASS}"), BORDER, says("dmarc=pass", "mx.a.example"), FOREIGN),
]  # fmt: skip
KIND = halves([*((each, False) for each in FORGED), *((each, True) for each in HONEST)])


def is_victim_proven(headers: tuple[str, ...]) -> bool:
    """Is a sender at the victim's domain proven?"""
    lines = [*headers, *([] if any(h.startswith("From") for h in headers) else [FROM])]
    raw = "\r\n".join([*lines, "To: desk@desk.example", "", "Were keys exposed?", ""])
    mail = parse(raw.encode())
    proven = prove_sender(mail, US) is SenderProof.PROVEN
    return proven and mail.sender.endswith(f"@{VICTIM}")


@pytest.mark.parametrize("half", [SEEN, APART])
def test_our_server_proves_senders_and_strangers_prove_nobody(half: str) -> None:
    wrong = [headers for headers, honest in KIND[half] if is_victim_proven(headers) is not honest]
    assert wrong == []
