"""What the settings of all sinks share; each sink's own are in `<sink>_settings.py`.

These modules are the only ones that name environment variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from sinks.environment import Environment
from sinks.server_settings import LOG_LEVEL, MAX_BODY_BYTES, MAX_IN_FLIGHT, PORT, event_deadline
from sinks.setting_values import (
    authorities_file,
    boolean,
    choice,
    existing_file,
    number,
    service_name,
    subjects,
)
from sinks.url_values import schema_base_uri, url

# The public registry; SCHEMA_BASE_URI names another.
SCHEMA_BASE_URI: Final = "https://schema.wikimedia.org/repositories/primary/jsonschema"
# Never shown in the log of a start.
_LONG: Final = ("k_ca_certs", "database_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings:
    """What all sinks need.

    environment:             dev, staging or production.
    log_level:               of the sinks' own lines, where the server has not set it.
    event_deadline_seconds:  for everything one event needs.
    max_body_bytes:          of a request, and of an upstream's answer.
    max_in_flight:           deliveries worked on at a time; more are deferred.
    ca_file:                 PEM file of certificate authorities; None: the system's.
    tokens_file:             lines `client=token`; None: no tokens.
    allow_anonymous:         whether a call without Authorization is welcome.
    oidc_issuer:             whose tokens count; empty: no OIDC.
    oidc_audience:           what these tokens have to be made for.
    oidc_subjects:           who may call; a trailing * is a prefix. Empty: every subject.
    oidc_issuer_token_file:  a token that the issuer wants to see before it shows its keys.
    oidc_issuer_ca_file:     as ca_file, for the issuer alone; None: ca_file.
    otel_exporter_otlp_endpoint:  base URL of a collector of traces; empty: there are none.
    otel_sdk_disabled:            whether there are none all the same.
    otel_traces_sampler_arg:      which part of the traces that begin here is collected.
    otel_service_name:            what the sink is called in traces; empty: by its name.
    """

    environment: str
    log_level: str
    event_deadline_seconds: float
    max_body_bytes: int
    max_in_flight: int
    ca_file: Path | None
    tokens_file: Path | None
    allow_anonymous: bool
    oidc_issuer: str
    oidc_audience: str
    oidc_subjects: frozenset[str]
    oidc_issuer_token_file: Path | None
    oidc_issuer_ca_file: Path | None
    otel_exporter_otlp_endpoint: str
    otel_sdk_disabled: bool
    otel_traces_sampler_arg: float
    otel_service_name: str


def shared(env: Environment, deadline_seconds: float) -> dict[str, Any]:
    """Return the values of SinkSettings, but for who may call."""
    env.read(*PORT)  # used by gunicorn.conf.py; here only to tell what is wrong
    return {
        "environment": environment_name(env),
        "log_level": env.read(*LOG_LEVEL),
        "event_deadline_seconds": event_deadline(env, deadline_seconds),
        "max_body_bytes": env.read(*MAX_BODY_BYTES),
        "max_in_flight": env.read(*MAX_IN_FLIGHT),
        "ca_file": env.read("CA_FILE", authorities_file, None),
        **_traces(env),
    }


def _traces(env: Environment) -> dict[str, Any]:
    """OpenTelemetry's own names; those that are not read here have no effect."""
    return {
        "otel_exporter_otlp_endpoint": env.read("OTEL_EXPORTER_OTLP_ENDPOINT", url, ""),
        "otel_sdk_disabled": env.read("OTEL_SDK_DISABLED", boolean, False),
        "otel_traces_sampler_arg": env.read("OTEL_TRACES_SAMPLER_ARG", number(0, 1), 1.0),
        "otel_service_name": env.read("OTEL_SERVICE_NAME", service_name, ""),
    }


def known_callers(env: Environment, environment: str) -> dict[str, Any]:
    """Return who may call a sink that is reached from outside: somebody, and by name."""
    callers = _oidc(env) | {
        "tokens_file": env.read("TOKENS_FILE", existing_file, None),
        "allow_anonymous": env.read("ALLOW_ANONYMOUS", boolean, False),
    }
    named = env.is_set("TOKENS_FILE") or env.is_set("OIDC_ISSUER") or callers["allow_anonymous"]
    if not named:
        env.problems.append(
            "TOKENS_FILE is not set: name a file with lines client=token, or let everybody"
            " publish with ALLOW_ANONYMOUS=true"
        )
    if callers["allow_anonymous"] and environment == "production":
        env.problems.append("ALLOW_ANONYMOUS=true is refused with ENVIRONMENT=production")
    return callers


def cluster_callers(env: Environment) -> dict[str, Any]:
    """Return who may call a sink inside the cluster: with OIDC its callers, else everybody that
    the NetworkPolicy lets through."""
    callers = _oidc(env)
    return callers | {"tokens_file": None, "allow_anonymous": not callers["oidc_audience"]}


def _oidc(env: Environment) -> dict[str, Any]:
    if env.is_set("OIDC_ISSUER") != env.is_set("OIDC_AUDIENCE"):
        env.problems.append("OIDC_ISSUER and OIDC_AUDIENCE have to be set together, or neither")
    for name in ("OIDC_SUBJECTS", "OIDC_ISSUER_TOKEN_FILE", "OIDC_ISSUER_CA_FILE"):
        if env.is_set(name) and not env.is_set("OIDC_ISSUER"):
            env.problems.append(f"{name} is set, but nobody is checked without OIDC_ISSUER")
    return {
        "oidc_issuer": env.read("OIDC_ISSUER", url, ""),
        "oidc_audience": env.read("OIDC_AUDIENCE", str, ""),
        "oidc_subjects": env.read("OIDC_SUBJECTS", subjects, frozenset[str]()),
        "oidc_issuer_token_file": env.read("OIDC_ISSUER_TOKEN_FILE", existing_file, None),
        "oidc_issuer_ca_file": env.read("OIDC_ISSUER_CA_FILE", authorities_file, None),
    }


def environment_name(env: Environment) -> str:
    """Return `dev`, `staging` or `production`."""
    return env.read("ENVIRONMENT", choice("dev", "staging", "production"), "dev")


def stream_names(env: Environment) -> str:
    """Return `production` or `test`."""
    return env.read("STREAM_NAMES", choice("production", "test"), "production")


def schema_base(env: Environment) -> str:
    """Return what makes a `$schema` absolute."""
    return env.read("SCHEMA_BASE_URI", schema_base_uri, SCHEMA_BASE_URI).rstrip("/")


def shown(settings: SinkSettings) -> dict[str, str]:
    """Return all settings for the start-up log line, as the variables would be written; long ones
    and those with a password as `set`."""
    values = ((field.name, getattr(settings, field.name)) for field in fields(settings))
    return {
        name.upper(): "set" if value and name in _LONG else _shown(value) for name, value in values
    }


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ",".join(f"{name}={text}" for name, text in value.items())
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    if isinstance(value, tuple):
        return (":" if isinstance(value[0], Path) else ",").join(map(str, value))
    return "" if value is None else str(value)
