"""Rows about connections: they live on over many requests, and some of them never say anything.

source: RFC 9112, 9; knative/eventing, pkg/kncloudevents (idle connections are kept for 90 s).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sinks.contract.rows.row import (
    ALL,
    EVERYBODY,
    GOOD,
    OWN,
    Demand,
    Expected,
    Row,
    rejected,
)
from sinks.contract.rows.sample import Make, Sample, edited, post, posts
from sinks.contract.rows.script import EndSending, Hear, Script, Send, body, target

_HTTP: Final = "RFC 9112"
_BROKEN: Final = body(b"{")
_MALFORMED: Final = rejected(400)


def _half_open(sample: Sample) -> Script:
    """Ten connections that say too little, while the eleventh is served."""
    raw = edited(sample, "binary").raw()
    held = tuple(Send(raw[: 20 * number + 1], number) for number in range(1, 11))
    return (*held, Send(raw), Hear())


def _pipelined(sample: Sample) -> Script:
    good, bad = edited(sample, "binary").raw(), edited(sample, "structured", _BROKEN).raw()
    return (Send(good + bad + good), Hear(), Hear(), Hear())


def _closing(sample: Sample) -> Script:
    return (Send(edited(sample, "binary").raw("Connection: close")), Hear())


def _http_1_0(sample: Sample) -> Script:
    raw = edited(sample, "binary").raw()
    return (Send(raw.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)), Hear())


def _raw(request: bytes) -> Make:
    return lambda _: (Send(request), EndSending(), Hear())


def _headed(*lines: bytes) -> Make:
    """No body, and these header lines."""
    return lambda sample: (
        Send(
            b"\r\n".join((f"POST {sample.target} HTTP/1.1".encode(), b"Host: x", *lines, b"", b""))
        ),
        EndSending(),
        Hear(),
    )


_ALL_OUTCOMES: Final = posts(
    post("binary"),
    post("structured", _BROKEN),
    post("binary", target("/no/such/path")),
    post("binary"),
    post("structured"),
)
_KEPT: Final = tuple(
    replace(each, kept=True) for each in (GOOD, _MALFORMED, Expected("direct"), GOOD, GOOD)
)

_SERVED: Final = (
    *Demand(
        ALL,
        f"{_HTTP}, 9.6",
        "a client that reads to the end waits for it",
        "close after the answer",
    ).rows({"connection_close": _closing}, GOOD),
    *Demand(
        OWN,
        f"{_HTTP}, 2.3",
        "health checks and old proxies speak it",
        "answer HTTP/1.0, and close after the answer",
    ).rows({"http_1_0": _http_1_0}, GOOD),
    *Demand(
        EVERYBODY,
        f"{_HTTP}, 9.3",
        "a stray byte after one answer spoils the next, which may be another event's",
        "read all of a refused body, and let the length say where an answer ends",
    ).rows({"keep_alive": _ALL_OUTCOMES}, *_KEPT),
    *Demand(
        EVERYBODY,
        f"{_HTTP}, 9.3.2",
        "answers that change places acknowledge the wrong event",
        "answer in the order of the requests",
    ).rows({"pipelined": _pipelined}, GOOD, _MALFORMED, GOOD),
    *Demand(
        ALL,
        f"{_HTTP}, 9.5: idle clients are to be expected",
        "ten slow clients would stop everything",
        "use a server that waits for many connections at a time",
    ).rows({"half_open_connections": _half_open}, GOOD),
)

_REFUSED: Final = Demand(
    ALL,
    _HTTP,
    "Knative's dispatcher crashes at an error body of more than 768 bytes",
    "let the server refuse it with a short 4xx",
).rows(
    {
        "request_not_http": _raw(b"NOT HTTP\r\n\r\n"),
        "request_negative_length": _headed(b"Content-Length: -1"),
        "request_two_lengths": _headed(b"Content-Length: 1", b"Content-Length: 2"),
        "request_length_and_chunks": _headed(b"Content-Length: 1", b"Transfer-Encoding: chunked"),
        "request_name_with_space": _headed(b"A b: c"),
        "request_header_of_20_kb": _headed(b"ce-id: " + b"x" * 20_000),
        "request_of_500_headers": _headed(*[b"ce-a: b"] * 500),
        "request_nul_in_header": _headed(b"ce-id: a\x00b"),
        "request_target_of_20_kb": _raw(
            b"POST /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        ),
    },
    # What never reaches an app is refused by its server, in the server's own words.
    Expected("refused", silent=True),
)

ROWS: Final[tuple[Row, ...]] = (*_SERVED, *_REFUSED)
