"""Reads the requests of signed-in people: numbers in the path and query, and fields of forms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_NUMBER = 2**31 - 1  # of a mail or a case: the largest that every database takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of a signed-in person: what it names, and the fields of its form."""

    request: Request
    session: str
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Return the number in the path; HTTPException (404) for one above MAX_NUMBER."""
        number = int(self.request.path_params["number"])
        if number > MAX_NUMBER:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return number

    def choice(self, name: str) -> int:
        """Return a positive number of the query; 0 where there is none."""
        text = self.request.query_params.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def read_form(body: bytes) -> dict[str, str]:
    """Return the fields of a submitted form, with line ends as the desk writes them."""
    sent = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: value.replace("\r\n", "\n") for name, value in sent}
