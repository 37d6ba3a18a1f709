"""Rows about answers: what Knative's brokers take from a sink, and what redelivery makes.

source: knative/specs, specs/eventing/data-plane.md; knative/eventing, pkg/broker/filter.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from sinks.contract.rows.row import (
    EVERYBODY,
    GOOD,
    OURS,
    SANE,
    SINKS,
    Demand,
    Expected,
    Row,
)
from sinks.contract.rows.sample import (
    Make,
    Sample,
    changed,
    post,
    posts,
)
from sinks.contract.rows.script import header, target

_DUPLICATES: Final = (
    "CloudEvents 1.0.2, spec.md, id: source and id name one event, redelivered or not"
)
_TRACE: Final = f"00-{'0af7651916cd43dd' * 2}-b7ad6b7169203331-01"
# What Knative's filter sends along, and what differs from one delivery to the next.
_HOP: Final = (
    header("Kn-Namespace", "default"),
    header("ce-knativearrivaltime", "2026-09-23T10:00:00.123456789Z"),
    header("traceparent", _TRACE),
    header("User-Agent", "Go-http-client/1.1"),
)


def _with_query(path: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}a=b"


_DELIVERED: Final = Demand(
    EVERYBODY,
    "Knative data plane: a recipient takes both modes; its 2xx is empty, or one CloudEvent",
    "any other 2xx becomes 502 and is repeated until it is dead-lettered",
    "answer 200 with one CloudEvent, or 202 and nothing",
)
_DELIVERIES: Final = _DELIVERED.rows(
    {
        "event_binary": post("binary"),
        "event_with_knatives_headers": post("binary", *_HOP),
    },
    Expected("good", mode="binary"),
) + _DELIVERED.rows({"event_structured": post("structured")}, Expected("good", mode="structured"))

_QUERY: Final = Demand(
    SINKS | {"any-processor"},
    "Knative: subscriber.uri is used as it is written",
    "a query in the Trigger would lose every event",
    "ignore the query, or refuse it with a 4xx that is not repeated",
).rows({"event_with_a_query": post("binary", target(_with_query))}, SANE)


def _with_own_id(row: str, sample: Sample) -> Sample:
    """An event that no other row has sent: a sink may remember what it has answered."""
    return sample.with_attributes(id=f"{sample.attributes['id']}-{row}")


_MAKE_ID: Final = "make the id from source and id of the input alone, for example with UUIDv5"
_REDELIVERED: Final = Demand(
    EVERYBODY, _DUPLICATES, "nobody downstream can tell a repetition from a new event", _MAKE_ID
)
_REDELIVERY: Final = _REDELIVERED.rows(
    {
        name: changed(partial(_with_own_id, name), twice)
        for name, twice in {
            "redelivery_binary": posts(post("binary"), post("binary")),
            "redelivery_structured": posts(post("structured"), post("structured")),
            "redelivery_in_the_other_mode": posts(post("binary"), post("structured")),
        }.items()
    },
    GOOD,
    GOOD,
    relation="same_event",
) + _REDELIVERED.rows(
    {
        "redelivery_by_another_hop": changed(
            partial(_with_own_id, "redelivery_by_another_hop"),
            posts(post("binary"), post("binary", *_HOP)),
        )
    },
    GOOD,
    GOOD,
    relation="same_id",
)


def _then_another(name: str) -> Make:
    def other(sample: Sample) -> Sample:
        return sample.with_attributes(**{name: "/other/1"})

    return posts(post("binary"), changed(other, post("binary")))


_OTHER_EVENTS: Final = Demand(
    EVERYBODY, _DUPLICATES, "two events with one id are taken for one, and one is lost", _MAKE_ID
).rows(
    {"other_id": _then_another("id"), "other_source": _then_another("source")},
    GOOD,
    GOOD,
    relation="other_event",
)

_DEADLINES: Final = (
    *Demand(
        SINKS,
        "sinks: Event-Timeout-Ms is the time that is left",
        "work that nobody waits for any more",
        "answer 503 without a call",
    ).rows(
        {"deadline_used_up": post("binary", header("Event-Timeout-Ms", "0"))},
        Expected("repeated", 503, "deadline"),
    ),
    *Demand(
        OURS,
        "sinks: a malformed Event-Timeout-Ms is none",
        "a proxy's typo would stop everything",
        "ignore what is no number",
    ).rows({"deadline_malformed": post("binary", header("Event-Timeout-Ms", "soon"))}, GOOD),
)

ROWS: Final[tuple[Row, ...]] = (
    *_DELIVERIES,
    *_QUERY,
    *_REDELIVERY,
    *_OTHER_EVENTS,
    *_DEADLINES,
)
