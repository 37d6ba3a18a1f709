"""Random valid documents of a JSON Schema: draft-07 and a plain tree, without references.

The same seed makes the same documents. Rare values are made often: bounds, integers written as
1.0, odd texts and times, members that are absent, and unknown ones where the schema is open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from random import Random
from typing import Any, Final

from jsonschema import Draft7Validator, FormatChecker
from rfc3987_syntax import is_valid_syntax

Make = Callable[[Random], Any]
# Gets what makes the value by its schema, too.
Choose = Callable[[Random, Make], Any]

ABSENT: Final = object()  # what a choice returns to leave an optional member out
MAX: Final = 2**53 - 1
ANNOTATIONS: Final = {"$schema", "$id", "title", "description", "examples"}
KEYWORDS: Final[Mapping[str, set[str]]] = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items"},
    "string": {"enum", "format", "minLength", "maxLength"},
    "integer": {"minimum", "maximum"},
    "boolean": set(),
}

TEXTS: Final = (
    "", "0", "null", "a b_c", "a/b?c#d", "%", "%41%zz%0d", "\"quo'ted\\", "<b>&amp;", "{isvc}",
    "line\r\nbreak", "\t", "\x00", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\u202egnp.",
    "Żółw", "日本語", "ירושלים (עיר)", "القاهرة", "e\u0301", "👩\u200d💻", "\U0010ffff",
)  # fmt: skip
URIS: Final = (
    "", "/", "?a=b", "#f", "../a", "a:", "urn:a:b", "mailto:a@a.example", "//a.example:999999",
    "http://[v1.a:b]/", "http://u:p@a.example:80/a;b='(c)'?d=e/?#f/?",
    "https://he.wikipedia.org/wiki/%D7%90", "https://a.example/" + "a" * 8174,
)  # fmt: skip
DATES: Final = ("0001-01-01", "9999-12-31", "2024-02-29", "1969-12-31", "0000-02-29")
HOURS: Final = ("00:00:00", "23:59:59", "12:30:59")
FRACTIONS: Final = (".0", ".5", ".123456789", ".1234567891", "." + "9" * 120)
ZONES: Final = ("z", "+00:00", "-00:00", "+05:30", "-12:00", "+23:59", "-23:59")
LEAP_SECONDS: Final = (
    "2016-12-31T23:59:60Z", "1990-12-31t15:59:60.25-08:00", "2017-01-01T05:29:60.000+05:30",
    "9999-12-31T23:59:60z",
)  # fmt: skip
# `editor` and the like: known elsewhere, but not where they turn up here.
UNKNOWN: Final = ("unknown", "topic", "editor", "performer", "comment", 'dt"', "", "$id", "ключ")
KEYS: Final = ("main", "mediainfo", "", "a/b", "ключ")


def documents(
    schema: Mapping[str, Any], seed: object, chosen: Mapping[str, Choose] | None = None
) -> Iterator[Any]:
    """Yield valid documents of `schema` without end.

    chosen:  JSON pointer of a member -> what chooses its value.
    raises:  LookupError if the schema has no such member; ValueError for a keyword that this
             module does not know: it would make documents that are not valid.
    """
    chance = Random(str(seed))  # noqa: S311 - the same in every run is the point
    choices = dict(chosen or {})
    make = _maker(schema, "", choices)
    if choices:
        raise LookupError(f"the schema has no {', '.join(choices)}")
    while True:
        yield make(chance)


def often(percent: float, *values: Any) -> Choose:
    """Return what chooses one of the values so often, and else anything by the schema."""
    return lambda chance, anything: (
        chance.choice(values) if chance.random() * 100 < percent else anything(chance)
    )


def smallest(document: Any, shows: Callable[[Any], bool]) -> Any:
    """Return the document without all that can be taken out of it while it still `shows` it.

    document:  shows it; not changed.
    """
    while (less := next(filter(shows, _smaller(document)), None)) is not None:
        document = less
    return document


def _smaller(value: Any) -> Iterator[Any]:
    """Yield copies of the value without one member or item each, at every depth."""
    inner = dict(value if isinstance(value, dict) else enumerate(value))
    make = (lambda items: items) if isinstance(value, dict) else (lambda items: [*items.values()])
    for key in inner:
        yield make({other: each for other, each in inner.items() if other != key})
    for key, each in inner.items():
        for less in _smaller(each) if isinstance(each, dict | list) else ():
            yield make({**inner, key: less})


# --- a second opinion ---------------------------------------------------------------------------


def second_judge(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    """Return whether jsonschema accepts a document: a library that the sinks do not use; slow."""
    judge: Callable[[Any], bool] = Draft7Validator(schema, format_checker=_CHECKER).is_valid
    return judge


_STRICT: Final = FormatChecker(("date-time",))  # KeyError if nothing installed judges it
_CHECKER: Final = FormatChecker(())


@_CHECKER.checks("date-time")
def _is_time(value: object) -> bool:
    """The library knows neither leap seconds nor the year 0, which are legal."""
    if not isinstance(value, str):
        return True
    known = re.sub(":60(?=[.zZ+-])", ":59", re.sub("^0000-", "2000-", value))
    return _STRICT.conforms(known, "date-time")


@_CHECKER.checks("uri-reference")
def _is_uri_reference(value: object) -> bool:
    return not isinstance(value, str) or _is_syntax(value)


@cache
def _is_syntax(uri: str) -> bool:
    # The parser needs seconds for 8 KiB; a run of one letter is as well-formed as the letter.
    shorter = re.sub(r"([a-z])\1+", r"\1", uri)
    return uri.isascii() and bool(is_valid_syntax("iri_reference", shorter))


# --- one maker for each type --------------------------------------------------------------------


def _maker(schema: Mapping[str, Any], pointer: str, choices: dict[str, Choose]) -> Make:
    """Return what makes values of the schema; takes those of `choices` out that it has used."""
    kind = schema["type"]
    if unknown := schema.keys() - KEYWORDS[kind] - ANNOTATIONS - {"type"}:
        raise ValueError(f"{pointer or 'the schema'}: nothing is known of {', '.join(unknown)}")
    make: Make
    if kind == "object":
        make = _objects(schema, pointer, choices)
    elif kind == "array":
        make = _arrays(_maker(schema["items"], f"{pointer}/*", choices))
    elif kind == "integer":
        make = _integers(schema.get("minimum", -MAX), schema.get("maximum", MAX))
    elif kind == "boolean":
        make = _one_of((True, False))
    else:
        make = _strings(schema)
    choose = choices.pop(pointer, None)
    return make if choose is None else lambda chance: choose(chance, make)


def _one_of(values: tuple[Any, ...]) -> Make:
    return lambda chance: chance.choice(values)


def _strings(schema: Mapping[str, Any]) -> Make:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 10**9)
    if "enum" in schema:
        return _one_of(tuple(schema["enum"]))
    if schema.get("format") == "uri-reference":
        return _one_of(tuple(uri for uri in URIS if shortest <= len(uri) <= longest))
    if schema.get("format") == "date-time":
        return lambda chance: _time(chance, longest)
    if "format" in schema:
        raise ValueError(f"nothing is known of the format {schema['format']}")
    return lambda chance: _text(chance).ljust(shortest, "a")[:longest]


def _text(chance: Random) -> str:
    what = chance.random()
    if what < 0.6:
        return f"Text_{chance.randrange(10**6)}"
    if what < 0.995:
        return "".join(chance.choices(TEXTS, k=chance.randint(1, 3)))
    return chance.choice(TEXTS[1:]) * 5_000


def _time(chance: Random, longest: int) -> str:
    """Return a time of any spelling that RFC 3339 allows."""
    if chance.random() < 0.01:
        return chance.choice(LEAP_SECONDS)
    year, month, day = chance.randint(1995, 2030), chance.randint(1, 12), chance.randint(1, 28)
    date = f"{year}-{month:02}-{day:02}"
    hour = f"{chance.randrange(24):02}:{chance.randrange(60):02}:{chance.randrange(60):02}"
    date, hour, zone, fraction, mark = (
        chance.choice(rare) if chance.random() < share else usual
        for usual, share, rare in (
            (date, 0.05, DATES),
            (hour, 0.1, HOURS),
            ("Z", 0.3, ZONES),
            ("", 0.2, FRACTIONS),
            ("T", 0.1, "t"),
        )
    )
    room = longest - len(f"{date}T{hour}{zone}")
    return f"{date}{mark}{hour}{fraction[:room]}{zone}"


def _integers(least: int, most: int) -> Make:
    edges = tuple(each for each in (least, most, 0, 1, -1) if least <= each <= most)
    small = range(max(least, 1), min(most, 10**6) + 1) or range(least, most + 1)

    def make(chance: Random) -> int | float:
        what = chance.random()
        value = chance.choice(small) if what < 0.6 else chance.choice(edges)
        if what > 0.9:
            value = chance.randint(least, most)
        as_float = chance.random() < 0.1
        return float(value) * (chance.choice((1, -1)) if value == 0 else 1) if as_float else value

    return make


def _arrays(make_item: Make) -> Make:
    def make(chance: Random) -> list[Any]:
        count = chance.choice((0, 1, 1, 2, 3)) if chance.random() < 0.99 else 100
        return [make_item(chance) for _ in range(count)]

    return make


def _objects(schema: Mapping[str, Any], pointer: str, choices: dict[str, Choose]) -> Make:
    members = schema.get("properties", {})
    asked = {name for name in members if f"{pointer}/{name}" in choices}
    asked |= set(schema.get("required", ()))
    makers = {name: _maker(each, f"{pointer}/{name}", choices) for name, each in members.items()}
    more = _more_members(schema, pointer, choices)

    def make(chance: Random) -> dict[str, Any]:
        share = chance.choice((0, 0.3, 0.6, 0.9, 1))
        made = {
            name: make_member(chance)
            for name, make_member in makers.items()
            if name in asked or chance.random() < share
        }
        return {name: value for name, value in made.items() if value is not ABSENT} | more(chance)

    return make


def _more_members(schema: Mapping[str, Any], pointer: str, choices: dict[str, Choose]) -> Make:
    """Return what makes the members that `properties` does not name."""
    more, members = schema.get("additionalProperties", True), schema.get("properties", {})
    if more is False:
        return lambda chance: {}
    is_map = isinstance(more, dict)
    make = _maker(more, f"{pointer}/*", choices) if is_map else _anything
    names = [name for name in (KEYS if is_map else UNKNOWN) if name not in members]

    def make_members(chance: Random) -> dict[str, Any]:
        if chance.random() > (0.8 if is_map else 0.1):
            return {}
        return {name: make(chance) for name in chance.sample(names, k=chance.randint(1, 2))}

    return make_members


def _anything(chance: Random) -> Any:
    """Return what an unknown member may hold: any JSON at all."""
    what = chance.randrange(8)
    if what == 0:
        return {name: _anything(chance) for name in chance.sample(UNKNOWN, k=2)}
    if what == 1:
        return [_anything(chance) for _ in range(chance.randrange(3))]
    return chance.choice((None, True, -0.5, 2**63, 1e300, _text(chance), [None], {}))
