"""The stand-in for the official base image, made of Debian packages and kept outside of the clone.

It has Python where the official image has it, and like that pip and no bytecode.
It proves nothing about the official image's patch level, its pip or its known vulnerabilities.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.image.engine import Engine, say
from tests.machine import CACHE, Failed

# How the Dockerfile's `python:3.11-slim-bookworm` is looked up when nothing may be pulled.
NAME: Final = "localhost/python:3.11-slim-bookworm"
SUITE: Final = "bookworm"
_PYTHON: Final = "3.11"
_PACKAGES: Final = "python3,python3-pip,python3-venv,ca-certificates,netbase,tzdata"
_LEFT_OUT: Final = ("doc", "locale", "man")  # below /usr/share
_CONFIG: Final = (
    "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV LANG=C.UTF-8",
    'CMD ["python3"]',
)
# All file times: the same packages make the same bytes.
_EPOCH: Final = 1_700_000_000
# What the building machine leaves in the tree goes, and what tells Debian's Python from the
# official one.
_FINISH: Final = f"""cd "$1"
rm -f etc/resolv.conf etc/hostname etc/apt/sources.list etc/apt/sources.list.d/* \
    etc/apt/apt.conf.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap \
    usr/lib/python{_PYTHON}/EXTERNALLY-MANAGED
find usr/lib/python3* -name '*.pyc' -delete
ln -s /usr/bin/pip /usr/bin/python3 /usr/bin/python{_PYTHON} usr/local/bin
ln -s python3 usr/local/bin/python"""
# The first that names the suite; without any, mmdebstrap takes Debian's own servers.
_SOURCES: Final = (
    Path("/etc/apt/sources.list.d/debian.sources"),
    Path("/etc/apt/sources.list"),
)


def import_base(engine: Engine) -> bool:
    """Put the stand-in into the engine's storage, made now if the cache has none.

    returns: whether it was not there yet; then nothing else is there either.
    raises:  Failed.
    """
    command, sources = _recipe()
    recipe = "\0".join([platform.machine(), sources, *command])
    key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    kept = f"localhost/stand-in:{key}"
    missing = engine.podman("image", "exists", kept, check=False).returncode != 0
    if missing:
        tarball = CACHE / f"base-{key}.tar"
        if not tarball.exists():
            _make(engine, command, sources, tarball)
        engine.podman("rmi", "--all", "--force")  # whatever was made on another base
        changes = [part for each in _CONFIG for part in ("--change", each)]
        engine.podman("import", "-q", *changes, tarball, kept)
    engine.podman("tag", kept, NAME)
    return missing


def _recipe() -> tuple[list[str], str]:
    """Return the command, which lacks only the target, and the package sources for its input."""
    text = next((t for path in _SOURCES if path.is_file() and SUITE in (t := path.read_text())), "")
    dpkg = ["force-unsafe-io", *(f"path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT)]
    options = ["--variant=minbase", f"--include={_PACKAGES}", f"--customize-hook={_FINISH}"]
    return ["mmdebstrap", "--quiet", *options, *(f"--dpkgopt={each}" for each in dpkg), SUITE], text


def _make(engine: Engine, command: list[str], sources: str, tarball: Path) -> None:
    say("making the stand-in for the base image; half a minute, once on this machine")
    # Renamed when complete: whoever is interrupted leaves no half of it.
    part = engine.temporary / tarball.name
    done = subprocess.run(  # noqa: S603
        [*command, part, *(["-"] if sources else [])],
        input=sources,
        env={**engine.env, "SOURCE_DATE_EPOCH": str(_EPOCH)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed("mmdebstrap made no base image", done.stderr)
    tarball.parent.mkdir(parents=True, exist_ok=True)
    nearby = tarball.with_name(f".{tarball.name}.{os.getpid()}")
    shutil.move(part, nearby)
    nearby.replace(tarball)
