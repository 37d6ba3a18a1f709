"""Generated documents: valid, the same for the same seed, and with all that a schema allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import jsonschema_rs
import orjson
import pytest

from tests.factories import DATA
from tests.generated import ABSENT, MAX, documents, often, second_judge, smallest

SCHEMAS = sorted((DATA / "schemas").rglob("*.json"))
NAMES = [path.relative_to(DATA / "schemas").as_posix() for path in SCHEMAS]
TIMES = {
    "fraction": r".*:\d\d\.\d{1,9}[zZ+-].*",
    "long-fraction": r".{19}\.\d{90,}.*",
    "offset-ahead": r".*\+(?!00:00).*",
    "offset-behind": r".*-(?!00:00)\d\d:\d\d",
    "unknown-offset": r".*-00:00",
    "lower-case": r".*t.*z",
    "leap-second": r".*:60.*",
    "first-year": r"0001-.*",
    "last-year": r"9999-.*",
    "year-0": r"0000-.*",
}
OPEN: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "boolean"}}}
CLOSED: dict[str, Any] = {**OPEN, "additionalProperties": False}


def some(schema: Mapping[str, Any], count: int = 1000, **chosen: Any) -> list[Any]:
    """Return documents of a schema; `chosen` by member name."""
    pointers = {f"/{name}": choose for name, choose in chosen.items()}
    return list(islice(documents(schema, 1, pointers), count))


def values(schema: Mapping[str, Any]) -> list[Any]:
    """Return values of a member of this schema."""
    holder = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return [each["a"] for each in some(holder)]


def members(schema: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, bool]]:
    """Yield each place that a schema names, and whether it is required where its holder is."""
    inner = dict(schema.get("properties", {}))
    more = schema.get("items", schema.get("additionalProperties"))
    if isinstance(more, dict):
        inner["*"] = more
    for name, each in inner.items():
        yield f"{at}/{name}", name in schema.get("required", ())
        yield from members(each, f"{at}/{name}")


def reached(value: Any, schema: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Yield the places that a document fills; of those that are unknown, no more than that."""
    if isinstance(value, list):
        for each in value:
            yield f"{at}/*"
            yield from reached(each, schema["items"], f"{at}/*")
    if isinstance(value, dict):
        more = schema.get("additionalProperties")
        for name, each in value.items():
            known = schema.get("properties", {}).get(name)
            if known is None and not isinstance(more, dict):
                yield f"{at}/unknown"
                continue
            place = f"{at}/*" if known is None else f"{at}/{name}"
            yield place
            yield from reached(each, known or more, place)


@pytest.mark.parametrize("path", SCHEMAS, ids=NAMES)
def test_documents_of_a_schema_are_valid_for_two_libraries(path: Any) -> None:
    """What is not valid would prove nothing of valid input."""
    schema = orjson.loads(path.read_bytes())
    made = some(schema, 300)

    refused = [
        each
        for accepts in (
            jsonschema_rs.Draft7Validator(schema, validate_formats=True).is_valid,
            second_judge(schema),
        )
        for each in made
        if not accepts(each)
    ]

    assert refused == []


@pytest.mark.parametrize("path", SCHEMAS, ids=NAMES)
def test_documents_of_a_schema_fill_each_place_and_leave_out_optional_ones(path: Any) -> None:
    """All that a schema names is there at some time, and whatever need not be there is not."""
    schema = orjson.loads(path.read_bytes())
    named = dict(members(schema))

    filled = [{"", *reached(each, schema)} for each in some(schema)]

    left_out = {
        place
        for places in filled
        for place in named.keys() - places
        if place.rpartition("/")[0] in places
    }
    assert named.keys() <= set().union(*filled)
    assert left_out == {place for place, required in named.items() if not required}


def test_same_seed_makes_the_same_documents_and_another_others() -> None:
    """A failure can be repeated from its seed alone."""
    schema = orjson.loads(SCHEMAS[0].read_bytes())

    first, again, other = (list(islice(documents(schema, seed), 50)) for seed in (1, 1, 2))

    assert orjson.dumps(first) == orjson.dumps(again)
    assert orjson.dumps(first) != orjson.dumps(other)


@pytest.mark.parametrize(("schema", "expected"), [(OPEN, True), (CLOSED, False)])
def test_unknown_members_are_made_only_where_the_schema_is_open(
    schema: dict[str, Any], expected: bool
) -> None:
    """An open object has them now and then, with any JSON in them, and a closed one never."""
    unknown = [each.keys() - {"a"} for each in some(schema)]

    assert any(unknown) == expected
    assert not all(unknown)


@pytest.mark.parametrize(("least", "most"), [(-MAX, MAX), (0, MAX), (1, 5), (-3, -2)])
def test_integers_reach_both_bounds_and_have_both_spellings(least: int, most: int) -> None:
    """1.0 is an integer as well as 1; nothing lies outside the bounds."""
    made = values({"type": "integer", "minimum": least, "maximum": most})

    assert (min(made), max(made)) == (least, most)
    assert {type(each) for each in made} == {int, float}


def test_negative_zero_is_among_the_integers() -> None:
    """-0.0 is an integer that is not below 0, and written otherwise than 0."""
    made = values({"type": "integer", "minimum": 0, "maximum": 10})

    assert "-0.0" in {str(each) for each in made}


@pytest.mark.parametrize("spelling", TIMES.values(), ids=TIMES)
def test_times_have_every_spelling_that_is_legal(spelling: str) -> None:
    """RFC 3339 allows more than most programs write."""
    made = values({"type": "string", "format": "date-time", "maxLength": 128})

    assert [each for each in made if re.fullmatch(spelling, each)]
    assert max(map(len, made)) == 128


def test_texts_are_of_any_length_and_script_but_can_be_sent() -> None:
    """Empty ones, very long ones, line breaks and other scripts; half a surrogate is no JSON."""
    made = values({"type": "string"})
    joined = "".join(made)

    assert "" in made
    assert max(map(len, made)) >= 5000
    assert {'"', "%", "\n", "\x00", "ש", "本", "👩"} <= set(joined)
    assert joined.encode("utf-8")


def test_texts_keep_to_their_lengths() -> None:
    """Bounds count characters, as JSON Schema does."""
    made = values({"type": "string", "minLength": 1, "maxLength": 12})

    assert {len(each) for each in made} >= {1, 12}
    assert 1 <= min(map(len, made)) <= max(map(len, made)) <= 12


def test_chosen_member_has_the_chosen_values() -> None:
    """All of them, or all but a share of anything else."""
    always = {each["a"] for each in some(CLOSED, a=often(100, "x", "y"))}
    mostly = [each["a"] for each in some(CLOSED, a=often(90, "x"))]

    assert always == {"x", "y"}
    assert 0.85 < mostly.count("x") / len(mostly) < 0.95
    assert set(mostly) == {"x", True, False}


def test_chosen_member_can_be_absent() -> None:
    """To leave a member out is a choice like any other."""
    assert [each for each in some(CLOSED, a=often(100, ABSENT)) if each] == []


def test_choice_for_no_member_is_an_error() -> None:
    """A choice with a misspelt place would choose nothing."""
    with pytest.raises(LookupError, match="/b"):
        some(CLOSED, 1, b=often(100, "x"))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "a"},
        {"type": "string", "format": "email"},
        {"type": "object", "minProperties": 1},
    ],
    ids=["pattern", "format", "number-of-members"],
)
def test_schema_with_an_unknown_rule_is_an_error(schema: dict[str, Any]) -> None:
    """Documents made without regard to a rule would not be valid."""
    with pytest.raises(ValueError, match="nothing is known"):
        values(schema)


def test_smallest_document_keeps_only_what_shows_the_fault() -> None:
    """Whoever looks for a fault has to read nothing else; the document itself stays whole."""
    document = {"a": [1, {"b": 2, "c": [3, 4]}, 5], "d": {"e": None}, "f": ""}
    before = orjson.dumps(document)

    found = smallest(document, lambda each: b"4" in orjson.dumps(each))

    assert found == {"a": [{"c": [4]}]}
    assert orjson.dumps(document) == before
