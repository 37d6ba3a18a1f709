"""A bare WSGI callable: what server, JSON and one call of the upstream cost by themselves.

No framework, no SDK, nothing is checked, and the reply is canned but for the revision's number.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_SCORES = os.environ["BENCH_ROLE"] == "score"
_UPSTREAM = urlsplit(os.environ["BENCH_UPSTREAM"])
_JSON = {"Content-Type": "application/json"}
_REPLY = (
    b'{"$schema": "/mediawiki/revision/score/3.0.0", "rev_id": %d, "pad": "' + b"x" * 3300 + b'"}'
)
_ATTRIBUTES = [
    ("Content-Type", "application/json"),
    ("ce-specversion", "1.0"),
    ("ce-id", "1"),
    ("ce-source", "/models/bare"),
    ("ce-type", "org.wikimedia.mediawiki.revision.score.v3"),
]
_thread = threading.local()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] != "POST":
        start_response("200 OK", [("Content-Length", "0")])
        return []
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    event = json.loads(body)
    document = event.get("data", event)  # structured mode
    if not _SCORES:
        _ask(body)
        start_response("202 Accepted", [("Content-Length", "0")])
        return []
    revision = document["revision"]["rev_id"]
    _ask(b'{"rev_id": %d}' % revision)
    reply = _REPLY % revision
    start_response("200 OK", [*_ATTRIBUTES, ("Content-Length", str(len(reply)))])
    return [reply]


def _ask(body: bytes) -> None:
    connection = getattr(_thread, "connection", None)
    if connection is None:
        connection = http.client.HTTPConnection(_UPSTREAM.hostname or "", _UPSTREAM.port)
        _thread.connection = connection
    connection.request("POST", _UPSTREAM.path, body, _JSON)
    connection.getresponse().read()
