"""Settings of `sinks explain`: those of the apps that decide where an event goes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sinks.egress_settings import egress_streams
from sinks.environment import Environment
from sinks.routing_settings import triggers_dir
from sinks.score_settings import max_event_age
from sinks.server_settings import MAX_BODY_BYTES
from sinks.settings import environment_name, schema_base, stream_names


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainSettings:
    """Each as the app has it that goes by it: http-shim, score-sink or egress-sink."""

    environment: str
    stream_names: str
    egress_streams: frozenset[str]
    triggers_dir: tuple[Path, ...]
    schema_base_uri: str
    max_event_age_seconds: float
    max_body_bytes: int

    @classmethod
    def from_env(
        cls, chosen: Mapping[str, str | None], environ: Mapping[str, str] = os.environ
    ) -> Self:
        """Return the settings. raises: InvalidSettings with all that is wrong.

        chosen: values that stand before those of the environment; None: not chosen.
        """
        given = {name: value for name, value in chosen.items() if value is not None}
        env = Environment({**environ, **given})
        names = stream_names(env)
        return env.made(
            cls(
                environment=environment_name(env),
                stream_names=names,
                egress_streams=egress_streams(env, names),
                triggers_dir=triggers_dir(env),
                schema_base_uri=schema_base(env),
                max_event_age_seconds=max_event_age(env),
                max_body_bytes=env.read(*MAX_BODY_BYTES),
            )
        )
