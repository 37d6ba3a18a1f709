"""What the metrics of one process may grow to."""

from __future__ import annotations

from sinks.telemetry import Telemetry


def test_count_clients_without_end_are_few_series_and_no_event_is_missed() -> None:
    """Any subject of a cluster may call: the first 1000 are told apart, the rest counted as one."""
    telemetry = Telemetry("http-shim", lambda: 0)

    for number in range(100_000):
        telemetry.count("relayed", 0.1, None, f"subject-{number}")
    telemetry.count("relayed", 0.1, None, "subject-7")

    lines = telemetry.render().decode().splitlines()
    counted = dict(
        line.rsplit(" ", 1) for line in lines if line.startswith("sinks_client_events_total")
    )
    series = 'sinks_client_events_total{{client="{}",outcome="relayed",sink="http-shim"}}'
    assert len(counted) == 1001
    assert counted[series.format("subject-7")] == "2.0"
    assert counted[series.format("others")] == "99000.0"
