"""`make run` itself: what it accounts for, and that it says no when something is not accounted."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sinks.local.parts import PORTS
from sinks.local.processes import ROOT, DidNotStart, Server, listen, serving
from sinks.local.runner import Topics
from sinks.models import ROWS
from tests import factories
from tests.processes import clean_env
from tests.sixteen import NAMES
from tests.upstream import Received, Upstream, answer, call

PUBLISHED = re.compile(r"^  ([a-z0-9-]+) +(\d+)  (mediawiki\.\S+)$", re.MULTILINE)
IGNORED = re.compile(r"^ +ignored \(([a-z_]+)\): (.+)$", re.MULTILINE)
# The rows that make nothing of an edit on English Wikipedia.
SILENT = ("itemquality", "itemtopic", "reverted", "revertrisk-wikidata")


def run(samples: Path) -> subprocess.CompletedProcess[str]:
    """Run the samples of a directory through everything."""
    return subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-m", "sinks.local", "run"),
            *("--samples", str(samples), "--events", str(samples / "published")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_run_good_samples_accounts_for_all_and_exits_0(tmp_path: Path) -> None:
    """Scored, ignored and rejected events are all accounted for, with what came of the first two:
    what can never be handled has come to its end."""
    for name in ("page_change_edit", "page_change_canary"):
        shutil.copy(ROOT / f"tests/data/events/{name}.json", tmp_path)
    future = factories.page_change(**{"$schema": "/mediawiki/page/change/2.0.0"})
    (tmp_path / "future.json").write_text(json.dumps(future))

    done = run(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    published = {row: int(count) for row, count, _ in PUBLISHED.findall(done.stdout)}
    made = sum(published.values())
    ignored = [
        (reason, name)
        for reason, names in IGNORED.findall(done.stdout)
        for name in names.split(", ")
    ]
    added = published.keys() - set(NAMES)
    assert {name: published[name] for name in NAMES} == {
        name: int(name not in SILENT) for name in NAMES
    }
    assert [each for each in ignored if each[1] not in added] == [
        ("canary", "all"),
        ("wiki_not_deployed", "reverted"),
    ]
    assert done.stdout.splitlines()[-1] == (
        f"3 in, 3 accounted: {made} replied, {made} relayed, {len(ignored)} ignored,"
        " 1 rejected, 0 deferred"
    )


def test_run_own_samples_publish_for_every_row_and_stream(tmp_path: Path) -> None:
    """What `make run` sends shows each of the sixteen rows, on every stream of theirs."""
    samples = shutil.copytree(ROOT / "tests" / "data" / "events", tmp_path / "samples")

    done = run(samples)

    published = PUBLISHED.findall(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(row, stream) for row, _, stream in published] == [
        (row.name, row.stream) for row in ROWS
    ]
    assert [row for row, count, _ in published if count == "0" and row in NAMES] == []


def test_run_deferred_event_exits_1(tmp_path: Path) -> None:
    """A revision that the predictor does not know yet is unfinished work, not success."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    young = factories.page_change(dt=now, revision={"rev_id": 1001, "rev_dt": now})
    (tmp_path / "young.json").write_text(json.dumps(young))

    done = run(tmp_path)

    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"Triggers deferred: .*\bdrafttopic\b", done.stdout)
    assert done.stdout.splitlines()[-1].startswith("1 in, 0 accounted:")


def held(port: int) -> socket.socket:
    """Take a port; whoever else has it, such as a run of another test, gives it back in seconds."""
    limit = time.monotonic() + 60
    while True:
        try:
            return listen(port)
        except OSError:
            if time.monotonic() > limit:  # whoever has it keeps it, which is the same to `up`
                return listen()
            time.sleep(0.2)


def test_up_port_taken_says_which_and_exits_1() -> None:
    """Without its known port a curl line of README would reach something else."""
    with held(PORTS["eventgate"]):
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "sinks.local", "up"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert done.returncode == 1
    assert "is taken by another process" in done.stderr
    assert "Traceback" not in done.stderr


def test_serving_command_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """Whoever starts the parts is told why one did not start."""
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]

    with (
        pytest.raises(DidNotStart, match="no such model"),
        serving(Server("broken", command, {}), listen(), tmp_path),
    ):
        raise AssertionError("it cannot serve")


def test_topics_event_is_found_only_in_its_stream(tmp_path: Path) -> None:
    """An event counts as published only if it stands in the topic of its stream."""
    line = json.dumps({"meta": {"id": "a", "stream": "s"}})
    (tmp_path / "dev.s.ndjson").write_text(f"{line}\n")

    before = Topics(tmp_path)
    with (tmp_path / "dev.s.ndjson").open("a") as topic:
        topic.write(f"{line}\n")

    found = before.find("s", "a")

    assert found is not None
    assert found[1] == 2
    assert before.find("s", "b") is None
    assert before.find("other", "a") is None


def test_topics_event_of_an_earlier_run_or_published_twice_does_not_count(tmp_path: Path) -> None:
    """Ids are the same in every run, so only what is new, and there once, is proof."""
    line = json.dumps({"meta": {"id": "a", "stream": "s"}})
    (tmp_path / "dev.s.ndjson").write_text(f"{line}\n")
    topics = Topics(tmp_path)

    assert topics.find("s", "a") is None
    (tmp_path / "dev.s.ndjson").write_text(f"{line}\n" * 3)
    assert topics.find("s", "a") is None


def test_up_with_a_predictor_of_its_own_asks_that_one(tmp_path: Path) -> None:
    """`PREDICTOR_URL=... make up` starts all parts but the local predictor, and asks the other."""

    def predict(received: Received, sock: socket.socket) -> bool | None:
        scored = factories.drafttopic_answer(received.json()["rev_id"], "enwiki")
        return answer(200, scored)(received, sock)

    with Upstream(predict) as other:
        process = subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-m", "sinks.local", "up", "--free-ports"),
                *("--events", str(tmp_path / "eventgate")),
            ],
            cwd=ROOT,
            env=clean_env({"PREDICTOR_URL": f"{other.url}/base", "PREDICTOR_HOST": "{isvc}.x"}),
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                said = list(iter(process.stdout.readline, "ready; Ctrl-C ends it\n"))
                found = (re.match(r"\s+(\S+)\s+(http://127\.0\.0\.1:\d+) ", line) for line in said)
                urls = {each[1]: each[2] for each in found if each}
                reply = call(
                    int(urls["score-sink"].rpartition(":")[2]),
                    "/models/drafttopic",
                    *factories.structured(factories.page_change()),
                )
            finally:
                process.terminate()

    assert urls.keys() == PORTS.keys() - {"predictor"}
    assert f"predictions are of {other.url}/base\n" in said
    assert (reply.status, other.received[0].headers["host"]) == (200, "enwiki-drafttopic.x")
    assert other.received[0].target == "/base/v1/models/enwiki-drafttopic:predict"
