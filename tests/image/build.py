"""Build the image from this clone's Dockerfile, without a registry: `python -m tests.image.build`.

The Dockerfile knows nothing of this machine: package index and certificates come from outside.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.image.base import NAME, import_bases
from tests.image.engine import HOME, ROOT, Engine, opened, say
from tests.machine import Failed

_REPOSITORY: Final = "localhost/knative-event-sinks"
# All file times of the image, so that the same inputs make the same image; later than the base's.
_TIMESTAMP: Final = 1_704_067_200
_BUILD: Final = (
    "--isolation oci --runtime /usr/sbin/runc --network host --pull=never --format docker"
    f" --timestamp {_TIMESTAMP}"
).split()
# For a Dockerfile with steps that are worth keeping.
LAYERED: Final = ("--layers", "--force-rm")
_FIRST: Final = HOME / "first-build-seconds"


@dataclass(frozen=True, slots=True)
class Built:
    """An image by name and id, and how long its build took."""

    name: str
    id: str
    seconds: float


def image_name() -> str:
    """Return the name of this clone's image: by its commit, or `dev` if that is not all of it."""
    git = ["git", "-C", str(ROOT)]
    state = subprocess.run(  # noqa: S603
        [*git, "status", "--porcelain"], capture_output=True, text=True, check=False
    )
    commit = subprocess.run(  # noqa: S603
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    clean = state.returncode == 0 and not state.stdout
    return f"{_REPOSITORY}:{commit.stdout.strip() if clean else 'dev'}"


def build(engine: Engine, name: str, context: Path = ROOT, *options: str) -> Built:
    """Build a directory's Dockerfile. raises: Failed, with what the build has said."""
    begun = time.monotonic()
    done = engine.buildah("build", *_BUILD, *options, "-q", "-t", name, context, check=False)
    if done.returncode:
        raise Failed(f"buildah build ended with {done.returncode}", done.stdout + done.stderr)
    return Built(name, done.stdout.split()[-1], time.monotonic() - begun)


def build_clone(engine: Engine) -> Built:
    """Build this clone's image on the stand-ins for its bases. raises: Failed."""
    from_nothing = import_bases(engine)
    built = build(engine, image_name(), ROOT, *LAYERED)
    if from_nothing or not _FIRST.exists():
        _FIRST.write_text(str(built.seconds), encoding="utf-8")
    return built


def first_build_seconds() -> float:
    """Return how long the build took that found nothing but the bases."""
    return float(_FIRST.read_text(encoding="utf-8"))


def inspected(engine: Engine, name: str) -> dict[str, Any]:
    """Return the description of an image: size in bytes, configuration, history."""
    (described,) = json.loads(engine.podman("image", "inspect", name).stdout)
    return dict(described)


def sizes(engine: Engine, name: str) -> str:
    """Say how large an image is, layers of its base included, and how large the base is."""
    size, base = (inspected(engine, each)["Size"] / 1e6 for each in (name, NAME))
    return f"{size:.0f} MB, {base:.0f} of them the base"


def main() -> None:
    """Build, and say what came out; one line and what the command said if it fails."""
    try:
        with opened() as engine:
            built = build_clone(engine)
            say(f"built {built.name} in {built.seconds:.1f} s; {sizes(engine, built.name)}")
    except Failed as error:
        sys.exit(f"{error.output.rstrip()}\nmake image: {error}".lstrip())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
