"""Says why a text that a person wrote cannot go out as it is."""

from bot.policy.staff_remarks import MAX_CHARACTERS
from bot.redact import redact

EMPTY_TEXT = "Write something, or cancel and use Resolve to close the case without a mail."
TOO_LONG = "This is {count} characters; a reply may have {most}."
TAKE_IT_OUT = (
    "This holds what looks like a real {kind}. Take it out: it is not stored and not sent."
)


def object_to_text(text: str, empty: str = EMPTY_TEXT) -> str:
    """Return why a person's text cannot go out; empty for no reason.

    `empty` is what is said of a text without a word.
    """
    if not text.strip():
        return empty
    if len(text) > MAX_CHARACTERS:
        return TOO_LONG.format(count=len(text), most=MAX_CHARACTERS)
    kinds = [span.kind.value.replace("_", " ") for span in redact(text).spans if span.certain]
    return TAKE_IT_OUT.format(kind=kinds[0]) if kinds else ""
