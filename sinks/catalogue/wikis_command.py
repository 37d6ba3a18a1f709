"""`sinks wikis`: the table of wikis, compared with a newer one and replaced."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from sinks import deployed, wikis
from sinks.contract.terminal import FINDINGS, OK, Terminal, ended, opened, quiet_ends
from sinks.deployed import InferenceService
from sinks.models import ROWS
from sinks.wiki_table import HEADING, changes, effects, missing, problems, source_of
from sinks.wikis import Wiki

# Of what is wrong, or of a row's wikis: a file that is no table is wrong in every line.
_MOST_LINES: Final = 20
_MAX_BYTES: Final = 4 * 1024 * 1024
_HELP = """Compare FILE with the table of wikis, and replace that with --write.

FILE, or - for standard input, has the table's format: a comment that says `source: ... at
<commit>`, the heading wiki_id, domain, group, language, and one line for each wiki, all with tabs.

Exit code: 0 it can replace the table, or has; 1 it is no such table, or a row needs a wiki that it
has not got; 2 a file cannot be read or written.

\b
Example:
  sinks wikis new.tsv --write && make streams
"""


@click.command("wikis", help=_HELP)
@click.argument("file", metavar="FILE")
@click.option("--write", is_flag=True, help="Replace the table with FILE, byte for byte.")
@click.option(
    "--table",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=wikis.TABLE,
    help="The table to compare with and to replace; without it, the one that is installed.",
)
def wikis_command(file: str, write: bool, table: Path) -> None:
    with quiet_ends():
        content, before = _read(file, table)
        terminal = Terminal()
        found = _wrong_and_shown(terminal, before.decode(), content)
        for line in found[:_MOST_LINES]:
            terminal.line(f"error: {line}", fg="red")
        if len(found) > _MOST_LINES:
            terminal.line(f"error: and {len(found) - _MOST_LINES} more", fg="red")
        if not found and write and content != before:
            _replace(table, content)
        terminal.line(_last_line(bool(found), content != before, write, table))
    sys.exit(FINDINGS if found else OK)


def _read(file: str, table: Path) -> tuple[bytes, bytes]:
    """Return the bytes of FILE and of the table, which is one."""
    try:
        with opened(file) as source:
            content = source.read(_MAX_BYTES + 1)
        before = table.read_bytes()
    except OSError as error:
        raise ended(f"cannot read {error.filename or file}: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise ended(f"FILE is over {_MAX_BYTES} bytes")
    if wrong := _wrong(before):
        raise ended(f"{table} is no table of wikis: {wrong[0]}")
    return content, before


def _wrong(content: bytes) -> list[str]:
    try:
        return problems(content.decode())
    except UnicodeDecodeError as error:
        return [f"byte {error.start + 1} is not UTF-8"]


def _wrong_and_shown(terminal: Terminal, before: str, content: bytes) -> list[str]:
    """Return what is wrong with a table; if it is one, show what would change."""
    if wrong := _wrong(content):
        return wrong
    text = content.decode()
    old, new = wikis.parse(before), wikis.parse(text)
    if source_of(before) != source_of(text):
        terminal.line(f"source   {source_of(before)} -> {source_of(text)}")
    for line in (*_changes(old, new), *_effects(old, new)):
        terminal.line(line)
    terminal.line(f"wikis    {len(old)} -> {len(new)}")
    return missing(ROWS, _services(), new)


def _changes(old: Mapping[str, Wiki], new: Mapping[str, Wiki]) -> Iterator[str]:
    found = changes(old, new)
    for word, some in (("added  ", found.added), ("removed", found.removed)):
        for wiki in some:
            yield f"{word}  {wiki.wiki_id} {wiki.domain} {wiki.group} {wiki.language}"
    for before, after in found.changed:
        differences = (
            f"{name} {getattr(before, name)} -> {getattr(after, name)}"
            for name in HEADING
            if getattr(before, name) != getattr(after, name)
        )
        yield f"changed  {before.wiki_id} {', '.join(differences)}"


def _effects(old: Mapping[str, Wiki], new: Mapping[str, Wiki]) -> Iterator[str]:
    for effect in effects(ROWS, _services(), old, new):
        for word, names in (("gains", effect.gained), ("loses", effect.lost)):
            if names:
                more = f" and {len(names) - _MOST_LINES} more" if len(names) > _MOST_LINES else ""
                yield f"row      {effect.row} {word} {', '.join(names[:_MOST_LINES])}{more}"


def _services() -> Mapping[str, InferenceService]:
    """The InferenceServices of all environments."""
    return {**deployed.load("staging"), **deployed.load("production")}


def _replace(table: Path, content: bytes) -> None:
    """Put the content in the table's place at once, so that nobody reads half of it."""
    beside = table.with_name(f"{table.name}.new")
    try:
        beside.write_bytes(content)
        beside.replace(table)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise ended(f"cannot write {table}: {error.strerror}") from error


def _last_line(wrong: bool, differs: bool, write: bool, table: Path) -> str:
    if wrong:
        return "nothing is written"
    if not differs:
        return "FILE is the table, byte for byte"
    return f"{table} is replaced: now make streams" if write else "--write would replace the table"
