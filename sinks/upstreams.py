"""Making HTTP clients for upstreams as the settings say."""

from __future__ import annotations

import ssl

from sinks.http_adapter import DeadlineAdapter
from sinks.http_client import HttpClient
from sinks.reasons import Stage
from sinks.settings import SinkSettings
from sinks.telemetry import Telemetry

CONNECT_TIMEOUT_SECONDS = 2.0


def http_client(
    upstream: Stage,
    settings: SinkSettings,
    telemetry: Telemetry,
    *,
    connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
    read_timeout_seconds: float | None = None,
    ca_certs: str = "",
) -> HttpClient:
    """Return a client that observes its calls and counts what it sends again.

    ca_certs: PEM text of authorities to trust besides CA_FILE or the system's.
    """
    tls = None
    if settings.ca_file or ca_certs:
        tls = ssl.create_default_context(cafile=settings.ca_file)
        if ca_certs:
            tls.load_verify_locations(cadata=ca_certs)
    adapter = DeadlineAdapter(
        connect_timeout_seconds,
        settings.max_body_bytes,
        tls,
        resent=telemetry.resent(upstream),
    )
    return HttpClient(upstream, adapter, telemetry.upstream(upstream), read_timeout_seconds)
