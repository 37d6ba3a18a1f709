"""The table of where documents say what they are about, against the schemas that say so too."""

from __future__ import annotations

from typing import Any

import pytest

from sinks import inputs
from sinks.contract.facts import PLACES, Facts, facts_of
from sinks.publishing import load_outputs
from sinks.schema import reader_schema
from tests.factories import (
    page_change,
    prediction_classification,
    revision_create,
    revision_score,
    weighted_tags,
)

REVISION = 1300200300
SCHEMAS = [
    *load_outputs().values(),
    *(reader_schema(title, major) for title, major in inputs.load_readers()),
]


@pytest.mark.parametrize(
    ("document", "facts"),
    [
        (page_change(), Facts("enwiki", 123, REVISION, ())),
        (revision_create(), Facts("enwiki", 123, REVISION, ())),
        (revision_score(), Facts("enwiki", 123, REVISION, ("drafttopic",))),
        (prediction_classification(), Facts("enwiki", 123, REVISION, ("article-country",))),
        (weighted_tags(), Facts("enwiki", 123, None, ())),
    ],
    ids=["change", "create", "score", "prediction", "tags"],
)
def test_facts_of_each_kind_of_document_are_found(document: dict[str, Any], facts: Facts) -> None:
    """Wiki, page, revision and model, each where its schema has it; tags have but two of them."""
    assert facts_of(document) == facts


@pytest.mark.parametrize(
    "schema", SCHEMAS, ids=lambda schema: f"{schema.title.rpartition('/')[2]}-{schema.version}"
)
def test_places_of_a_document_are_those_of_its_schema(schema: Any) -> None:
    """Where a place is said to be there is a member, and where none is said to be there is none."""
    places = PLACES[schema.title]

    for pointer in (places.wiki, places.page_id, places.rev_id, places.models):
        properties = schema.definition["properties"]
        *outer, last = (pointer or "/meta/stream").split("/")[1:]
        for name in outer:
            properties = properties[name]["properties"]
        assert last in properties

    if places.rev_id is None:
        assert not {"rev_id", "revision"} & set(schema.definition["properties"])


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"$schema": 1},
        {"$schema": "/x/y/1.0.0", "wiki_id": "enwiki", "page_id": 1},
        {"$schema": "/mediawiki/page/change/1.2.0"},
        {"$schema": "/mediawiki/page/change/1.2.0", "page": None, "revision": [], "wiki_id": ""},
        page_change(wiki_id=["enwiki"], page={"page_id": "1"}, revision={"rev_id": True}),
        page_change(wiki_id=1, page={"page_id": 0.5}, revision={"rev_id": float("inf")}),
        revision_score(database={}, page_id=[], rev_id={}, scores=["drafttopic"]),
        prediction_classification(
            wiki_id=None, page=1, revision="x", predicted_classification={"model_name": ""}
        ),
    ],
    ids=["empty", "schema", "unknown", "bare", "odd", "types", "numbers", "score", "prediction"],
)
def test_fact_of_a_wrong_type_is_none(document: dict[str, Any]) -> None:
    """What nobody could make an attribute of is not said, whatever stands there."""
    assert facts_of(document) == Facts()


def test_fact_with_a_point_is_an_integer() -> None:
    """JSON Schema takes 1.0 for one, and the documents that our sinks write say 1."""
    facts = facts_of(page_change(page={"page_id": 123.0}, revision={"rev_id": 5.0}))

    assert (facts.page_id, facts.rev_id) == (123, 5)
    assert (type(facts.page_id), type(facts.rev_id)) == (int, int)


def test_models_of_a_score_are_all_that_have_one() -> None:
    """A score may be of several models, though no row makes such a one."""
    score = revision_score()["scores"]["drafttopic"]

    assert facts_of(revision_score(scores={"damaging": score})).models == ("drafttopic", "damaging")
