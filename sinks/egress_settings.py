"""Settings of egress-sink, and what it may publish where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from sinks.environment import Environment
from sinks.models import ROWS, streams
from sinks.setting_values import number, whole, words
from sinks.settings import SinkSettings, cluster_callers, shared, stream_names
from sinks.url_values import url_list


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressSettings(SinkSettings):
    """stream_names:    production, or test for streams that nobody depends on.
    eventgate_urls:  full URLs of `/v1/events` in order of preference.
    eventgate_avoid_seconds:  how long one that failed stands behind the others.
    egress_streams:           the only streams that may be published to.
    staging_eventgate_hosts:  through which staging may use production's stream names.
    relayed_memory_events:    how many relayed events are remembered.
    """

    stream_names: str
    eventgate_urls: tuple[str, ...]
    eventgate_avoid_seconds: float
    eventgate_connect_timeout_seconds: float
    eventgate_read_timeout_seconds: float
    egress_streams: frozenset[str]
    staging_eventgate_hosts: frozenset[str]
    relayed_memory_events: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        env = Environment(environ)
        names = stream_names(env)
        settings = cls(
            **shared(env, 140),
            **cluster_callers(env),
            stream_names=names,
            eventgate_urls=env.require("EVENTGATE_URLS", url_list, ()),
            eventgate_avoid_seconds=env.read("EVENTGATE_AVOID_SECONDS", number(0, 3600), 30.0),
            eventgate_connect_timeout_seconds=env.read(
                "EVENTGATE_CONNECT_TIMEOUT_SECONDS", number(0.1, 60), 2.0
            ),
            eventgate_read_timeout_seconds=env.read(
                "EVENTGATE_READ_TIMEOUT_SECONDS", number(0.1, 600), 65.0
            ),
            egress_streams=egress_streams(env, names),
            staging_eventgate_hosts=env.read("STAGING_EVENTGATE_HOSTS", words, frozenset()),
            relayed_memory_events=env.read("RELAYED_MEMORY_EVENTS", whole(0, 10**7), 10_000),
        )
        env.problems += settings._unsafe(names == "test")
        return env.made(settings)

    def _unsafe(self, test: bool) -> list[str]:
        """Test names are for test streams only, and staging must not publish to production's
        streams, unless through its own EventGate."""
        streams = self.egress_streams & {row.stream for row in ROWS}
        if not streams:
            return []
        if test:
            return [f"STREAM_NAMES=test, but EGRESS_STREAMS names production's {min(streams)}"]
        if self.environment != "staging":
            return []
        hosts = {urlsplit(address).hostname or "" for address in self.eventgate_urls}
        return [
            f"ENVIRONMENT=staging would publish {min(streams)} through {host}: use"
            " STREAM_NAMES=test, or name the host in STAGING_EVENTGATE_HOSTS if it is staging's own"
            for host in sorted(hosts - self.staging_eventgate_hosts)
        ]


def egress_streams(env: Environment, stream_names: str) -> frozenset[str]:
    """Return the allow-list; where none is set, the streams of all rows in this set of names."""
    return env.read("EGRESS_STREAMS", words, frozenset(streams(stream_names).values()))
