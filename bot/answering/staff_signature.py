"""Signs a draft as the answer of the person who approves it, instead of as an automated reply."""

from collections.abc import Iterable
from functools import cache

from bot.resources import read_yaml


def sign_draft(reply: str, footers: Iterable[str], language: str) -> str:
    """Return a composed reply with a person's signature in the place of the automated footer.

    `footers` are the templates that an automatic reply may end with. A language without a signature
    gets the English one. A reply that ends with another text is left as it is.
    """
    body = reply.rstrip()
    footer = next((each for each in footers if body.endswith(each)), "")
    if not footer:
        return reply
    signatures = _signatures()
    return f"{body.removesuffix(footer)}{signatures.get(language, signatures['en'])}\n"


def without_staff_signature(draft: str) -> str:
    """Return a draft without a person's signature at its end.

    The outbound check does not know these signatures, so that they are taken off before it.
    """
    body = draft.rstrip()
    for signature in _signatures().values():
        if body.endswith(signature):
            return body.removesuffix(signature)
    return draft


@cache
def _signatures() -> dict[str, str]:
    """Return the signature of each language by its code."""
    return {str(code): str(text) for code, text in read_yaml("person_signatures.yaml").items()}
