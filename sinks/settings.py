"""All settings: one frozen value per process, the only place that names environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from sinks.environment import Environment
from sinks.models import ROWS
from sinks.server_settings import LOG_LEVEL, MAX_BODY_BYTES, MAX_IN_FLIGHT, PORT, event_deadline
from sinks.setting_values import (
    authorities,
    authorities_file,
    boolean,
    ce_overrides,
    choice,
    directories,
    existing_file,
    host_template,
    model_version,
    number,
    predictor_url,
    schema_base_uri,
    service_urls,
    url,
    url_list,
    words,
)

# The public registry; SCHEMA_BASE_URI names another.
SCHEMA_BASE_URI: Final = "https://schema.wikimedia.org/repositories/primary/jsonschema"
_LONG: Final = ("k_ca_certs",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings:
    """What all sinks need.

    environment:             dev, staging or production.
    event_deadline_seconds:  for everything one event needs.
    max_body_bytes:          of a request, and of an upstream's answer.
    max_in_flight:           deliveries worked on at a time; more are deferred.
    ca_file:                 PEM file of certificate authorities; None: the system's.
    """

    environment: str
    event_deadline_seconds: float
    max_body_bytes: int
    max_in_flight: int
    ca_file: Path | None


def _shared(env: Environment, deadline_seconds: float) -> dict[str, Any]:
    for server_setting in (PORT, LOG_LEVEL):
        env.read(*server_setting)  # used by gunicorn.conf.py; here only to tell what is wrong
    return {
        "environment": env.read("ENVIRONMENT", choice("dev", "staging", "production"), "dev"),
        "event_deadline_seconds": event_deadline(env, deadline_seconds),
        "max_body_bytes": env.read(*MAX_BODY_BYTES),
        "max_in_flight": env.read(*MAX_IN_FLIGHT),
        "ca_file": env.read("CA_FILE", authorities_file, None),
    }


def _stream_names(env: Environment) -> str:
    return env.read("STREAM_NAMES", choice("production", "test"), "production")


def _schema_base_uri(env: Environment) -> str:
    return env.read("SCHEMA_BASE_URI", schema_base_uri, SCHEMA_BASE_URI).rstrip("/")


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
                **_shared(env, 60),
                stream_names=_stream_names(env),
                schema_base_uri=_schema_base_uri(env),
                predictor_url=env.require("PREDICTOR_URL", predictor_url, ""),
                predictor_host=env.read("PREDICTOR_HOST", host_template, ""),
                max_event_age_seconds=env.read("MAX_EVENT_AGE_SECONDS", number(0, 1e9), 0.0),
                young_revision_seconds=env.read("YOUNG_REVISION_SECONDS", number(0, 1e6), 300.0),
                outlink_model_version=env.read(
                    "OUTLINK_MODEL_VERSION", model_version, "alloutlinks_202209"
                ),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressSettings(SinkSettings):
    """eventgate_urls:  full URLs of `/v1/events` in order of preference; the first is used.
    egress_streams:  the only streams that may be published to.
    """

    eventgate_urls: tuple[str, ...]
    eventgate_connect_timeout_seconds: float
    eventgate_read_timeout_seconds: float
    egress_streams: frozenset[str]
    staging_eventgate_hosts: frozenset[str]

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        env = Environment(environ)
        test = _stream_names(env) == "test"
        rows = frozenset(row.test_stream if test else row.stream for row in ROWS)
        settings = cls(
            **_shared(env, 140),
            eventgate_urls=env.require("EVENTGATE_URLS", url_list, ()),
            eventgate_connect_timeout_seconds=env.read(
                "EVENTGATE_CONNECT_TIMEOUT_SECONDS", number(0.1, 60), 2.0
            ),
            eventgate_read_timeout_seconds=env.read(
                "EVENTGATE_READ_TIMEOUT_SECONDS", number(0.1, 600), 65.0
            ),
            egress_streams=env.read("EGRESS_STREAMS", words, rows),
            staging_eventgate_hosts=env.read("STAGING_EVENTGATE_HOSTS", words, frozenset()),
        )
        env.problems += settings._unsafe()
        return env.made(settings)

    def _unsafe(self) -> list[str]:
        """Staging must not publish to production's streams, unless through its own EventGate."""
        streams = self.egress_streams & {row.stream for row in ROWS}
        if self.environment != "staging" or not streams:
            return []
        hosts = {urlsplit(address).hostname or "" for address in self.eventgate_urls}
        return [
            f"ENVIRONMENT=staging would publish {min(streams)} through {host}: use"
            " STREAM_NAMES=test, or name the host in STAGING_EVENTGATE_HOSTS if it is staging's"
            for host in sorted(hosts - self.staging_eventgate_hosts)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShimSettings(SinkSettings):
    """schema_base_uri:  what makes a `$schema` absolute, for `dataschema`.
    k_sink:          URL of a Broker; empty: the shim routes by the Triggers itself.
    k_ce_overrides:  extensions that a SinkBinding wants on every event.
    k_ca_certs:      PEM text of the Broker's authorities.
    triggers_dir:    directories of Trigger files.
    service_urls:    Service name -> base URL; `*` -> template.
    tokens_file:     lines `client=token`; None: no tokens.
    """

    schema_base_uri: str
    k_sink: str
    k_ce_overrides: Mapping[str, str]
    k_ca_certs: str
    triggers_dir: tuple[Path, ...]
    service_urls: Mapping[str, str]
    tokens_file: Path | None
    allow_anonymous: bool

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        env = Environment(environ)
        settings = cls(
            **_shared(env, 300),
            schema_base_uri=_schema_base_uri(env),
            k_sink=env.read("K_SINK", url, ""),
            k_ce_overrides=env.read("K_CE_OVERRIDES", ce_overrides, {}),
            k_ca_certs=env.read("K_CA_CERTS", authorities, ""),
            triggers_dir=env.read("TRIGGERS_DIR", directories, (Path("triggers"),)),
            service_urls=env.read("SERVICE_URLS", service_urls, {}),
            tokens_file=env.read("TOKENS_FILE", existing_file, None),
            allow_anonymous=env.read("ALLOW_ANONYMOUS", boolean, False),
        )
        if not environ.get("TOKENS_FILE") and not settings.allow_anonymous:
            env.problems.append(
                "TOKENS_FILE is not set: name a file with lines client=token, or let everybody"
                " publish with ALLOW_ANONYMOUS=true"
            )
        if settings.allow_anonymous and settings.environment == "production":
            env.problems.append("ALLOW_ANONYMOUS=true is refused with ENVIRONMENT=production")
        return env.made(settings)


def shown(settings: SinkSettings) -> dict[str, str]:
    """Return all settings as text for the start-up log line, long ones as set or not."""
    values = ((field.name, getattr(settings, field.name)) for field in fields(settings))
    return {name: "set" if value and name in _LONG else _shown(value) for name, value in values}


def _shown(value: object) -> str:
    if isinstance(value, tuple | frozenset):
        return ", ".join(
            sorted(map(str, value)) if isinstance(value, frozenset) else map(str, value)
        )
    return "" if value is None else str(value)
