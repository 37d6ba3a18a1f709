"""What all published documents have in common: names of schemas, `meta`, nothing that is null."""

from __future__ import annotations

from typing import Any

import pytest

from sinks import prediction_classification, revision_score, weighted_tags
from sinks.output import Output, build_meta, present
from sinks.page_change import Meta
from sinks.schema import output_schema

OUTPUTS = (revision_score.OUTPUT, prediction_classification.OUTPUT, weighted_tags.OUTPUT)
FULL = Meta(stream="in", id="in-1", domain="en.wikipedia.org", request_id="r-1", uri="/wiki/A")


@pytest.mark.parametrize(
    ("version", "major"), [("1.3.0", 1), ("3.0.0", 3), ("10.0.0", 10), ("0.9.1", 0)]
)
def test_output_schema_and_major_are_of_title_and_version(version: str, major: int) -> None:
    """A document's `$schema` is made of title and version; the type needs the major one only."""
    output = Output("mediawiki/x", version, lambda change: {})

    assert (output.schema, output.major) == (f"/mediawiki/x/{version}", major)


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.title)
def test_output_every_kind_has_a_schema_of_ours(output: Output) -> None:
    """What we publish can be validated before it is."""
    schema = output_schema(output.title, output.version)

    assert schema.definition["$id"] == output.schema


def test_build_meta_full_input_goes_on_but_for_its_own_stream_and_id() -> None:
    """The event has a stream and an id of its own; where it came from and why is copied."""
    seen = build_meta(FULL, "out", "out-1")

    assert seen == {
        "stream": "out",
        "id": "out-1",
        "domain": "en.wikipedia.org",
        "request_id": "r-1",
        "uri": "/wiki/A",
    }


@pytest.mark.parametrize("name", Meta._fields)
def test_build_meta_member_absent_is_left_out(name: str) -> None:
    """What the input has not got is absent; stream and id never are."""
    known = FULL._asdict()

    seen = build_meta(Meta(**{**known, name: None}), "out", "out-1")

    assert set(seen) == {"stream", "id", "domain", "request_id", "uri"} - (
        {name} - {"stream", "id"}
    )


@pytest.mark.parametrize("value", [0, 0.0, False, "", [], {}], ids=repr)
def test_present_empty_value_is_a_value(value: Any) -> None:
    """Zero, false and empty are kept: only what is not known is left out."""
    seen = present({"a": value, "b": None})

    assert seen == {"a": value}


def test_present_members_are_not_changed() -> None:
    """The members that are given stay as they are."""
    members = {"a": None, "b": 1}

    seen = present(members)

    assert (members, seen) == ({"a": None, "b": 1}, {"b": 1})
