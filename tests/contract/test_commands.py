"""What all commands have in common."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sinks.local.processes import ROOT

PROBE = ("contract", "probe", "http://127.0.0.1:1", "--as", "score-sink")


@pytest.mark.parametrize(
    ("args", "where"),
    [
        pytest.param(("wikis", "-"), "cannot read -", id="wikis"),
        pytest.param(("compare", "-", "README.md"), "-", id="compare"),
        pytest.param(("explain", "-"), "-", id="explain"),
        pytest.param(("explain", "page_change", "--cluster-yaml", "-"), "-", id="explain-cluster"),
        pytest.param(("feed", "-", "http://127.0.0.1:1"), "-", id="feed"),
        pytest.param(("send", "-", "http://127.0.0.1:1"), "-", id="send"),
        pytest.param((*PROBE, "--event", "-"), "--event: -", id="probe-event"),
        pytest.param((*PROBE, "--token-file", "-"), "--token-file: -", id="probe-token"),
    ],
)
def test_command_whose_standard_input_is_closed_says_so(args: tuple[str, ...], where: str) -> None:
    """A service may start it so."""
    done = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", '"$@" <&-', "bash", sys.executable, "-m", "sinks", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    told = f"Error: {where}: it is closed: pipe something into it\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("explain", "page_change"), id="explain"),
        pytest.param(("feed", "/dev/null", "http://127.0.0.1:1"), id="feed"),
    ],
)
def test_command_whose_output_is_closed_does_its_work(args: tuple[str, ...], closed: str) -> None:
    """Nobody listens, and all else is the same."""
    done = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", f'"$@" {closed}', "bash", sys.executable, "-m", "sinks", *args],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
