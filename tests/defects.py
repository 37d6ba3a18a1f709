"""Deliberate defects: WSGI middlewares around score-sink that each break one promise of a sink.

`DEFECTS` says of each which rule a probe has to find broken, and at which row. All are served by
one process, `serving`, which tells them apart by the port that a request came to.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flask import Flask

from sinks import score_sink
from sinks.local import processes
from sinks.local.processes import Running, Server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Middleware = Callable[["WSGIEnvironment", "StartResponse", "WSGIApplication"], Iterable[bytes]]
STRUCTURED: Final = "application/cloudevents+json"
UNDAMAGED: Final = "none"
PORTS: Final = "DEFECT_PORTS"
_JSON: Final = ("Content-Type", "application/json")
_NAMESPACE: Final = uuid.UUID(int=1)


@dataclass(frozen=True)
class Defect:
    """One defect.

    found:      row -> slug of the rule that has to be found broken there, by a probe of score-sink
                that expects the model's prediction.
    everybody:  whether a probe that knows nothing of the sink has to find the same.
    """

    middleware: Middleware
    found: Mapping[str, str]
    everybody: bool = False
    model: str = "drafttopic"


@dataclass(frozen=True)
class Answer:
    """One answer of the app; `after` are bytes that follow it on the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    after: bytes = b""

    @property
    def error(self) -> dict[str, Any]:
        """The error in the body."""
        error: dict[str, Any] = json.loads(self.body)
        return error

    def header(self, name: str) -> str:
        return next((value for other, value in self.headers if other.lower() == name), "")

    def without(self, *names: str) -> Answer:
        kept = tuple(pair for pair in self.headers if pair[0].lower() not in names)
        return replace(self, headers=kept)

    def plus(self, name: str, value: str) -> Answer:
        return replace(self, headers=(*self.headers, (name, value)))

    def saying(self, body: bytes) -> Answer:
        sized = self.without("content-length").plus("Content-Length", str(len(body)))
        return replace(sized, body=body)


Attributes = dict[str, Any]
Edit = Callable[[Answer, "WSGIEnvironment"], Answer]
When = Callable[[Answer], bool]


def ask(environ: WSGIEnvironment, app: WSGIApplication) -> Answer:
    """Return the app's own answer."""
    begun: list[tuple[int, tuple[tuple[str, str], ...]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Any:
        begun.append((int(status[:3]), tuple(headers)))

    body = b"".join(app(environ, start_response))
    return Answer(*begun[-1], body)


def say(answer: Answer, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with it."""
    start_response(f"{answer.status} X", list(answer.headers))
    return _Saying(answer, environ["gunicorn.socket"])


class _Saying:
    """A body, and bytes that no server would let through: these are written to the socket."""

    def __init__(self, answer: Answer, sock: socket.socket) -> None:
        self._answer, self._sock = answer, sock

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._answer.body] if self._answer.body else [])

    def close(self) -> None:
        if self._answer.after:
            self._sock.sendall(self._answer.after)


# --- which answers a defect concerns --------------------------------------------------------------


def is_reply(answer: Answer) -> bool:
    return answer.status == 200 and bool(answer.header("ce-id")) or is_structured(answer)


def is_structured(answer: Answer) -> bool:
    return answer.header("content-type") == STRUCTURED


def is_binary(answer: Answer) -> bool:
    return bool(answer.header("ce-id"))


def is_done(answer: Answer) -> bool:
    return is_reply(answer) or is_empty(answer)


def is_empty(answer: Answer) -> bool:
    return answer.status == 202


def is_error(answer: Answer) -> bool:
    return answer.status >= 400


def error_of(*reasons: str) -> When:
    return lambda answer: is_error(answer) and answer.error["reason"] in reasons


# --- kinds of defects -----------------------------------------------------------------------------


def answering(when: When, edit: Edit) -> Middleware:
    """Edit the answers that it concerns."""

    def middleware(
        environ: WSGIEnvironment, start_response: StartResponse, app: WSGIApplication
    ) -> Iterable[bytes]:
        answer = ask(environ, app)
        return say(edit(answer, environ) if when(answer) else answer, environ, start_response)

    return middleware


def with_status(when: When, status: int) -> Middleware:
    """Answer the same with another status."""
    return answering(when, lambda answer, _: replace(answer, status=status))


def instead(when: When, status: int, body: bytes, *headers: tuple[str, str]) -> Middleware:
    """Answer something else."""
    return answering(when, lambda *_: Answer(status, headers, body))


def replying(edit: Callable[[Attributes, Any, WSGIEnvironment], Any]) -> Middleware:
    """Edit attributes and data of each prediction in place; a result is other data."""

    def change(answer: Answer, environ: WSGIEnvironment) -> Answer:
        envelope = json.loads(answer.body)
        if is_structured(answer):
            data = envelope.pop("data")
            other = edit(envelope, data, environ)
            body = {**envelope, "data": data if other is None else other}
            return answer.saying(json.dumps(body).encode())
        attributes = {
            name.lower()[3:]: value
            for name, value in answer.headers
            if name.lower().startswith("ce-")
        }
        plain = answer.without(*(f"ce-{name}" for name in attributes))
        other = edit(attributes, envelope, environ)
        headers = tuple((f"ce-{name}", value) for name, value in attributes.items())
        body = envelope if other is None else other
        return replace(plain, headers=(*plain.headers, *headers)).saying(json.dumps(body).encode())

    return answering(is_reply, change)


def with_id(make: Callable[[Attributes, WSGIEnvironment], str]) -> Middleware:
    """Make the ids of replies from something else."""

    def edit(attributes: Attributes, data: Any, environ: WSGIEnvironment) -> None:
        attributes["id"] = str(uuid.uuid5(_NAMESPACE, make(attributes, environ)))
        data["meta"]["id"] = attributes["id"]

    return replying(edit)


def set_to(**members: Any) -> Middleware:
    """Set attributes of each prediction."""
    return replying(lambda attributes, *_: attributes.update(members))


def asking(edit: Callable[[WSGIEnvironment], object]) -> Middleware:
    """Understand requests another way than they are meant."""

    def middleware(
        environ: WSGIEnvironment, start_response: StartResponse, app: WSGIApplication
    ) -> Iterable[bytes]:
        edit(environ)
        return app(environ, start_response)

    return middleware


def refusing(
    when: Callable[[WSGIEnvironment], bool], status: int, *headers: tuple[str, str]
) -> Middleware:
    """Answer some requests without looking at them any further."""
    error = b'{"reason":"malformed_event","detail":"no","ce_id":null}'

    def middleware(
        environ: WSGIEnvironment, start_response: StartResponse, app: WSGIApplication
    ) -> Iterable[bytes]:
        if when(environ):
            body = error if status >= 400 else b""
            refused = Answer(status, (_JSON, *headers), b"").saying(body)
            return say(refused, environ, start_response)
        return app(environ, start_response)

    return middleware


def refusing_envelope(when: Callable[[dict[str, Any]], bool]) -> Middleware:
    """Refuse structured events whose envelope has something."""

    def found(environ: WSGIEnvironment) -> bool:
        if environ.get("CONTENT_TYPE") != STRUCTURED:
            return False
        try:
            envelope = json.loads(body_of(environ))
        except (ValueError, RecursionError):
            return False
        return isinstance(envelope, dict) and when(envelope)

    return refusing(found, 400)


def body_of(environ: WSGIEnvironment) -> bytes:
    """Read the body, and leave it to be read."""
    body: bytes = environ["wsgi.input"].read()
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = environ.get("CONTENT_LENGTH") or str(len(body))
    return body


# --- single defects -------------------------------------------------------------------------------


def _long(answer: Answer, _: WSGIEnvironment) -> Answer:
    return answer.saying(json.dumps({**answer.error, "detail": "x" * 1000}).encode())


def _other_error(**members: Any) -> Edit:
    return lambda answer, _: answer.saying(json.dumps({**answer.error, **members}).encode())


def _later(attributes: Attributes, data: Any, _: WSGIEnvironment) -> None:
    data["meta"]["dt"] = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime()) + f"{time.time_ns()}Z"


def _of_the_input(attributes: Attributes, data: Any, _: WSGIEnvironment) -> None:
    """As is usual where an event is enriched and sent on."""
    attributes |= {"id": attributes["causationid"], "source": "/mediawiki/enwiki"}
    data["meta"]["id"] = attributes["id"]


def _other_page(_: Attributes, data: Any, __: WSGIEnvironment) -> None:
    data["rev_id"] += 1


def _no_version(_: Attributes, data: Any, __: WSGIEnvironment) -> None:
    del data["scores"]["drafttopic"]["model_version"]


def _other_stream(attributes: Attributes, data: Any, _: WSGIEnvironment) -> None:
    attributes["stream"] = data["meta"]["stream"] = "mediawiki.revision_score_damaging"


def _other_row(_: Attributes, data: Any, __: WSGIEnvironment) -> None:
    score = data["scores"].pop("drafttopic")
    data["scores"]["articletopic"] = {**score, "model_name": "articletopic"}


def _other_meta_id(_: Attributes, data: Any, __: WSGIEnvironment) -> None:
    data["meta"]["id"] = "always-the-same"


def _other_model(_: Attributes, data: Any, __: WSGIEnvironment) -> None:
    data["predicted_classification"]["model_name"] = "revertrisk-multilingual"


def _no_classification(_: Attributes, data: Any, __: WSGIEnvironment) -> None:
    """As the schema allows it."""
    del data["predicted_classification"]


def _other_revision(_: Attributes, data: Any, __: WSGIEnvironment) -> None:
    data["revision"]["rev_id"] += 1


def _copied(_: Attributes, data: Any, __: WSGIEnvironment) -> None:
    """As is usual where the input is copied and something is added."""
    data["revision"]["content_slots"] = {}


def _untagged(_: Attributes, data: Any, __: WSGIEnvironment) -> None:
    data["weighted_tags"] = {}


def _certain(_: Attributes, data: Any, __: WSGIEnvironment) -> None:
    """In hundredths."""
    for tags in data["weighted_tags"]["set"].values():
        tags[:] = [{**tag, "score": tag["score"] * 100} for tag in tags]


def _other_page_of_tags(_: Attributes, data: Any, __: WSGIEnvironment) -> None:
    data["page"]["page_id"] += 1


def _all_visible(environ: WSGIEnvironment) -> None:
    """Read nothing of what is hidden."""
    body = body_of(environ)
    for flag in (b"editor", b"comment"):
        body = body.replace(b'"is_%s_visible": false' % flag, b'"is_%s_visible": true' % flag)
    environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _anybodys_prediction(environ: WSGIEnvironment) -> None:
    """Take each prediction for the one that is wanted."""
    body = body_of(environ).replace(b'"outlink-topic-model"', b'"article-country"')
    environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _in_quotes(_: Attributes, data: Any, __: WSGIEnvironment) -> str:
    return json.dumps(data)


def _batch(answer: Answer, _: WSGIEnvironment) -> Answer:
    typed = answer.without("content-type").plus(
        "Content-Type", "application/cloudevents-batch+json"
    )
    return typed.saying(b"[" + answer.body + b"]")


def _echo(answer: Answer, _: WSGIEnvironment) -> Answer:
    attributes = {"specversion": "1.0", "id": "1", "source": "/x", "type": "com.example.ignored"}
    headers = tuple((f"ce-{name}", value) for name, value in attributes.items())
    return Answer(200, (*headers, _JSON), b"{}")


def _invent_an_id(environ: WSGIEnvironment) -> None:
    if environ.get("HTTP_CE_SPECVERSION") and not environ.get("HTTP_CE_ID"):
        environ["HTTP_CE_ID"] = str(uuid.uuid4())


def _take_batches(environ: WSGIEnvironment) -> None:
    if "batch" in environ.get("CONTENT_TYPE", "").lower():
        environ["CONTENT_TYPE"] = STRUCTURED


def _take_json(environ: WSGIEnvironment) -> None:
    """Look for an event in the body, whatever the headers say."""
    if not environ.get("HTTP_CE_ID") and environ.get("CONTENT_TYPE") == "application/json":
        environ["CONTENT_TYPE"] = STRUCTURED


def _prefer_headers(environ: WSGIEnvironment) -> None:
    """Let ce- headers overrule the envelope."""
    if environ.get("HTTP_CE_ID") and environ.get("CONTENT_TYPE") == STRUCTURED:
        envelope = json.loads(body_of(environ)) | {"id": environ["HTTP_CE_ID"]}
        raw = json.dumps(envelope).encode()
        environ |= {"wsgi.input": BytesIO(raw), "CONTENT_LENGTH": str(len(raw))}


def _any_post(environ: WSGIEnvironment) -> None:
    if environ["REQUEST_METHOD"] == "PUT":
        environ["REQUEST_METHOD"] = "POST"


def _no_deadline(environ: WSGIEnvironment) -> None:
    environ.pop("HTTP_EVENT_TIMEOUT_MS", None)


def _hang_up(
    environ: WSGIEnvironment, start_response: StartResponse, app: WSGIApplication
) -> Iterable[bytes]:
    """Close the connection after each answer, without saying so."""
    answer = ask(environ, app)
    body = say(answer, environ, start_response)
    yield from body
    environ["gunicorn.socket"].shutdown(socket.SHUT_RDWR)


def _die(
    environ: WSGIEnvironment, start_response: StartResponse, app: WSGIApplication
) -> Iterable[bytes]:
    """Close the connection instead of answering what is malformed."""
    answer = ask(environ, app)
    if is_error(answer):
        environ["gunicorn.socket"].shutdown(socket.SHUT_RDWR)
    return say(answer, environ, start_response)


def _dawdle(
    environ: WSGIEnvironment, start_response: StartResponse, app: WSGIApplication
) -> Iterable[bytes]:
    """Think about a body that is declared too large."""
    if environ.get("CONTENT_LENGTH") == "999999999999":
        time.sleep(3.1)
    return app(environ, start_response)


def _starts(prefix: str) -> Callable[[WSGIEnvironment], bool]:
    return lambda environ: environ.get("CONTENT_TYPE", "").startswith(prefix)


_EVENT: Final = "event_binary"
_MODES: Final = ("binary", "structured")
_IGNORED: Final = "ignored_canary_binary"
_AGAIN: Final = "redelivery_binary"
_ELSEWHERE: Final = {"Location": "/login"}

# What a 2xx may be.
_SUCCESSES: Final = {
    "text_reply": Defect(
        instead(is_done, 200, b"OK", ("Content-Type", "text/plain")),
        {_EVENT: "reply_not_an_event"},
        everybody=True,
    ),
    "json_reply": Defect(
        instead(is_done, 200, b"{}", _JSON), {_EVENT: "reply_not_an_event"}, everybody=True
    ),
    "no_content_with_a_body": Defect(
        # The server would leave the body of a 204 out.
        answering(is_done, lambda *_: Answer(204, (), b"", after=b"OK")),
        {_EVENT: "bytes_after_the_answer"},
        everybody=True,
    ),
    "accepted_with_a_body": Defect(
        instead(is_done, 202, b'{"status":"accepted"}', _JSON),
        {_EVENT: "reply_not_an_event"},
        everybody=True,
    ),
    "empty_200": Defect(with_status(is_empty, 200), {_IGNORED: "other_status"}),
    "empty_204": Defect(
        instead(is_empty, 204, b""), {_IGNORED: "other_status"}
    ),
    "empty_with_a_type": Defect(
        answering(is_empty, lambda answer, _: answer.plus(*_JSON)),
        {_IGNORED: "empty_answer_has_a_type"},
    ),
    "ignored_answered_with_an_event": Defect(
        answering(is_empty, _echo), {_IGNORED: "unwanted_event_answered"}
    ),
    "prediction_swallowed": Defect(instead(is_reply, 202, b""), {_EVENT: "no_prediction"}),
    "bytes_after_the_body": Defect(
        answering(is_reply, lambda answer, _: replace(answer, after=b"\r\n\r\n\r\n")),
        {_EVENT: "bytes_after_the_answer"},
        everybody=True,
    ),
}  # fmt: skip

# Which event a reply is.
_IDS: Final = {
    "id_at_random": Defect(
        with_id(lambda *_: str(uuid.uuid4())), {_AGAIN: "reply_id_changes"}, everybody=True
    ),
    "id_from_the_id_alone": Defect(
        with_id(lambda attributes, _: attributes["causationid"]),
        {"other_source": "reply_id_repeated"},
        everybody=True,
    ),
    "id_from_the_page": Defect(
        with_id(lambda attributes, _: attributes["subject"]),
        {"other_id": "reply_id_repeated", "other_source": "reply_id_repeated"},
        everybody=True,
    ),
    "id_from_the_content_mode": Defect(
        with_id(lambda attributes, environ: environ["CONTENT_TYPE"] + attributes["causationid"]),
        {"redelivery_in_the_other_mode": "reply_id_changes"},
        everybody=True,
    ),
    "id_from_the_hop": Defect(
        with_id(
            lambda attributes, environ: (
                attributes["causationid"] + environ.get("HTTP_TRACEPARENT", "")
            )
        ),
        {"redelivery_by_another_hop": "reply_id_changes"},
        everybody=True,
    ),
    "id_of_the_input": Defect(replying(_of_the_input), {_EVENT: "reply_has_the_inputs_id"}, True),
    "data_with_the_time_of_day": Defect(
        replying(_later), {_AGAIN: "reply_data_changes"}, everybody=True
    ),
}

# How a reply is written.
_REPLIES: Final = {
    "no_content_type": Defect(
        answering(is_reply, lambda answer, _: answer.without("content-type")),
        {_EVENT: "reply_without_content_type"},
        everybody=True,
    ),
    "content_type_twice": Defect(
        answering(is_reply, lambda answer, _: answer.plus(*_JSON)),
        {_EVENT: "reply_repeats_a_header"},
        everybody=True,
    ),
    "attribute_twice": Defect(
        answering(is_binary, lambda answer, _: answer.plus("ce-id", "2")),
        {_EVENT: "reply_repeats_a_header"},
        everybody=True,
    ),
    "datacontenttype_header": Defect(
        answering(is_binary, lambda answer, _: answer.plus("ce-datacontenttype", _JSON[1])),
        {_EVENT: "reply_refused"},
        everybody=True,
    ),
    "specversion_1_0_2": Defect(
        set_to(specversion="1.0.2"), {_EVENT: "reply_refused"}, everybody=True
    ),
    "time_in_lower_case": Defect(
        set_to(time="2026-09-23t10:00:00z"), {_EVENT: "reply_refused"}, everybody=True
    ),
    "no_source": Defect(
        replying(lambda attributes, *_: attributes.pop("source") and None),
        {_EVENT: "reply_refused"},
        everybody=True,
    ),
    "raw_utf8_attribute": Defect(
        answering(is_binary, lambda answer, _: answer.plus("ce-title", "caf\xc3\xa9")),
        {_EVENT: "reply_refused"},
        everybody=True,
    ),
    "relative_dataschema": Defect(
        set_to(dataschema="/a/1.0.0"), {_EVENT: "reply_refused"}, everybody=True
    ),
    "batch": Defect(
        answering(is_structured, _batch), {"event_structured": "reply_refused"}, everybody=True
    ),
    "inputs_type": Defect(
        set_to(type="org.wikimedia.mediawiki.page.change.v1"),
        {_EVENT: "reply_feeds_itself"},
        everybody=True,
    ),
}

# What a prediction is.
_PREDICTIONS: Final = {
    "other_type": Defect(set_to(type="com.example.score"), {_EVENT: "not_this_rows_prediction"}),
    "other_row": Defect(replying(_other_row), {_EVENT: "prediction_invalid"}),
    "other_revision": Defect(replying(_other_page), {_EVENT: "prediction_invalid"}),
    "no_model_version": Defect(replying(_no_version), {_EVENT: "prediction_invalid"}),
    "other_stream": Defect(replying(_other_stream), {_EVENT: "prediction_invalid"}),
    "stream_contradicts_data": Defect(
        set_to(stream="mediawiki.revision_score_damaging"), {_EVENT: "prediction_invalid"}
    ),
    "meta_id_constant": Defect(replying(_other_meta_id), {_EVENT: "prediction_invalid"}),
    "data_in_quotes": Defect(
        replying(_in_quotes),
        {_EVENT: "prediction_invalid", "event_structured": "prediction_invalid"},
    ),
    "no_data": Defect(
        answering(is_reply, lambda answer, _: answer.without("content-type").saying(b"")),
        {_EVENT: "prediction_invalid"},
    ),
}

# What a prediction is that is no score.
_CLASSIFICATIONS: Final = {
    "model_of_another_row": Defect(
        replying(_other_model), {_EVENT: "prediction_invalid"}, model="article-country"
    ),
    "no_classification": Defect(
        replying(_no_classification), {_EVENT: "prediction_invalid"}, model="outlink-topic-model"
    ),
    "revision_of_another_change": Defect(
        replying(_other_revision), {_EVENT: "prediction_invalid"}, model="revertrisk-wikidata"
    ),
    "input_copied_whole": Defect(
        replying(_copied), {_EVENT: "prediction_invalid"}, model="revertrisk-multilingual"
    ),
    "tags_neither_set_nor_cleared": Defect(
        replying(_untagged), {_EVENT: "prediction_invalid"}, model="article-country-tags"
    ),
    "tags_in_hundredths": Defect(
        replying(_certain), {_EVENT: "prediction_invalid"}, model="revise-tone-task-generator"
    ),
    "tags_of_another_page": Defect(
        replying(_other_page_of_tags),
        {_EVENT: "prediction_invalid"},
        model="article-country-tags",
    ),
    "tags_of_another_row": Defect(
        set_to(model="revise-tone-task-generator"),
        {_EVENT: "prediction_invalid"},
        model="article-country-tags",
    ),
    "hidden_text_published": Defect(
        asking(_all_visible),
        {
            **{f"hidden_editor_{mode}": "hidden_text_published" for mode in _MODES},
            **{f"hidden_comment_{mode}": "hidden_text_published" for mode in _MODES},
        },
        model="revertrisk-language-agnostic",
    ),
    "hidden_editor_in_a_score": Defect(
        asking(_all_visible), {"hidden_editor_binary": "hidden_text_published"}
    ),
    "prediction_of_any_model_taken": Defect(
        asking(_anybodys_prediction),
        {f"ignored_other_model_{mode}": "unwanted_event_answered" for mode in _MODES},
        model="article-country-tags",
    ),
    "other_kind_ignored": Defect(
        instead(error_of("unsupported_schema"), 202, b""),
        {f"page_change_for_a_prediction_{mode}": "bad_event_accepted" for mode in _MODES},
        model="article-country-tags",
    ),
    "prediction_for_a_change_ignored": Defect(
        instead(error_of("unsupported_schema"), 202, b""),
        {f"prediction_for_a_page_change_{mode}": "bad_event_accepted" for mode in _MODES},
    ),
    "redirect_is_an_error": Defect(
        instead(is_empty, 422, b'{"reason":"redirect","detail":"","ce_id":null}', _JSON),
        {"ignored_redirect_binary": "good_event_refused"},
        model="outlink-topic-model",
    ),
}

# What an error is.
_ERRORS: Final = {
    "error_of_1_kb": Defect(
        answering(is_error, _long), {"id_absent_binary": "error_too_long"}, everybody=True
    ),
    "html_error": Defect(
        instead(is_error, 422, b"<h1>422</h1>", ("Content-Type", "text/html")),
        {"id_absent_binary": "other_status", "row_unknown_plain": "error_shape"},
    ),
    "error_of_two_lines": Defect(
        answering(is_error, lambda answer, _: answer.saying(answer.body + b"\n")),
        {"id_absent_binary": "error_shape"},
    ),
    "error_without_a_reason": Defect(
        answering(is_error, lambda answer, _: answer.saying(b'{"error":"no"}')),
        {"id_absent_binary": "error_shape"},
    ),
    "other_reason": Defect(
        answering(is_error, _other_error(reason="error")), {"path_unknown": "other_reason"}
    ),
    "error_names_no_attribute": Defect(
        answering(is_error, _other_error(detail="bad request")),
        {"id_absent_structured": "error_names_nothing"},
    ),
    "malformed_is_500": Defect(
        with_status(error_of("malformed_event", "malformed_data"), 500),
        {
            "body_cut_off_structured": "permanent_failure_repeated",
            "body_deep_structured": "permanent_failure_repeated",
            "id_number": "permanent_failure_repeated",
        },
        everybody=True,
    ),
    "unknown_row_is_404": Defect(
        with_status(error_of("unknown_row"), 404),
        {"row_unknown_plain": "permanent_failure_repeated"},
    ),
    "invalid_is_429": Defect(
        with_status(error_of("unsupported_schema", "invalid_document"), 429),
        {
            "schema_unknown_binary": "permanent_failure_repeated",
            "no_wiki_id_structured": "permanent_failure_repeated",
        },
    ),
    "half_a_body_is_503": Defect(
        with_status(error_of("client_disconnected"), 503),
        {
            "body_cut_off": "other_status",
            "body_shorter_than_declared": "other_status",
        },
    ),
    "all_is_400": Defect(
        with_status(is_error, 400),
        {"path_unknown": "other_status", "content_type_avro": "other_status"},
    ),
    "errors_are_done_with": Defect(
        instead(is_error, 202, b""),
        {
            "id_absent_binary": "bad_event_accepted",
            "body_array_structured": "bad_event_accepted",
            "body_cut_off": "bad_event_accepted",
        },
        everybody=True,
    ),
    "login_page": Defect(
        refusing(lambda environ: environ["PATH_INFO"] != "/healthz", 302, *_ELSEWHERE.items()),
        {_EVENT: "redirect", "id_absent_binary": "redirect"},
        everybody=True,
    ),
    "redirect_for_a_slash": Defect(
        refusing(
            lambda environ: environ["PATH_INFO"].endswith("/"),
            308,
            ("Location", "/models/drafttopic"),
        ),
        {"path_trailing_slash": "redirect"},
        everybody=True,
    ),
    "no_allow": Defect(
        answering(is_error, lambda answer, _: answer.without("allow")),
        {"method_get": "error_shape"},
    ),
}

# How requests are understood.
_READINGS: Final = {
    "id_invented": Defect(
        asking(_invent_an_id),
        {"id_absent_binary": "bad_event_accepted", "id_empty_binary": "bad_event_accepted"},
        everybody=True,
    ),
    "batch_taken": Defect(
        asking(_take_batches), {"content_type_batch": "bad_event_accepted"}, everybody=True
    ),
    "json_taken_for_an_event": Defect(
        asking(_take_json), {"structured_sent_as_json": "bad_event_accepted"}, everybody=True
    ),
    "charset_refused": Defect(
        refusing(_starts(f"{STRUCTURED};"), 415),
        {"structured_with_charset": "good_event_refused"},
        everybody=True,
    ),
    "media_type_compared_with_case": Defect(
        refusing(_starts("Application/"), 415),
        {
            "structured_upper_case": "good_event_refused",
            "binary_json_upper_case": "good_event_refused",
        },
        everybody=True,
    ),
    "headers_overrule_the_envelope": Defect(
        asking(_prefer_headers),
        {"structured_with_contradicting_headers": "reply_id_changes"},
        everybody=True,
    ),
    "null_refused": Defect(
        refusing_envelope(lambda envelope: None in envelope.values()),
        {"structured_null_attributes": "good_event_refused"},
        everybody=True,
    ),
    "numbers_refused": Defect(
        refusing_envelope(lambda envelope: isinstance(envelope.get("sampledrate"), int)),
        {"structured_typed_extensions": "good_event_refused"},
        everybody=True,
    ),
    "base64_refused": Defect(
        refusing_envelope(lambda envelope: "data_base64" in envelope),
        {"structured_data_base64": "good_event_refused"},
        everybody=True,
    ),
    "nanoseconds_refused": Defect(
        refusing(lambda environ: len(environ.get("HTTP_CE_TIME", "")) > 27, 400),
        {"time_nanoseconds": "good_event_refused"},
        everybody=True,
    ),
    "long_attribute_refused": Defect(
        refusing(lambda environ: len(environ.get("HTTP_CE_KNATIVEERRORDATA", "")) > 1000, 431),
        {"extension_long": "good_event_refused"},
        everybody=True,
    ),
    "utf8_attribute_is_500": Defect(
        refusing(lambda environ: not environ.get("HTTP_CE_SUBJECT", "").isascii(), 500),
        {"subject_raw_utf8": "permanent_failure_repeated"},
        everybody=True,
    ),
    "put_taken": Defect(asking(_any_post), {"method_put": "bad_event_accepted"}),
    "get_answered": Defect(
        refusing(lambda environ: environ["REQUEST_METHOD"] == "GET", 200),
        {"method_get": "bad_event_accepted"},
    ),
    "deadline_ignored": Defect(asking(_no_deadline), {"deadline_used_up": "bad_event_accepted"}),
    "deadline_must_be_a_number": Defect(
        refusing(lambda environ: not environ.get("HTTP_EVENT_TIMEOUT_MS", "1").isdigit(), 400),
        {"deadline_malformed": "good_event_refused"},
    ),
}

# What becomes of the connection.
_CONNECTIONS: Final = {
    "connection_closed_unsaid": Defect(_hang_up, {"keep_alive": "no_answer"}, everybody=True),
    "malformed_closes_the_connection": Defect(_die, {"id_absent_binary": "no_answer"}),
    "too_large_after_3_seconds": Defect(_dawdle, {"body_declared_endless": "too_slow"}),
}

DEFECTS: Final[Mapping[str, Defect]] = {
    **_SUCCESSES,
    **_IDS,
    **_REPLIES,
    **_PREDICTIONS,
    **_CLASSIFICATIONS,
    **_ERRORS,
    **_READINGS,
    **_CONNECTIONS,
}


def create_app() -> Flask:
    """Return score-sink, damaged as `DEFECT_PORTS` (`name=port ...`) says for each port."""
    app = score_sink.create_app()
    sound = app.wsgi_app
    pairs = (pair.split("=") for pair in os.environ[PORTS].split())
    names = {port: name for name, port in pairs}

    def damaged(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        name = names[environ["SERVER_PORT"]]
        if name == UNDAMAGED:
            return sound(environ, start_response)
        return DEFECTS[name].middleware(environ, start_response, sound)

    app.wsgi_app = damaged  # type: ignore[method-assign]
    return app


@contextmanager
def serving(
    names: Collection[str], predictor_url: str, directory: Path
) -> Iterator[dict[str, Running]]:
    """Run a score-sink with each of these defects, and one without, until the block ends."""
    sockets = {name: processes.listen() for name in (UNDAMAGED, *names)}
    ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
    binds = [arg for sock in sockets.values() for arg in ("-b", f"fd://{sock.fileno()}")]
    command = [*processes.gunicorn("tests.defects:create_app()")]
    at = command.index("-b")
    env = {
        "PREDICTOR_URL": predictor_url,
        "LOG_LEVEL": "ERROR",
        PORTS: " ".join(f"{name}={port}" for name, port in ports.items()),
    }
    log_path = directory / "defects.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [*command[:at], *binds, *command[at + 2 :]],
            cwd=processes.ROOT,
            env=processes.clean_env(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[sock.fileno() for sock in sockets.values()],
        )
    for sock in sockets.values():
        sock.close()
    running = {
        name: Running(f"http://127.0.0.1:{port}", port, process, log_path)
        for name, port in ports.items()
    }
    try:
        processes.wait_ready(Server("defects", command, env), running[UNDAMAGED])
        yield running
    finally:
        processes.stop(process)
