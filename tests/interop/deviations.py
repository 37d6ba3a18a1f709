"""Where an implementation cannot do what the specification says: each with its reason, none silent.

A row changes what is expected of every generated event that it applies to, so that the exchange
fails, and shows where, as soon as an implementation gets better. What our programs can work around
is in unaided.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tests.interop.exchange import (
    NOW,
    Line,
    Mode,
    canonical,
    canonical_json,
    instant,
    is_json,
)
from tests.interop.generated import Sample

PartyName = Literal["ours", "sdk1", "sdk2", "go"]
Role = Literal["reads", "writes"]
MICROSECONDS = re.compile(r"(\.\d{6})\d+")


@dataclass(frozen=True)
class Deviation:
    """One thing that an implementation does differently.

    becomes:  canonical event -> what it is after it; None for anything but what is right, an error
              included.
    """

    party: PartyName
    does: Role
    what: str
    applies: Callable[[Sample, Mode], bool]
    becomes: Callable[[Line], Line] | None


def _no_time(sample: Sample, _: Mode) -> bool:
    return "time" not in sample.attributes


def _nanoseconds(sample: Sample, _: Mode) -> bool:
    return MICROSECONDS.search(instant(str(sample.attributes.get("time", "")))) is not None


def _untyped_null(sample: Sample, _: Mode) -> bool:
    return sample.data == {"json": None} and sample.content_type is None


def _null(sample: Sample, mode: Mode) -> bool:
    # In binary mode it has to see first that it is JSON.
    known = r"(application|text)/([a-zA-Z0-9.-]+\+)?json(;.*)?"
    seen = mode == "structured" or re.fullmatch(known, sample.content_type or "") is not None
    return seen and sample.data == {"json": None}


def _looks_like_json(sample: Sample, mode: Mode) -> bool:
    data = canonical({"attributes": {"datacontenttype": "x/json"}, "data": sample.data})["data"]
    readable = data is not None and "json" in data and "base64" in (sample.data or {})
    return readable and sample.content_type is None and mode == "binary"


def _json_that_go_does_not_know(sample: Sample, mode: Mode) -> bool:
    kind = (sample.content_type or "application/json").partition(";")[0].strip()
    known = kind in ("application/json", "text/json")
    return mode == "structured" and is_json(kind) and not known and "json" in (sample.data or {})


def _outer_space(sample: Sample, mode: Mode) -> bool:
    values = [str(sample.attributes.get(name, "")) for name in _TRIMMED]
    return mode == "structured" and any(value != value.strip() for value in values)


def _beyond_64_bits(sample: Sample, _: Mode) -> bool:
    data = canonical(sample.line("binary"))["data"] or {}
    return "json" in data and canonical_json(_doubled(json.loads(data["json"]))) != data["json"]


_TRIMMED = ("id", "type", "subject")


def _now(event: Line) -> Line:
    return event | {"attributes": {**event["attributes"], "time": NOW}}


def _cut_off(event: Line) -> Line:
    time = MICROSECONDS.sub(r"\1", event["attributes"]["time"])
    return event | {"attributes": {**event["attributes"], "time": instant(time)}}


def _trimmed(event: Line) -> Line:
    trimmed = {
        name: value.strip() if name in _TRIMMED else value
        for name, value in event["attributes"].items()
    }
    return event | {"attributes": trimmed}


def _with_doubles(event: Line) -> Line:
    value = _doubled(json.loads(event["data"]["json"]))
    return event | {"data": {"json": canonical_json(value)}}


def _doubled(value: Any) -> Any:
    """Return the value with integers beyond 64 bits as the nearest doubles."""
    if isinstance(value, dict):
        return {name: _doubled(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_doubled(member) for member in value]
    large = type(value) is int and not -(2**63) <= value < 2**64
    return float(value) if large else value


def _without_data(event: Line) -> Line:
    return event | {"data": None}


DEVIATIONS = (
    # orjson has no larger integers; RFC 8259 promises exactness only within 53 bits.
    Deviation(
        "ours", "reads", "integers beyond 64 bits become doubles", _beyond_64_bits, _with_doubles
    ),
    # Both SDKs for Python give an event that has no time the present one, at every parse anew.
    Deviation("sdk1", "reads", "makes up a time", _no_time, _now),
    Deviation("sdk2", "reads", "makes up a time", _no_time, _now),
    Deviation("sdk2", "writes", "makes up a time", _no_time, _now),
    # The SDK keeps an event's extensions in an attribute of this name.
    *(
        Deviation(
            "sdk1", does, "an extension called `extensions` takes all extensions away",
            lambda sample, _: "extensions" in sample.attributes, None,
        )
        for does in ("reads", "writes")
    ),
    # A time is a datetime to it, with six digits; Knative itself writes nine.
    *(
        Deviation("sdk2", does, "cuts times off after microseconds", _nanoseconds, _cut_off)
        for does in ("reads", "writes")
    ),
    # None is both to it.
    Deviation(
        "sdk2", "reads", "JSON null is no data", _null, _without_data
    ),
    # Given as bytes, null becomes data_base64, which is of no type then.
    *(
        Deviation(party, "writes", "cannot write JSON null without a type", _untyped_null, None)
        for party in ("sdk1", "sdk2")
    ),
    # It takes a body without Content-Type for JSON, where the specification says to take nothing.
    Deviation("sdk2", "reads", "takes bytes without a type for JSON", _looks_like_json, None),
    # Structured data of another type is a string to it (knative/eventing answers such replies 502),
    # even where the type is `Application/JSON`.
    Deviation(
        "go", "reads", "knows no JSON but application/json and text/json",
        _json_that_go_does_not_know, None,
    ),
    # In binary mode our program encodes such spaces.
    Deviation("go", "writes", "trims id, type and subject", _outer_space, _trimmed),
)  # fmt: skip
