"""Page changes from EventStreams: server-sent events, connected to again and again.

source: https://wikitech.wikimedia.org/wiki/Event_Platform/EventStreams_HTTP_Service
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from sinks.contract.finding import one_line
from sinks.feed.backoff import FIRST_SECONDS, MOST_ASKED_SECONDS, asked_seconds, delay_seconds
from sinks.feed.item import Item
from sinks.feed.position import Stored
from sinks.feed.server_sent_events import EndlessEvent, EventReader, ServerSentEvent

_CONNECT_SECONDS: Final = 10.0
_PART_BYTES: Final = 65536
_SAID_BYTES: Final = 200  # of a refusal
_LEAST_SECONDS: Final = 0.1  # whatever a stream wants
_TEMPORARY: Final = (408, 425, 429)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Refused(Exception):
    """The stream will not be had like this; the text says what to do."""


class GaveUp(Exception):
    """Nobody has answered for as long as somebody wanted to wait."""


class _Broken(Exception):
    """The connection is of no more use; the next may be."""

    def __init__(self, why: str, retry_after: str | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """silence_seconds:  without a byte, after which a connection is given up.
    give_up_seconds:     without a connection, after which the feed is; None: never.
    wait:                waits so long; true if the feed has to stop.
    tell:                gets a line for people.
    """

    silence_seconds: float
    give_up_seconds: float | None
    wait: Callable[[float], bool]
    tell: Callable[[str], None]


class StreamSource:
    """A stream, from a position on, for ever.

    Proxies and authorities come from the environment, as a laptop has them for the public stream;
    loopback needs none. Redirects are followed, as by a browser.

    key:    its name in the state: the URL.
    since:  where a feed begins that has no position.
    """

    def __init__(self, url: str, since: datetime, user_agent: str, patience: Patience) -> None:
        self.key: str | None = url
        self._since = since.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        self._patience = patience
        self._session = requests.Session()
        self._session.trust_env = urlsplit(url).hostname not in _LOOPBACK
        self._session.max_redirects = 5
        self._session.headers.update(
            {
                "User-Agent": user_agent,
                "Accept": "text/event-stream",
                "Accept-Encoding": "identity",
                "Cache-Control": "no-store",
            }
        )

    def start(self, stored: Stored | None, tell: Callable[[str], None]) -> Stored:
        """Return where to go on: at the time given, where the feed has never been."""
        return stored or {"since": self._since}

    def stored(self, position: Stored) -> Stored:
        """Return what is kept of a position."""
        return position

    def read(self, position: Stored) -> Iterator[Item]:
        """Yield the events behind a position, until the feed has to stop.

        raises: Refused, GaveUp.
        """
        failures, first, failing_since = 0, FIRST_SECONDS, 0.0
        while True:
            reader = EventReader(str(position.get("last_event_id", "")))
            why, asked = f"{self.key}: the stream has ended", 0.0
            try:
                for event in self._events(position, reader):
                    failures = 0
                    position = {"last_event_id": event.id} if event.id else position
                    yield _item(event, position)
            except _Broken as error:
                why = str(error)
                asked = asked_seconds(error.retry_after, datetime.now(UTC))
            failures += 1
            failing_since = time.monotonic() if failures == 1 else failing_since
            if reader.retry_seconds is not None:
                first = min(max(_LEAST_SECONDS, reader.retry_seconds), MOST_ASKED_SECONDS)
            delay = max(asked, delay_seconds(failures, random.random(), first))  # noqa: S311
            limit = self._patience.give_up_seconds
            if limit is not None:
                left = limit - (time.monotonic() - failing_since)
                if left < 0:
                    raise GaveUp(f"{why}; nothing has come for {limit:g} s")
                delay = min(delay, left)
            self._patience.tell(f"{why}; again in {delay:.1f} s")
            if self._patience.wait(delay):
                return

    def _events(self, position: Stored, reader: EventReader) -> Iterator[ServerSentEvent]:
        """Yield the events of one connection. raises: _Broken, Refused."""
        try:
            with self._connected(position) as response:
                while part := response.raw.read1(_PART_BYTES, decode_content=True):
                    yield from reader.feed(part)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader) as error:
            raise Refused(f"{self.key}: {error}") from None
        except (requests.RequestException, HTTPError, OSError, EndlessEvent) as error:
            raise _Broken(f"{self.key}: {one_line(_root(error), 200)}") from error

    def _connected(self, position: Stored) -> requests.Response:
        since = position.get("since")
        last = str(position.get("last_event_id", ""))
        response = self._session.get(
            str(self.key),
            params={"since": since} if since else None,
            headers={"Last-Event-ID": last.encode()} if last else None,
            timeout=(_CONNECT_SECONDS, self._patience.silence_seconds),
            stream=True,
        )
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if response.status_code == 200 and kind == "text/event-stream":
            return response
        with response:
            raise self._failure(response, kind, bool(last))

    def _failure(self, response: requests.Response, kind: str, resumed: bool) -> Exception:
        status = response.status_code
        if status >= 500 or status in _TEMPORARY:
            said = f"{self.key}: it answers {status}"
            return _Broken(said, response.headers.get("Retry-After"))
        if status == 200:
            told = one_line(kind) or "nothing"
            return Refused(f"{self.key}: it answers {told}, not a text/event-stream")
        body = response.raw.read1(_SAID_BYTES, decode_content=True)
        said = one_line(body.decode("utf-8", "replace"))
        advice = ""
        if status == 400 and resumed:
            advice = "; if the position is too old: --reset, with --since TIME"
        return Refused(f"{self.key}: it answers {status}: {said}{advice}")


def _item(event: ServerSentEvent, position: Stored) -> Item:
    where = f"the event {one_line(event.id, 120) or 'without an id'}"
    if event.too_large:
        return Item(position, b"", f"it is too large: {event.too_large} bytes", where)
    if event.type != "message":  # of the service itself
        return Item(position, b"", where=where)
    return Item(position, event.data, where=where)


def _root(error: BaseException) -> str:
    """What is behind the wrappings of libraries, which repeat each other."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__
