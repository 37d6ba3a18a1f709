"""buildah and podman on a storage of this clone, with settings that leave the machine's own alone.

All of it is in `.cache/image`. Commands see it where root's containers usually are, because this
process has mounts of its own; nobody else sees it there, and nothing stays mounted.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.image.namespaces import own_mounts
from tests.machine import Failed, install

ROOT: Final = Path(__file__).parents[2]
HOME: Final = ROOT / ".cache" / "image"
PACKAGES: Final = "buildah podman runc mmdebstrap netavark aardvark-dns".split()
# As an orchestrator runs it, and harder: without a writable /tmp.
HARDENED: Final = (
    "--read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges"
    " --user 10001:10001 --memory 256m --pids-limit 64"
).split()
CA_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
_PIP_SETTINGS: Final = ("cert", "index-url", "extra-index-url", "trusted-host", "proxy", "timeout")
# Each change of the code adds some ten; with this many the storage is begun anew.
_MOST_IMAGES: Final = 200
_STORAGE: Final = """[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
[storage.options.overlay]
skip_mount_home = "true"
"""
_SETTINGS: Final = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
volumes = [{volumes}]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
tmp_dir = "/run/containers/libpod"
[network]
network_backend = "netavark"
network_config_dir = "/run/containers/networks"
"""


def say(text: str) -> None:
    """Tell whoever waits what takes so long."""
    print(f"image: {text}", flush=True)


@dataclass(frozen=True, slots=True)
class Engine:
    """Runs buildah and podman; `temporary` is theirs and ours until the engine is left."""

    env: Mapping[str, str]
    temporary: Path

    def podman(self, *args: Any, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a podman command. raises: Failed if it fails and `check` is set."""
        return self._run("podman", "run.conf", args, check)

    def buildah(self, *args: Any, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The same with buildah, whose containers get what pip needs on this machine."""
        return self._run("buildah", "build.conf", args, check)

    def _run(
        self, program: str, settings: str, args: tuple[Any, ...], check: bool
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(  # noqa: S603
            [program, *map(str, args)],
            env={**self.env, "CONTAINERS_CONF": str(HOME / settings)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if check and done.returncode:
            raise Failed(f"{program} {args[0]} ended with {done.returncode}", done.stderr)
        return done


@contextmanager
def opened() -> Iterator[Engine]:
    """Give an engine until the block ends; a process can do this once.

    raises: Failed without root or packages, or while another process has this clone's engine.
    """
    if os.geteuid():
        raise Failed("needs root, for namespaces, mounts and packages")
    install(PACKAGES, say)
    HOME.mkdir(parents=True, exist_ok=True)
    with open(HOME / "lock", "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed("is already running in this clone") from None
        _begin_anew_when_large(HOME / "lib")
        for name in ("lib", "run", "tmp"):
            (HOME / name).mkdir(exist_ok=True)
        own_mounts({"/var/lib/containers": HOME / "lib", "/run/containers": HOME / "run"})
        _write_settings()
        settings = {"CONTAINERS_STORAGE_CONF": str(HOME / "storage.conf")}
        env = {**os.environ, **settings, "TMPDIR": str(HOME / "tmp")}
        engine = Engine(env, HOME / "tmp")
        _clean(engine)  # what an interrupted run has left
        try:
            yield engine
        finally:
            _clean(engine)


def _begin_anew_when_large(storage: Path) -> None:
    images = storage / "storage" / "overlay-images"
    if images.is_dir() and len(list(images.iterdir())) > _MOST_IMAGES:
        shutil.rmtree(storage)


def _clean(engine: Engine) -> None:
    """End and remove all containers of this storage, which are nobody else's, and what is spent."""
    engine.podman("rm", "--all", "--force", "--time", "0", "--volumes")
    engine.buildah("rm", "--all")
    for directory in (HOME / "run", HOME / "tmp"):
        for path in directory.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _write_settings() -> None:
    """What pip needs here stays outside of the Dockerfile, and only builds get it."""
    pip = pip_settings()
    volumes = []
    if pip:
        if "cert" in pip:
            volumes.append(f"{os.path.realpath(pip['cert'])}:{CA_BUNDLE}:ro")
            pip["cert"] = CA_BUNDLE
        lines = ["[global]", *(f"{name} = {value}" for name, value in pip.items())]
        (HOME / "pip.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        volumes.append(f"{HOME / 'pip.conf'}:/etc/pip.conf:ro")
    for name, mounted in (("build.conf", volumes), ("run.conf", [])):
        quoted = ", ".join(f'"{volume}"' for volume in mounted)
        (HOME / name).write_text(_SETTINGS.format(volumes=quoted), encoding="utf-8")
    (HOME / "storage.conf").write_text(_STORAGE, encoding="utf-8")


def pip_settings() -> dict[str, str]:
    """Return how this machine's pip reaches the package index, as far as it is told how."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"^(\S+)\.([a-z-]+)='(.*)'$", listed.stdout, re.MULTILINE)
    known = [each for each in found if each[1] in _PIP_SETTINGS]
    # The environment outdoes the files.
    return {name: value for where, name, value in sorted(known, key=lambda e: e[0] == ":env:")}


@dataclass(frozen=True, slots=True)
class Container:
    """A container that is running, or was; `begun` is time.monotonic() before its start."""

    engine: Engine
    name: str
    begun: float

    @property
    def pid(self) -> int:
        return int(self.inspect("{{.State.Pid}}"))

    @property
    def log(self) -> str:
        done = self.engine.podman("logs", self.name)
        return done.stdout + done.stderr

    def inspect(self, template: str) -> str:
        """Return what the template makes of the container's description."""
        return self.engine.podman("inspect", "--format", template, self.name).stdout.strip()

    def exec(self, *command: str, env: str = "A=") -> subprocess.CompletedProcess[str]:
        """Run a command in it; `env` is one NAME=VALUE for the command."""
        return self.engine.podman("exec", "--env", env, self.name, *command, check=False)

    def stop(self, grace_seconds: int) -> tuple[int, float]:
        """Send SIGTERM, after the grace SIGKILL; return the exit code and the seconds it took."""
        begun = time.monotonic()
        self.engine.podman("stop", "--time", grace_seconds, self.name)
        seconds = time.monotonic() - begun
        return int(self.inspect("{{.State.ExitCode}}")), seconds


@contextmanager
def running(
    engine: Engine,
    image: str,
    env: Mapping[str, str],
    options: Sequence[str],
    command: Sequence[str] = (),
) -> Iterator[Container]:
    """Run the image's own command, or another one, until the block ends; nothing is pulled."""
    name = f"sinks-{time.monotonic_ns()}"
    settings = [part for key, value in env.items() for part in ("--env", f"{key}={value}")]
    # Checks of the engine's own would be timers of the machine's systemd.
    fixed = ["--detach", "--pull=never", "--no-healthcheck", "--name", name]
    begun = time.monotonic()
    engine.podman("run", *fixed, *options, *settings, image, *command)
    try:
        yield Container(engine, name, begun)
    finally:
        engine.podman("rm", "--force", "--time", "0", name)
