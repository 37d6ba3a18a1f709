"""Making HTTP clients for upstreams as the settings say."""

from __future__ import annotations

import ssl
from pathlib import Path

from sinks.http_client import HttpClient
from sinks.http_transport import Transport
from sinks.reasons import Stage
from sinks.settings import SinkSettings
from sinks.telemetry import Telemetry
from sinks.tracing import Tracer

CONNECT_TIMEOUT_SECONDS = 2.0


def http_client(
    upstream: Stage,
    settings: SinkSettings,
    telemetry: Telemetry,
    *,
    connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
    read_timeout_seconds: float | None = None,
    ca_file: Path | None = None,
    ca_certs: str = "",
    token_file: Path | None = None,
    tracer: Tracer | None = None,
) -> HttpClient:
    """Return a client that observes its calls and counts what it sends again.

    ca_file:     PEM file of authorities to trust instead of those in CA_FILE; None: CA_FILE.
    ca_certs:    PEM text of authorities to trust besides.
    token_file:  who we are, shown with every call; None: nothing is shown.
    tracer:      gets a span of every call for an event; None: nobody does.
    """
    tls = None
    ca_file = ca_file or settings.ca_file
    if ca_file or ca_certs:
        tls = ssl.create_default_context(cafile=ca_file)
        if ca_certs:
            tls.load_verify_locations(cadata=ca_certs)
    transport = Transport(
        connect_timeout_seconds,
        settings.max_body_bytes,
        tls,
        resent=telemetry.resent(upstream),
    )
    observe = telemetry.upstream(upstream)
    return HttpClient(upstream, transport, observe, read_timeout_seconds, token_file, tracer)
