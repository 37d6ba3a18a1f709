"""The options that the commands on dead letters share, and the database that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from sinks.contract.terminal import ended
from sinks.deadletter_settings import DeadletterSettings
from sinks.environment import InvalidSettings
from sinks.errors import SinkError
from sinks.letter_selection import (
    Selection,
    moment,
    number,
    position,
    selection,
    status,
    words,
)
from sinks.letters import Letters
from sinks.setting_values import NotValid
from sinks.url_values import database_url

# A command drops nothing by age or size: the sink does, which alone knows its settings.
_FOR_EVER_SECONDS: Final = 1e9
_NO_LIMIT_BYTES: Final = 2**62
Command = TypeVar("Command", bound=Callable[..., Any])


class Value(click.ParamType[Any]):
    """What a parser makes of a text."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(f"it is {error}", param, ctx)


_TIME: Final = Value("time", lambda text: moment(text, datetime.now(UTC)))
_TEXT: Final = Value("text", words)
NUMBER: Final = Value("number", number)
POSITION: Final = Value("number", position)
_OPTIONS: Final = (
    click.option(
        "--since", type=_TIME, help="Last arrival at or after this time, or age such as 2h or 3d."
    ),
    click.option("--until", type=_TIME, help="Last arrival before this time or age."),
    click.option("--row", type=_TEXT, help="Of this row of the table of models."),
    click.option("--wiki", type=_TEXT, help="Of this wiki, such as enwiki."),
    click.option("--reason", type=_TEXT, help="Failed for this reason, as in docs/operations.md."),
    click.option("--status", type=Value("status", status), help="The last answer's status."),
    click.option("--number", type=NUMBER, multiple=True, help="This letter; can be repeated."),
    click.option("--destination", type=_TEXT, help="Failed at exactly this URL."),
    click.option("--pending", is_flag=True, help="Never replayed, or deferred when it was."),
)
_DATABASE: Final = click.option(
    "--database",
    metavar="URL",
    help="sqlite:///PATH or postgresql://...; without it DATABASE_URL, the place for a password.",
)


def selecting(command: Command) -> Command:
    """Add the options that select letters, and `--database`."""
    for option in reversed((*_OPTIONS, _DATABASE)):
        command = option(command)
    return command


def on_database(command: Command) -> Command:
    """Add `--database` alone."""
    return _DATABASE(command)


def selected(asked: Mapping[str, Any]) -> Selection:
    """Return what the values of these options select."""
    given = {name: value for name, value in asked.items() if value is not None}
    return selection({**given, "number": frozenset(asked["number"])})


@contextmanager
def opened(database: str | None) -> Iterator[tuple[DeadletterSettings, Letters]]:
    """The settings, and the letters in the database that is named, or DATABASE_URL's."""
    try:
        settings = DeadletterSettings.for_commands()
        if database:
            settings = replace(settings, database_url=database_url(database))
    except InvalidSettings as error:
        raise ended(str(error)) from None
    except NotValid as error:
        raise ended(f"--database {error}") from None
    kind, _, path = settings.database_url.partition(":///")
    if kind == "sqlite" and not Path(path.partition("?")[0]).is_file():
        raise ended(f"there is no database {path}: name it with --database or DATABASE_URL")
    with storage_failures():
        letters = Letters(
            settings.database_url, max_age_seconds=_FOR_EVER_SECONDS, max_bytes=_NO_LIMIT_BYTES
        )
        try:
            yield settings, letters
        finally:
            letters.close()


@contextmanager
def storage_failures() -> Iterator[None]:
    """End with one clear line where the database, or a name that was given, is of no use."""
    try:
        yield
    except SinkError as error:
        said = f" ({error.upstream_text})" if error.upstream_text else ""
        raise ended(f"{error.detail}{said}") from error
