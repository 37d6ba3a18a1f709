"""A local EventGate as run with the Wikimedia factory: takes events, writes them to topics.

    gunicorn -k gevent -b 127.0.0.1:8192 'sinks.local.eventgate:create_app("var/eventgate")'

Owns statuses, bodies and which fault is "invalid" or "error". One process only, no deduplication,
no error events. `hasty` is answered only after the events are written: a test need not wait.
https://wikitech.wikimedia.org/wiki/Event_Platform/EventGate
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import InternalServerError, NotFound

from sinks.local import eventstreams
from sinks.local.eventgate_body import UnreadableBody, parse
from sinks.local.eventgate_schemas import EventError, Schema, Schemas, errors_text
from sinks.local.eventgate_topics import TOPIC_PREFIX, MessageTooLarge, Topics
from sinks.models import ROWS

MAX_REQUEST_ID_CHARACTERS = 400

# Stream -> the one schema title it takes: those of the rows, in both sets of names.
STREAMS = {stream: row.output.title for row in ROWS for stream in (row.stream, row.test_stream)}

# What the service template sends with every answer.
_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "accept, x-requested-with, content-type",
    "Access-Control-Expose-Headers": "etag",
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}


def create_app(directory: str = "var/eventgate", heartbeat_seconds: float = 15.0) -> Flask:
    """Return the WSGI app; `directory` takes one `dev.<stream>.ndjson` per stream."""
    app = Flask(__name__, static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    topics = Topics(Path(directory), STREAMS)
    schemas = Schemas()
    app.register_blueprint(eventstreams.blueprint(topics, frozenset(STREAMS), heartbeat_seconds))

    @app.post("/v1/events")
    def events() -> Response:
        body = parse(request)
        if not body:
            return _empty(400, "Request body was empty. Must provide JSON encoded events.")
        batch = body if isinstance(body, list) else [body]
        refused = [entry for event in batch if (entry := _take(event, schemas, topics))]
        # Any text switches it on, "false" too.
        if request.args.get("hasty"):
            return _empty(202, f"{len(batch)} events hastily received.")
        return _answer(len(batch), refused)

    @app.get("/_info")
    def info() -> Response:
        return _json("200 OK", {"name": "eventgate", "version": "1.8.4-local"})

    @app.get("/v1/stream-configs")
    @app.get("/v1/stream-configs/<names>")
    def stream_configs(names: str | None = None) -> Response:
        wanted = STREAMS if names is None else names.split(",")
        return _json("200 OK", {name: _stream_config(name) for name in wanted if name in STREAMS})

    app.register_error_handler(405, lambda _: NotFound().get_response())
    app.register_error_handler(UnreadableBody, lambda error: _internal_error(*error.args))
    app.register_error_handler(InternalServerError, lambda _: _internal_error("Error", "see log"))
    app.after_request(_with_headers)
    return app


def _take(event: Any, schemas: Schemas, topics: Topics) -> dict[str, Any] | None:
    """Check and write one event; return its entry in `invalid` or `error` if it is refused."""
    try:
        schema, stream = _allowed(event, schemas)
        filled = _with_defaults(event, schema)
        violations = schema.violations(filled)
        if violations:
            context = {"errors": violations, "errorsText": errors_text(violations)}
            return {"status": "invalid", "event": event, "context": context}
        topics.append(stream, filled)
    except (EventError, MessageTooLarge, OSError) as error:
        return {"status": "error", "event": event, "context": {"message": str(error)}}
    return None


def _allowed(event: Any, schemas: Schemas) -> tuple[Schema, str]:
    if not isinstance(event, dict) or event.get("$schema") is None:
        raise EventError("Field(s) $schema were missing from event and could not be extracted.")
    schema = schemas.load(event["$schema"])
    meta = event.get("meta")
    if not isinstance(meta, dict) or meta.get("stream") is None:
        raise EventError("Field(s) meta.stream were missing from event and could not be extracted.")
    stream = str(meta["stream"])
    if STREAMS.get(stream) != schema.title:
        raise EventError(f"Schema {schema.title} is not allowed in stream {stream}.")
    return schema, stream


def _with_defaults(event: dict[str, Any], schema: Schema) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    defaults = {"dt": now, "id": str(uuid.uuid4())}
    if request_id := request.headers.get("x-request-id"):
        defaults["request_id"] = request_id[:MAX_REQUEST_ID_CHARACTERS]
    known = {name: value for name, value in defaults.items() if name in schema.meta_fields}
    return {**event, "meta": {**known, **event["meta"]}}


def _answer(total: int, refused: list[dict[str, Any]]) -> Response:
    invalid = [entry for entry in refused if entry["status"] == "invalid"]
    errors = [entry for entry in refused if entry["status"] == "error"]
    counts = f"({len(invalid)} invalid and {len(errors)} errored)"
    if not refused:
        return _empty(201, f"All {total} out of {total} events were accepted.")
    if len(invalid) == total:
        reason = f"{total} out of {total} events were invalid and not accepted."
        return _json(f"400 {reason}", {"invalid": invalid})
    body = {"invalid": invalid, "error": errors}
    if len(refused) == total:
        reason = f"{total} out of {total} events had failures and were not accepted. {counts}."
        return _json(f"500 {reason}", body)
    taken = f"{total - len(refused)} out of {total} events were accepted"
    return _json(f"207 {taken}, but {len(refused)} failed {counts}.", body)


def _stream_config(stream: str) -> dict[str, Any]:
    return {
        "stream": stream,
        "schema_title": STREAMS[stream],
        "destination_event_service": "eventgate-main",
        "topic_prefixes": [TOPIC_PREFIX],
        "topics": [TOPIC_PREFIX + stream],
    }


def _internal_error(title: str, detail: str) -> Response:
    query = f"?{request.query_string.decode('ascii', 'replace')}" if request.query_string else ""
    problem = {"status": 500, "type": "internal_error", "title": title, "detail": detail}
    where = {"method": request.method, "uri": request.path + query}
    return _json("500 Internal Server Error", {**problem, **where})


def _json(status: str, body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), status, content_type="application/json; charset=utf-8")


def _empty(status: int, reason: str) -> Response:
    # An iterator has no length, so gunicorn sends it chunked, as the original does.
    response = Response(iter(()), f"{status} {reason}")
    response.headers.remove("Content-Type")
    return response


def _with_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
