"""Copying by allow-list: what a schema names goes along, and nothing else does."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from sinks.allow_list import copier
from sinks.errors import InvalidEvent

TIME = {"type": "string", "format": "date-time"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "whole": {"type": "integer"},
        "part": {"type": "number"},
        "flag": {"type": "boolean"},
        "at": TIME,
        "words": {"type": "array", "items": {"type": "string"}},
        "anything": {"type": "object"},
        "nothing": {"type": "object", "properties": {}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "inner": {
            "type": "object",
            "properties": {
                "at": TIME,
                "whole": {"type": "integer"},
                "anything": {"type": "object"},
                "deep": {"type": "object", "properties": {"at": TIME}},
            },
        },
    },
}
COPY = copier(SCHEMA)


def test_copier_object_keeps_exactly_what_is_named_at_every_depth() -> None:
    """Known members arrive with their values, others do not, however deep they stand."""
    document = {
        "other": 1,
        "text": "a",
        "part": 1.5,
        "flag": False,
        "words": ["x", "y"],
        "inner": {"other": {"text": "a"}, "whole": 3, "deep": {"text": "a", "other": None}},
    }

    seen = COPY(document, "")

    assert seen == {
        "text": "a",
        "part": 1.5,
        "flag": False,
        "words": ["x", "y"],
        "inner": {"whole": 3, "deep": {}},
    }


def test_copier_member_absent_stays_absent() -> None:
    """Nothing is made up: an empty object is copied to an empty object."""
    seen = [COPY({}, ""), COPY({"inner": {}}, "")]

    assert seen == [{}, {"inner": {}}]


@pytest.mark.parametrize("name", ["anything", "nothing", "map"])
@pytest.mark.parametrize("value", [{"a": "b"}, {}, "a", None, [{"a": 1}]], ids=json.dumps)
def test_copier_object_of_unnamed_members_is_left_out(name: str, value: Any) -> None:
    """Where the schema names no members nobody knows what is in it, so none of it goes on."""
    seen = COPY({name: value, "text": "a", "inner": {"anything": value}}, "")

    assert seen == {"text": "a", "inner": {}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-09-23T10:00:00Z", "2026-09-23T10:00:00Z"),
        ("2026-09-23t12:00:00.120+02:00", "2026-09-23T10:00:00.120Z"),
        ("2026-09-23 10:00:00z", "2026-09-23T10:00:00Z"),
    ],
)
def test_copier_time_becomes_utc_text_at_every_depth(text: str, expected: str) -> None:
    """Times are written in one way, wherever they stand."""
    seen = COPY({"at": text, "inner": {"at": text, "deep": {"at": text}}, "text": text}, "")

    assert seen == {
        "at": expected,
        "inner": {"at": expected, "deep": {"at": expected}},
        "text": text,
    }


@pytest.mark.parametrize("text", ["", "2025-01-01", "2026-02-30T00:00:00Z", "2016-12-31T23:59:60Z"])
@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (lambda text: {"at": text}, "/at"),
        (lambda text: {"inner": {"at": text}}, "/inner/at"),
        (lambda text: {"inner": {"deep": {"at": text}}}, "/inner/deep/at"),
    ],
    ids=["top", "inner", "deep"],
)
def test_copier_text_that_is_no_time_is_invalid_time(
    document: Any, pointer: str, text: str
) -> None:
    """A time that cannot be converted is refused, naming the place and not the text."""
    with pytest.raises(InvalidEvent) as refused:
        COPY(document(text), "")

    assert (refused.value.status, refused.value.reason) == (422, "invalid_time")
    assert refused.value.detail.startswith(f"{pointer} ")
    assert not text or text not in refused.value.detail


def test_copier_pointer_given_begins_the_place() -> None:
    """Who copies a part of a document says where the part stands."""
    with pytest.raises(InvalidEvent, match="/prior_state/at "):
        COPY({"at": "x"}, "/prior_state")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"),
        (1.0, "1"),
        (-0.0, "0"),
        (9007199254740991.0, "9007199254740991"),
        (0, "0"),
    ],
)
def test_copier_whole_number_is_written_as_integer(value: float, expected: str) -> None:
    """JSON Schema takes 1.0 for an integer; what we write says 1."""
    seen = COPY({"whole": value, "inner": {"whole": value}}, "")

    assert json.dumps(seen) == f'{{"whole": {expected}, "inner": {{"whole": {expected}}}}}'


def test_copier_number_of_any_kind_stays_as_it_is() -> None:
    """Where the schema wants a number, 1.0 is as good as 1."""
    seen = COPY({"part": 1.0}, "")

    assert json.dumps(seen) == '{"part": 1.0}'


@pytest.mark.parametrize("value", [None, True, False, 1, 1.5, "a", [], ["a", {"b": 1}]], ids=repr)
@pytest.mark.parametrize("name", ["whole", "part", "flag", "words", "inner"])
def test_copier_value_of_another_type_is_kept_for_the_schema(name: str, value: Any) -> None:
    """A wrong type is not repaired and not dropped: the schema is to refuse it."""
    seen = COPY({name: value}, "")

    assert json.dumps(seen) == json.dumps({name: value})


@pytest.mark.parametrize("value", [None, True, 5, 1.5, ["a"], {"a": 1}], ids=repr)
def test_copier_time_of_another_type_is_kept_for_the_schema(value: Any) -> None:
    """What is no text is no time that could be converted: the schema is to refuse it."""
    seen = COPY({"at": value}, "")

    assert seen == {"at": value}


@pytest.mark.parametrize("document", [None, [], ["a"], "a", 1, True], ids=repr)
def test_copier_document_that_is_no_object_is_kept(document: Any) -> None:
    """Even a whole document of another type is left to the schema."""
    seen = COPY(document, "")

    assert seen == document


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "string"}, "a", "a"),
        ({"type": "integer"}, 2.0, 2),
        (TIME, "2026-09-23T12:00:00+02:00", "2026-09-23T10:00:00Z"),
        ({}, {"a": 1}, {"a": 1}),
    ],
    ids=["text", "integer", "time", "no-type"],
)
def test_copier_schema_of_one_value_copies_it(schema: Any, value: Any, expected: Any) -> None:
    """A schema need not be of an object."""
    seen = copier(schema)(value, "")

    assert seen == expected


DOCUMENT: dict[str, Any] = {
    "other": {"a": [1]},
    "whole": 1.0,
    "at": "2026-09-23t12:00:00+02:00",
    "words": ["x"],
    "anything": {"a": 1},
    "inner": {"at": "2026-09-23T10:00:00Z", "whole": 1, "deep": {"at": "2026-09-23T10:00:00Z"}},
}


def test_copier_array_of_objects_keeps_what_is_named_in_each() -> None:
    """The list holds in arrays too, and a place in one is told by its index."""
    item = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    copy = copier({"type": "object", "properties": {"all": {"type": "array", "items": item}}})
    good, bad = "2026-09-23T10:00:00Z", "yesterday"

    assert copy({"all": [{"at": good, "more": 1}, {}]}, "") == {"all": [{"at": good}, {}]}
    assert copy({"all": "no array"}, "") == {"all": "no array"}
    with pytest.raises(InvalidEvent, match="/all/1/at"):
        copy({"all": [{"at": good}, {"at": bad}]}, "")


def test_copier_document_is_not_changed() -> None:
    """The document that is copied stays as it came, to the last member."""
    document = copy.deepcopy(DOCUMENT)

    COPY(document, "")

    assert json.dumps(document) == json.dumps(DOCUMENT)


def test_copier_no_object_of_the_document_is_handed_on() -> None:
    """Who changes the copy changes no document, not even where nothing had to be left out."""
    document = {"inner": {"deep": {"at": "2026-09-23T10:00:00Z"}}}

    seen = COPY(document, "")

    assert seen == document
    assert seen is not document
    assert seen["inner"] is not document["inner"]
    assert seen["inner"]["deep"] is not document["inner"]["deep"]
