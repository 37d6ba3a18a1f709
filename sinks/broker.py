"""Handing an event to the Broker that a SinkBinding names: `K_SINK`."""

from __future__ import annotations

from collections.abc import Mapping

from sinks import cloudevent
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.envelope import trace_of
from sinks.errors import Rejected, Unavailable
from sinks.http_client import HttpClient

_RETRIED_4XX = (401, 403, 404, 408, 409, 429)


class Broker:
    """Posts events to a Broker's ingress.

    overrides: extensions that every event gets.
    """

    def __init__(self, http: HttpClient, url: str, overrides: Mapping[str, str]) -> None:
        self._http = http
        self._url = url
        self._overrides = overrides

    def post(self, event: Event, deadline: Deadline) -> None:
        """Return once the Broker has taken the event.

        raises: Rejected for what it never takes; Unavailable, BadAnswer, DeadlineExceeded.
        """
        overridden = Event({**event.attributes, **self._overrides}, event.data, event.mode)
        message = cloudevent.encode(overridden, event.mode)
        headers = {**message.headers, **trace_of(event.attributes)}
        response = self._http.post(self._url, message.body, headers, deadline)
        status = response.status_code
        if 200 <= status < 300:
            return
        said = f"the Broker answered {status}"
        if 400 <= status < 500 and status not in _RETRIED_4XX:
            raise Rejected("rejected_by_broker", said, stage="broker")
        raise Unavailable("broker_failed", f"{said}: check K_SINK", stage="broker")
