"""Handing an event to the Broker that a SinkBinding names: `K_SINK`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sinks import cloudevent
from sinks.bearer import UnreadableToken, authorization_of
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.envelope import Trace
from sinks.errors import RETRIED_4XX, BadAnswer, Rejected, SinkError, Unavailable
from sinks.http_client import HttpClient, blame
from sinks.http_message import HttpResponse
from sinks.routing_settings import RoutingSettings
from sinks.telemetry import Telemetry
from sinks.tracing import Tracer
from sinks.upstreams import http_client

# Where a SinkBinding mounts a token for the Broker's audience, and Kubernetes renews it.
TOKEN_FILE: Final = Path("/oidc/token")
# A token or policy can be put right; what was sent with it is not at fault.
_RETRIED_4XX = (401, 403, *RETRIED_4XX)


class Broker:
    """Posts events to a Broker's ingress.

    overrides:   extensions that every event gets.
    token_file:  who we are, shown to the Broker only; without such a file nothing is shown.
    """

    def __init__(
        self,
        http: HttpClient,
        url: str,
        overrides: Mapping[str, str],
        token_file: Path = TOKEN_FILE,
    ) -> None:
        self._http = http
        self._url = url
        self._overrides = overrides
        self._token_file = token_file

    def post(self, event: Event, deadline: Deadline, trace: Trace) -> None:
        """Return once the Broker has taken the event: a 2xx, empty as every ingress answers.

        trace:  what the Broker is told of it besides the event's own.
        raises: Rejected for what it never takes; Unavailable, BadAnswer, DeadlineExceeded.
        """
        overridden = Event({**event.attributes, **self._overrides}, event.data, event.mode)
        message = cloudevent.encode(overridden, event.mode)
        shown = self._authorization()
        headers = {**message.headers, **trace, **shown}
        response = self._http.post(self._url, message.body, headers, deadline)
        if not (200 <= response.status < 300) or response.body:
            raise _failure(response, shown)

    def close(self) -> None:
        """Close the connections that are idle."""
        self._http.close()

    def _authorization(self) -> dict[str, str]:
        try:
            return authorization_of(self._token_file)
        except UnreadableToken as error:
            raise Unavailable(
                "broker_failed",
                f"the token for K_SINK {error}: check the SinkBinding",
                stage="broker",
            ) from None


def broker_of(
    settings: RoutingSettings, telemetry: Telemetry, tracer: Tracer | None = None
) -> Broker | None:
    """Return the Broker that the settings name; None without `K_SINK`."""
    if not settings.k_sink:
        return None
    ingress = http_client(
        "broker", settings, telemetry, ca_certs=settings.k_ca_certs, tracer=tracer
    )
    return Broker(ingress, settings.k_sink, settings.k_ce_overrides)


def _failure(response: HttpResponse, shown: Mapping[str, str]) -> SinkError:
    status = response.status
    said = f"the Broker answered {status}"
    error: SinkError
    if 200 <= status < 300:
        error = BadAnswer("upstream_bad_answer", f"{said} with a body, as no Broker: check K_SINK")
    elif 400 <= status < 500 and status not in _RETRIED_4XX:
        error = Rejected("rejected_by_broker", said)
    else:
        error = Unavailable("broker_failed", f"{said}: check K_SINK")
    text = response.body.decode("utf-8", "replace")
    for header in shown.values():  # what a Broker repeats of our token must not be logged
        text = text.replace(header.removeprefix("Bearer "), "***")
    return blame("broker", error, response, text)
