"""README and docs against the code: every command runs, every setting and reason is listed."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from sinks.errors import Reason
from sinks.local.parts import PORTS
from sinks.local.processes import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split(" #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
CURLS = [command for command in COMMANDS if command.startswith("curl ")]
CONSOLE = "".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL)).splitlines()
KIT = [line.removeprefix("$ ") for line in CONSOLE if line.startswith("$ ")]
SHOWN = [line for line in CONSOLE if not line.startswith("$ ")]
MAKES = sorted(set(re.findall(r"`?make ([a-z]+)`?", README)))


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, int]]:
    """`up` on free ports: known port -> port that it took; ends as with Ctrl-C."""
    events = tmp_path_factory.mktemp("eventgate")
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "sinks.local", "up", "--free-ports", "--events", str(events)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    taken = {}
    for line in process.stdout:
        if match := re.match(r"\s+(\S+)\s+http://127\.0\.0\.1:(\d+) ", line):
            taken[PORTS[match[1]]] = int(match[2])
        if line.startswith("ready"):
            break
    assert taken.keys() == set(PORTS.values())

    yield taken

    process.send_signal(signal.SIGINT)
    process.stdout.read()
    process.stdout.close()
    assert process.wait(30) == 0


def moved(command: str, ports: dict[int, int]) -> str:
    """The command with the ports that `up` has taken."""
    return re.sub(r"127\.0\.0\.1:(\d+)", lambda m: f"127.0.0.1:{ports[int(m[1])]}", command)


@pytest.mark.parametrize("command", CURLS, ids=[f"curl{n}" for n in range(1, len(CURLS) + 1)])
def test_readme_curl_line_against_up_answers_2xx(command: str, ports: dict[int, int]) -> None:
    """Each curl line of README, in its order, gets the kind of answer that it is there to show."""
    done = subprocess.run(  # noqa: S603
        [*shlex.split(moved(command, ports)), "-w", "\n%{http_code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.rpartition("\n")[2] == "200", done.stdout + done.stderr
    assert "drafttopic" in done.stdout or "sinks_events_total" in done.stdout


def test_readme_output_of_the_contract_kit_is_what_it_prints(ports: dict[int, int]) -> None:
    """Each line that README shows is printed by the two commands, in this order."""
    printed: list[str] = []
    for command in KIT:
        words = shlex.split(moved(command, ports))
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "sinks", *words[1:]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        printed += done.stdout.splitlines()

    rest = iter(printed)
    assert len(KIT) == 2
    assert [line for line in SHOWN if line not in rest] == []


def test_readme_commands_are_make_targets_or_curl_lines() -> None:
    """There is no command in README that neither this file nor CI runs."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    others = [command for command in COMMANDS if command not in CURLS]

    assert others == ["make run", "make test"]
    assert all(re.search(rf" {command}( \|\||$)", ci, re.MULTILINE) for command in others)
    assert [name for name in MAKES if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_readme_settings_table_lists_what_settings_read() -> None:
    """A variable that is read and not listed, or listed and not read, fails."""
    sources = ("settings.py", "server_settings.py")
    source = "".join((ROOT / "sinks" / name).read_text(encoding="utf-8") for name in sources)
    read = set(re.findall(r'(?:env\.(?:read|require)|Final =) ?\(\s*"([A-Z_]+)"', source))

    section = README.partition("## Settings")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}

    assert listed == read


def test_operations_lists_every_reason_once() -> None:
    """The page for people on call knows exactly the declared reasons."""
    listed = re.findall(r"^\| `([a-z_]+)` \|", OPERATIONS, re.MULTILINE)

    assert sorted(listed) == sorted(get_args(Reason))


def test_readme_fits_its_limit() -> None:
    """A README that nobody reads to the end is no README."""
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_docs_page_is_linked(path: Path) -> None:
    """Every page under docs can be found from README."""
    assert f"docs/{path.name}" in README
