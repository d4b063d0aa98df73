"""Gives the environments that processes of a test start in."""

import os


def untraced() -> dict[str, str]:
    """Return this process's environment without what makes a child measure its coverage.

    It is for processes that end by a kill: they would be traced at twice the time, and report
    nothing.
    """
    mine = os.environ.items()  # noqa: TID251 - handed on to the child
    return {name: value for name, value in mine if not name.startswith("COVERAGE_")}
