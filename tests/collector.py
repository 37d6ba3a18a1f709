"""An OTLP/HTTP endpoint that keeps what it gets, and spans as tests look at them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.stopping import wait_until
from tests.upstream import Behave, Received, Upstream, answer

PROTOBUF: Final = "application/x-protobuf"
TAKEN: Final = answer(
    200, ExportTraceServiceResponse().SerializeToString(), {"Content-Type": PROTOBUF}
)


@dataclass(frozen=True, slots=True)
class Span:
    """One span; ids are hexadecimal, `parent` is empty for a root.

    links:  traces that it is linked to.
    error:  whether its status says so.
    """

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: Mapping[str, Any]
    links: tuple[str, ...]
    error: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Collector:
    """What has been received at `url`."""

    upstream: Upstream

    @property
    def url(self) -> str:
        return self.upstream.url

    @property
    def spans(self) -> list[Span]:
        """All spans so far, as far as requests are what OTLP says."""
        return [span for request in self.upstream.received for span in _spans_of(request)]

    def wait(self, is_wanted: Callable[[Span], bool], count: int) -> list[Span]:
        """Return the spans that are wanted once there are so many of them."""

        def found() -> list[Span]:
            return [span for span in self.spans if is_wanted(span)]

        wait_until(lambda: len(found()) >= count, f"{count} spans have come", 10)
        return found()


@contextmanager
def collector(behave: Behave = TAKEN, tls: ssl.SSLContext | None = None) -> Iterator[Collector]:
    """Collect spans on a free port until the block ends."""
    with Upstream(behave, tls) as upstream:
        yield Collector(upstream)


def hang(_received: Received, sock: socket.socket) -> bool | None:
    """Take a request and never answer; until the other side goes."""
    return bool(sock.recv(1)) and None


def _spans_of(request: Received) -> Iterator[Span]:
    assert (request.method, request.target) == ("POST", "/v1/traces")
    assert request.headers["content-type"] == PROTOBUF
    for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield _seen(service, span)


def _seen(service: str, span: trace_pb2.Span) -> Span:
    return Span(
        service=service,
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes=_values(span.attributes),
        links=tuple(link.trace_id.hex() for link in span.links),
        error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
    )


def _values(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in pairs}
