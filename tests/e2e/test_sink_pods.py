"""The sinks' Pods run as the manifests say, and are replaced without a request that fails."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import requests

from tests.e2e.one_pod import only
from tests.e2e.overlay import Applied, rolled_out
from tests.e2e.pod import quantity
from tests.e2e.waiting import until

SINKS = ("http-shim", "score-sink", "egress-sink", "deadletter-sink")
SECONDS = 60.0


@pytest.mark.parametrize("sink", SINKS)
def test_sink_runs_confined_as_its_spec_says(dev: Applied, sink: str) -> None:
    """Its user, no capabilities, no new privileges, seccomp, a root file system that nobody writes
    to, and no more memory than its limit."""
    pod = only(dev.kubelet, dev.namespace, sink)
    assert pod.container

    lines = Path(f"/proc/{pod.pid}/status").read_text().splitlines()
    status = {name: value.split() for name, _, value in (each.partition(":") for each in lines)}
    written = pod.container.exec("touch", "/app/x", "/opt/x", "/etc/x")
    limit = pod.container.inspect("{{.HostConfig.Memory}}")

    assert status["Uid"] == ["10001"] * 4
    assert status["Gid"] == ["10001"] * 4
    assert status["CapEff"] == status["CapBnd"] == ["0000000000000000"]
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])
    assert written.stderr.count("Read-only file system") == 3
    assert limit == str(quantity(pod.pod["spec"]["containers"][0]["resources"]["limits"]["memory"]))


@pytest.mark.parametrize("sink", ["http-shim", "deadletter-sink"])
def test_bound_sink_has_k_sink_in_its_environment(dev: Applied, sink: str) -> None:
    """The real SinkBinding changes the template, and the Pod that runs is made of that."""
    pod = only(dev.kubelet, dev.namespace, sink)

    env = Path(f"/proc/{pod.pid}/environ").read_bytes().split(b"\0")

    assert f"K_SINK={dev.broker_url}".encode() in env


def test_dead_letters_are_on_a_volume_that_outlives_the_pod(dev: Applied) -> None:
    """A claim is the user's to write to, and its files are there for the next Pod."""
    before = only(dev.kubelet, dev.namespace, "deadletter-sink")
    assert before.container
    before.container.exec("touch", "/app/var/kept")

    dev.cluster.kubectl("-n", dev.namespace, "delete", "pod", before.name, "--now")
    until(lambda: before.is_gone, SECONDS, "the Pod to go")
    after = only(dev.kubelet, dev.namespace, "deadletter-sink")
    rolled_out(dev)

    assert after.container and after.name != before.name
    assert "kept" in after.container.exec("ls", "/app/var").stdout


def test_rollout_answers_every_request(dev: Applied) -> None:
    """The new Pod is ready before the old one goes, and that serves on until all know it."""
    url, stopped, answers = dev.url("http-shim"), threading.Event(), []
    before = only(dev.kubelet, dev.namespace, "http-shim")

    def ask() -> None:
        while not stopped.is_set():
            try:
                answers.append(str(requests.get(f"{url}/healthz", timeout=5).status_code))
            except requests.RequestException as error:
                answers.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for step in ("restart", "status"):
            dev.cluster.kubectl("-n", dev.namespace, "rollout", step, "deployment/http-shim")
        until(lambda: before.is_gone, SECONDS, "the old Pod to end")
    finally:
        stopped.set()
        asking.join()

    assert only(dev.kubelet, dev.namespace, "http-shim").name != before.name
    assert "Shutting down" in before.log
    assert len(answers) > 100
    assert set(answers) == {"200"}
