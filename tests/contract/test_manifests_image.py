"""What the Dockerfile says and the manifests say again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from sinks.local.processes import ROOT
from tests.manifests import container_of, of_kind, overlay, pod_of, settings_of

DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_pod_runs_as_the_user_of_the_image() -> None:
    """The numbers are those of the Dockerfile, so that what the image owns can be read."""
    (user,) = re.findall(r"^USER (\d+:\d+)$", DOCKERFILE, re.MULTILINE)

    users = [
        pod_of(each)["securityContext"] for each in of_kind(overlay("dev"), "Deployment").values()
    ]

    assert {f"{each['runAsUser']}:{each['runAsGroup']}" for each in users} == {user}


def test_letters_are_kept_on_the_volume() -> None:
    """The database's path, which is relative to the image's directory, is below the mount."""
    objects = overlay("dev")
    container = container_of(of_kind(objects, "Deployment")["deadletter-sink"])
    (mount,) = [
        each["mountPath"] for each in container["volumeMounts"] if each["name"] == "letters"
    ]
    (claim,) = of_kind(objects, "PersistentVolumeClaim").values()
    settings = settings_of(objects, "deadletter-sink")

    folder = re.findall(r"^WORKDIR (\S+)$", DOCKERFILE, re.MULTILINE)[-1]
    database = Path(folder) / settings.database_url.removeprefix("sqlite:///")

    assert database.is_relative_to(mount)
    room = claim["spec"]["resources"]["requests"]["storage"]
    assert room.endswith("Gi")
    assert int(room.removesuffix("Gi")) * 2**30 >= 1.5 * settings.deadletters_max_bytes
