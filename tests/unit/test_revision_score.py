"""The score document: what each member is made from, valid, and without empty members."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sinks import inputs
from sinks.cloudevent import decode, encode
from sinks.envelope import page_change_event
from sinks.errors import InvalidEvent
from sinks.output import build_meta
from sinks.prediction import Prediction
from sinks.revision_score import OUTPUT, from_change, scores
from sinks.schema import output_schema
from tests.factories import DATA, page_change, revision_create

READERS = inputs.load_readers()
SCHEMA = output_schema(OUTPUT.title, OUTPUT.version)
PREDICTION = Prediction("drafttopic", "1.3.0", ("a", "b"), {"a": 0.9, "b": 0.1})
STREAM = "mediawiki.revision_score_drafttopic"


def built(document: dict[str, Any], prediction: Prediction = PREDICTION) -> dict[str, Any]:
    """The score document of an input document."""
    change = inputs.parse(document, READERS)
    return {
        "$schema": OUTPUT.schema,
        "meta": build_meta(change.meta, STREAM, "id-1"),
        **from_change(change),
        **scores(prediction),
    }


def values(document: Any) -> Iterator[Any]:
    """All values in a JSON document, nested ones too."""
    yield document
    for part in document.values() if isinstance(document, dict) else document:
        yield from values(part) if isinstance(part, dict | list) else (part,)


def test_from_change_page_change_with_everything_maps_all_members() -> None:
    """Every member of the score document comes from where it is documented to come from."""
    document = page_change(
        dt="2026-09-23T12:00:01+02:00",
        meta={"request_id": "r-1", "uri": "/wiki/Example", "topic": "t", "dt": "x"},
        page={"namespace_id": 4, "is_redirect": True},
        revision={"rev_parent_id": 0, "rev_dt": "2026-09-23t10:00:00z"},
        performer={
            "user_text": "E",
            "user_id": 7,
            "groups": ["*"],
            "is_bot": False,
            "edit_count": 0,
            "registration_dt": "2020-01-01T00:00:00Z",
            "is_temp": True,
            "user_central_id": 9,
        },
    )

    score = built(document)

    assert score == {
        "$schema": "/mediawiki/revision/score/3.0.0",
        "dt": "2026-09-23T10:00:01Z",
        "meta": {
            "stream": STREAM,
            "id": "id-1",
            "domain": "en.wikipedia.org",
            "request_id": "r-1",
            "uri": "/wiki/Example",
        },
        "database": "enwiki",
        "page_id": 123,
        "page_title": "Example",
        "page_namespace": 4,
        "page_is_redirect": True,
        "rev_id": 1300200300,
        "rev_parent_id": 0,
        "rev_timestamp": "2026-09-23T10:00:00Z",
        "performer": {
            "user_text": "E",
            "user_groups": ["*"],
            "user_is_bot": False,
            "user_id": 7,
            "user_edit_count": 0,
            "user_registration_dt": "2020-01-01T00:00:00Z",
        },
        "scores": {
            "drafttopic": {
                "model_name": "drafttopic",
                "model_version": "1.3.0",
                "prediction": ["a", "b"],
                "probability": {"a": 0.9, "b": 0.1},
            }
        },
    }
    SCHEMA.validate(score)


def test_from_change_page_change_with_required_only_leaves_the_rest_out() -> None:
    """A member is absent where the input has not got it."""
    document = page_change(
        meta={"id": None, "domain": None}, page={"namespace_id": None, "is_redirect": None}
    )

    score = built(document)

    assert set(score) == {
        "$schema",
        "dt",
        "meta",
        "database",
        "page_id",
        "page_title",
        "rev_id",
        "rev_timestamp",
        "scores",
    }
    assert score["meta"] == {"stream": STREAM, "id": "id-1"}
    SCHEMA.validate(score)


def test_from_change_revision_create_takes_time_of_revision() -> None:
    """The time of a score of a revision-create is that of its revision."""
    document = revision_create(
        dt="2030-01-01T00:00:00Z", performer={"user_text": "E", "other": "x"}, rev_parent_id=4
    )

    score = built(document)

    assert (score["dt"], score["rev_timestamp"]) == ("2026-09-23T10:00:00Z",) * 2
    assert score["performer"] == {"user_text": "E"}
    assert score["rev_parent_id"] == 4
    SCHEMA.validate(score)


@pytest.mark.parametrize(
    ("over", "name", "expected"),
    [
        pytest.param({"page": {"namespace_id": 0}}, "page_namespace", 0, id="namespace-0"),
        pytest.param({"page": {"is_redirect": False}}, "page_is_redirect", False, id="no-redirect"),
        pytest.param({"revision": {"rev_parent_id": 0}}, "rev_parent_id", 0, id="no-parent"),
        pytest.param({"revision": {"rev_id": 0}}, "rev_id", 0, id="revision-0"),
        pytest.param({"performer": {"groups": []}}, "performer", {"user_groups": []}, id="groups"),
        pytest.param(
            {"performer": {"user_id": 0, "is_bot": False}},
            "performer",
            {"user_id": 0, "user_is_bot": False},
            id="zero-and-false-in-performer",
        ),
    ],
)
def test_from_change_value_that_is_false_is_not_absent(
    over: dict[str, Any], name: str, expected: Any
) -> None:
    """Zero, false and empty are values: only what is not known is left out."""
    score = built(page_change(**over))

    assert score[name] == expected
    SCHEMA.validate(score)


@pytest.mark.parametrize("page_id", [0, 0.0, -0.0], ids=["zero", "float", "minus-zero"])
def test_from_change_page_id_zero_is_invalid_event(page_id: float) -> None:
    """Page 0 is a valid input but no valid output, so it is refused for good."""
    document = page_change(page={"page_id": page_id})

    with pytest.raises(InvalidEvent) as refused:
        built(document)

    assert (refused.value.status, refused.value.reason) == (422, "invalid_event")
    assert "page_id" in refused.value.detail


def test_scores_no_labels_is_valid() -> None:
    """A model may decide for nothing at all."""
    score = built(page_change(), Prediction("drafttopic", "1.3.0", (), {}))

    assert score["scores"]["drafttopic"]["prediction"] == []
    SCHEMA.validate(score)


@pytest.mark.parametrize("path", sorted((DATA / "events").glob("*.json")), ids=lambda p: p.stem)
def test_score_sample_event_is_valid(path: Path) -> None:
    """A score of any sample event is valid, even of kinds that no row scores."""
    score = built(json.loads(path.read_bytes()))

    SCHEMA.validate(score)

    assert None not in list(values(score))


HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1.0, -0.0, -1, 1.5, 2**53 - 1, 2**53, -(2**53), 1e300),
    *(
        "",
        "a",
        "a b",
        "caf\u00e9",
        "\x00\n\u2028",
        "\U0001f600",
        "\u0661",
        "%",
        "../..",
        "a" * 10_000,
    ),
    *("2026-09-23t10:00:00.123456789+23:59", "2016-12-31T23:59:60Z", "2026-09-23T10:00:60Z"),
    *("0001-01-01T00:00:00+01:00", "0000-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-09-23"),
    *("/mediawiki/page/change/1.99.0", "/mediawiki/page/change/2.0.0", "canary"),
    *([], [None], [""], ["a"], ["a", 1], {}, {"a": 1}, [[[]]]),
)


def places(document: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """All (object, member name) pairs of a document, nested ones too."""
    for name, value in document.items():
        yield document, name
        if isinstance(value, dict):
            yield from places(value)


def mutated(chance: random.Random, sample: dict[str, Any]) -> dict[str, Any]:
    """A sample of which one or two members have any other value, or are gone."""
    document = copy.deepcopy(sample)
    for _ in range(chance.choice((1, 1, 2))):
        holder, name = chance.choice(list(places(document)))
        if chance.random() < 0.1:
            del holder[name]
        else:
            holder[name] = copy.deepcopy(chance.choice(HOSTILE))
    return document


def test_score_mutated_samples_are_valid_or_refused() -> None:
    """Whatever one member of an event is, it is refused for good or makes a valid document."""
    chance = random.Random(31)  # noqa: S311
    samples = [json.loads(path.read_bytes()) for path in (DATA / "events").glob("*.json")]
    documents = [mutated(chance, chance.choice(samples)) for _ in range(2500)]

    valid, refused = 0, 0
    for document in documents:
        try:
            score = built(document)
            change = inputs.parse(document, READERS)
        except InvalidEvent as error:
            assert error.detail.isprintable()
            refused += 1
            continue
        SCHEMA.validate(score)
        assert None not in list(values(score))
        event = page_change_event(change, document, "https://schema.example.org", "binary")
        assert decode(*encode(event, "binary")) == event
        valid += 1

    assert min(valid, refused) > 300
