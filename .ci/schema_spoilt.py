"""Schemas spoilt on purpose: what no document shows, a proof on documents does not cover."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from schema_documents import Place, changed, look, removing, setting
from schema_judges import LIBRARIES, Disproved

Spoilt = tuple[Place, dict[str, Any]]  # where the fault is, and the schema that has it

# A bound -> the step that makes it weaker.
BOUNDS = {"minimum": -1, "maximum": 1, "minLength": -1, "maxLength": 1, "minProperties": -1}
CONSTRAINTS = ("type", "enum", "format", "pattern", "items", "additionalProperties", *BOUNDS)


def subschemas(schema: dict[str, Any], at: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the places of all schemas in `schema`, itself first, with the schemas."""
    yield at, schema
    for name, inner in schema.get("properties", {}).items():
        yield from subschemas(inner, (*at, "properties", name))
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from subschemas(schema[keyword], (*at, keyword))


def weakened(schema: dict[str, Any]) -> Iterator[Spoilt]:
    """Yield copies of `schema`, each with one constraint less, and the place of that constraint."""
    for place, inner in subschemas(schema):
        for keyword in CONSTRAINTS:
            # What is one of given texts is a text.
            if keyword in inner and not (keyword == "type" and "enum" in inner):
                at = (*place, keyword)
                yield (*at, "dropped"), changed(schema, at, removing)
        for keyword, outwards in BOUNDS.items():
            if keyword in inner:
                at = (*place, keyword)
                yield (*at, "moved"), changed(schema, at, setting(inner[keyword] + outwards))
        for index, name in enumerate(inner.get("required", ())):
            at = (*place, "required", index)
            yield (*at, name, "dropped"), changed(schema, at, removing)
        for name, known in inner.get("properties", {}).items():
            # A member that is like all others may as well not be named.
            if known != inner.get("additionalProperties"):
                at = (*place, "properties", name)
                yield (*at, "dropped"), changed(schema, at, removing)


def strengthened(schema: dict[str, Any]) -> Iterator[Spoilt]:
    """Yield copies of `schema`, each with one constraint more, and the place of that constraint."""
    for place, inner in subschemas(schema):
        if inner["type"] == "object" and inner.get("additionalProperties") is not False:
            at = (*place, "additionalProperties")
            yield (*at, "false"), changed(schema, at, setting(False))
        for keyword, outwards in BOUNDS.items():
            if keyword in inner:
                at = (*place, keyword)
                yield (*at, "moved"), changed(schema, at, setting(inner[keyword] - outwards))
        for index, value in enumerate(inner.get("enum", ())):
            at = (*place, "enum", index)
            yield (*at, value, "dropped"), changed(schema, at, removing)
        required = inner.get("required", [])
        for name in inner.get("properties", {}):
            at = (*place, "properties", name)
            yield (*at, "refused"), changed(schema, at, setting(False))
            if name not in required:
                at = (*place, "required")
                yield (*at, name, "added"), changed(schema, at, setting([*required, name]))


def as_strict(
    reader: dict[str, Any], upstream: dict[str, Any], demanded: tuple[str, ...]
) -> dict[str, Any]:
    """Return `reader` with the bounds and required members of `upstream`, as far as it has them:
    the strictest reader that still has to accept all that upstream accepts.

    demanded: members without which nothing has to be accepted.
    """
    strict = copy.deepcopy(reader)
    for place, inner in subschemas(strict):
        theirs = look(upstream, place)
        inner |= {name: theirs[name] for name in BOUNDS if name in inner and name in theirs}
        if "properties" in inner:
            names = (*theirs.get("required", ()), *(() if place else demanded))
            inner["required"] = [name for name in names if name in inner["properties"]]
    return strict


def count_noticed(
    name: str,
    spoilt: Iterator[Spoilt],
    documents: list[Any],
    shows: Callable[[int, int, bool], bool],
) -> int:
    """Return how many spoilt schemas there are, if a document shows the fault of each in both
    libraries. shows: of library number, document number and the spoilt schema's verdict."""
    count = 0
    for place, schema in spoilt:
        quick, slow = (judge(schema) for judge in LIBRARIES)
        if not any(
            shows(0, i, quick(document)) and shows(1, i, slow(document))
            for i, document in enumerate(documents)
        ):
            raise Disproved(f"{name}: no document shows the fault of this schema", place)
        count += 1
    return count
