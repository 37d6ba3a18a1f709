"""README and docs against the code: every command runs, every setting and reason is listed."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sinks.cli import main
from sinks.local.parts import PORTS
from sinks.local.processes import ROOT
from sinks.models import ROWS
from tests.contract.test_docs_settings import READ

README = (ROOT / "README.md").read_text(encoding="utf-8")
STAGING = (ROOT / "docs" / "staging.md").read_text(encoding="utf-8")
DOCS = sorted(ROOT.glob("docs/*.md"))
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
MAKES = sorted(set(re.findall(r"`?make ([a-z0-9]+)`?", README)))


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
    assert "e2e" in MAKES
    assert [name for name in MAKES if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_docs_page_sets_only_what_settings_read(path: Path) -> None:
    """What a page tells people to set, as `NAME=value`, is a variable of ours, or one that its own
    commands export."""
    page = path.read_text(encoding="utf-8")
    own = set(re.findall(r"\b([A-Z_]+)=", "".join(re.findall(r"^export .*", page, re.MULTILINE))))
    named = set(re.findall(r"\b([A-Z_]{6,})=", page)) - own

    assert named - set(READ) == set()


def test_staging_names_only_streams_that_rows_publish_to() -> None:
    """A stream in the page for staging is one of the table of models, and each test stream is
    declared there with the title of its rows' schema."""
    titles = {row.test_stream: row.output.title for row in ROWS}
    declared = re.findall(r"^'(\S+)' => \[\n\t'schema_title' => '(\S+)',", STAGING, re.MULTILINE)
    named = set(re.findall(r"\bmediawiki\.[a-z_.0-9-]*[a-z0-9]", STAGING))
    named.discard("mediawiki.page_change.v1")  # what comes in

    assert dict(declared) == titles
    assert named <= {stream for row in ROWS for stream in (row.stream, row.test_stream)}


def test_staging_probe_is_taken_in_every_test_stream(ports: dict[int, int]) -> None:
    """The commands that show whether a stream is declared say so, here of the local EventGate."""
    (script,) = re.findall(r"```sh\n(EG=.*?)```", STAGING, re.DOTALL)
    local = re.sub(r"EG=\S+", f"EG=http://127.0.0.1:{ports[PORTS['eventgate']]}", script)

    done = subprocess.run(  # noqa: S603
        ["bash", "-ec", local],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    streams = {row.test_stream for row in ROWS}
    assert re.findall(r"^(\d{3})$", done.stdout, re.MULTILINE) == ["201"] * len(streams), done
    assert all(stream in done.stdout for stream in streams)


@pytest.mark.parametrize(("page", "most"), [("migration.md", 185), ("staging.md", 130)])
def test_docs_page_fits_its_limit(page: str, most: int) -> None:
    """What somebody follows step by step has to be read to its end."""
    assert len((ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()) <= most


def test_docs_command_lines_are_of_our_command_line() -> None:
    """Every `sinks ...` in the pages is a command, with options that it has."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in DOCS)
    found = re.findall(r"(?:`|^)sinks ((?:[a-z]+ ?)+)([^`\n]*)", text, re.MULTILINE)

    assert found
    for words, rest in found:
        command: click.Command = main
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            assert word in command.commands, f"sinks {words}"
            command = command.commands[word]
        options = {name for each in command.params for name in each.opts}
        assert set(re.findall(r"(?<![\w-])--[a-z-]+", rest)) <= {*options, "--help"}, (words, rest)


def test_readme_fits_its_limit() -> None:
    """A README that nobody reads to the end is no README."""
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_docs_page_is_linked(path: Path) -> None:
    """Every page under docs can be found from README."""
    assert f"docs/{path.name}" in README
