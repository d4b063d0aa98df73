"""A small post, the ids of its passages, and a folder that holds it."""

from pathlib import Path

from bot.corpus import Knowledge, load

FRONT = "---\ntitle: T\nurl: https://x.example/p\npublished: 2025-01-02\n---\n"
POST = """**What happened**

On 3 May somebody copied a list of names from the booking system of our supplier.

We closed the access on the same day and called the police.

**What you can do**

-   Be careful with messages that mention your booking and ask for money.
-   Call us at the number on your card when a message looks odd to you.

**FAQ**

**Was my password copied?**

-   No. Passwords are kept elsewhere and were not copied.

**Has the supplier been told?**

-   Yes.

**Do I have to pay again?**

-   Yes.
"""
HAPPENED = "happened-3-somebody-copied-list-names"
CLOSED = "happened-closed-access-same-day-called"
PASSWORD = "faq-password-copied"
TOLD = "faq-supplier-told"
PAY = "faq-pay-again"


def write(folder: Path, body: str) -> Knowledge:
    folder.mkdir(exist_ok=True)
    (folder / "incident-post.md").write_text(FRONT + body, encoding="utf-8")
    return load(folder)
