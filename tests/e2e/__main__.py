"""The sinks on Knative Eventing's own programs, in namespaces that end with this process.

usage:
  python -m tests.e2e [PYTEST_ARGS]   all proofs, or those that pytest's arguments choose
  python -m tests.e2e --shell [ARGS]  a cluster without sinks, and `bash ARGS` on its node
  python -m tests.e2e --help          this text

examples:
  python -m tests.e2e tests/e2e/test_overlays.py -k staging-b
  E2E_IMAGE=kept python -m tests.e2e tests/e2e/test_failures.py
  python -m tests.e2e --shell -c 'kubectl get deployments -A'

environment:
  E2E_HOME   directory of the run and its logs, if it is not to be var/e2e
  E2E_IMAGE  `kept` takes the image as it was built last; else it is built first

Needs root on Debian, namespaces, and 4 GB of disk for what it builds once. Ends with pytest's exit
code; with 2 and what to do if the machine cannot do it; with 130 after Ctrl-C and 143 after
SIGTERM. Whatever ends this process, even SIGKILL, ends all that it has started.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from tests.e2e import programs
from tests.e2e.places import HOME, LOGS
from tests.machine import Failed, install
from tests.tools import NotInstalled

_PACKAGES: Final = ("iproute2", "nftables", "util-linux", "mount")
_COMMANDS: Final = ("unshare", "nsenter", "setpriv", "mount", "ip", "nft")
# Dies with this process; the first process in the namespaces with unshare; all others with that.
_CONTAINED: Final = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"),
)
# What a node needs of a kernel.
_TRIAL: Final = (
    'mount -t tmpfs none "$0" && ip link add trial type veth peer name other'
    " && nft 'add table ip x; add chain ip x y { type nat hook output priority 0; }'"
)
_CANNOT: Final = 2
_GRACE_SECONDS: Final = 5.0
_PROGRESS_SECONDS: Final = 15.0


class _Terminated(Exception):
    """SIGTERM has come."""


def main(args: Sequence[str]) -> int:
    """Return the exit code; everything that has been started has ended."""
    if args[:1] != ["--shell"] and not {"-h", "--help"}.isdisjoint(args):
        print(__doc__)
        return 0
    signal.signal(signal.SIGTERM, _terminate)
    try:
        _check_names(args)
        if os.geteuid():
            raise Failed("needs root, for namespaces and mounts: run it as root")
        with _only_run():
            return _run(list(args))
    except (Failed, NotInstalled, OSError) as error:
        print(f"{getattr(error, 'output', '')}\nmake e2e: {error}".lstrip(), file=sys.stderr)
        return _CANNOT
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except _Terminated:
        return 128 + signal.SIGTERM


def _terminate(_: int, __: FrameType | None) -> None:
    raise _Terminated


def _say(text: str) -> None:
    print(f"e2e: {text}", flush=True)


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """Say what is being done, and again now and then while the block takes long."""
    begun, done = time.monotonic(), threading.Event()

    def tell() -> None:
        _say(what)
        while not done.wait(_PROGRESS_SECONDS):
            _say(f"{what}: {time.monotonic() - begun:.0f} s")

    threading.Thread(target=tell, daemon=True).start()
    try:
        yield
    finally:
        done.set()


@contextmanager
def _only_run() -> Iterator[None]:
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"is already running in {HOME}: wait for it, or end it") from None
        yield


def _run(args: list[str]) -> int:
    _check_machine()
    programs.built(_say)
    shell = args[:1] == ["--shell"]
    if not shell and os.environ.get("E2E_IMAGE") != "kept":
        with _telling("building the image"):
            code = _contained([sys.executable, "-m", "tests.image.build"])
        if code:
            raise Failed("needs the image, and could not build it: see above")
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir()
    inside = ["-m", "tests.e2e.shell", *args[1:]] if shell else ["-m", "pytest", *_tests(args)]
    node = [sys.executable, "-m", "tests.e2e.node", sys.executable, *inside]
    return _contained(node, "--net")


def _tests(args: list[str]) -> list[str]:
    """Return pytest's arguments: these, and the directory if they name no test."""
    named = any(Path(each.partition("::")[0]).exists() for each in args)
    return args if named else [*args, str(Path(__file__).parent)]


def _check_names(args: Sequence[str]) -> None:
    """Pytest would say it minutes later. raises: Failed if a file of tests does not exist."""
    if args[:1] == ["--shell"]:
        return
    for name in (each.partition("::")[0] for each in args):
        if name.endswith(".py") and not Path(name).exists():
            raise Failed(f"there is no {name}; the proofs are tests/e2e/test_*.py")


def _check_machine() -> None:
    """Install what is missing. raises: Failed if that or namespaces of our own are refused."""
    if not all(map(shutil.which, _COMMANDS)):
        with _telling("looking for packages"):
            install(_PACKAGES, _say)
    for command in _COMMANDS:
        if not shutil.which(command):
            raise Failed(f"needs the command {command} in PATH")
    done = subprocess.run(  # noqa: S603
        [*_CONTAINED, "--net", "sh", "-c", _TRIAL, HOME],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise Failed(f"needs namespaces with veth and nft; a privileged container has them: {said}")


def _contained(command: list[str], *kinds: str) -> int:
    """Return how a command has ended in namespaces of its own; nothing of it is left then."""
    # There is no proxy in a network of one's own.
    env = {key: each for key, each in os.environ.items() if not kinds or "proxy" not in key.lower()}
    process = subprocess.Popen([*_CONTAINED, *kinds, *command], env=env)  # noqa: S603
    try:
        return process.wait()
    except KeyboardInterrupt:
        # The terminal has told the command too, and it says where it was.
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        raise
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill unshare, and with it what runs under it; return when the kernel has cleaned up."""
    if process.poll() is not None:
        return
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    first = []
    for child in children:
        with suppress(ProcessLookupError):  # it has just ended
            first.append(os.pidfd_open(int(child)))
    process.kill()
    process.wait()
    # The first process in a namespace is gone after all others.
    for descriptor in first:
        select.select([descriptor], [], [], _GRACE_SECONDS)
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
