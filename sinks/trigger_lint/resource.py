"""What a resource has, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def object_of(parent: Any, name: str) -> Mapping[str, Any]:
    """Return a member that is an object; an empty one if it is not."""
    value = parent.get(name) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}


def namespace_of(resource: Any) -> str:
    """Return the namespace that it is in; empty if that is left to who applies it."""
    return str(object_of(resource, "metadata").get("namespace") or "")
