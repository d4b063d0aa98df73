"""The error that says a mail is more than what is read; it ends as the fault of a ParsedMail."""


class LimitError(ValueError):
    """The mail is larger, deeper or more divided than what is read."""
