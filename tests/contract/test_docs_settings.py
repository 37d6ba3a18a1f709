"""`docs/settings.md` against the code: who reads which variable, what is required, each default.

An app is a module with `create_app(settings)`; what it reads is seen by letting its settings read.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, get_args, get_type_hints

import pytest

from sinks.environment import InvalidSettings
from sinks.local.processes import ROOT
from sinks.server_settings import ServerSettings
from tests.unit.test_settings import Noted

PAGE: Final = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
ROWS: Final = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in PAGE.splitlines()
    if line.startswith("| `")
]
# Longer ones, such as a list of all streams, are told in words.
MOST_WRITTEN_OUT: Final = 100


class Row(NamedTuple):
    """One variable in the page; the defaults are by app, `` for those that are not named."""

    apps: frozenset[str]
    default: str
    meaning: str


class App(NamedTuple):
    """What one app reads, what it says it needs, and how its settings are made."""

    settings: Any
    variables: frozenset[str]
    required: frozenset[str]


def made(settings: Any, environ: Mapping[str, str]) -> tuple[Any, list[str]]:
    """What an environment makes, with stand-ins for what is wrong, and the lines that say it."""
    try:
        return settings.from_env(environ), []
    except InvalidSettings as refused:
        return refused.settings, str(refused).splitlines()


def found_apps() -> dict[str, App]:
    """Each app by the name of its Service."""
    apps = {}
    for path in sorted((ROOT / "sinks").rglob("*.py")):
        place = path.relative_to(ROOT).with_suffix("").parts
        text = path.read_text(encoding="utf-8")
        if "local" in place or not re.search(r"^def create_app\(", text, re.MULTILINE):
            continue
        module = importlib.import_module(".".join(place).removesuffix(".__init__"))
        settings = get_args(get_type_hints(module.create_app)["settings"])[0]
        environ = Noted({})
        _, problems = made(settings, environ)
        required = frozenset(
            line.split()[0] for line in problems if re.match(r"[A-Z_]+ is not set", line)
        )
        apps[place[1].replace("_", "-")] = App(settings, frozenset(environ.names), required)
    return apps


APPS: Final = found_apps()
TABLE: Final = {
    name.strip("`"): Row(frozenset(APPS if app == "all" else app.split(", ")), default, meaning)
    for name, app, default, meaning in ROWS
}
READ: Final = sorted({name for app in APPS.values() for name in app.variables})
READ_BY: Final = [(name, app) for app, each in APPS.items() for name in sorted(each.variables)]


def documented(name: str, app: str) -> str:
    """The cell's part that is for this app: `TEXT`, or words."""
    parts = TABLE[name].default.split("; ")
    of_apps = dict(part.split(" ", 1) for part in parts if part.split(" ")[0] in APPS)
    return of_apps.get(app, parts[0])


def value(name: str, settings: Any, environ: Mapping[str, str]) -> Any:
    """The value of a variable: in the app's settings, or, of what the server alone uses, in its."""
    own, _ = made(settings, environ)
    field = name.lower()
    return getattr(own if hasattr(own, field) else ServerSettings.from_env(environ), field)


def test_apps_are_found_by_what_the_server_starts() -> None:
    """What the other tests here go through is all apps."""
    assert {"http-shim", "score-sink", "egress-sink", "deadletter-sink"} <= set(APPS)


def test_settings_page_lists_each_variable_once() -> None:
    """A variable that is read and not listed, or listed and not read, or listed twice, fails."""
    listed = [name.strip("`") for name, *_ in ROWS]

    assert sorted(listed) == READ


@pytest.mark.parametrize("name", READ)
def test_settings_page_names_the_apps_that_read_the_variable(name: str) -> None:
    """Who sets a variable for an app that does not look at it waits for nothing."""
    readers = {app for app, each in APPS.items() if name in each.variables}

    assert TABLE[name].apps == readers


@pytest.mark.parametrize("name", READ)
def test_settings_page_writes_all_where_every_app_reads_it(name: str) -> None:
    """One way to say it: a list of all apps would be overlooked when there is one more."""
    (app,) = [app for shown, app, *_ in ROWS if shown.strip("`") == name]

    assert (app == "all") == all(name in each.variables for each in APPS.values())


@pytest.mark.parametrize(("name", "app"), READ_BY)
def test_settings_page_default_is_what_the_app_has(name: str, app: str) -> None:
    """The text of the page, set, makes what leaving it out makes; `none` stands for an empty one,
    and `required` for what an app does not start without."""
    settings, _, required = APPS[app]
    told = documented(name, app)
    default = value(name, settings, {})

    text = re.fullmatch(r"(?:[a-z-]+ )?`(.*?)`(?: \(.*\))?", told)
    if text:
        again, problems = made(settings, {name: text[1]})
        assert not any(line.startswith(f"{name}=") for line in problems)
        assert value(name, settings, {name: text[1]}) == default
        assert again == made(settings, {})[0]
        assert default not in ("", None)
    elif told == "none":
        assert not default
        assert default is not False
    elif not told.startswith("required"):
        assert len(str(default)) > MOST_WRITTEN_OUT
    assert told.startswith("required") == (name in required)


def test_settings_page_tells_what_each_variable_means() -> None:
    """A name and a default explain nothing."""
    assert [name for name, row in TABLE.items() if not row.meaning] == []


def test_settings_read_every_variable_whatever_the_others_are() -> None:
    """One that is read under a condition would be seen neither here nor by who starts the app."""
    declared = {
        name
        for path in (ROOT / "sinks").rglob("*settings.py")
        for name in re.findall(
            r'(?:env\.(?:read|require)|Final =) ?\(\s*"([A-Z_]+)"', path.read_text(encoding="utf-8")
        )
    }

    assert declared == set(READ)
