"""Who is believed: the results of our own receiving server, wherever forged ones stand."""

import random
from collections.abc import Iterator
from itertools import product

import pytest

from bot.channels.mail.authentication import are_aligned, prove_sender
from bot.channels.mail.hops import is_internal_hop
from bot.channels.mail.parse import parse
from bot.domain import SenderProof
from bot.text.domains import fold_address

US = "mx.desk.example"
VICTIM = "victim.github.io"
LMTP = f"Received: from {US} by {US} with LMTP id a1 (envelope-from <x@y.example>); Mon"
BORDER = f"Received: from a.example (a.example [192.0.2.7]) by {US} (Postfix) with ESMTPS id b; Mon"
REINJECTED = f"Received: from localhost (localhost [127.0.0.1]) by {US} (Postfix) with ESMTP; Mon"
FILTERED = f"Received: from {US} ([127.0.0.1]) by localhost ({US} [127.0.0.1]) (amavis); Mon"
HANDED = (
    "Received: from mx2 ([10.0.0.5]) by store with LMTP id a (envelope-from <x@y.example>); Mon"
)
RELAYED = "Received: from mx2.desk.example (mx2.desk.example [10.0.0.5]) by store; Mon"
INTERNAL = "Received: by 2002:a05:6a10:1 with SMTP id c; Mon"
FOREIGN = "Received: from b.example (b.example [198.51.100.4]) by a.example with ESMTP; Mon"
# Hops that an outsider wrote so that they look like ours.
FAKED = (
    f"Received: from {US} (a.example [192.0.2.7]) by {US} (Postfix) with ESMTP; Mon",
    f"Received: from [127.0.0.1] (a.example [192.0.2.7]) by {US} (Postfix) with ESMTP; Mon",
    f"Received: from x with LMTP by y (a.example [192.0.2.7]) by {US} (Postfix) with ESMTP; Mon",
    f"Received: from {US} (unknown [172.17.0.1]) by {US} (Postfix) with ESMTP; Mon",
    f"Received: from mx.desk.example (evil.example [10.0.0.9]) by {US} with ESMTP; Mon",
    # Exim writes the sender of the envelope into a comment, Postfix the recipient after "for".
    (
        f"Received: from a.example ([192.0.2.7]) by {US} with esmtps (Exim 4.98) "
        '(envelope-from <"x) by y with lmtp ("@evil.example>) id 1; Mon'
    ),
    (
        f"Received: from a.example (unknown [172.17.0.1]) by {US} (Postfix) with ESMTP id b "
        'for <"desk+ by x with lmtp"@desk.example>; Mon'
    ),
    f"Received: from a.example ([192.0.2.7]) by {US} with LMTP id b; Mon",
    # qmail and Exchange write the client's address without brackets, and what it says beside it.
    f"Received: from unknown (HELO [127.0.0.1]) (203.0.113.9) by {US} with SMTP; Mon",
    f"Received: from unknown (HELO x) by y with lmtp ([127.0.0.1]) (203.0.113.9) by {US} with SMTP; Mon",
    f"Received: from [127.0.0.1] (203.0.113.9) by {US} (10.0.0.4) with Microsoft SMTP Server; Mon",
    f"Received: from [127.0.0.1] (2001:db8::7) by {US} (10.0.0.4) with Microsoft SMTP Server; Mon",
    f"Received: from 127.0.0.1 by {US} with SMTP; Mon",
)


def says(results: str, server: str = US) -> str:
    return f"Authentication-Results: {server}; {results}"


def proof(*headers: str, sender: str = VICTIM) -> SenderProof:
    lines = [*headers, f"From: ana@{sender}", "To: desk@desk.example", "", "Were keys exposed?"]
    return prove_sender(parse("\r\n".join(lines).encode()), US)


DMARC_PASS = f"dmarc=pass header.from={VICTIM}"
DMARC_FAIL = f"dmarc=fail header.from={VICTIM}"
DMARC_NONE = f"dmarc=none header.from={VICTIM}"
ALIGNED = f"dkim=pass header.d={VICTIM}"
STRANGER = "dkim=pass header.d=list.example"
FILTER = f"DKIM-Filter: OpenDKIM Filter v2.11.0 {US} B08E7"

REAL = {
    "one header above the border": [says(f"{ALIGNED}; {DMARC_PASS}"), BORDER, FOREIGN],
    "one header below the border": [BORDER, says(f"{ALIGNED}; {DMARC_PASS}"), FOREIGN],
    "a mailbox provider's": [INTERNAL, "X-Received: by x", BORDER, says(DMARC_PASS), FOREIGN],
    "three milters, dmarc on top": [says(DMARC_PASS), says(STRANGER), says("spf=none"), BORDER],
    "three milters, dkim on top": [FILTER, says(STRANGER), says(DMARC_PASS), BORDER, FOREIGN],
    "three milters, spf on top": [says("spf=none"), says(STRANGER), says(DMARC_PASS), BORDER],
    "milters without dmarc": [says("spf=none"), says(ALIGNED), BORDER, FOREIGN],
    "no policy, proven by dkim": [says(DMARC_NONE), says(ALIGNED), BORDER, FOREIGN],
    "delivered by LMTP": [LMTP, says(DMARC_PASS), BORDER, FOREIGN],
    "behind a content filter": [LMTP, REINJECTED, FILTERED, says(DMARC_PASS), BORDER, FOREIGN],
    "handed over from another machine": [HANDED, says(DMARC_PASS), BORDER, FOREIGN],
    "behind an inner relay": [RELAYED, says(DMARC_PASS), BORDER, FOREIGN],
    "milters below the border": [BORDER, says(DMARC_PASS), says(STRANGER), says("spf=none")],
    "dkim below the border": [BORDER, says(ALIGNED), says(DMARC_PASS), FOREIGN],
    "quoted name and a comment": [f'Authentication-Results: "{US}" (a) 1; {DMARC_PASS}', BORDER],
    "a subdomain of the owner": [says("dkim=pass header.d=mail.victim.github.io"), BORDER],
    "the owner's domain": [says(f"spf=pass smtp.mailfrom=bounce@{VICTIM}"), BORDER],
}
ALIGNMENT = {
    ("github.io", VICTIM): False,
    ("evil.github.io", VICTIM): False,
    ("co.uk", "shop.co.uk"): False,
    ("other.co.uk", "shop.co.uk"): False,
    ("io", VICTIM): False,
    ("blogspot.com", "x.blogspot.com"): False,
    ("s3.amazonaws.com", "x.s3.amazonaws.com"): False,
    ("com.example.org.evil.test", "example.org"): False,
    ("notexample.org", "example.org"): False,
    ("", "example.org"): False,
    ("github.io", "github.io"): True,
    ("mail.example.co.uk", "news.example.co.uk"): True,
    ("Example.ORG.", "example.org"): True,
    ("bücher.example", "xn--bcher-kva.example"): True,
}
FORGED = tuple(
    says(each)
    for each in (
        DMARC_PASS,
        f"{DMARC_PASS}; {ALIGNED}; spf=pass smtp.mailfrom=ana@{VICTIM}",
        ALIGNED,
        f"spf=pass smtp.mailfrom=ana@{VICTIM}",
    )
)
# What our server says of a mail that proves nothing.
OURS = (DMARC_FAIL, DMARC_NONE, "spf=none", "dkim=none", STRANGER, f"dkim=fail header.d={VICTIM}",
        "dkim=pass header.d=github.io", "none", "dmarc=temperror", 'dmarc=pass header.from=a"b')  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_a_real_chain_of_our_server_proves_its_sender(name: str) -> None:
    assert proof(*REAL[name]) is SenderProof.PROVEN


@pytest.mark.parametrize(("domains", "aligned"), ALIGNMENT.items())
def test_alignment_knows_public_suffixes(domains: tuple[str, str], *, aligned: bool) -> None:
    signer, sender = domains
    assert are_aligned(sender, signer) is aligned
    if signer.isascii() and sender.isascii():
        got = proof(says(f"dkim=pass header.d={signer}"), BORDER, sender=sender)
        assert (got is SenderProof.PROVEN) is aligned


def test_a_dmarc_pass_counts_for_the_domain_that_the_desk_reads_in_from() -> None:
    told = {
        "dmarc=pass header.from=evil.example": SenderProof.UNPROVEN,
        "dmarc=pass header.from=github.io": SenderProof.UNPROVEN,
        f"dmarc=pass header.from=evil.example; {ALIGNED}": SenderProof.UNPROVEN,
        "dmarc=pass": SenderProof.UNPROVEN,
        f"dmarc=pass; {ALIGNED}": SenderProof.PROVEN,
        f"dmarc=pass (policy=none) header.from=mail.{VICTIM}": SenderProof.PROVEN,
        f"dmarc=pass action=none header.from={VICTIM.upper()}": SenderProof.PROVEN,
    }
    assert {each: proof(says(each), BORDER) for each in told} == told


# What a server that ends lines at line feeds reads as the From of eve@evil.example.
HIDDEN = {
    "a return that ends a header": b"X-A: b\rFrom: ana@victim.github.io\r\nFrom: eve@evil.example",
    "returns that end the headers": (
        b"X-A: b\rFrom: ana@victim.github.io\r\rHi\r\nFrom: eve@evil.example"
    ),
    "returns within From": b"From: ana@victim.github.io\r\rHi <eve@evil.example>",
    "a folded return": b"X-A: b\r\n c\rFrom: ana@victim.github.io\r\nFrom: eve@evil.example",
    "more than is read": (
        b"From: ana@victim.github.io (" + b"x" * 65_536 + b") <eve@evil.example>"
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_no_address_is_read_that_the_server_did_not_judge(name: str) -> None:
    head = "\r\n".join([says("dmarc=pass header.from=evil.example"), BORDER, FOREIGN]).encode()
    mail = parse(head + b"\r\n" + HIDDEN[name] + b"\r\nTo: desk@desk.example\r\n\r\nKeys?\r\n")
    assert mail.sender in ("", "eve@evil.example")
    assert prove_sender(mail, US) is (SenderProof.PROVEN if mail.sender else SenderProof.UNPROVEN)


@pytest.mark.parametrize("hop", FAKED)
def test_what_a_client_writes_makes_no_hop_ours(hop: str) -> None:
    assert not is_internal_hop(hop.removeprefix("Received: "), US)


def attacks() -> Iterator[tuple[str, ...]]:
    """Each mail as an attacker can make it: our results at their place, forged ones below."""
    for ours, forged, border in product(OURS, FORGED, (BORDER, *FAKED)):
        for tail in ((), (FOREIGN,), (LMTP, forged), (BORDER, forged)):
            yield (says(ours), border, forged, *tail)
            yield (border, says(ours), forged, *tail)
            yield (border, says(ours), *tail, forged)
            yield (border, *tail[:1], forged) if tail else (says(ours), forged)
            yield (border, says(DMARC_PASS, "mx.desk.example.evil.test"), *tail[:1])


def test_no_forged_header_below_ours_proves_anybody() -> None:
    mails = random.Random(20).sample(sorted(set(attacks())), 800)
    kept_apart = mails[400:]
    wrong = [each for each in mails if not _is_harmless(each)]
    assert [each for each in wrong if each in kept_apart] == []
    assert wrong == []


def _is_harmless(headers: tuple[str, ...]) -> bool:
    """Is the sender not proven, where a result of our own server stands above the forged one?

    Without any result of ours, the topmost header between the border and the next hop is ours as far
    as anybody can tell: a server that inserts there must strip what claims its name, as RFC 8601
    demands.
    """
    mine = [place for place, each in enumerate(headers) if each.removeprefix(says("")) in OURS]
    if not mine and headers[1:2] and headers[1] in FORGED:
        return True
    return proof(*headers) is not SenderProof.PROVEN


def test_one_mailbox_is_one_address() -> None:
    same = ["ana.b@gmail.com", "an.ab+x@googlemail.com", "Anab@Gmail.com.", "a.n.a.b+1+2@gmail.com"]
    assert {fold_address(each) for each in same} == {"anab@gmail.com"}
    assert fold_address("ana.b+tag@example.org") == "ana.b@example.org"
    assert fold_address("+x@example.org") == "+x@example.org"
