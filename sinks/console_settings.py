"""Settings of console."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sinks.environment import Environment
from sinks.routing_settings import triggers_dir
from sinks.score_settings import max_event_age
from sinks.setting_values import whole
from sinks.settings import SinkSettings, cluster_callers, shared
from sinks.url_values import url


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings(SinkSettings):
    """console_events:  lines that are kept; also of each page.
    deadletter_api_url:  base URL of deadletter-sink, whose letters the page shows; empty: none.
    triggers_dir:        directories of Trigger files, by which a row's silence is explained.
    max_event_age_seconds:  as score-sink has it, for the same.
    """

    console_events: int
    deadletter_api_url: str
    triggers_dir: tuple[Path, ...]
    max_event_age_seconds: float

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the settings. raises: InvalidSettings with all that is wrong."""
        env = Environment(environ)
        settings = cls(
            **shared(env, 5),
            **cluster_callers(env),
            console_events=env.read("CONSOLE_EVENTS", whole(10, 5000), 500),
            deadletter_api_url=env.read("DEADLETTER_API_URL", url, "").rstrip("/"),
            triggers_dir=triggers_dir(env),
            max_event_age_seconds=max_event_age(env),
        )
        return env.made(settings)
