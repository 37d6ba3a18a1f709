"""Every input of tests/data as callers of the shim may send it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sinks.cloudevent import Message
from tests.factories import DATA, binary, merged, structured

Json = dict[str, Any]
_Make = Callable[[Json], tuple[dict[str, str], bytes]]
_SHAPES: Final = ("binary", "structured", "kafka-source")
# What KafkaSource makes of a record that is no CloudEvent: no Content-Type, nothing of its data.
_KAFKA_SOURCE: Final = "/apis/v1/namespaces/event-sinks/kafkasources/page-change#page_change"


@dataclass(frozen=True, slots=True)
class Input:
    """A document in one shape; of the same document each shape has another id."""

    name: str
    shape: str
    message: Message


def samples() -> dict[str, Json]:
    """Return the sample changes by their path below tests/data."""
    return _by_path(sorted((DATA / "events").glob("*.json")))


def documents() -> dict[str, Json]:
    """Return the samples and the inputs of all cases of rows; no two have the same id."""
    return samples() | _by_path(sorted((DATA / "rows").glob("*/*/event.json")))


def plain() -> list[Input]:
    """Return each document as it is, in plain JSON."""
    return [
        Input(name, "plain", Message({"Content-Type": "application/json"}, _bytes(document)))
        for name, document in documents().items()
    ]


def cloudevents() -> list[Input]:
    """Return each sample in each of the shapes of a CloudEvent."""
    makers: Mapping[str, _Make] = dict(zip(_SHAPES, (binary, structured, _record), strict=True))
    return [
        Input(name, shape, Message(*make(merged(document, {"meta": {"id": f"{shape}-{number}"}}))))
        for number, (name, document) in enumerate(samples().items())
        for shape, make in makers.items()
    ]


def _record(document: Json) -> tuple[dict[str, str], bytes]:
    headers, _ = binary(
        {},
        type="dev.knative.kafka.event",
        source=_KAFKA_SOURCE,
        id=f"partition:0/offset:{document['meta']['id']}",
        key="enwiki",
        partitionkey="enwiki",
    )
    del headers["Content-Type"]
    return headers, _bytes(document)


def _by_path(paths: Iterable[Path]) -> dict[str, Json]:
    return {str(path.relative_to(DATA)): json.loads(path.read_text("utf-8")) for path in paths}


def _bytes(document: Json) -> bytes:
    return json.dumps(document).encode()
