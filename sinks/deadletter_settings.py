"""Settings of deadletter-sink, and of the commands on its letters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from sinks.environment import Environment
from sinks.routing_settings import RoutingSettings, routing
from sinks.setting_values import number, whole
from sinks.settings import known_callers, shared
from sinks.url_values import database_url

# Below var/, of the directory that the process runs in.
_DATABASE_URL: Final = "sqlite:///var/deadletters.sqlite"
_DAY: Final = 86400.0
_NOBODY: Final[Mapping[str, Any]] = {
    "tokens_file": None,
    "allow_anonymous": False,
    "oidc_issuer": "",
    "oidc_audience": "",
    "oidc_subjects": frozenset[str](),
    "oidc_issuer_token_file": None,
    "oidc_issuer_ca_file": None,
}
# What others refused as too large has to find room here.
_MAX_BODY_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadletterSettings(RoutingSettings):
    """database_url:  SQLAlchemy URL of SQLite or PostgreSQL.
    deadletters_max_age_seconds:  older letters are dropped.
    deadletters_max_bytes:        of all letters together; over it the oldest letters are dropped.
    """

    database_url: str
    deadletters_max_age_seconds: float
    deadletters_max_bytes: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the settings. raises: InvalidSettings with all that is wrong."""
        env = Environment(environ)
        common = _shared(env)
        return cls._made(env, common, known_callers(env, common["environment"]))

    @classmethod
    def for_commands(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the same for a command, which nobody calls. raises: InvalidSettings."""
        env = Environment(environ)
        return cls._made(env, _shared(env), _NOBODY)

    @classmethod
    def _made(cls, env: Environment, common: dict[str, Any], callers: Mapping[str, Any]) -> Self:
        settings = cls(
            **common,
            **callers,
            **routing(env),
            database_url=env.read("DATABASE_URL", database_url, _DATABASE_URL),
            deadletters_max_age_seconds=env.read(
                "DEADLETTERS_MAX_AGE_SECONDS", number(1, 1e9), 30 * _DAY
            ),
            deadletters_max_bytes=env.read("DEADLETTERS_MAX_BYTES", whole(2**20, 2**40), 2**30),
        )
        return env.made(settings)


def _shared(env: Environment) -> dict[str, Any]:
    values = shared(env, 300)
    if not env.is_set("MAX_BODY_BYTES"):
        values["max_body_bytes"] = _MAX_BODY_BYTES
    return values
