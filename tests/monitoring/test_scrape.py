"""A real Prometheus on the whole pipeline: what it scrapes, what is shown, and what fires."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import Any, Final

import pytest

from sinks.local import parts
from sinks.local.processes import ROOT, Running, all_serving, stop
from tests.manifests import SETTINGS
from tests.monitored import NAMESPACE, TARGET_LABELS, Panel, declared, panels
from tests.monitoring.prometheus import Prometheus, prometheus, promtool, quickened, rule_file
from tests.upstream import call

EVENTS: Final = ROOT / "tests" / "data" / "events"
SINKS: Final = (*SETTINGS, "console")
# What rightly shows nothing here: it has no series before the first letter is dropped.
EMPTY: Final = ("sinks_letters_dropped_total",)
# Of a minute that is a second; Grafana takes at least four scrapes.
RATE_INTERVAL: Final = "10s"
# A revision that the local predictor cannot score: a dead letter.
UNSCORABLE: Final = 7000
PAUSE_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Scene:
    """The pipeline with traffic, and Prometheus on it; a minute of the rules is a second here."""

    running: Mapping[str, Running]
    prometheus: Prometheus


def event(name: str, number: int) -> bytes:
    """A change of this moment; every thirtieth cannot be scored."""
    document: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_bytes())
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    document["dt"] = document["meta"]["dt"] = now
    document["meta"]["id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))
    if number % 30 == 7:
        document["revision"]["rev_id"] = UNSCORABLE
    return json.dumps(document).encode()


@contextmanager
def traffic(port: int) -> Iterator[None]:
    """Send changes to one Trigger, now and then a canary, until the block ends."""
    ended = threading.Event()

    def send() -> None:
        number = 0
        while not ended.wait(PAUSE_SECONDS):
            number += 1
            name = "page_change_edit" if number % 10 else "page_change_canary"
            headers = {"Content-Type": "application/json"}
            body = event(name, number)
            call(port, "/events?trigger=drafttopic", headers, body, timeout=60)
            if number % 10 == 1:  # once more, at each Trigger
                call(port, "/events", headers, body, timeout=60)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def scene(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Everything runs, and events have come for as long as the widest window of a panel is."""
    directory = tmp_path_factory.mktemp("monitoring")
    sockets = parts.free_sockets()
    servers = parts.servers(sockets, directory / "eventgate")
    with all_serving(servers, sockets, directory / "logs") as running:
        ports = {sink: running[sink].port for sink in SINKS}
        rules = quickened(rule_file())
        with (
            traffic(ports["http-shim"]),
            prometheus(programs, directory, rules, ports) as server,
        ):
            yield Scene(running, server)


def test_targets_are_up_and_their_format_is_taken(scene: Scene) -> None:
    """All sinks are scraped, and Prometheus can read what they show."""
    targets = scene.prometheus.wait(
        lambda server: (
            (found := server.get("targets")["activeTargets"])
            and all(each["health"] == "up" for each in found)
            and found
        )
    )

    assert {each["labels"]["job"] for each in targets} == {*SINKS}


@pytest.mark.parametrize("sink", SINKS)
def test_metrics_of_sink_pass_promtool(sink: str, scene: Scene, programs: Path) -> None:
    """Types, names and help are as Prometheus wants them."""
    shown = call(scene.running[sink].port, "/metrics", method="GET")

    done = promtool(programs, "check", "metrics", stdin=shown.body)

    assert shown.headers["Content-Type"].startswith("text/plain; version=")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_series_have_the_labels_that_the_code_declares(scene: Scene) -> None:
    """What the rules are checked against is what Prometheus sees."""
    found = scene.prometheus.get("series", **{"match[]": '{__name__=~"sinks_.+"}'})

    known = declared()
    assert found
    for series in found:
        name = series.pop("__name__")
        if not name.endswith("_created"):
            assert {*series} - {"instance"} == known[name]
    assert {"namespace", "job", "pod"} == TARGET_LABELS


def asked(panel: Panel) -> list[str]:
    """The queries of a panel as Grafana sends them."""
    exprs = (target["expr"] for target in panel["targets"])
    return [
        each.replace("$namespace", NAMESPACE).replace("$__rate_interval", RATE_INTERVAL)
        for each in exprs
    ]


def numbers(series: list[Any]) -> list[float]:
    """The numbers of an answer: a quantile of nothing is none."""
    found = [float(each["value"][1]) for each in series]
    return [each for each in found if not isnan(each)]


@pytest.mark.parametrize("panel", [pytest.param(each, id=each["title"]) for each in panels()])
def test_panel_shows_something(panel: Panel, scene: Scene) -> None:
    """Each of its queries has lines, and numbers in them, but for those of rare things."""
    for query in asked(panel):
        if any(name in query for name in EMPTY):
            assert scene.prometheus.query(query) == []
        else:
            scene.prometheus.wait(lambda server, query=query: numbers(server.query(query)))


def test_nothing_fires_while_all_goes_well(scene: Scene) -> None:
    """Single changes that cannot be scored come all the time; and every rule can be evaluated."""
    scene.prometheus.wait(lambda server: server.query("sinks_letters_pending > 0"))

    groups = scene.prometheus.get("rules")["groups"]

    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    assert scene.prometheus.alerts() == {}


def test_dead_predictor_fires_the_alert_for_what_is_deferred(scene: Scene) -> None:
    """At the sink that calls it and at the one that calls that; and nothing else fires."""
    stop(scene.running["predictor"].process)

    alerts = scene.prometheus.wait(
        lambda server: (found := server.alerts()) and len(found["SinksDeferred"]) == 2 and found
    )

    assert {*alerts} == {"SinksDeferred"}
    said = {each["labels"]["sink"]: each["annotations"] for each in alerts["SinksDeferred"]}
    assert {*said} == {"http-shim", "score-sink"}
    for sink, told in said.items():
        assert re.match(rf"{sink} defers [\d.]+% of its events", told["summary"])
        assert told["runbook_url"].endswith("/docs/runbook.md#sinksdeferred")


def test_sink_that_ends_fires_the_alert_for_one_that_is_down(scene: Scene) -> None:
    """By the target that is still known and does not answer."""
    stop(scene.running["egress-sink"].process)

    alerts = scene.prometheus.wait(lambda server: server.alerts().get("SinksDown"))

    assert [each["labels"]["job"] for each in alerts] == ["egress-sink"]
    assert alerts[0]["annotations"]["summary"] == f"No egress-sink in {NAMESPACE}"
