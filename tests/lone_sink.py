"""One of our sinks alone in its process, before an upstream that a test plays, and its clients."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.factories import SCORE_TYPE, binary, page_change, revision_score
from tests.processes import Running, gunicorn
from tests.upstream import Behave, Reply, Upstream, answer, call, predictor

_APPS: Final = {"score": "score_sink", "egress": "egress_sink", "shim": "http_shim"}
NAMES: Final = tuple(_APPS)
# The shim with one Trigger of all, so that each event makes one call of its upstream.
PATHS: Final = {"score": "/models/drafttopic", "egress": "/", "shim": "/events?trigger=drafttopic"}
# What each of them gets from an upstream that takes everything.
GOOD: Final[Mapping[str, Behave]] = {
    "score": predictor,
    "egress": answer(201),
    "shim": answer(202, b""),
}


@contextmanager
def lone_sink(
    name: str, upstream: Upstream, directory: Path, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run one sink, as in production, until the block ends."""
    known = {
        "PREDICTOR_URL": upstream.url,
        "EVENTGATE_URLS": f"{upstream.url}/v1/events",
        "SERVICE_URLS": f"*={upstream.url}",
        "ALLOW_ANONYMOUS": "true",
    }
    with gunicorn(f"sinks.{_APPS[name]}:create_app()", {**known, **(env or {})}, directory) as sink:
        yield sink


def metrics(running: Running) -> dict[str, float]:
    """All samples by name and labels, as they are exposed."""
    text = call(running.port, "/metrics", method="GET").body.decode()
    samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def event_revision(number: int) -> int:
    """The revision that the event of this number is about."""
    return 1300200300 + number


def event(name: str, number: int = 0, padding: int = 0) -> tuple[dict[str, str], bytes]:
    """A good event for this sink, as headers and body; different for each number.

    padding: bytes more, in a member that nobody reads.
    """
    if name == "egress":
        document = revision_score(meta={"id": f"score-{number}"}, rev_id=event_revision(number))
        headers, body = binary(document, id=f"score-{number}", type=SCORE_TYPE)
    else:
        document = page_change(
            meta={"id": f"change-{number}"},
            revision={"rev_id": event_revision(number)},
            **({"padding": "x" * padding} if padding else {}),
        )
        headers, body = binary(document, id=f"change-{number}")
    return headers, body


class Client:
    """A client that keeps its connection, as a Broker's does."""

    def __init__(self, port: int, timeout: float = 15) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(
        self, path: str, headers: Mapping[str, str], body: bytes, method: str = "POST"
    ) -> Reply:
        """Return the answer. raises: OSError, http.client.HTTPException for none."""
        self._connection.request(method, path, body, dict(headers))
        reply = self._connection.getresponse()
        return Reply(reply.status, reply.msg, reply.read())

    def get(self, path: str) -> Reply:
        """Return the answer to a GET."""
        return self.send(path, {}, b"", "GET")


def reason(reply: Reply) -> str:
    """The reason in an error's body; empty for none."""
    return str(json.loads(reply.body).get("reason", "")) if reply.body else ""
