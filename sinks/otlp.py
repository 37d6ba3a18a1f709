"""Handing spans to a collector by OTLP over HTTP: what it does not take at once is given up.

Source: OpenTelemetry protocol specification, OTLP/HTTP with binary protobuf.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from sinks import log
from sinks.deadline import Deadline
from sinks.errors import SinkError, let_go
from sinks.http_client import HttpClient
from sinks.telemetry import Telemetry

# Also the most that a stop takes longer for a collector that hangs.
TIMEOUT_SECONDS: Final = 2.0
_SILENT_SECONDS: Final = 600.0
_HEADERS: Final = {"Content-Type": "application/x-protobuf"}


class Otlp(SpanExporter):
    """Posts batches of spans, one at a time.

    endpoint: base URL of the collector; `/v1/traces` is its own.
    """

    def __init__(self, http: HttpClient, endpoint: str, telemetry: Telemetry) -> None:
        self._http = http
        self._url = f"{endpoint.rstrip('/')}/v1/traces"
        self._stopping = Deadline(math.inf)
        self._silent_until = 0.0
        self._lost = 0
        self._count_sent = telemetry.spans("sent")
        self._count_failed = telemetry.spans("failed")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Return whether the collector has taken them; raises nothing that the network does."""
        problem = self._sent(spans)
        if not problem:
            self._count_sent(len(spans))
            return SpanExportResult.SUCCESS
        self._count_failed(len(spans))
        self._lost += len(spans)
        self._tell(problem)
        return SpanExportResult.FAILURE

    def _sent(self, spans: Sequence[ReadableSpan]) -> str:
        """Return what went wrong, empty if the collector has them."""
        end = Deadline(min(self._stopping.at, Deadline.after(TIMEOUT_SECONDS).at))
        try:
            body = encode_spans(spans).SerializeToString()
            status = self._http.post(self._url, body, _HEADERS, end).status
        except SinkError as error:
            let_go(error)
            return error.detail
        except Exception as raised:  # noqa: BLE001 - the SDK would swallow it
            return f"an error of ours ({type(raised).__name__})"
        return "" if 200 <= status < 300 else f"it answered {status}"

    def stop(self) -> None:
        """Give whatever is still to be sent as long as one batch gets."""
        self._stopping = Deadline.after(TIMEOUT_SECONDS)

    def shutdown(self) -> None:
        """Close the connection."""
        self._http.close()

    def _tell(self, problem: str) -> None:
        """At once, and then seldom: never for each batch."""
        now = time.monotonic()
        if now < self._silent_until:
            return
        self._silent_until = now + _SILENT_SECONDS
        told = f"{self._lost} spans lost, {self._url}: {problem}"
        self._lost = 0
        fields = {"stage": "collector", "detail": told}
        log.write(logging.WARNING, "the collector does not take traces", fields)
