"""Sample documents by name, for commands that want an event without a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

_FILES: Final = Path(__file__).parent / "contract" / "samples"


def names() -> tuple[str, ...]:
    """Return the names of all samples, sorted."""
    return tuple(sorted(path.stem for path in _FILES.glob("*.json")))


def document(name: str) -> dict[str, Any]:
    """Return one of the documents; the caller may change it. raises: KeyError."""
    if name not in names():
        raise KeyError(name)
    loaded: dict[str, Any] = json.loads((_FILES / f"{name}.json").read_bytes())
    return loaded
