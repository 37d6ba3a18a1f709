"""Rows about dead letters: whatever comes is what somebody could not deliver, so it is kept.

source: knative/eventing, pkg/kncloudevents/attributes/knative_error.go; eventing-kafka-broker,
RecordDispatcherImpl.java (a letter that its sink refuses is lost there).
"""

from __future__ import annotations

import base64
from typing import Final

from sinks.contract.rows.row import DEADLETTER, GOOD, Demand, Row
from sinks.contract.rows.sample import Make, post, posts
from sinks.contract.rows.script import body, header

_BROKERS: Final = "Knative: what a dead-letter sink refuses is lost, or goes back to the producer"
_LOST: Final = "there is no sink behind this one"
_KEEP: Final = "keep it, and answer 202"
_ERROR: Final = base64.b64encode(b'{"reason": "unscorable_revision", "detail": "x", "ce_id": "1"}')


def _letter(destination: str | None, code: str | None, data: bytes | None) -> Make:
    attributes = {
        "ce-knativeerrordest": destination,
        "ce-knativeerrorcode": code,
        "ce-knativeerrordata": data and data.decode(),
    }
    return post("binary", *(header(name, value) for name, value in attributes.items() if value))


_KNATIVE: Final = Demand(DEADLETTER, _BROKERS, _LOST, _KEEP).rows(
    {
        "letter_of_the_mt_broker": _letter("http://score-sink/models/drafttopic", "422", _ERROR),
        "letter_of_the_kafka_broker_time_out": _letter("http://score-sink/models/x", None, None),
        "letter_of_a_malformed_reply": _letter(None, None, None),
        "letter_error_data_cut_inside_base64": _letter("http://score-sink/", "500", _ERROR[:-3]),
        "letter_error_code_no_number": _letter("http://score-sink/", "many", _ERROR),
        "letter_destination_no_url": _letter("::::", "500", _ERROR),
        "letter_structured": post("structured"),
    },
    GOOD,
)
_REPEATED: Final = Demand(DEADLETTER, _BROKERS, _LOST, "count it, and answer 202").rows(
    {"letter_repeated": posts(post("binary"), post("binary"), post("structured"))},
    GOOD,
    GOOD,
    GOOD,
)
_NO_EVENTS: Final = Demand(DEADLETTER, _BROKERS, _LOST, _KEEP).rows(
    {
        "letter_plain_json": post("plain"),
        "letter_without_type": post("binary", header("content-type", None)),
        "letter_half_an_event": post("binary", header("ce-id", None), header("ce-type", None)),
        "letter_other_specversion": post("binary", header("ce-specversion", "0.3")),
        "letter_not_ascii": post("binary", header("ce-subject", "Café")),
        **{
            f"letter_{name}_{mode}": post(mode, body(raw))
            for name, raw in {
                "cut_off": b"{",
                "avro": b"\x00\x00\x00\x00\x01Obj",
                "array": b"[1]",
                "empty": b"",
                "too_large_for_the_others": b" " * (5 * 2**20),
            }.items()
            for mode in ("binary", "structured", "plain")
        },
    },
    GOOD,
)

ROWS: Final[tuple[Row, ...]] = (*_KNATIVE, *_REPEATED, *_NO_EVENTS)
