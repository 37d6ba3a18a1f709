"""Programs that are not ours, installed under `.cache` from pinned files, once for all runs.

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

CACHE = ROOT / ".cache"
GO_SOURCE = ROOT / "tests" / "go"
_GO_HOME = CACHE / "interop" / "go"
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

    name:          directory under `.cache`.
    requirements:  file with versions and hashes; another content makes the environment anew.
    raises:        NotInstalled.
    """
    home = CACHE / name
    with _once(home, requirements.read_bytes() + sys.version.encode()) as stamped:
        if not stamped:
            packages = requirements.read_text(encoding="utf-8").count("==")
            say(f"installing {packages} packages into {home.relative_to(ROOT)}: 5 to 20 seconds")
            shutil.rmtree(home, ignore_errors=True)
            # Without a pip of its own, which would take longer than the packages.
            _run([sys.executable, "-m", "venv", "--without-pip", str(home)], ROOT)
            pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python")]
            how = ["install", "-q", "--no-deps", "--require-hashes", "--progress-bar", "off"]
            _run([*pip, *how, "-r", str(requirements)], ROOT)
    return home / "bin"


def go_programs(say: Say) -> Path:
    """Return the directory with the Go programs of `tests/go`: `interop` and `sink`.

    Modules are those of go.sum, the toolchain is the pinned package's. raises: NotInstalled.
    """
    go = go_toolchain(say) / "go"
    sources = sorted(GO_SOURCE.rglob("*.go"))
    files = [GO_SOURCE / "requirements.txt", GO_SOURCE / "go.mod", GO_SOURCE / "go.sum", *sources]
    bin_ = _GO_HOME / "bin"
    with _once(bin_, b"".join(file.read_bytes() for file in files)) as stamped:
        if not stamped:
            cold = "" if (_GO_HOME / "build").is_dir() else ": half a minute to a minute, once"
            say(f"building {GO_SOURCE.relative_to(ROOT)}{cold}")
            _run([str(go), "build", "-o", f"{bin_}/", "./cmd/..."], GO_SOURCE, _go_env())
    return bin_


def gofmt(say: Say) -> list[str]:
    """Return the names of Go files that gofmt would write another way."""
    return _run([str(go_toolchain(say) / "gofmt"), "-l", "."], GO_SOURCE).split()


def go_toolchain(say: Say) -> Path:
    """Return the directory with the pinned `go` and `gofmt`. raises: NotInstalled."""
    venv("interop/go/toolchain", GO_SOURCE / "requirements.txt", say)
    (directory,) = (_GO_HOME / "toolchain").glob("lib/python*/site-packages/go/bin")
    return directory


def _go_env() -> dict[str, str]:
    """Return the environment for `go`: where modules come from is the machine's business."""
    kept = {name: value for name, value in os.environ.items() if name != "GOROOT"}
    return {
        **kept,
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",  # rw: so that it can be removed
        "GOCACHE": str(_GO_HOME / "build"),
        "GOMODCACHE": str(_GO_HOME / "modules"),
        "GOPATH": str(_GO_HOME / "path"),
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


@contextmanager
def _once(home: Path, content: bytes) -> Iterator[bool]:
    """Give whether `home` has been made from this content; stamp it when the block is done."""
    digest = hashlib.sha256(content).hexdigest()
    stamp = home.with_name(f"{home.name}.stamp")
    home.parent.mkdir(parents=True, exist_ok=True)
    with stamp.with_suffix(".lock").open("w") as lock:
        _lock(lock.fileno())
        stamped = home.is_dir() and stamp.is_file() and stamp.read_text() == digest
        if not stamped:
            stamp.unlink(missing_ok=True)
        yield stamped
        stamp.write_text(digest)


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
