"""The delivery of a row's Trigger as it is shipped, in its own time."""

from __future__ import annotations

import json
from datetime import datetime

from tests.e2e.fixtures_failures import Hopeless
from tests.e2e.letters import Letters
from tests.e2e.overlay import Applied


def test_failing_event_is_tried_at_0_10_30_and_70_seconds_and_then_kept(
    dev: Applied, hopeless: Hopeless
) -> None:
    """Three repetitions with waits of 10, 20 and 40 s; its sender gets no answer before the end."""
    sent = hopeless.sending.result()

    event_id = hopeless.change["meta"]["id"]
    logs = [path.read_text() for path in dev.cluster.logs.glob("score-sink-*.log")]
    lines = [
        json.loads(line[line.index("{") :])
        for line in "".join(logs).splitlines()
        if event_id in line
    ]
    times = [datetime.fromisoformat(line["time"]).timestamp() for line in lines]
    letter = Letters(dev).of(event_id)
    assert [line["reason"] for line in lines] == ["predictor_failed"] * 4
    assert [round((time - times[0]) / 2) * 2 for time in times] == [0, 10, 30, 70]
    assert (sent.attempts, sent.seconds > 70) == (1, True)
    assert letter is not None
    assert (letter["status"], letter["reason"], letter["count"]) == (503, "predictor_failed", 1)
