"""Handing what failed for good to the dead-letter sink that `DEADLETTER_URL` names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sinks import cloudevent
from sinks.deadline import Deadline
from sinks.delivery import Delivery, Failure
from sinks.envelope import Trace
from sinks.errors import SinkError
from sinks.http_client import HttpClient
from sinks.letter import undeliverable
from sinks.routing import Route


class DeadLetterSink:
    """Posts letters, with the attributes that Knative gives them."""

    def __init__(self, http: HttpClient, url: str) -> None:
        self._http = http
        self._url = url

    def keep(self, routes: Sequence[Route], deadline: Deadline, trace: Trace) -> list[Route]:
        """Return the routes, each rejected delivery kept, or deferred because it could not be.

        trace: what the sink is told of them.
        """

        def settled(route: Route) -> Iterator[Delivery]:
            return (self._settled(each, deadline, trace) for each in route.deliveries)

        return [Route(route.trigger, tuple(settled(route))) for route in routes]

    def _settled(self, delivery: Delivery, deadline: Deadline, trace: Trace) -> Delivery:
        if delivery.outcome != "rejected" or delivery.failure is None:
            return delivery
        try:
            problem = self._problem(delivery, delivery.failure, deadline, trace)
        except SinkError as error:
            problem = error.detail
        if not problem:
            return delivery._replace(kept=True)
        detail = f"rejected ({delivery.reason}), and DEADLETTER_URL has not kept it: {problem}"
        return delivery._replace(outcome="deferred", reason="deadletter_sink_failed", detail=detail)

    def _problem(
        self, delivery: Delivery, failure: Failure, deadline: Deadline, trace: Trace
    ) -> str:
        event = undeliverable(delivery.event, failure.destination, failure.status, failure.body)
        message = cloudevent.encode(event, event.mode)
        headers = {**message.headers, **trace}
        status = self._http.post(self._url, message.body, headers, deadline).status
        return "" if 200 <= status < 300 else f"it answered {status}"
