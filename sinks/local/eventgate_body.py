"""How the local EventGate reads a request body; what it cannot read is never a 4xx.

Knows requests and JSON; knows neither events nor answers.
https://github.com/expressjs/body-parser#bodyparserjsonoptions
"""

from __future__ import annotations

import zlib
from typing import Any

import orjson
from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

# Per request, as in production; compressed bodies are counted as sent and again unpacked.
MAX_BODY_BYTES = 10 * 1024 * 1024

_JSON_TYPES = {"application/json", "text/plain", "application/reports+json"}


class UnreadableBody(Exception):
    """A body that cannot be read at all; args are the answer's `title` and `detail`."""


def parse(request: Request) -> dict[str, Any] | list[Any] | None:
    """Return the body as JSON; None if it is empty or of a content type that is left unread.

    raises:  UnreadableBody for malformed JSON (NaN and plain values too), a charset other than
             utf-*, an encoding other than gzip and deflate, more than MAX_BODY_BYTES.
    """
    if request.mimetype not in _JSON_TYPES:
        return None
    text = _text(request)
    if not text:
        return None
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnreadableBody("SyntaxError", str(error)) from None
    if not isinstance(body, dict | list):
        raise UnreadableBody("SyntaxError", "the body is neither an object nor an array")
    return body


def _text(request: Request) -> str:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    try:
        if not charset.startswith("utf-"):
            raise LookupError(charset)
        # Bytes that are not UTF-8 become U+FFFD, as in the original; they are not refused.
        return _bytes(request).decode(charset, "replace").removeprefix("\ufeff")
    except LookupError:
        detail = f'unsupported charset "{charset.upper()}"'
        raise UnreadableBody("UnsupportedMediaTypeError", detail) from None


def _bytes(request: Request) -> bytes:
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding not in {"identity", "gzip", "deflate"}:
        detail = f'unsupported content encoding "{encoding}"'
        raise UnreadableBody("UnsupportedMediaTypeError", detail)
    # One byte more than allowed: Werkzeug cuts a chunked body at its limit instead of refusing it.
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        data = request.get_data()
    except RequestEntityTooLarge:
        raise _too_large() from None
    return _bounded(data if encoding == "identity" else _unpacked(_bounded(data)))


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_BODY_BYTES:
        raise _too_large()
    return data


def _too_large() -> UnreadableBody:
    return UnreadableBody("PayloadTooLargeError", "request entity too large")


def _unpacked(data: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # detects gzip or zlib by itself
    try:
        plain = stream.decompress(data, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise UnreadableBody("Error", str(error)) from None
    if not stream.eof and len(plain) <= MAX_BODY_BYTES:
        raise UnreadableBody("Error", "unexpected end of file")
    return plain
