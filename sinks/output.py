"""What all documents that we publish have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sinks.page_change import Meta, PageChange


@dataclass(frozen=True, slots=True)
class Output:
    """One kind of document that we publish.

    title, version:  of its schema, e.g. `mediawiki/revision/score` and `3.0.0`.
    from_change:     the members that come from the change, without `$schema` and `meta`. What it
                     returns makes a valid document with what a row adds from the prediction;
                     raises InvalidEvent for a change that cannot become one.
    """

    title: str
    version: str
    from_change: Callable[[PageChange], dict[str, Any]]

    @property
    def schema(self) -> str:
        """The document's `$schema`."""
        return f"/{self.title}/{self.version}"

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])


def build_meta(meta: Meta, stream: str, event_id: str) -> dict[str, Any]:
    """Return the `meta` of an output document: where it goes, and what it was made from.

    stream:    where the event is to be published.
    event_id:  `meta.id`; `meta.dt` is left to the intake.
    """
    return present(
        {
            "stream": stream,
            "id": event_id,
            "domain": meta.domain,
            "request_id": meta.request_id,
            "uri": meta.uri,
        }
    )


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that have a value: what is not known is left out, never null."""
    return {name: value for name, value in members.items() if value is not None}
