"""The live pipeline: EventStreams, `sinks feed`, the real shim and sinks, EventGate."""

from __future__ import annotations

import json
import signal
import socket
from collections import Counter
from pathlib import Path

from tests.factories import page_change
from tests.feeding import Runs
from tests.local_stream import STREAM
from tests.processes import gunicorn
from tests.standalone import standalone
from tests.stopping import wait_until
from tests.upstream import Received, answer, predictor

CHANGES = 60
TRIGGER = ("--trigger", "drafttopic")


def changes() -> list[bytes]:
    """Edits of as many revisions, some of them on another wiki, and a canary."""
    documents = [
        page_change(
            meta={"id": f"id-{n}", "dt": "2026-11-23T10:00:00Z", "domain": "en.wikipedia.org"},
            revision={"rev_id": 1000 + n},
        )
        for n in range(CHANGES)
    ]
    canary = page_change(meta={"id": "canary", "dt": "2026-11-23T10:00:00Z", "domain": "canary"})
    return [json.dumps(each).encode() for each in (*documents[:30], canary, *documents[30:])]


def test_feed_through_the_real_pipeline_publishes_every_change(tmp_path: Path) -> None:
    """Killed in the middle, with a predictor that fails at first: every change is published, with
    few of them twice, and the position is behind the last."""
    runs = Runs(tmp_path)
    topic = tmp_path / "events" / f"dev.{STREAM}.ndjson"
    topic.parent.mkdir()
    topic.write_bytes(b"".join(each + b"\n" for each in changes()))
    failed: Counter[int] = Counter()

    def predict(received: Received, sock: socket.socket) -> bool | None:
        rev_id = received.json()["rev_id"]
        failed[rev_id] += 1
        if rev_id % 10 == 0 and failed[rev_id] == 1:
            return answer(503)(received, sock)
        return predictor(received, sock)

    app = f"tests.local_stream:create_app({str(topic.parent)!r})"
    with standalone(tmp_path) as running, gunicorn(app, {}, tmp_path) as stream:
        running.script(predict=predict)
        source = f"{stream.url}/v2/stream/{STREAM}"
        feed = (source, running.shim.url, *TRIGGER, "--since", "2026-11-20T00:00:00Z")

        def published() -> set[int]:
            return {each["rev_id"] for each in running.published}

        with runs.running(*feed) as process:
            wait_until(lambda: len(published()) >= 20, "some are published", 60)
            process.send_signal(signal.SIGKILL)
            process.wait()
        with runs.running(*feed) as process:
            wait_until(lambda: len(published()) == CHANGES, "all are published", 60)
            last = f'"offset":{CHANGES}'  # the canary is one more
            wait_until(lambda: last in str(runs.position(source, "drafttopic")), "all is done", 20)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert published() == set(range(1000, 1000 + CHANGES))
    assert len(running.published) < 2 * CHANGES
    assert " 0 rejected" in out
    assert "deliveries_deferred" in err or failed[1030] == 1


def test_feed_of_a_trigger_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    """The real shim's words, and nothing is passed over."""
    runs = Runs(tmp_path)
    source = tmp_path / "in.ndjson"
    source.write_bytes(b"".join(each + b"\n" for each in changes()))
    with standalone(tmp_path) as running:
        done = runs.run(source, running.shim.url, "--trigger", "drafttopics")

    assert done.code == 2
    assert "unknown_trigger: there is no Trigger 'drafttopics'; there are: " in done.err
    assert "drafttopic, " in done.err
    assert (runs.position(str(source), "drafttopics") or {})["offset"] == 0
