"""Foreign sinks, each started and probed once for all tests of this directory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.foreign.servers import FOREIGN, serving
from tests.processes import ROOT, Running
from tests.tools import teller

# A sink that serves one connection after another leaves some rows without an answer.
ANSWER_SECONDS = 5


@dataclass(frozen=True)
class Probed:
    """A foreign sink that is running, and what the probe says about it.

    exit_code:  the probe's. report: its JSON document.
    """

    running: Running
    exit_code: int
    report: dict[str, Any]

    @property
    def findings(self) -> dict[str, list[dict[str, str]]]:
        """The findings of each row."""
        return {row["name"]: row["findings"] for row in self.report["rows"]}


@pytest.fixture(scope="session")
def probed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Probed]]:
    """Give the foreign sink of a name; it is started and probed when it is first asked for."""
    done: dict[str, Probed] = {}
    with ExitStack() as stack:

        def by_name(name: str) -> Probed:
            if name not in done:
                foreign = FOREIGN[name](teller(request.config))
                logs = tmp_path_factory.mktemp("foreign")
                running = stack.enter_context(serving(name, foreign, logs))
                done[name] = Probed(running, *probe(f"{running.url}{foreign.path}"))
            return done[name]

        yield by_name


def probe(url: str) -> tuple[int, dict[str, Any]]:
    """Return exit code and report of the probe, run from the command line as anybody would."""
    options = ["--as", "any-processor", "--json", "--timeout", str(ANSWER_SECONDS)]
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "sinks", "contract", "probe", url, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, f"the probe ended with {done.returncode}: {done.stderr[-1000:]}"
    return done.returncode, json.loads(done.stdout)
