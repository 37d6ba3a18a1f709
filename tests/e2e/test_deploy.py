"""docs/deploy.md, word for word: its commands, in their order, and then back again.

Two things are not as for its readers: SHIM is the Service itself, since nothing forwards ports
here, and the image stands under the name that the overlay has now.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from sinks.local.processes import ROOT
from tests.e2e.api import Object
from tests.e2e.cluster import Cluster
from tests.e2e.counterparts import Counterparts
from tests.e2e.kubelet import Kubelet
from tests.e2e.waiting import until
from tests.image.build import image_name

PAGE: Final = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
NAMESPACE: Final = "event-sinks-staging-a"
STEP_SECONDS: Final = 300.0


def blocks(text: str) -> str:
    """Return all commands of a part of the page."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


def steps() -> dict[int, tuple[str, str]]:
    """Return number of a step -> its commands, and those that undo it."""
    parts = re.split(r"^## (\d)\. .*$", PAGE, flags=re.MULTILINE)
    found = {}
    for number, text in zip(parts[1::2], parts[2::2], strict=True):
        before, _, after = text.partition("Undo")
        found[int(number)] = (blocks(before), blocks(after))
    return found


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody at a prompt, with the variables of the page's first block."""

    directory: Path
    variables: str
    cluster: Cluster

    def does(self, commands: str) -> str:
        """Run commands as `bash -e` does, and return what they print."""
        tools = Path(sys.executable).parent
        done = subprocess.run(  # noqa: S603
            ["bash", "-euo", "pipefail", "-c", f"{self.variables}\n{commands}"],  # noqa: S607
            cwd=self.directory,
            env={
                "PATH": f"{tools}:{os.environ['PATH']}",
                "HOME": str(self.directory),
                "KUBECONFIG": str(self.cluster.kubeconfig),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=STEP_SECONDS,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout

    def named(self, kind: str) -> set[str]:
        """Return the names of what there is of a kind in the namespace."""
        listed = self.does(f'kubectl -n "$NS" get {kind} -o name')
        return {line.partition("/")[2] for line in listed.splitlines()}


@pytest.fixture
def reader(
    cluster: Cluster, kubelet: Kubelet, counterparts: Counterparts, token: str, tmp_path: Path
) -> Iterator[Reader]:
    """A copy of what the page names, the image, and nothing applied yet."""
    for name in ("manifests", "triggers", "tests/data/events"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(counterparts.ca, tmp_path / "ca.crt")
    kubelet.engine.podman("tag", image_name(), "knative-event-sinks:staging")
    variables = blocks(PAGE.partition("## 1.")[0])
    shim = f"http://http-shim.{NAMESPACE}.svc.cluster.local"
    for name, value in (("SHIM", shim), ("TOKEN", token)):
        variables, count = re.subn(rf"\b{name}=(\$\(.*?\)|\S+)", f"{name}={value}", variables)
        assert count == 1, name
    kubelet.serve(NAMESPACE)
    yield Reader(tmp_path, variables, cluster)
    kubelet.stop(NAMESPACE)


def relayed(kubelet: Kubelet) -> float:
    """Return how many events all replicas of the egress have relayed, those too that they knew."""
    counted = 0.0
    for pod in kubelet.pods(NAMESPACE, "egress-sink"):
        metrics = requests.get(f"http://{pod.ip}:8080/metrics", timeout=10).text
        pattern = r'^sinks_events_total\{[^}]*outcome="relayed"[^}]*\} (\S+)$'
        counted += sum(map(float, re.findall(pattern, metrics, re.MULTILINE)))
    return counted


def answer(printed: str) -> dict[str, Any]:
    """Return the shim's answer, the last line that curl has printed."""
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def sink_env(cluster: Cluster, name: str) -> dict[str, str]:
    """Return the variables that the Deployment itself has."""
    found: Object = cluster.api.get("apps/v1", "Deployment", name, NAMESPACE)
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", "") for each in container.get("env", [])}


def test_each_step_of_the_page_is_true_and_can_be_undone(
    reader: Reader, kubelet: Kubelet, counterparts: Counterparts, cluster: Cluster
) -> None:
    """From nothing to Triggers and back: the same change makes the same events all the way."""
    page = steps()
    there, back = ({number: both[way] for number, both in page.items()} for way in (0, 1))
    assert list(page) == [1, 2, 3, 4, 5]
    assert all(there.values()) and all(back.values())
    before = len(counterparts.posted())

    reader.does(there[1])
    standalone = answer(reader.does(there[2]))
    published = counterparts.posted()[before:]
    triggers = {each["trigger"]: each["outcome"] for each in standalone["outcomes"]}
    assert published and triggers["drafttopic"] == "replied" and triggers["egress"] == "relayed"

    lint = reader.does(there[3]).splitlines()[-1]
    routes = reader.named("triggers.eventing.knative.dev")
    assert {"drafttopic", "egress"} <= routes
    assert lint.startswith(f"{len(routes)} Triggers ") and lint.endswith(", 0 findings")
    assert "K_SINK" not in sink_env(cluster, "http-shim")

    was = relayed(kubelet)
    through_broker = answer(reader.does(there[4]))
    assert [each["outcome"] for each in through_broker["outcomes"]] == ["relayed"]
    assert "broker-ingress" in sink_env(cluster, "http-shim")["K_SINK"]
    until(lambda: relayed(kubelet) == was + len(published), 60, "the Broker's events at the egress")
    # An egress that did not know them publishes them once more, and they are the same bytes.
    assert set(counterparts.posted()[before:]) == set(published)

    assert reader.does(there[5]).count("serverside-applied") > 40

    reader.does(back[5])
    assert reader.named("triggers.eventing.knative.dev") == routes
    reader.does(back[4])
    assert "K_SINK" not in sink_env(cluster, "http-shim")
    again = answer(reader.does("\n".join(there[2].splitlines()[-2:])))
    assert {each["trigger"] for each in again["outcomes"]} == set(triggers)

    reader.does(back[3])
    assert reader.named("triggers.eventing.knative.dev") == set()

    reader.does(back[2])
    assert reader.named("deployments") == set()
    assert reader.named("persistentvolumeclaims") == {"deadletters"}

    reader.does(back[1])
    assert "client-tokens" not in reader.named("secrets")
