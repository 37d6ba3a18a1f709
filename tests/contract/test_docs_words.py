"""What every command in README and docs is made of is there: options, files, objects of a cluster.

Whether it does what it is there for, `test_docs_commands` and the lanes named there find out; this
also covers what none of them can run.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Final

import click
import pytest

from sinks.cli import main
from sinks.local.processes import ROOT
from tests.documented import PAGES, arguments_of_sinks, every_block, simple_commands
from tests.manifests import OVERLAYS, overlay

BLOCKS: Final = every_block()
EVERY_BLOCK: Final = pytest.mark.parametrize("name", BLOCKS)
COMMANDS: Final = [words for each in BLOCKS.values() for words in simple_commands(each.commands)]
KUBECTL: Final = [words for words in COMMANDS if words[0] == "kubectl"]
PROSE: Final = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
MAKEFILE: Final = (ROOT / "Makefile").read_text(encoding="utf-8")


@cache
def kubectl_help(*words: str) -> str:
    """What kubectl itself says of a command's options."""
    program = Path(sys.executable).with_name("kubectl")
    return subprocess.run(  # noqa: S603
        [program, *words], capture_output=True, text=True, check=True
    ).stdout


def wrong_options(words: list[str]) -> set[str]:
    """The options in a call of our command line that its command has not got, or the command."""
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return {rest[0]}
        command = command.commands[rest.pop(0)]
    options = {name for each in command.params for name in each.opts} | {"--help"}
    return {word.partition("=")[0] for word in rest if re.match(r"--[a-z]", word)} - options


@EVERY_BLOCK
def test_block_can_be_read_by_the_shell(name: str) -> None:
    """A quote that does not end would take the rest of the reader's terminal with it."""
    done = subprocess.run(  # noqa: S603
        ["bash", "-n"],  # noqa: S607
        input=BLOCKS[name].commands,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


@EVERY_BLOCK
def test_block_names_files_that_are_there(name: str) -> None:
    """What begins with a directory of ours is a file of ours; a variable stands for any name."""
    text = BLOCKS[name].commands
    named = re.findall(r"(?<![\w/.-])((?:tests|manifests|triggers|sinks|docs)/[\w./$\"-]+)", text)

    for each in named:
        pattern = re.sub(r"\$\w+", "*", each.strip('"./'))
        assert list(ROOT.glob(pattern)), each


def test_commands_of_blocks_have_the_options_that_are_used() -> None:
    """Every call of our command line in a block is one that it understands."""
    calls = [ours for words in COMMANDS if (ours := arguments_of_sinks(words)) is not None]
    calls = [call for call in calls if "$@" not in call]  # a function's, which test_runbook calls

    assert len(calls) > 10
    assert [(call, wrong) for call in calls if (wrong := wrong_options(call))] == []


def test_commands_in_prose_have_the_options_that_are_used() -> None:
    """Every `sinks ...` between backquotes is a command, with options that it has."""
    calls = [each.split() for each in re.findall(r"`(?:\.venv/bin/)?sinks ([a-z][^`]*)`", PROSE)]

    assert len(calls) > 10
    assert [(call, wrong) for call in calls if (wrong := wrong_options(call))] == []


def test_make_targets_exist() -> None:
    """Every `make ...` in a page, with or without a block, is a target."""
    named = set(re.findall(r"(?:`|^)make ([a-z0-9]+)", PROSE, re.MULTILINE))

    assert "e2e" in named
    assert [name for name in named if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)] == []


@pytest.mark.parametrize("words", KUBECTL, ids=" ".join)
def test_kubectl_command_has_the_options_that_are_used(words: list[str]) -> None:
    """kubectl's own help has each option, of the command or of all commands."""
    line = words[1 : words.index("--")] if "--" in words else words[1:]
    line = [word for at, word in enumerate(line) if "-n" not in (word, line[at - 1])]
    verbs = list(takewhile(lambda word: not word.startswith("-"), line))
    known = kubectl_help(*verbs, "--help") + kubectl_help("options")

    options = {word.partition("=")[0] for word in line if re.match(r"--?[a-z]", word)}

    letters = {f"-{each}" for word in options if word[1] != "-" for each in word[1:]}
    for option in letters | {word for word in options if word.startswith("--")}:
        assert re.search(rf"^ +(?:-\w, )?{option}\b", known, re.MULTILINE), option


def test_kubectl_commands_name_what_the_manifests_make() -> None:
    """A namespace or Deployment that is written out is one of an overlay."""
    objects = [each for name in OVERLAYS for each in overlay(name)]
    made = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in objects}
    namespaces = {words[words.index("-n") + 1] for words in KUBECTL if "-n" in words} - {"$NS"}
    named = {word for words in KUBECTL for word in words if word.startswith("deployment/")}
    named.discard("deployment/$1")  # an argument of a function

    assert named
    assert named <= made
    assert {f"namespace/{name}" for name in namespaces} <= made
