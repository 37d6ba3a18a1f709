"""A run that cannot start says why; one that is ended leaves nothing and does not hinder the next.

Each is a run of its own in this run's namespaces, with directories of its own.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sinks.local.processes import ROOT
from tests.e2e.waiting import until

# Each is far more than it takes: a limit, for a busy machine.
SECONDS = 60.0
COMMAND = (sys.executable, "-m", "tests.e2e", "--shell", "-c")
# A right that containers are usually without.
UNPRIVILEGED = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")


@contextmanager
def run(
    home: Path, script: str, env: Mapping[str, str] = os.environ, prefix: Sequence[str] = ()
) -> Iterator[subprocess.Popen[str]]:
    """Run a script on the node of a cluster of its own, or try to."""
    process = subprocess.Popen(  # noqa: S603
        [*prefix, *COMMAND, script],
        cwd=ROOT,
        env={**env, "E2E_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def of(home: Path) -> list[str]:
    """Return the command lines of all processes that have to do with a run's directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            env = path.with_name("environ").read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has just ended
        if str(home) in line or f"E2E_HOME={home}\0" in env:
            found.append(line)
    return found


def wait_for_api_server(home: Path) -> None:
    """Return in the middle of a run's start."""
    what = "the start of its API server"
    until(lambda: any("kube-apiserver" in each for each in of(home)), SECONDS, what)


@pytest.mark.parametrize(
    "commands, reason",
    [
        (["apt-get", "dpkg-query"], "the command unshare in PATH"),
        ([], "Debian's apt, for iproute2 nftables util-linux mount"),
    ],
    ids=["not_in_path", "not_debian"],
)
def test_missing_command_is_named(tmp_path: Path, commands: list[str], reason: str) -> None:
    """Without unshare nothing can be done, and one line says so."""
    path = tmp_path / "bin"
    path.mkdir()
    for name in (*commands, "mount", "ip", "nft", "setpriv", "nsenter"):
        (path / name).symlink_to(next(Path("/usr").glob(f"*bin/{name}")))

    with run(tmp_path, "true", {**os.environ, "PATH": str(path)}) as process:
        _, error = process.communicate(timeout=SECONDS)

    assert (process.returncode, error) == (2, f"make e2e: needs {reason}\n")


def test_refused_namespaces_are_named(tmp_path: Path) -> None:
    """Root of a container without rights learns what is missing."""
    with run(tmp_path, "true", prefix=UNPRIVILEGED) as process:
        out, error = process.communicate(timeout=SECONDS)

    assert (process.returncode, out) == (2, "")
    assert error.startswith("make e2e: needs namespaces with veth and nft; a privileged container ")
    assert error.endswith("unshare failed: Operation not permitted\n")


def test_second_run_in_the_same_place_is_refused(tmp_path: Path) -> None:
    """Two runs would write the same logs."""
    with (tmp_path / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with run(tmp_path, "true") as process:
            _, error = process.communicate(timeout=SECONDS)

    assert process.returncode == 2
    assert error == f"make e2e: is already running in {tmp_path}: wait for it, or end it\n"


ENDS = {
    "terminated": (signal.SIGTERM, 128 + signal.SIGTERM),
    "interrupted": (signal.SIGINT, 128 + signal.SIGINT),
    "killed": (signal.SIGKILL, -signal.SIGKILL),
}


@pytest.mark.parametrize("how", ENDS)
def test_run_that_is_ended_in_the_middle_leaves_nothing(tmp_path: Path, how: str) -> None:
    """However it ends while it starts: processes, and with them namespaces and mounts, are gone."""
    sent, code = ENDS[how]
    state = tmp_path / "state"
    with run(tmp_path, "sleep 60") as process:
        wait_for_api_server(tmp_path)

        if sent == signal.SIGINT:
            os.killpg(process.pid, sent)  # as a terminal does
        else:
            process.send_signal(sent)

        assert process.wait(SECONDS) == code
        until(lambda: not of(tmp_path), SECONDS, "all processes to end")
    # Keys were only ever in memory of the namespaces.
    assert list(state.iterdir()) == []


def test_run_after_a_killed_one_works(tmp_path: Path) -> None:
    """What a killed run has left behind hinders nobody."""
    with run(tmp_path, "true") as process:
        wait_for_api_server(tmp_path)
        process.kill()

    with run(tmp_path, "kubectl get deployments -A -o name; exit 7") as process:
        out, error = process.communicate(timeout=2 * SECONDS)

    assert process.returncode == 7, error
    assert "deployment.apps/imc-dispatcher\n" in out
    until(lambda: not of(tmp_path), SECONDS, "all processes to end")
