"""Metrics with one sample of each at least."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from sinks.errors import Unavailable
from sinks.telemetry import Telemetry


def all_that_can_happen() -> Telemetry:
    """The metrics of one sink to which everything has happened once."""
    made = Telemetry("http-shim", lambda: 0.0)
    made.count("deferred", 1.0, Unavailable("overloaded", ""), "changeprop", left=1.0, lag=1.0)
    made.expect_canaries(["a.stream"])
    made.upstream("predictor")(1.0)
    made.resent("predictor")()
    made.already_relayed()
    made.avoided("a.host", False)
    made.dropped("age", 1)
    made.console_dropped()
    made.spans("ended")(1)
    made.pending(lambda: 1)
    return made


def families() -> Iterator[Metric]:
    """What Prometheus reads of them, but for when they were created."""
    for family in text_string_to_metric_families(all_that_can_happen().render().decode()):
        if not family.name.endswith("_created"):
            yield family
