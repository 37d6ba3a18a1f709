"""Rows about bodies: every framing that HTTP/1.1 has, cut off, broken, and without end.

source: RFC 9112; RFC 9110, 10.1.1 and 15.5.14.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sinks.contract.rows.row import ALL, GOOD, OURS, Demand, Expected, Row, rejected
from sinks.contract.rows.sample import Make, Sample, edited, post
from sinks.contract.rows.script import (
    AwaitInterim,
    EndSending,
    Hear,
    Pause,
    Script,
    Send,
    body,
    chunks,
)

_HTTP: Final = "RFC 9112"


def _slowly(sample: Sample) -> Script:
    """The good event in ten pieces, and one whole one on another connection in between."""
    raw = edited(sample, "binary").raw()
    size = len(raw) // 10 + 1
    pieces = [Send(raw[at : at + size]) for at in range(0, len(raw), size)]
    other = (Send(raw, 1), Hear(1))
    slow = tuple(act for piece in pieces for act in (piece, Pause(0.05)))
    return (*slow[:10], *other, *slow[10:], Hear())


def _byte_by_byte(sample: Sample) -> Script:
    request = edited(sample, "binary")
    parts = [bytes([byte]) for byte in request.body]
    return (Send(request.chunked(*parts)), Hear())


def _expecting(sample: Sample) -> Script:
    request = edited(sample, "binary")
    head = request.head(f"Content-Length: {len(request.body)}", "Expect: 100-continue")
    return (Send(head), AwaitInterim(), Send(request.body), Hear())


def _endless(sample: Sample) -> Script:
    request = edited(sample, "binary")
    return (Send(request.head("Content-Length: 999999999999") + request.body), Hear())


def _half(sample: Sample) -> Script:
    return (Send(edited(sample, "binary").raw()[:-10]), EndSending(), Hear())


def _longer_declared(sample: Sample) -> Script:
    request = edited(sample, "binary")
    raw = request.head(f"Content-Length: {len(request.body) + 9}") + request.body
    return (Send(raw), EndSending(), Hear())


def _raw_chunks(raw: bytes) -> Make:
    return lambda sample: (
        Send(edited(sample, "binary").head("Transfer-Encoding: chunked") + raw),
        EndSending(),
        Hear(),
    )


def _endless_chunks(sample: Sample) -> Script:
    head = edited(sample, "binary").head("Transfer-Encoding: chunked")
    return (Send(head), *[Send(chunks(b" " * 65536))] * 80, Hear())


_TAKEN: Final = (
    *Demand(ALL, f"{_HTTP}, 7.1", "proxies send chunks", "read chunked bodies").rows(
        {"body_chunked": _byte_by_byte}, GOOD
    ),
    *Demand(
        ALL,
        f"{_HTTP}, 6",
        "a slow sender must neither be lost nor hold up others",
        "wait for a body, and serve others meanwhile",
    ).rows({"body_slow": _slowly}, GOOD, GOOD),
    *Demand(
        ALL,
        "RFC 9110, 10.1.1",
        "curl and Java's clients wait for it",
        "answer 100, or read the body all the same",
    ).rows({"expect_100_continue": _expecting}, replace(GOOD, continued=True)),
)

_ENDLESS: Final = replace(rejected(413, "body_too_large"), within=3.0)
_LIMIT: Final = "RFC 9110, 15.5.14"
_LIMITS: Final = (
    *Demand(OURS, _LIMIT, "memory without bound", "answer 413 before reading").rows(
        {"body_declared_endless": _endless}, _ENDLESS
    ),
    *Demand(OURS, _LIMIT, "memory without bound", "count while reading, and answer 413").rows(
        {"body_chunked_endless": _endless_chunks}, _ENDLESS
    ),
    *Demand(
        OURS,
        _LIMIT,
        "a sender that reads only after it has written sees a reset, and repeats",
        "answer 413, and read what still comes",
    ).rows(
        {"body_sent_whole_too_large": post("binary", body(bytes(5 * 2**20)))},
        rejected(413, "body_too_large"),
    ),
)

# Nobody is there to read what is answered: RFC 9112, 8 leaves it open.
_CUT: Final = Expected("refused", 400, silent=True)
_CUTS: Final = (
    *Demand(
        ALL,
        f"{_HTTP}, 8",
        "half an event is none, though what came of it may be complete JSON",
        "compare what came with Content-Length, and answer an error",
    ).rows(
        {"body_cut_off": _half, "body_shorter_than_declared": _longer_declared},
        replace(_CUT, reason="client_disconnected"),
    ),
    *Demand(ALL, f"{_HTTP}, 7.1", "broken chunks are the sender's mistake", "answer 400").rows(
        {
            "chunks_no_number": _raw_chunks(b"zz\r\nx\r\n0\r\n\r\n"),
            "chunks_negative": _raw_chunks(b"-1\r\nx\r\n0\r\n\r\n"),
            "chunks_cut_off": _raw_chunks(b"5\r\nabc"),
        },
        # Without a status: this may be the server's own refusal.
        replace(_CUT, status=None),
    ),
)

ROWS: Final[tuple[Row, ...]] = (*_TAKEN, *_LIMITS, *_CUTS)
