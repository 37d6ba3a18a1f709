"""Settings of the sinks that route: by Triggers, or by handing on to a Broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sinks.environment import Environment
from sinks.setting_values import authorities, ce_overrides, directories, existing_file
from sinks.settings import SinkSettings
from sinks.url_values import service_urls, url

_TRIGGERS_DIR: Final[tuple[Path, ...]] = (Path("triggers"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingSettings(SinkSettings):
    """What a SinkBinding sets, and where Triggers and their subscribers are.

    k_sink:                 URL of a Broker; empty: events are routed here, by the Triggers.
    k_ce_overrides:         extensions that a SinkBinding wants on every event.
    k_ca_certs:             PEM text of the Broker's authorities.
    triggers_dir:           directories of Trigger files.
    service_urls:           Service name -> base URL; `*` -> template.
    subscriber_token_file:  who we are, shown to those that are called without the Broker.
    """

    k_sink: str
    k_ce_overrides: Mapping[str, str]
    k_ca_certs: str
    triggers_dir: tuple[Path, ...]
    service_urls: Mapping[str, str]
    subscriber_token_file: Path | None


def routing(env: Environment) -> dict[str, Any]:
    """Return the values that RoutingSettings adds."""
    overrides: Mapping[str, str] = {}
    urls: Mapping[str, str] = {}
    return {
        "k_sink": env.read("K_SINK", url, ""),
        "k_ce_overrides": env.read("K_CE_OVERRIDES", ce_overrides, overrides),
        "k_ca_certs": env.read("K_CA_CERTS", authorities, ""),
        "triggers_dir": triggers_dir(env),
        "service_urls": env.read("SERVICE_URLS", service_urls, urls),
        "subscriber_token_file": env.read("SUBSCRIBER_TOKEN_FILE", existing_file, None),
    }


def triggers_dir(env: Environment) -> tuple[Path, ...]:
    """Return the directories of Trigger files."""
    return env.read("TRIGGERS_DIR", directories, _TRIGGERS_DIR)
