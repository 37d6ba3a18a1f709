"""The rules for CloudEvents context attributes, on the wire and off it.

Read liberally (percent-encoding, double quotes, raw UTF-8); write only what needs no encoding at
all, because Go and Java neither encode nor decode. Source: cloudevents/spec v1.0.2, spec.md and
bindings/http-protocol-binding.md 3.1.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from sinks.errors import MalformedEvent, UnsupportedMediaType
from sinks.timestamp import utc_time

REQUIRED: Final = ("id", "source", "type")
# Above the largest attribute that Knative itself writes (`knativeerrordata`, 1368 characters), and
# far below the 8 KiB that Knative's Kafka data plane allows for all headers together.
MAX_ATTRIBUTE_CHARS: Final = 2048

CORE: Final = (*REQUIRED, "specversion", "time", "subject", "dataschema", "datacontenttype")
_NAME = re.compile(r"[a-z0-9]+")
_PLANE_ENDS = "".join(
    chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF)
)
_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_PLANE_ENDS}]")
_PLAIN = re.compile(r"[!#$&-~]*")  # no space, `"`, `%` or non-ASCII: nobody has to encode it
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


def canonical(name: str, value: object) -> str:
    """Return the canonical text of an attribute's JSON value.

    raises: MalformedEvent unless it is a string, or for an extension a boolean or 32-bit integer.
    """
    if isinstance(value, str):
        return value
    if name not in CORE:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and -(2**31) <= value < 2**31:
            return str(value)
    raise malformed(name, "has to be a string (extensions: or a boolean or a 32-bit integer)")


def header_text(name: str, value: str) -> str:
    """Return the attribute value of a header: raw UTF-8, quotes and percent-encoding undone once.

    value:   one Latin-1 character a byte, as WSGI and http_answer hand it over.
    raises:  MalformedEvent for a broken escape, or escaped bytes that are not UTF-8; raw bytes
             that are not are taken for Latin-1.
    """
    if _PLAIN.fullmatch(value):
        return value
    try:
        text = value.encode("latin-1").decode()
    except UnicodeError:
        text = value
    if len(text) >= 2 and text[0] == text[-1] == '"':
        if not _QUOTED.fullmatch(text):
            raise malformed(name, "is in quotes that do not match")
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    if "%" not in text:
        return text
    raw, count = _PERCENT.subn(lambda match: bytes([int(match[1], 16)]), text.encode())
    if count != text.count("%"):
        raise malformed(name, "has a % without two hexadecimal digits")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise malformed(name, "is not UTF-8 after percent-decoding") from None


def check(attributes: Mapping[str, str], plain: bool = False) -> None:
    """Raise MalformedEvent, naming the attribute, unless these make a CloudEvent 1.0.

    plain:  whether `are_plain` has said so of them.
    """
    if attributes.get("specversion") != "1.0":
        raise malformed("specversion", "has to be 1.0")
    check_core(attributes)
    if plain and "data" not in attributes:
        return
    for name, value in attributes.items():
        if not _NAME.fullmatch(name) or name == "data":
            raise MalformedEvent(
                "malformed_event", "attribute names are lower-case letters and digits, never `data`"
            )
        if not _PLAIN.fullmatch(value) and _FORBIDDEN.search(value):
            raise malformed(name, "has control characters or noncharacters")


def are_plain(attributes: Mapping[str, str]) -> bool:
    """True if no name and no value needs a second look: all at once, because every event has some
    ten of them. False says nothing."""
    return (
        _NAME.fullmatch("".join(attributes)) is not None
        and _PLAIN.fullmatch("".join(attributes.values())) is not None
        and "" not in attributes
    )


def check_core(attributes: Mapping[str, str]) -> None:
    """Raise MalformedEvent unless the core attributes are there, not empty, and `time` is one."""
    for name in REQUIRED:
        if not attributes.get(name):
            raise malformed(name, "is required and not empty")
    for name in ("subject", "dataschema", "time", "datacontenttype"):
        if attributes.get(name) == "":
            raise malformed(name, "is empty: leave it out")
    if "time" in attributes:
        try:
            utc_time(attributes["time"])
        except ValueError as error:
            raise malformed("time", f"is {error}") from None


def malformed(name: str, problem: str) -> MalformedEvent:
    """Return the error that names an attribute and its problem, but not its value."""
    shown = name if re.fullmatch(r"[a-z0-9-]{1,40}", name) else "an attribute"
    return MalformedEvent("malformed_event", f"{shown} {problem}")


def unsendable(attributes: Mapping[str, str]) -> str | None:
    """Return the name of an attribute that is not sendable, or None."""
    longest = max(map(len, attributes.values()), default=0)
    if longest <= MAX_ATTRIBUTE_CHARS and "data" not in attributes and are_plain(attributes):
        return None
    return next((n for n, value in attributes.items() if not is_sendable(n, value)), None)


def is_sendable(name: str, value: str) -> bool:
    """True if the attribute can be written and its value needs no encoding: nobody decodes any."""
    if name == "data":
        return False
    if name == "datacontenttype":  # a header of its own, whose parameters may follow a space
        value = value.replace(" ", "")
    return bool(
        _NAME.fullmatch(name) and _PLAIN.fullmatch(value) and len(value) <= MAX_ATTRIBUTE_CHARS
    )


def media_type(content_type: str) -> str:
    """Return the media type of a Content-Type value in lower case, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_json(content_type: str) -> bool:
    """True if the subtype is `json` or ends in `+json`.

    raises: UnsupportedMediaType for JSON that claims another charset than UTF-8.
    """
    if content_type == "application/json":
        return True
    kind = media_type(content_type)
    if not (kind.endswith("/json") or kind.endswith("+json")):
        return False
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset not in ("utf-8", "utf8", "us-ascii"):
            raise UnsupportedMediaType("unsupported_media_type", "JSON is UTF-8; drop the charset")
    return True
