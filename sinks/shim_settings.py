"""Settings of http-shim."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sinks.environment import Environment
from sinks.routing_settings import RoutingSettings, routing
from sinks.settings import known_callers, schema_base, shared
from sinks.url_values import url


@dataclass(frozen=True, slots=True, kw_only=True)
class ShimSettings(RoutingSettings):
    """schema_base_uri:  what makes a `$schema` absolute, for `dataschema`.
    console_url:     where the console is told what was routed here; empty: nobody is told.
    deadletter_url:  where events go that failed for good while routed here; empty: nowhere, the
                     caller gets the error.
    """

    schema_base_uri: str
    deadletter_url: str
    console_url: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the settings. raises: InvalidSettings with all that is wrong."""
        env = Environment(environ)
        common = shared(env, 300)
        settings = cls(
            **common,
            **known_callers(env, common["environment"]),
            **routing(env),
            schema_base_uri=schema_base(env),
            deadletter_url=env.read("DEADLETTER_URL", url, ""),
            console_url=env.read("CONSOLE_URL", url, ""),
        )
        return env.made(settings)
