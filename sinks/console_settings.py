"""Settings of console."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sinks.environment import Environment
from sinks.setting_values import whole
from sinks.settings import SinkSettings, cluster_callers, shared
from sinks.url_values import url


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings(SinkSettings):
    """console_events:  lines that are kept; also of each page.
    deadletter_api_url:  base URL of deadletter-sink, whose letters the page shows; empty: none.
    """

    console_events: int
    deadletter_api_url: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the settings. raises: InvalidSettings with all that is wrong."""
        env = Environment(environ)
        settings = cls(
            **shared(env, 5),
            **cluster_callers(env),
            console_events=env.read("CONSOLE_EVENTS", whole(10, 5000), 500),
            deadletter_api_url=env.read("DEADLETTER_API_URL", url, "").rstrip("/"),
        )
        return env.made(settings)
