"""The contract kit's probe against each sink, through its Service."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.overlay import Applied

OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "http-shim": (),
    "score-sink": ("--expect-row", "drafttopic"),
    "egress-sink": (),
    "deadletter-sink": (),
}
_SECONDS: Final = 120


@pytest.fixture(scope="module")
def probes(dev: Applied) -> Iterator[Mapping[str, subprocess.Popen[str]]]:
    """One for each sink, all running."""
    sinks = Path(sys.executable).with_name("sinks")
    running = {
        name: subprocess.Popen(  # noqa: S603
            [
                *(sinks, "contract", "probe", dev.url(name), "--as", name, "--yes", "--quiet"),
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, options in OPTIONS.items()
    }
    yield running
    for each in running.values():
        each.kill()


@pytest.mark.parametrize("name", OPTIONS)
def test_probe_finds_nothing_wrong(probes: Mapping[str, subprocess.Popen[str]], name: str) -> None:
    """Deployed as the manifests say, it keeps the same contract."""
    said, _ = probes[name].communicate(timeout=_SECONDS)

    assert probes[name].returncode == 0, said
