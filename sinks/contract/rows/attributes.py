"""Rows about context attributes: which are required, and what their values may be.

source: cloudevents/spec v1.0.2: spec.md, http-protocol-binding.md 3.1.3, json-format.md 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from sinks.contract.rows.row import (
    EVERYBODY,
    GOOD,
    NOT_AN_EVENT,
    OURS,
    Demand,
    Row,
    in_both_modes,
    malformed,
)
from sinks.contract.rows.sample import Make, envelope, members, post
from sinks.contract.rows.script import header

REQUIRED: Final = ("id", "source", "type", "specversion")
_CORE: Final = "CloudEvents 1.0.2, spec.md, required attributes"
_TYPES: Final = "CloudEvents 1.0.2, spec.md, type system and context attributes"
_JSON: Final = "CloudEvents 1.0.2, json-format.md 3.1.1"
_REFUSE: Final = "check it before anything else and answer 400"
_REFUSED: Final = Demand(OURS, _TYPES, NOT_AN_EVENT, _REFUSE)


def _without(name: str, mode: str) -> Make:
    if mode == "binary":
        return post(mode, header(f"ce-{name}", None))
    return post(mode, envelope(lambda envelope: envelope.pop(name, None)))


def _set(name: str, value: Any, mode: str) -> Make:
    return post(mode, header(f"ce-{name}", value) if mode == "binary" else members(**{name: value}))


def _required(name: str) -> tuple[Row, ...]:
    demand = Demand(
        EVERYBODY,
        _CORE,
        "an invented attribute is another one at each redelivery: duplicates go unnoticed",
        f"refuse an event whose {name} is absent or empty: {_REFUSE}",
    )
    ways: dict[str, Callable[[str], Make]] = {
        f"{name}_absent": partial(_without, name),
        f"{name}_empty": partial(_set, name, ""),
    }
    return demand.rows(in_both_modes(ways), malformed(name))


def _version(value: str) -> tuple[Row, ...]:
    # SDKs read 0.3 as well, which is another specification.
    demand = Demand(OURS if value == "0.3" else EVERYBODY, _CORE, NOT_AN_EVENT, _REFUSE)
    slug = value.replace(".", "_").replace(",", "_and_")
    ways = {f"specversion_{slug}": partial(_set, "specversion", value)}
    return demand.rows(in_both_modes(ways), malformed("specversion"))


_TIMES: Final = (
    *_REFUSED.rows(
        in_both_modes(
            {
                "time_words": partial(_set, "time", "yesterday"),
                "time_without_zone": partial(_set, "time", "2026-09-23T10:00:00"),
            }
        ),
        malformed("time"),
    ),
    *Demand(
        EVERYBODY,
        "RFC 3339; Knative itself writes nine digits",
        "every event that went through a Broker has such a time",
        "read any number of digits and any zone, and do without a time",
    ).rows(
        {
            "time_nanoseconds": _set("time", "2026-09-23T10:00:00.123456789+02:00", "binary"),
            **in_both_modes({"time_absent": partial(_without, "time")}),
        },
        GOOD,
    ),
    *Demand(OURS, "RFC 3339, 5.6: t and z may be lower case", NOT_AN_EVENT, "read both").rows(
        {"time_lower_case": _set("time", "2026-09-23t10:00:00z", "binary")}, GOOD
    ),
)

_VALUES: Final = (
    *_REFUSED.rows(
        {
            "subject_empty": _set("subject", "", "binary"),
            "subject_control_character": _set("subject", "a\nb", "structured"),
        },
        malformed("subject"),
    ),
    *_REFUSED.rows(
        {
            f"extension_{name}": _set("extension", value, "structured")
            for name, value in {
                "object": {},
                "array": [],
                "float": 0.5,
                "big_integer": 5_000_000_000,
            }.items()
        },
        malformed("extension"),
    ),
    *Demand(EVERYBODY, _TYPES, NOT_AN_EVENT, _REFUSE).rows(
        {"id_number": _set("id", 1, "structured")}, malformed("id")
    ),
    *Demand(
        EVERYBODY,
        "Knative writes knativeerrordata with up to 1368 characters",
        "dead letters could not be replayed",
        "allow headers of some kilobytes",
    ).rows({"extension_long": _set("knativeerrordata", "a" * 1368, "binary")}, GOOD),
)

_KAFKA_ID: Final = Demand(
    EVERYBODY,
    "KafkaSource: an id is partition:<p>/offset:<o>",
    "every event that comes from a topic has such an id",
    "take an id as it is, whatever it looks like",
).rows({"id_of_kafka": _set("id", "partition:3/offset:123456", "binary")}, GOOD)

_NAMES: Final = (
    *_REFUSED.rows(
        {
            "name_with_dash": _set("my-name", "x", "binary"),
            "name_data": _set("data", "x", "binary"),
            "name_upper_case": _set("myName", "x", "structured"),
        },
        malformed(),
    ),
    *Demand(
        OURS,
        "CloudEvents 1.0.2, http-protocol-binding.md 3.1.1: Content-Type says it",
        NOT_AN_EVENT,
        _REFUSE,
    ).rows(
        {"datacontenttype_header": _set("datacontenttype", "application/json", "binary")},
        malformed("datacontenttype"),
    ),
)

_ESCAPES: Final = Demand(
    OURS,
    "CloudEvents 1.0.2, http-protocol-binding.md 3.1.3.2",
    "a value that two readers read differently is filtered differently",
    "refuse escapes that are no UTF-8 or have no hexadecimal digits",
).rows(
    {
        "subject_overlong": _set("subject", "%C0%A0", "binary"),
        "subject_lone_percent": _set("subject", "50%", "binary"),
        "subject_no_hexadecimal": _set("subject", "%zz", "binary"),
    },
    malformed("subject"),
)

_DATA: Final = Demand(OURS, _JSON, NOT_AN_EVENT, _REFUSE).rows(
    {
        "data_twice": post("structured", members(data_base64="e30=")),
        "data_base64_broken": post(
            "structured",
            envelope(lambda envelope: envelope.pop("data")),
            members(data_base64="%%%"),
        ),
    },
    malformed(),
)

_NULL_DATA: Final = Demand(
    OURS,
    "CloudEvents 1.0.2, json-format.md 3.1: data may be absent, or null",
    "an event without a document can never be handled",
    "answer a 4xx",
).rows(
    {
        "data_null": post("structured", members(data=None)),
        "data_absent": post("structured", envelope(lambda envelope: envelope.pop("data"))),
    },
    malformed(reason="malformed_data"),
)

ROWS: Final[tuple[Row, ...]] = (
    *(row for name in REQUIRED for row in _required(name)),
    *(row for value in ("0.3", "1.0.2", "1.0,1.0") for row in _version(value)),
    *_TIMES,
    *_VALUES,
    *_KAFKA_ID,
    *_NAMES,
    *_ESCAPES,
    *_DATA,
    *_NULL_DATA,
)
