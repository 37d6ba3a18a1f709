"""The dead letters of deadletter-sink, asked with the token of whoever sits before the page.

The token is passed on and forgotten: it is in no URL, no cookie and no log line.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Set
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from sinks import jsondata
from sinks.deadline import Deadline
from sinks.errors import BadAnswer, Forbidden, InvalidEvent, SinkError, Unavailable
from sinks.http_client import HttpClient
from sinks.http_message import HttpResponse
from sinks.wsgi_request import Environ

# No other site's page can send it: a browser would ask us first, and we do not answer that.
OWN_HEADER: Final = "HTTP_SINKS_CONSOLE"
LETTERS_A_PAGE: Final = 100
_LIST_SECONDS: Final = 10.0
_REPLAY_SECONDS: Final = 120.0
# What the page shows of each: an answer without it is of something else than deadletter-sink.
_LISTED: Final = frozenset(
    ("number", "last_arrived", "reason", "status", "row", "wiki", "count", "replay")
)
_REPLAYED: Final = frozenset(("outcome", "reason", "detail"))
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_TOKEN = re.compile(r"Bearer [!-~]{1,8192}")


class Refused(Exception):
    """deadletter-sink has answered with an error, which is shown as it is."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail


class LettersProxy:
    """base_url: of deadletter-sink."""

    def __init__(self, http: HttpClient, base_url: str) -> None:
        self._http = http
        self._base_url = base_url

    def listed(self, environ: Environ, pending: bool, after: str) -> dict[str, Any]:
        """Return one page of the letters. raises: SinkError, Refused."""
        query = {"limit": str(LETTERS_A_PAGE), "after": _number(after or "0")}
        if pending:
            query["pending"] = "true"
        url = f"{self._base_url}/letters?{urlencode(query)}"
        answer = self._http.get(url, _authorization(environ), Deadline.after(_LIST_SECONDS))
        return _document(answer, "letters", _LISTED)

    def replayed(self, environ: Environ, number: str) -> dict[str, Any]:
        """Return what became of one letter. raises: SinkError, Refused."""
        if not number:
            raise InvalidEvent("invalid_query", "number=N names the letter to replay")
        url = f"{self._base_url}/letters/replay?{urlencode({'number': _number(number)})}"
        deadline = Deadline.after(_REPLAY_SECONDS)
        answer = self._http.post(url, b"", _authorization(environ), deadline)
        return _document(answer, "replayed", _REPLAYED)


def check_own_page(environ: Environ) -> None:
    """raises: Forbidden unless the page itself asks, as far as a browser can tell.

    To a browser a site whose name is made to lead to this machine (DNS rebinding) is the page
    itself. It has no token; so who has none has to come by a name that no site can have.
    """
    site = environ.get("HTTP_SEC_FETCH_SITE", "same-origin")
    if OWN_HEADER not in environ or site != "same-origin":
        raise Forbidden("forbidden", "only the console's own page may ask: open it, try there")
    if not _authorization(environ) and not _is_local(environ.get("HTTP_HOST", "")):
        raise Forbidden(
            "forbidden", "without a token only as localhost or by an IP address: open it there"
        )


def _is_local(host: str) -> bool:
    """Whether it is an address, or the one name that is in nobody's DNS."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise InvalidEvent("invalid_query", "a letter's number has digits only")
    return text


def _authorization(environ: Environ) -> dict[str, str]:
    shown = environ.get("HTTP_AUTHORIZATION", "")
    return {"Authorization": shown} if _TOKEN.fullmatch(shown) else {}


def _document(answer: HttpResponse, name: str, members: Set[str]) -> dict[str, Any]:
    """The answer, whose member of that name is a list of objects with at least these members."""
    try:
        document = jsondata.loads(answer.body)
    except SinkError:
        document = None
    found: Mapping[str, Any] = document if isinstance(document, dict) else {}
    listed = found.get(name)
    if answer.status == 200 and isinstance(listed, list):
        if all(isinstance(each, dict) and each.keys() >= members for each in listed):
            return dict(found)
    reason, detail = found.get("reason"), found.get("detail")
    if 400 <= answer.status < 600 and isinstance(reason, str) and isinstance(detail, str):
        raise Refused(answer.status, reason[:64], detail[:500])
    if answer.status >= 500:
        said = f"deadletter-sink answered {answer.status}"
        raise Unavailable("upstream_unavailable", said, stage="deadletter-sink")
    raise BadAnswer(
        "upstream_bad_answer",
        f"what answered {answer.status} is no deadletter-sink: check DEADLETTER_API_URL",
        stage="deadletter-sink",
    )
