"""Handing spans on: what cannot be encoded is counted and told, once."""

from __future__ import annotations

import re

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from sinks.http_client import HttpClient
from sinks.http_transport import Transport
from sinks.otlp import Otlp
from sinks.telemetry import Telemetry


def test_spans_that_cannot_be_encoded_are_failed_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The SDK would swallow it, and nobody would know why there are no traces."""
    telemetry = Telemetry("score-sink", lambda: 0)
    http = HttpClient("collector", Transport(1.0, 1024))
    exporter = Otlp(http, "http://127.0.0.1:9", telemetry)

    results = [exporter.export([ReadableSpan("no context")]) for _ in range(3)]

    counted = re.search(r'fate="failed".*\} (\S+)', telemetry.render().decode())
    assert results == [SpanExportResult.FAILURE] * 3
    assert counted and float(counted[1]) == 3
    (told,) = [each for each in caplog.records if "does not take traces" in each.getMessage()]
    assert "an error of ours" in str(told.__dict__)
