"""Copying by allow-list: of a document only what a schema names, at every depth.

A member that a producer adds upstream can so never make the copy invalid, or public.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sinks.page_change import time_of

# (value, its JSON pointer) -> its copy.
Copy = Callable[[Any, str], Any]


def copier(schema: Mapping[str, Any]) -> Copy:
    """Return what copies a value by a draft-07 schema that is a plain tree.

    Objects, in arrays too, keep the members that `properties` names; an object without it is left
    out, because nobody knows what is in it. Times become UTC text, integers such as 1.0 become 1. A
    value of another type than the schema's is kept as it is, for the schema to refuse.
    raises: InvalidEvent(invalid_time) when called.
    """
    kind, properties = schema.get("type"), schema.get("properties")
    if kind == "object" and properties:
        return _object({name: copier(inner) for name, inner in properties.items() if _known(inner)})
    if kind == "array" and "items" in schema:
        return _array(copier(schema["items"]))
    if schema.get("format") == "date-time":
        return _time
    if kind == "integer":
        return _integer
    return _same


def _known(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") != "object" or bool(schema.get("properties"))


def _object(members: Mapping[str, Copy]) -> Copy:
    def copy(value: Any, pointer: str) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: copy_member(value[name], f"{pointer}/{name}")
            for name, copy_member in members.items()
            if name in value
        }

    return copy


def _array(copy_item: Copy) -> Copy:
    def copy(value: Any, pointer: str) -> Any:
        if not isinstance(value, list):
            return value
        return [copy_item(item, f"{pointer}/{index}") for index, item in enumerate(value)]

    return copy


def _time(value: Any, pointer: str) -> Any:
    return time_of(value, pointer) if isinstance(value, str) else value


def _integer(value: Any, _: str) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _same(value: Any, _: str) -> Any:
    return value
