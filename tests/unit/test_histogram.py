"""Our histograms beside prometheus_client's own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as Reference

from sinks.histogram import Histogram

BOUNDS = (0, 0.005, 1, 2.5, 10_800, 1e9)
LABELS = ("sink", "upstream")
VALUES = (*BOUNDS, -0.0, 1e-9, 0.0051, 0.999, 1.001, 1.001, 2e9)


def test_histogram_shows_what_prometheus_clients_own_shows() -> None:
    """Buckets are inclusive and add up, for each set of labels, which is shown at once."""
    ours, reference = CollectorRegistry(), CollectorRegistry()
    made = Histogram("a_seconds", "Seconds of a", LABELS, BOUNDS)
    ours.register(made)
    wanted = Reference("a_seconds", "Seconds of a", LABELS, buckets=BOUNDS, registry=reference)

    for each in (made, wanted):
        each.labels("score-sink", "idle")
        for value in VALUES:
            each.labels("score-sink", "predictor").observe(value)
        each.labels("egress-sink", "eventgate").observe(3)

    told = generate_latest(reference).decode().splitlines()
    assert generate_latest(ours).decode().splitlines() == [
        line for line in told if "a_seconds_created" not in line
    ]


def test_histogram_without_children_shows_no_sample() -> None:
    """A call that was never made has no numbers."""
    (family,) = Histogram("a_seconds", "Seconds of a", LABELS, BOUNDS).collect()

    assert (family.type, family.samples) == ("histogram", [])
