"""The hosts that a predictor can ask: those of all wikis at wikipedia.org."""

from __future__ import annotations

from typing import Final

from kserve.errors import InferenceError

from sinks import wikis

_DOMAIN: Final = ".wikipedia.org"
LABELS: Final = frozenset(
    wiki.host_label for wiki in wikis.load().values() if wiki.domain.endswith(_DOMAIN)
)


def check(label: str) -> None:
    """Raise InferenceError, which is a 500, if there is no host of this label."""
    if label not in LABELS:
        raise InferenceError(f"Failed to ask {label}{_DOMAIN}: sample of a host that is not there")
