"""Settings of score-sink."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sinks.environment import Environment
from sinks.setting_values import model_version, number
from sinks.settings import SinkSettings, cluster_callers, schema_base, shared, stream_names
from sinks.url_values import host_template, predictor_url


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSettings(SinkSettings):
    """stream_names:  production, or test for streams that nobody depends on.
    schema_base_uri:  what makes a `$schema` absolute, for `dataschema`.
    predictor_url:    base URL, may contain {isvc} and {namespace}.
    predictor_host:   template of the Host header; empty: none.
    outlink_model_version:  what the outlink predictor's answers do not tell.
    """

    stream_names: str
    schema_base_uri: str
    predictor_url: str
    predictor_host: str
    max_event_age_seconds: float
    young_revision_seconds: float
    outlink_model_version: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        env = Environment(environ)
        return env.made(
            cls(
                **shared(env, 60),
                **cluster_callers(env),
                stream_names=stream_names(env),
                schema_base_uri=schema_base(env),
                predictor_url=env.require("PREDICTOR_URL", predictor_url, ""),
                predictor_host=env.read("PREDICTOR_HOST", host_template, ""),
                max_event_age_seconds=max_event_age(env),
                young_revision_seconds=env.read("YOUNG_REVISION_SECONDS", number(0, 1e6), 300.0),
                outlink_model_version=env.read(
                    "OUTLINK_MODEL_VERSION", model_version, "alloutlinks_202209"
                ),
            )
        )


def max_event_age(env: Environment) -> float:
    """Return the seconds after which an event is too old to be scored; 0 is no limit."""
    return env.read("MAX_EVENT_AGE_SECONDS", number(0, 1e9), 0.0)
