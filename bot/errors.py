"""Defines every error that is raised on purpose.

DeskError
├── InputError        the caller gave something unusable               (exit 2)
│   ├── KnowledgeError    a file in knowledge/ is wrong: file, line, remedy
│   └── SettingsError     an environment variable is wrong: its name, the remedy
├── MissingError      something needed is not there: model, port, disk (exit 3)
├── DeliveryError     a channel did not take a text; try again later
│   ├── RefusedError      it never will
│   └── UncertainError    it may have taken it: look before sending again
└── BlockedError      a mail may not be sent as it is: its text says why, and what to do
"""

from zipfile import BadZipFile

# What numpy raises for a file of arrays that is missing, empty, cut or none, or lacks an array.
UNREADABLE_ARRAYS = (OSError, EOFError, ValueError, KeyError, BadZipFile)


class DeskError(Exception):
    """Base of all errors raised on purpose; its text is fit to show on a terminal."""


class InputError(DeskError):
    """The caller gave something unusable."""


class KnowledgeError(InputError):
    """A file in knowledge/ is wrong."""


class SettingsError(InputError):
    """An environment variable is wrong."""


class MissingError(DeskError):
    """Something needed is not there."""


class DeliveryError(DeskError):
    """A channel did not take a text."""


class RefusedError(DeliveryError):
    """A channel will never take this text."""


class UncertainError(DeliveryError):
    """A channel may have taken this text."""


class BlockedError(DeskError):
    """A mail may not be sent: the outbound check stops it, or its case needs a call first."""
