"""The reading side of the local EventGate: topics as server-sent events, as EventStreams does.

Owns the address, the parameters and the wire format of a reader. Unlike the original's, the `id`
names the offsets handed out, and a reader that shows it again goes on behind them.
https://wikitech.wikimedia.org/wiki/Event_Platform/EventStreams_HTTP_Service
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Blueprint, Response, request

from sinks.local.eventgate_topics import TOPIC_PREFIX, Message, Topics


def blueprint(topics: Topics, streams: frozenset[str], heartbeat_seconds: float) -> Blueprint:
    """Return the routes of EventStreams.

    heartbeat_seconds:  a comment is sent after this much silence; a reader that went away is
                        noticed when one cannot be written.
    """
    routes = Blueprint("eventstreams", __name__)

    @routes.get("/v2/stream/<names>")
    def stream(names: str) -> Response:
        wanted = names.split(",")
        unknown = sorted(set(wanted) - streams)
        if unknown:
            return _problem(404, "not_found", f"Invalid streams: {','.join(unknown)}")
        allowed = {TOPIC_PREFIX + name for name in wanted}
        try:
            after = _after(request.headers.get("Last-Event-ID"), allowed)
            since = _since(request.args.get("since"))
        except ValueError as error:
            return _problem(400, "bad_request", str(error))
        messages = topics.follow(wanted, after=after, since=since, idle_seconds=heartbeat_seconds)
        response = Response(_body(messages), mimetype="text/event-stream")
        response.headers["Cache-Control"] = "no-cache"
        return response

    return routes


def _after(text: str | None, allowed: set[str]) -> dict[str, int] | None:
    if text is None:
        return None
    try:
        positions = {each["topic"]: each["offset"] for each in orjson.loads(text)}
    except (ValueError, KeyError, TypeError):
        raise ValueError("Last-Event-ID is not a JSON array of topic and offset") from None
    for topic, offset in positions.items():
        if topic not in allowed or type(offset) is not int:
            raise ValueError("Last-Event-ID names another topic or no offset")
    return positions


def _since(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        if text.isdecimal():
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        moment = datetime.fromisoformat(text.upper())
    except (ValueError, OverflowError, OSError):
        raise ValueError("since is neither an ISO 8601 time nor milliseconds") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _body(messages: Iterator[Message | None]) -> Iterator[bytes]:
    yield b":ok\n\n"
    for message in messages:
        yield b":heartbeat\n\n" if message is None else _encode(message)


def _encode(message: Message) -> bytes:
    # The id names every topic of the reader, else resuming would lose the quieter ones.
    positions = [
        {"topic": topic, "partition": 0, "offset": offset}
        for topic, offset in message.positions.items()
    ]
    place = {"topic": message.topic, "partition": 0, "offset": message.offset}
    data = {**message.event, "meta": {**message.event["meta"], **place}}
    return b"event: message\nid: %b\ndata: %b\n\n" % (orjson.dumps(positions), orjson.dumps(data))


def _problem(status: int, kind: str, detail: str) -> Response:
    problem: dict[str, Any] = {
        "status": status,
        "type": kind,
        "detail": detail,
        "method": request.method,
        "uri": request.path,
    }
    return Response(orjson.dumps(problem), status, mimetype="application/json")
