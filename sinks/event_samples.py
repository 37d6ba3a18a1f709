"""Sample documents by name, for commands that want an event without a file: made up, valid, small.

Four lie in `sinks/contract/samples/`; the others are its page change with a few members changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_FILES: Final = Path(__file__).parent / "contract" / "samples"
# What makes another change of the page change. None removes a member; `id` is that of its `meta`.
_VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "page_change_canary": {
        "meta": {"id": "0b0d9a37-5f2c-4a52-9a4f-6fd1a1f6a5c1", "domain": "canary"},
    },
    "page_change_create": {
        "meta": {"id": "5d3f0c1e-9a77-4b0e-8c55-0e1f7f0b8a02"},
        "changelog_kind": "insert",
        "page_change_kind": "create",
        "revision": {"rev_parent_id": 0},
        "prior_state": None,
    },
    "page_change_move": {
        "meta": {"id": "c7a4e2b8-61d0-4f5b-b3ad-2f90d4c6e103"},
        "page_change_kind": "move",
        "prior_state": {
            "page": {"page_title": "Draft:Lake_Marnow_Lighthouse", "namespace_id": 118}
        },
    },
    "page_change_wikidata": {
        "meta": {
            "id": "e91b6d54-2c3a-4d8f-a0b7-9c5e8f7a6d04",
            "domain": "www.wikidata.org",
            "uri": "https://www.wikidata.org/wiki/Q4115189",
        },
        "wiki_id": "wikidatawiki",
        "page": {"page_title": "Q4115189"},
    },
}


def names() -> tuple[str, ...]:
    """Return the names of all samples, sorted."""
    return tuple(sorted({*(path.stem for path in _FILES.glob("*.json")), *_VARIANTS}))


def document(name: str) -> dict[str, Any]:
    """Return one of the documents; the caller may change it. raises: KeyError."""
    if name not in names():
        raise KeyError(name)
    read = "page_change" if name in _VARIANTS else name
    loaded: dict[str, Any] = json.loads((_FILES / f"{read}.json").read_bytes())
    return _changed(loaded, _VARIANTS.get(name, {}))


def _changed(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    new = {
        name: _changed(document.get(name, {}), value) if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    return {name: value for name, value in {**document, **new}.items() if value is not None}
