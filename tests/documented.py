"""The commands that README and the pages under docs/ show, as a reader meets them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from sinks.local.processes import ROOT

PAGES: Final = (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))
_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_COMMENT = re.compile(r"(^|\s)#\s.*$", re.MULTILINE)
_PROMPT = "$ "


class Block(NamedTuple):
    """A block of commands.

    name:      page and heading, with a number from the second one below a heading on.
    commands:  as they are typed; of a session, those after the prompts.
    shown:     the lines that a session prints.
    """

    name: str
    commands: str
    shown: tuple[str, ...] = ()


def blocks(path: Path) -> Iterator[Block]:
    """Yield the page's blocks of commands; a fence without a language is one if it has prompts."""
    page = path.read_text(encoding="utf-8")
    below: dict[str, int] = {}
    for found in _FENCED.finditer(page):
        indent, language, text = found.groups()
        lines = [line.removeprefix(indent) for line in text.splitlines()]
        session = any(line.startswith(_PROMPT) for line in lines)
        if language not in ("sh", "bash", "console", "") or not (language or session):
            continue
        heading = _HEADING.findall(_without_fences(page[: found.start()]))[-1].replace("`", "")
        name = f"{path.name}: {heading}"
        below[name] = below.get(name, 0) + 1
        if below[name] > 1:
            name = f"{name} {below[name]}"
        if session:
            typed = (line.removeprefix(_PROMPT) for line in lines if line.startswith(_PROMPT))
            shown = tuple(line for line in lines if not line.startswith(_PROMPT))
            yield Block(name, "\n".join(typed), shown)
        else:
            yield Block(name, "\n".join(lines))


def _without_fences(text: str) -> str:
    return _FENCED.sub("", text)


def simple_commands(commands: str) -> list[list[str]]:
    """Return the words of each command of pipes, lists and lines, without comments."""
    text = _COMMENT.sub("", commands.replace("\\\n", " "))
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";()<>|&\n")
    lexer.whitespace, lexer.whitespace_split = " \t", True
    found: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set(";()<>|&\n"):
            found.append([])
        else:
            found[-1].append(word)
    return [words for words in found if words]


def arguments_of_sinks(words: list[str]) -> list[str] | None:
    """Return the arguments of our command line, wherever it runs; None for another command."""
    for program in (["sinks"], [".venv/bin/sinks"], ["python", "-m", "sinks"]):
        for at in (0, words.index("--") + 1 if "--" in words else 0):
            if words[at : at + len(program)] == program:
                return words[at + len(program) :]
    return None


def every_block() -> dict[str, Block]:
    """Return all blocks of all pages by name."""
    return {block.name: block for path in PAGES for block in blocks(path)}
