"""Stand-ins for the two official images of the Dockerfile: of Debian packages, kept outside of the
clone.

They have Python where the official images have it, and like those pip and no bytecode.
They prove nothing about the official images' patch level, pip or known vulnerabilities.
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
# The second has what compiles, and like the official one no `slim` in its name.
_STAND_INS: Final = {
    NAME: _PACKAGES,
    NAME.replace("-slim", ""): f"{_PACKAGES},gcc,libc6-dev,python3-dev",
}
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


def import_bases(engine: Engine) -> bool:
    """Put the stand-ins into the engine's storage, made now if the cache has none.

    returns: whether one was not there yet; then nothing else is there either.
    raises:  Failed.
    """
    sources = _sources()
    keys = {name: _key(packages, sources) for name, packages in _STAND_INS.items()}
    kept = {name: f"localhost/stand-in:{key}" for name, key in keys.items()}
    missing = any(
        engine.podman("image", "exists", each, check=False).returncode for each in kept.values()
    )
    if missing:
        engine.podman("rmi", "--all", "--force")  # whatever was made on another base
        changes = [part for each in _CONFIG for part in ("--change", each)]
        for name, packages in _STAND_INS.items():
            tarball = CACHE / f"base-{keys[name]}.tar"
            if not tarball.exists():
                say(f"making the stand-in for {name}; half a minute, once on this machine")
                _make(engine, _command(packages), sources, tarball)
            engine.podman("import", "-q", *changes, tarball, kept[name])
    for name, image in kept.items():
        engine.podman("tag", image, name)
    return missing


def _sources() -> str:
    """Return the package sources of this machine, or nothing if they are of another suite."""
    return next((t for path in _SOURCES if path.is_file() and SUITE in (t := path.read_text())), "")


def _command(packages: str) -> list[str]:
    """Return the command, which lacks only the target, and the package sources for its input."""
    dpkg = ["force-unsafe-io", *(f"path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT)]
    options = ["--variant=minbase", f"--include={packages}", f"--customize-hook={_FINISH}"]
    return ["mmdebstrap", "--quiet", *options, *(f"--dpkgopt={each}" for each in dpkg), SUITE]


def _key(packages: str, sources: str) -> str:
    """Return what tells this recipe from any other."""
    recipe = "\0".join([platform.machine(), sources, *_command(packages)])
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


def _make(engine: Engine, command: list[str], sources: str, tarball: Path) -> None:
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
