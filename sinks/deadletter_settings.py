"""Settings of deadletter-sink, and of the commands on its letters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from sinks.environment import Environment
from sinks.routing_settings import RoutingSettings, routing
from sinks.setting_values import database_url, number, whole
from sinks.settings import known_callers, shared

# Below var/, of the directory that the process runs in.
_DATABASE_URL: Final = "sqlite:///var/deadletters.sqlite"
_DAY: Final = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadletterSettings(RoutingSettings):
    """database_url:  SQLAlchemy URL of SQLite or PostgreSQL.
    deadletters_max_age_seconds:  older letters are dropped.
    deadletters_max_bytes:        of all bodies together; over it the oldest letters are dropped.
    """

    database_url: str
    deadletters_max_age_seconds: float
    deadletters_max_bytes: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the settings. raises: InvalidSettings with all that is wrong."""
        env = Environment(environ)
        common = shared(env, 300)
        settings = cls(
            **common,
            **known_callers(env, common["environment"]),
            **routing(env),
            database_url=env.read("DATABASE_URL", database_url, _DATABASE_URL),
            deadletters_max_age_seconds=env.read(
                "DEADLETTERS_MAX_AGE_SECONDS", number(1, 1e9), 30 * _DAY
            ),
            deadletters_max_bytes=env.read("DEADLETTERS_MAX_BYTES", whole(2**20, 2**40), 2**30),
        )
        return env.made(settings)
