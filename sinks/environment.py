"""Reading settings from environment variables, and refusing to start with all problems at once."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Final, NoReturn, TypeVar

from sinks.setting_values import NotValid

# gunicorn's exit status for an application that cannot be loaded: it gives up, where any other
# status would make it start worker after worker.
_APP_LOAD_ERROR: Final = 4
T = TypeVar("T")


class InvalidSettings(ValueError):
    """The environment does not make settings; the text has one line per problem.

    settings: what could be read, with defaults for the rest; only to look for more problems.
    """

    def __init__(self, problems: str, settings: object) -> None:
        super().__init__(problems)
        self.settings = settings


class Environment:
    """Reads variables and remembers what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return the parsed variable, or the default if it is unset, empty or wrong."""
        value = self._environ.get(name, "")
        try:
            return parse(value) if value else default
        except NotValid as error:
            # No password into a log: greedy, because what is wrong may be the password's place.
            seen = "***" if name == "DATABASE_URL" else re.sub(r"//.*@", "//***@", value)
            self.problems.append(f"{name}={seen[:80]!r}: {error}")
            return default

    def is_set(self, name: str) -> bool:
        """Return whether the variable is there and not empty, right or wrong."""
        return bool(self._environ.get(name))

    def require(self, name: str, parse: Callable[[str], T], stand_in: T) -> T:
        """Return the parsed variable; the stand-in only until `made` raises."""
        if not self._environ.get(name):
            self.problems.append(f"{name} is not set: it has to be {parse.__doc__}")
        return self.read(name, parse, stand_in)

    def made(self, settings: T) -> T:
        """Return the settings. raises: InvalidSettings if anything was wrong."""
        if self.problems:
            raise InvalidSettings("\n".join(self.problems), settings)
        return settings


def or_exit(from_env: Callable[[], T]) -> T:
    """Return the settings, or end the process with all problems on standard error."""
    try:
        return from_env()
    except InvalidSettings as error:
        stop(str(error))


def stop(problems: str) -> NoReturn:
    """End the process before it serves: `problems` has one line each."""
    lines = "".join(f"  {line}\n" for line in problems.splitlines())
    sys.stderr.write(f"cannot start, because of these settings:\n{lines}")
    raise SystemExit(_APP_LOAD_ERROR)
