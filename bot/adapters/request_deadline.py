"""Ends a request to OpenAI after a fixed time; vendors' time-outs start anew with each byte."""

import time
from typing import Any

import openai
from typing_extensions import override

MOST_BYTES = 8_000_000  # of an answer; 256 of the widest vectors are 4 MB


class InTime(openai.DefaultHttpxClient):
    """Gives an answer up that is not there in `seconds`, or is larger than any can be."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    @override
    def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
        """The whole answer, read here."""
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
