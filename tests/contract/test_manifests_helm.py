"""docs/helm.md against the overlay whose values it carries over."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
import yaml

from sinks.local.processes import ROOT
from tests.manifests import SETTINGS, container_of, data_of, generated, of_kind, overlay, pod_of

PAGE: Final = (ROOT / "docs" / "helm.md").read_text(encoding="utf-8")
FROM_A_FILE: Final = re.findall(r"--set-file sinks\.([a-z-]+)\.env\.([A-Z_]+)=(\S+)", PAGE)
VALUES: Final[dict[str, Any]] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])


def test_helm_page_has_each_sink_and_the_image() -> None:
    """There is no sink more or less, and the image is the one of the overlay."""
    objects = overlay("production/standalone")
    image = f"{VALUES['image']['name']}@{VALUES['image']['digest']}"

    images = {container_of(each)["image"] for each in of_kind(objects, "Deployment").values()}

    assert list(VALUES["sinks"]) == list(SETTINGS)
    assert images == {image}


@pytest.mark.parametrize("sink", SETTINGS)
def test_helm_page_carries_the_values_of_production(sink: str) -> None:
    """What the page says for a sink is what the overlay for production renders."""
    objects = overlay("production/standalone")
    deployment = generated(objects, "Deployment", sink)
    scaled = of_kind(objects, "HorizontalPodAutoscaler").get(sink)

    said = VALUES["sinks"][sink]

    config = generated(objects, "ConfigMap", sink)["metadata"]["name"]
    files = {
        name: (ROOT / path).read_text(encoding="utf-8")
        for of, name, path in FROM_A_FILE
        if of == sink
    }
    assert said["env"].keys().isdisjoint(files)
    assert said["env"] | files == data_of(objects, "ConfigMap", config)
    assert container_of(deployment)["command"][-1] == f"{said['app']}:create_app()"
    assert pod_of(deployment)["terminationGracePeriodSeconds"] == said["grace_seconds"]
    if scaled is None:
        assert said["replicas"] == {"min": deployment["spec"]["replicas"]}
    else:
        spec = scaled["spec"]
        assert said["replicas"] == {"min": spec["minReplicas"], "max": spec["maxReplicas"]}
