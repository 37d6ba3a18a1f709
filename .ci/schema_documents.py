"""Documents for a schema: its examples, a complete and a minimal one, and many changed ones.

Every run makes the same ones. A changed document shares with its original whatever lies off the way
to the change: nothing here is ever changed in place.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson

Place = tuple[Any, ...]  # of member names and indexes, from the root

SEED = 20240824
RANDOM_DOCUMENTS = 1000  # per schema, besides the systematic ones
MAX = 2**53 - 1
GOOD_DATE = "2020-01-02T03:04:05Z"
DATES = """
    2020-01-02T03:04:05Z 2020-01-02t03:04:05z 2020-01-02T03:04:05.123456789Z 2020-01-02T03:04:05.Z
    2020-01-02T03:04:05+01:00 2020-01-02T03:04:05-00:00 2020-01-02T03:04:05+24:00
    2020-01-02T03:04:05+0100 2020-01-02T03:04:05 2020-01-02T24:00:00Z 2020-01-02T03:04Z 2020-01-02
    2020-06-30T23:59:60Z 2020-06-29T12:00:60Z 2020-02-30T00:00:00Z 0000-01-01T00:00:00Z
""".split()
DATES += [f"2020-01-02T03:04:05.{'0' * zeros}Z" for zeros in (107, 108)]  # 128, 129 characters
DATES += ["2020-01-02 03:04:05Z"]
GOOD_URI = "https://a.example/wiki/A?b=c#d"
URIS = f"""
    {GOOD_URI} //a.example /wiki/A #a mailto:a@a.example
    % %zz http://[ ## 1:2 http://a:b < \\ http://a/\u00e9
""".split()
TEXTS = ["", "x", "xy", "0", "\u00e9\u4e2d", "a b", "a/b", "/", "a\n", "a" * 8193]
NUMBERS = [0, -1, 1, 2, 1.0, -1.0, 0.5, 1.5, 1e300, -1e300, MAX, MAX + 1, -MAX, -MAX - 1]
ARRAYS: list[Any] = [[], ["x"], [""], [None], [1], ["x", 1], [["x"]], [{}], [True]]
OBJECTS: list[Any] = [{}, {"x": None}, {"x": {}}]
VALUES = [None, True, False, *NUMBERS, *TEXTS, *DATES, *URIS, *ARRAYS, *OBJECTS]
OF_TYPE: dict[str, list[Any]] = {
    "string": [*TEXTS, *DATES[-4:], *URIS[:3]],
    "integer": NUMBERS,
    "number": NUMBERS,
    "boolean": [True, False],
    "array": ARRAYS,
    "object": OBJECTS,
}
OF_FORMAT = {"date-time": DATES, "uri-reference": URIS}
OF_ANY_TYPE: list[Any] = [None, True, False, 0, 1, -1, 0.5, "", "x", "0", [], ["x"], [{}], {}]
# Unknown members: any, one that other versions have, one spelt wrongly as in an upstream example.
NAMES = ("unknown", "dt", 'dt"', "$id", "")


def look(value: Any, place: Place) -> Any:
    """Return what is at `place`. raises: LookupError or TypeError if nothing is."""
    for step in place:
        value = value[step]
    return value


def member(name: str) -> Place:
    """Return the place of a document's member in its schema: `page.page_id` is a member."""
    return tuple(step for part in name.split(".") for step in ("properties", part))


def changed(value: Any, place: Place, change: Callable[[Any, Any], None]) -> Any:
    """Return a copy of `value` in which `change(holder, key)` was done where `place` is held."""
    box = [value]
    holder: Any = box
    way = (0, *place)
    for step in way[:-1]:
        holder[step] = copy.copy(holder[step])
        holder = holder[step]
    change(holder, way[-1])
    return box[0]


def removing(holder: Any, key: Any) -> None:
    """Take `key` out of its holder."""
    del holder[key]


def setting(value: Any) -> Callable[[Any, Any], None]:
    """Return the change that puts `value` at a place, existing or new."""

    def change(holder: Any, key: Any) -> None:
        holder[key] = value

    return change


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Yield the place of `value` and of everything in it."""
    yield at
    inner = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else inner:
        yield from places(item, (*at, key))


def sample(schema: dict[str, Any], *, full: bool) -> Any:
    """Return a valid document with every member of `schema`, or only with those required."""
    kind = schema["type"]
    if kind == "object":
        inner = dict(schema.get("properties", {}))
        if full and isinstance(schema.get("additionalProperties"), dict):
            inner.setdefault("entry", schema["additionalProperties"])
        names = inner if full else schema.get("required", ())
        return {name: sample(inner[name], full=full) for name in names}
    if kind == "array":
        return [sample(schema["items"], full=full)]
    if kind == "string":
        texts = {"date-time": GOOD_DATE, "uri-reference": GOOD_URI}
        return schema.get("enum", [texts.get(schema.get("format", ""), "text")])[0]
    return {"integer": 7, "number": 0.5, "boolean": False}[kind]


def schema_at(schema: dict[str, Any], place: Place) -> dict[str, Any]:
    """Return what `schema` says of a document's `place`, which it knows."""
    for step in place:
        if isinstance(step, int):
            schema = schema["items"]
        else:
            schema = schema.get("properties", {}).get(step) or schema["additionalProperties"]
    return schema


def values_for(schema: dict[str, Any]) -> list[Any]:
    """Return right and wrong values for a place of which `schema` speaks; some repeatedly."""
    own = [*OF_TYPE[schema["type"]], *OF_FORMAT.get(schema.get("format", ""), ())]
    length = schema.get("maxLength", 0)
    return [*own, *schema.get("enum", ()), "a" * length, "a" * (length + 1), *OF_ANY_TYPE]


def systematic(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield a complete document with one change: each member removed, unknown members and items
    added, and at every place the values that there are for it."""
    document = sample(schema, full=True)
    for place in places(document):
        value = look(document, place)
        if place:
            yield changed(document, place, removing)
        for name in NAMES if isinstance(value, dict) else ():
            yield changed(document, (*place, name), setting(5))
        for item in (None, 1, "", "x") if isinstance(value, list) else ():
            yield changed(document, place, setting([*value, item]))
        for other in values_for(schema_at(schema, place)):
            yield changed(document, place, setting(other))


def mutated(document: Any, chance: random.Random) -> Any:
    """Return `document` with one to three random changes, most of which keep the type."""
    for _ in range(chance.randint(1, 3)):
        place = chance.choice([place for place in places(document) if place] or [()])
        value = look(document, place)
        same = [other for other in VALUES if type(other) is type(value)]
        what = chance.random()
        if what < 0.25 and place:
            document = changed(document, place, removing)
        elif what < 0.4 and isinstance(value, dict):
            name = chance.choice(NAMES)
            document = changed(document, (*place, name), setting(chance.choice(VALUES)))
        else:
            other = chance.choice(same if what < 0.85 and same else VALUES)
            document = changed(document, place, setting(other))
    return document


def different(documents: list[Any]) -> list[Any]:
    """Return `documents` without repetitions; 1 and 1.0 are different."""
    return list({orjson.dumps(document): document for document in documents}.values())


def corpus(schema: dict[str, Any], more: tuple[Any, ...] = ()) -> list[Any]:
    """Return different documents, the same in every run: valid ones, and changed ones.

    schema: with `examples`. more: valid documents that they lack.
    """
    valid = [*schema["examples"], *more, sample(schema, full=True), sample(schema, full=False)]
    chance = random.Random(SEED)  # noqa: S311 - the same in every run is the point
    random_ones = [mutated(chance.choice(valid), chance) for _ in range(RANDOM_DOCUMENTS)]
    return different([*valid, *systematic(schema), *random_ones])
