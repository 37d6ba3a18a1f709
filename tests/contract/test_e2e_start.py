"""`python -m tests.e2e` where it cannot start, and what it keeps of what it has built."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sinks.local.processes import ROOT
from tests.e2e import programs
from tests.machine import Failed

# Stands in for Go: notes each build, then does what the test wants, which writes all programs.
GO = """#!/bin/sh
case $1 in
  version) echo go version go1.0 ;;
  list) echo {module} ;;
  build)
    echo $$ >> {builds}
    while [ "$1" != -o ]; do shift; done
    out=$2
    {build}
    for name in {names}; do echo > "$out$name"; chmod +x "$out$name"; done ;;
esac
"""
NOBODY = 65534
# Imported before it gives up root: nobody may not be able to read this clone.
AS_NOBODY = f"""
import os, sys
from tests.e2e.__main__ import main
os.geteuid() or os.setuid({NOBODY})
sys.exit(main(sys.argv[1:]))
"""


class Go:
    """A Go that is a shell script, and the cache for what it builds."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "go"
        self.builds_path = directory / "builds"
        self.cache = directory / "cache"
        self.said: list[str] = []
        self.module = directory / "module"
        for name in ("core", "brokers/mt-channel-broker", "channels/in-memory-channel"):
            (self.module / "config" / name).mkdir(parents=True)
        (self.module / "config" / "core" / "a.yaml").write_text("a: 1\n")
        self.does(":")

    def does(self, build: str) -> None:
        """Build with these lines of shell first; `$out` is the directory."""
        names = " ".join(programs.NAMES)
        text = GO.format(module=self.module, builds=self.builds_path, build=build, names=names)
        self.path.write_text(text)
        self.path.chmod(0o755)

    @property
    def builds(self) -> list[int]:
        """The process of each build."""
        if not self.builds_path.exists():
            return []
        return [int(each) for each in self.builds_path.read_text().split()]

    def kept(self) -> programs.Programs:
        return programs.kept(self.cache, self.path, self.said.append)

    def another_process(self) -> subprocess.Popen[str]:
        """Do the same in a process of its own, which prints what it is told."""
        code = (
            "import sys; from pathlib import Path; from tests.e2e.programs import kept\n"
            "kept(Path(sys.argv[1]), Path(sys.argv[2]), lambda text: print(text, flush=True))"
        )
        command = [sys.executable, "-c", code, str(self.cache), str(self.path)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603


@pytest.fixture
def go(tmp_path: Path) -> Go:
    return Go(tmp_path)


def is_running(process: int) -> bool:
    """False for a process that is only waiting to be taken in."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit, what
        time.sleep(0.02)


def as_nobody(*args: str) -> subprocess.CompletedProcess[str]:
    """Do what `python -m tests.e2e ARGS` does for somebody who is not root."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", AS_NOBODY, *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "args", [["--help"], ["-h"], ["tests/e2e/test_network.py", "--help"]], ids=" ".join
)
def test_help_needs_no_root_and_has_an_example(args: list[str]) -> None:
    """Whoever asks learns the usage, and nothing has been tried."""
    done = as_nobody(*args)

    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:\n  python -m tests.e2e [PYTEST_ARGS] " in done.stdout
    assert "\n  python -m tests.e2e tests/e2e/test_overlays.py -k staging-b\n" in done.stdout
    assert "E2E_HOME" in done.stdout and "E2E_IMAGE" in done.stdout


def test_start_without_root_says_so_in_one_line() -> None:
    """Whoever is not root learns what to do, and nothing has been tried."""
    done = as_nobody()

    said = "make e2e: needs root, for namespaces and mounts: run it as root\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_file_of_tests_that_does_not_exist_is_told_before_anything_is_built() -> None:
    """A slip of the pen costs no minutes."""
    done = as_nobody("tests/e2e/nosuch.py::test_it", "-x")

    said = "make e2e: there is no tests/e2e/nosuch.py; the proofs are tests/e2e/test_*.py\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_programs_are_built_once(go: Go) -> None:
    """A second run finds all programs and Knative's own files."""
    first = go.kept()
    again = go.kept()

    assert len(go.builds) == 1
    assert again == first
    assert [path.name for path in again.shipped()] == ["a.yaml"]
    assert os.access(again.path("kube-apiserver"), os.X_OK)


@pytest.mark.parametrize("lost", [*programs.NAMES, "config/core"])
def test_half_built_cache_is_built_again(go: Go, lost: str) -> None:
    """A cache in which anything is missing is not used."""
    kept = go.kept()
    Path(kept.path(lost)).rename(go.cache / "lost")

    again = go.kept()

    assert len(go.builds) == 2
    assert Path(again.path(lost)).exists()


def test_other_go_builds_programs_of_its_own(go: Go) -> None:
    """What one toolchain has built is not taken for another's."""
    first = go.kept()
    go.path.write_text(go.path.read_text().replace("go1.0", "go1.1"))

    other = go.kept()

    assert other.directory != first.directory


FAILURES = {
    "compiler": ("echo x.go:1: undefined: y >&2; exit 1", "go build failed", "undefined: y"),
    "too_old": ("echo 'go.mod requires go >= 1.25.0' >&2; exit 1", "go build failed", "1.25.0"),
    "full": (
        "echo 'write: no space left on device' >&2; exit 1",
        "the disk is full; 4 GB have to be free",
        "no space left",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failed_build_says_why_and_leaves_nothing(go: Go, name: str) -> None:
    """The compiler's last lines are told, and the next run builds from the beginning."""
    build, reason, output = FAILURES[name]
    go.does(f"echo > $out/server; {build}")

    with pytest.raises(Failed, match=reason) as raised:
        go.kept()

    assert output in raised.value.output
    assert not list(go.cache.glob("programs-*"))
    go.does(":")
    assert os.access(go.kept().path("server"), os.X_OK)


def test_missing_go_says_how_to_mend_it(go: Go) -> None:
    """A toolchain that does not run is named."""
    go.path.unlink()

    with pytest.raises(Failed, match=r"cannot run Go: .*; remove .* and try again"):
        go.kept()


def test_killed_run_ends_its_build_and_the_next_one_builds(go: Go) -> None:
    """SIGKILL in the middle of a build leaves neither a process nor a cache that looks whole."""
    go.does("exec sleep 60")
    process = go.another_process()
    wait_for(lambda: go.builds, "the build has not begun")

    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)

    wait_for(lambda: not is_running(go.builds[0]), "the build goes on")
    go.does(":")
    assert os.access(go.kept().path("filter"), os.X_OK)
    assert not list(go.cache.glob("*.part"))


def test_second_run_waits_for_the_build_and_says_so(go: Go, tmp_path: Path) -> None:
    """Two clones that start at the same time build once."""
    go.does(f"while [ ! -e {tmp_path}/go-on ]; do sleep 0.05; done")
    first = go.another_process()
    wait_for(lambda: go.builds, "the build has not begun")
    second = go.another_process()
    assert second.stdout is not None
    said = second.stdout.readline()

    (tmp_path / "go-on").touch()
    codes = [each.wait(20) for each in (first, second)]

    assert said == "waiting for another run, which builds the programs\n"
    assert (codes, len(go.builds)) == ([0, 0], 1)
    for each in (first, second):
        each.communicate()
