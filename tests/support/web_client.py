"""A browser without a screen: it keeps cookies, follows redirects and fills in forms."""

import http.client
import re
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urlencode, urlsplit

from tests.support.waiting import SAFETY_NET_SECONDS

FORM = re.compile(r"<form[^>]*action=\"([^\"]*)\"[^>]*>(.*?)</form>", re.DOTALL)
HIDDEN = re.compile(r"<input type=\"hidden\" name=\"(\w+)\" value=\"([^\"]*)\">")


@dataclass
class Page:
    """An answer: its status, headers in lower case, and body."""

    status: int
    headers: dict[str, str]
    text: str

    def form(self, action: str) -> dict[str, str]:
        """Return the hidden fields of the form that is sent to this path."""
        found = next(body for path, body in FORM.findall(self.text) if path == action)
        return {name: unescape(value) for name, value in HIDDEN.findall(found)}


@dataclass
class Browser:
    """One browser; `link` is the address that lets it in."""

    link: str
    cookie: str = ""
    cookie_header: str = field(default="", init=False)  # as the desk set it

    @property
    def port(self) -> int:
        port = urlsplit(self.link).port
        assert port
        return port

    def enter(self) -> "Browser":
        """Open the link that the desk printed."""
        page = self.get(self.link.partition(str(self.port))[2])
        assert page.status == 200
        self.cookie_header = page.headers["set-cookie"]
        self.cookie = self.cookie_header.partition(";")[0]
        return self

    def get(self, path: str, **headers: str) -> Page:
        return self.ask("GET", path, headers=headers)

    def submit(self, page: Page, path: str, /, **fields: str) -> Page:
        """Send the form of a page, with what a person entered; follow the redirect."""
        answer = self.post(path, page.form(path) | fields)
        return self.get(answer.headers["location"]) if answer.status == 303 else answer

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(fields).encode(), kind | headers)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Page:  # fmt: skip
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SAFETY_NET_SECONDS)
        sent = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        try:
            line.putrequest(method, path, skip_host="Host" in sent)
            for name, value in ({"Cookie": self.cookie} if self.cookie else {}).items():
                sent.setdefault(name, value)
            if body is not None:
                sent["Content-Length"] = str(len(body))
            for name, value in sent.items():
                line.putheader(name, value)
            line.endheaders(body)
            found = line.getresponse()
            kept = {name.lower(): value for name, value in found.getheaders()}
            return Page(found.status, kept, found.read().decode())
        finally:
            line.close()
