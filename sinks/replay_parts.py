"""What replaying needs, made as the settings say: the same for the API and for the commands."""

from __future__ import annotations

from sinks import triggers
from sinks.broker import broker_of
from sinks.deadletter_settings import DeadletterSettings
from sinks.letters import Letters
from sinks.replaying import Replaying
from sinks.telemetry import Telemetry
from sinks.triggers import InvalidTrigger
from sinks.upstreams import http_client


def replaying_of(settings: DeadletterSettings, letters: Letters, telemetry: Telemetry) -> Replaying:
    """Return what replays these letters.

    raises: InvalidTrigger with all that is wrong in TRIGGERS_DIR.
    """
    routes = triggers.load(settings.triggers_dir, settings.service_urls)
    broker = broker_of(settings, telemetry)
    subscribers = http_client(
        "subscriber", settings, telemetry, token_file=settings.subscriber_token_file
    )
    return Replaying(letters=letters, triggers=routes, subscribers=subscribers, broker=broker)


def if_possible(
    settings: DeadletterSettings, letters: Letters, telemetry: Telemetry
) -> Replaying | None:
    """The same, or None where nothing says how subscribers are reached: letters can be kept then,
    but not replayed.

    raises: InvalidTrigger if SERVICE_URLS is set, and so meant to do.
    """
    try:
        return replaying_of(settings, letters, telemetry)
    except InvalidTrigger:
        if settings.service_urls:
            raise
        return None
