"""The delivery of a row's Trigger as it is shipped, in its own time."""

from __future__ import annotations

import json
from datetime import datetime

from tests.e2e.eventing import EVENTING
from tests.e2e.fixtures_failures import Hopeless
from tests.e2e.letters import Letters
from tests.e2e.overlay import Applied


def test_failing_event_is_tried_as_often_and_late_as_its_trigger_says_and_then_kept(
    dev: Applied, hopeless: Hopeless
) -> None:
    """Three repetitions, each wait twice the last; its sender gets no answer before the end."""
    sent = hopeless.sending.result()

    event_id = hopeless.change["meta"]["id"]
    logs = [path.read_text() for path in dev.cluster.logs.glob("score-sink-*.log")]
    lines = [
        json.loads(line[line.index("{") :])
        for line in "".join(logs).splitlines()
        if event_id in line
    ]
    times = [datetime.fromisoformat(line["time"]).timestamp() for line in lines]
    trigger = dev.cluster.api.get(EVENTING, "Trigger", "articletopic", dev.namespace)
    delay = float(trigger["spec"]["delivery"]["backoffDelay"].removeprefix("PT").removesuffix("S"))
    letter = Letters(dev).of(event_id)
    assert [line["reason"] for line in lines] == ["predictor_failed"] * 4
    assert [round((each - times[0]) / delay) for each in times] == [0, 1, 3, 7]
    assert (sent.attempts, sent.seconds > 7 * delay) == (1, True)
    assert letter is not None
    assert (letter["status"], letter["reason"], letter["count"]) == (503, "predictor_failed", 1)
