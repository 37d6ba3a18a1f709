"""etcd, kube-apiserver and Knative Eventing's programs, built from Go modules by name and version.

go.mod beside this file pins them. They are kept outside of the clone, and one build serves all
clones: half a gigabyte, and minutes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tests.machine import CACHE, Failed
from tests.tools import Say, go_toolchain

SOURCE: Final = Path(__file__).parent / "go"
NAMES: Final = (
    *("server", "kube-apiserver"),  # `server` is etcd
    *("webhook", "controller", "mtchannel_broker", "ingress", "filter"),
    *("channel_controller", "channel_dispatcher"),
)
# What Knative ships for kubectl, in its module.
_SHIPPED: Final = ("core", "brokers/mt-channel-broker", "channels/in-memory-channel")
_KUBERNETES: Final = "1.33.13"
_VERSION: Final = "k8s.io/component-base/version"
# Unset, Knative's check of the API server's version ends its programs.
_LINKED: Final = (
    f"-s -w -X {_VERSION}.gitVersion=v{_KUBERNETES}"
    f" -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=33"
)
_BUILD: Final = ("build", "-v", "-mod=readonly", "-buildvcs=false", f"-ldflags={_LINKED}")
# The kernel ends what runs under this when this process ends, however that is.
_TIED: Final = ("setpriv", "--pdeathsig", "KILL")
_FULL: Final = "no space left on device"
_PROGRESS_SECONDS: Final = 15.0
_BUILD_SECONDS: Final = 1800.0
_SAID_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs by name in `directory`, and Knative's objects as it ships them."""

    directory: Path

    def path(self, name: str) -> str:
        """Return the file of a program."""
        return str(self.directory / name)

    def shipped(self) -> list[Path]:
        """Return the files with Knative's objects, in the order of their names."""
        return sorted((self.directory / "config").rglob("*.yaml"))


def built(say: Say) -> Programs:
    """Return the programs, built now with the pinned Go if they are not all there.

    raises: Failed, with what the compiler has said; NotInstalled without a Go toolchain.
    """
    return kept(CACHE, go_toolchain(say) / "go", say)


def kept(cache: Path, go: Path, say: Say) -> Programs:
    """Return the programs that a cache keeps for this Go, built now if they are not all there.

    Of several runs one builds, and the others wait for it. raises: Failed.
    """
    directory = cache / f"programs-{_key(go)}"
    cache.mkdir(parents=True, exist_ok=True)
    with _lock(cache / "programs.lock", say):
        if not _complete(directory):
            say("building etcd, kube-apiserver and Knative Eventing: 4 to 8 minutes, once")
            # Renamed when complete: whoever is interrupted leaves no half of it.
            part = directory.with_name(f"{directory.name}.part")
            for each in (directory, part):
                shutil.rmtree(each, ignore_errors=True)
            try:
                _build(go, part, say)
                part.rename(directory)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return Programs(directory)


def _key(go: Path) -> str:
    pinned = [(SOURCE / name).read_text() for name in ("go.mod", "go.sum")]
    made_of = "\0".join([_said([str(go), "version"]), *pinned, *_BUILD])
    return hashlib.sha256(made_of.encode()).hexdigest()[:16]


def _complete(directory: Path) -> bool:
    shipped = all((directory / "config" / each).is_dir() for each in _SHIPPED)
    return shipped and all(os.access(directory / name, os.X_OK) for name in NAMES)


def _build(go: Path, directory: Path, say: Say) -> None:
    """Fill a directory that nobody has yet. raises: Failed."""
    temporary = directory / "temporary"
    temporary.mkdir(parents=True)
    output = temporary / "output"
    command = [str(go), *_BUILD, "-o", f"{directory}/", "tool"]
    with output.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [*_TIED, *command],
            cwd=SOURCE,
            env={**_env(), "GOTMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _watch(process, output, say)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        end = "\n".join(output.read_text(errors="replace").splitlines()[-20:])
        why = "the disk is full; 4 GB have to be free" if _FULL in end else "go build failed"
        raise Failed(f"cannot build the programs: {why}", end)
    module = _said([str(go), "list", "-m", "-f", "{{.Dir}}", "knative.dev/eventing"])
    for each in _SHIPPED:
        shutil.copytree(f"{module}/config/{each}", directory / "config" / each)
    shutil.rmtree(temporary)


def _watch(process: subprocess.Popen[bytes], output: Path, say: Say) -> None:
    """Return when the build has ended; say now and then how far it is. raises: Failed."""
    begun = said = time.monotonic()
    while process.poll() is None:
        time.sleep(0.1)
        now = time.monotonic()
        if now > begun + _BUILD_SECONDS:
            raise Failed(f"cannot build the programs: not done after {_BUILD_SECONDS:.0f} s")
        if now > said + _PROGRESS_SECONDS:
            said = now
            lines = output.read_text(errors="replace").splitlines()
            modules = sum(line.startswith("go: downloading") for line in lines)
            how_far = f"{modules} modules downloaded, {len(lines) - modules} packages compiled"
            say(f"{now - begun:.0f} s: {how_far}")


def _said(command: list[str]) -> str:
    """Return what a command of Go's says. raises: Failed."""
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=SOURCE,
            env=_env(),
            capture_output=True,
            text=True,
            check=True,
            timeout=_SAID_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or "")
        raise Failed(f"cannot run Go: {error}; remove {CACHE} and try again", said) from error
    return done.stdout.strip()


def _env() -> dict[str, str]:
    """Return the environment for `go`: where modules come from is the machine's business."""
    kept = {name: value for name, value in os.environ.items() if name != "GOROOT"}
    return {**kept, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOGC": "400"}


@contextmanager
def _lock(path: Path, say: Say) -> Iterator[IO[bytes]]:
    with path.open("wb") as lock:
        said = 0.0
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > said + _PROGRESS_SECONDS:
                    said = time.monotonic()
                    say("waiting for another run, which builds the programs")
                time.sleep(0.2)
        yield lock
