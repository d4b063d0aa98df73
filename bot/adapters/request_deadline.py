"""Ends a request to OpenAI at a deadline; the client's own time-out starts anew with each byte."""

import time
from typing import Any

import openai
from typing_extensions import override

MOST_BYTES = 8_000_000  # the most bytes of an answer; 256 of the widest vectors are 4 MB


class InTime(openai.DefaultHttpxClient):
    """An HTTP client that raises TimeoutError when an answer takes over `seconds` or is too large.

    The deadline does not hold for streamed answers.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    @override
    def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
        """Return the answer, read in full unless `stream` is true."""
        until = time.monotonic() + self.seconds
        answer = super().send(request, stream=True, **options)
        if stream:
            return answer
        body = bytearray()
        try:
            for piece in answer.iter_raw():
                body += piece
                if time.monotonic() > until or len(body) > MOST_BYTES:
                    raise TimeoutError("the answer takes too long")
        finally:
            answer.close()
        return type(answer)(
            answer.status_code, headers=answer.headers, content=bytes(body), request=request
        )
