"""The settings that the WSGI server shares with the sinks; light, so that it loads them first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from sinks.environment import Environment
from sinks.setting_values import choice, number, whole

# A key of app.config that the server sets: a function that tells whether it has been told to stop.
STOPPING: Final = "SINKS_STOPPING"
# A key of app.config that a sink sets to which browsers come.
HAS_PAGES: Final = "SINKS_HAS_PAGES"
PORT: Final = ("PORT", whole(1, 65535), 8080)
LOG_LEVEL: Final = ("LOG_LEVEL", choice("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")
MAX_BODY_BYTES: Final = ("MAX_BODY_BYTES", whole(1024, 2**30), 4 * 2**20)
MAX_IN_FLIGHT: Final = ("MAX_IN_FLIGHT", whole(1, 100_000), 1000)


def event_deadline(env: Environment, default: float) -> float:
    """Return `EVENT_DEADLINE_SECONDS`, whose default differs from sink to sink."""
    return env.read("EVENT_DEADLINE_SECONDS", number(0.1, 3600), default)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What the WSGI server needs; `event_deadline_seconds` is the longest of all sinks'."""

    port: int
    log_level: str
    max_in_flight: int
    max_body_bytes: int
    event_deadline_seconds: float

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return what can be read; the sink itself refuses to start with what is wrong."""
        env = Environment(environ)
        return cls(
            port=env.read(*PORT),
            log_level=env.read(*LOG_LEVEL),
            max_in_flight=env.read(*MAX_IN_FLIGHT),
            max_body_bytes=env.read(*MAX_BODY_BYTES),
            event_deadline_seconds=event_deadline(env, 300),
        )
