"""What the options of `sinks feed` make: sources, the client of the shim, and the feeds."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from sinks import wikis
from sinks.contract.finding import one_line
from sinks.contract.options import authorization
from sinks.contract.terminal import ended
from sinks.feed.account import Account
from sinks.feed.delivering import Delivering
from sinks.feed.feeding import Choice, Feed, Source
from sinks.feed.file_source import FileSource
from sinks.feed.position import Positions, positions_in
from sinks.feed.report import Report
from sinks.feed.stream_source import Patience, StreamSource
from sinks.http_client import USER_AGENT, HttpClient
from sinks.http_transport import Transport
from sinks.setting_values import NotValid
from sinks.url_values import absolute_url, url

_MAX_ANSWER_BYTES: Final = 4 * 2**20
_CONNECT_SECONDS: Final = 5.0
# More than the shim's own deadline for an event.
_ANSWER_SECONDS: Final = 330.0
_STREAMS: Final = ("http://", "https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options, as `sinks feed --help` has them."""

    wikis: tuple[str, ...]
    since: datetime | None
    reset: bool
    state: Path
    concurrency: int
    rate: float | None
    limit: int | None
    give_up_seconds: float | None
    silence_seconds: float
    token_file: str | None
    ca_file: Path | None
    user_agent: str


def source_of(name: str, asked: Options, stopped: threading.Event, report: Report) -> Source:
    """Return the source of that name, opened if it is a file. raises: click.ClickException."""
    if not name.startswith(_STREAMS):
        try:
            source = FileSource(name)
        except OSError as error:
            hint = ": a stream begins with https://" if "/v2/stream/" in name else ""
            raise ended(f"{one_line(name)}: {error.strerror}{hint}") from None
        if source.is_indented:
            wanted = "a feed has one JSON document a line: jq -c . makes it, jq -c .[] of a list"
            raise ended(f"{one_line(name)}: {wanted}")
        return source
    try:
        address = absolute_url(name)
    except NotValid as error:
        raise ended(f"SOURCE {error}") from None
    patience = Patience(
        silence_seconds=asked.silence_seconds,
        give_up_seconds=asked.give_up_seconds,
        wait=stopped.wait,
        tell=report.tell,
    )
    agent = f"{USER_AGENT} {asked.user_agent}".strip()
    if not (agent.isascii() and agent.isprintable()):
        raise click.UsageError("--user-agent wants ASCII without control codes")
    return StreamSource(address, asked.since or datetime.now(UTC), agent, patience)


def unknown_wikis(names: Sequence[str]) -> Iterator[str]:
    """Yield a line for each that is in no table; there may be newer ones."""
    known = wikis.load()
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            meant = f": is {near[0]} meant?" if near else ""
            yield one_line(f"--wiki {name}: no wiki that is known here is called so{meant}")


def client_of(token_file: str | None, ca_file: Path | None) -> HttpClient:
    """Return the client of the shim; the token is looked at now, and read anew for every event."""
    authorization(token_file)
    if token_file is not None and not Path(token_file).is_file():
        raise ended(f"--token-file: {token_file}: it has to be a file that can be read again")
    try:
        tls = ssl.create_default_context(cafile=ca_file) if ca_file else None
    except OSError as error:
        raise ended(f"--ca-file: {ca_file}: {error}: has to be a PEM file") from None
    transport = Transport(_CONNECT_SECONDS, _MAX_ANSWER_BYTES, tls)
    return HttpClient("http-shim", transport, token_file=Path(token_file) if token_file else None)


def events_url(shim: str) -> str:
    """Return where events go: the path can be left out."""
    try:
        address = url(shim)
    except NotValid as error:
        raise ended(f"SHIM {error}") from None
    return address.rstrip("/") + "/events" if urlsplit(address).path in ("", "/") else address


def positions_of(source: Source, path: Path) -> AbstractContextManager[Positions | None]:
    """The positions of sources like this; None where it can be read only once."""
    return nullcontext() if source.key is None else positions_in(path)


def feeds_of(
    sources: Mapping[str | None, Source],
    accounts: Mapping[str | None, Account],
    positions: Positions | None,
    asked: Options,
    stopped: threading.Event,
    report: Report,
) -> list[Feed]:
    """Return a feed for each Trigger; its source begins where the state says."""
    choice = Choice(wikis=frozenset(asked.wikis), rate=asked.rate or 0.0, limit=asked.limit)
    feeds = []
    for trigger, source in sources.items():
        stored = None
        if positions is not None and source.key is not None and not asked.reset:
            stored = positions.get(source.key, trigger)
        begin = source.start(stored, report.tell)
        account = accounts[trigger]
        feeds.append(Feed(trigger, source, begin, choice, account, stopped, report.ended))
    return feeds


def deliverings_of(
    feeds: Sequence[Feed],
    http: HttpClient,
    address: str,
    give_up_seconds: float | None,
    stopped: threading.Event,
    report: Report,
) -> list[Delivering]:
    """Return how each feed's events are delivered."""

    def is_known() -> bool:
        return any(feed.account.acknowledged for feed in feeds)

    def deferred(account: Account, text: str) -> None:
        account.defer()
        report.tell(text)

    return [
        Delivering(
            http=http,
            url=address,
            answer_seconds=_ANSWER_SECONDS,
            give_up_seconds=give_up_seconds,
            wait=stopped.wait,
            is_known=is_known,
            deferred=partial(deferred, feed.account),
        )
        for feed in feeds
    ]
