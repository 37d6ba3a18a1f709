"""The tags document: made from a change, with tags set or taken away, and valid."""

from __future__ import annotations

from typing import Any

import pytest

from sinks import inputs, weighted_tags
from sinks.errors import InvalidEvent
from sinks.prediction import Prediction
from sinks.schema import InvalidDocument, output_schema
from tests import factories
from tests.factories import page_change

READERS = inputs.load_readers()
SCHEMA = output_schema("mediawiki/cirrussearch/page_weighted_tags_change", "1.0.0")
PREFIX = "classification.prediction.articlecountry"
HEAD = {"$schema": weighted_tags.OUTPUT.schema, "meta": {"stream": "s"}}


def members(**over: Any) -> dict[str, Any]:
    """What comes from a page change with members replaced."""
    return weighted_tags.from_change(inputs.parse(page_change(**over), READERS))


def tags(**probability: Any) -> dict[str, Any]:
    """What comes from a prediction with these labels."""
    prediction = Prediction("article-country", "1", tuple(probability), probability)
    return weighted_tags.weighted_tags(prediction, PREFIX)


def test_output_is_the_inferred_version() -> None:
    """The documents say that they are of version 1.0.0."""
    assert weighted_tags.OUTPUT.schema == "/mediawiki/cirrussearch/page_weighted_tags_change/1.0.0"


def test_from_change_has_page_and_wiki_and_says_that_it_is_rev_based() -> None:
    """Only what finds the page goes along: no performer, no revision, no redirect."""
    seen = members(
        dt="2026-09-23T12:00:00+02:00",
        page={"page_id": 123.0, "is_redirect": False, "revision_count": 3},
        performer={"user_text": "E"},
        comment="c",
    )

    assert seen == {
        "dt": "2026-09-23T10:00:00Z",
        "wiki_id": "enwiki",
        "page": {"page_id": 123, "page_title": "Example", "namespace_id": 0},
        "rev_based": True,
    }


@pytest.mark.parametrize("namespace", [0, 1, 828, 2**53 - 1])
def test_from_change_namespace_of_pages_is_kept(namespace: int) -> None:
    """Any namespace that a page can be in is valid in the document."""
    seen = members(page={"namespace_id": namespace})

    assert seen["page"]["namespace_id"] == namespace
    SCHEMA.validate({**HEAD, **seen, **tags(Mali=0.5)})


@pytest.mark.parametrize("namespace", [None, -1, -(2**53) + 1], ids=["absent", "-1", "least"])
def test_from_change_namespace_that_no_page_is_in_is_invalid_document(
    namespace: int | None,
) -> None:
    """A page needs a namespace to be tagged, and is in none below 0."""
    with pytest.raises(InvalidEvent) as refused:
        members(page={"namespace_id": namespace})

    assert (refused.value.status, refused.value.reason) == (422, "invalid_document")
    assert refused.value.detail.startswith("/page/namespace_id")


def test_weighted_tags_labels_are_set_with_their_scores() -> None:
    """Each label becomes a tag with its score, in the order of the prediction."""
    seen = tags(Mali=1, Kenya=0.5, Chad=0)

    assert seen == {
        "weighted_tags": {
            "set": {
                PREFIX: [
                    {"tag": "Mali", "score": 1},
                    {"tag": "Kenya", "score": 0.5},
                    {"tag": "Chad", "score": 0},
                ]
            }
        }
    }
    SCHEMA.validate({**HEAD, **members(), **seen})


def test_weighted_tags_no_label_clears_the_prefix() -> None:
    """A page of which nothing is predicted any more loses the tags that it had."""
    seen = tags()

    assert seen == {"weighted_tags": {"clear": [PREFIX]}}
    SCHEMA.validate({**HEAD, **members(), **seen})


def test_weighted_tags_probability_without_label_is_no_tag() -> None:
    """Only what was decided for is a tag."""
    prediction = Prediction("article-country", "1", ("Mali",), {"Mali": 0.9, "Chad": 0.1})

    seen = weighted_tags.weighted_tags(prediction, "recommendation.tone")

    assert seen == {
        "weighted_tags": {"set": {"recommendation.tone": [{"tag": "Mali", "score": 0.9}]}}
    }


@pytest.mark.parametrize(
    ("labels", "probability"),
    [
        pytest.param(("",), {"": 0.5}, id="label-empty"),
        pytest.param(("Mali", ""), {"Mali": 0.5, "": 0.5}, id="second-label-empty"),
        pytest.param(("Mali",), {}, id="probability-absent"),
        pytest.param(("Mali", "Chad"), {"Mali": 0.5}, id="second-probability-absent"),
        pytest.param(("Mali",), {"mali": 0.5}, id="probability-of-another-label"),
        pytest.param(("Mali",), {"Mali": 1.2}, id="over-one"),
        pytest.param(("Mali",), {"Mali": 1.0000001}, id="just-over-one"),
        pytest.param(("Mali",), {"Mali": -0.1}, id="below-zero"),
        pytest.param(("Mali", "Chad"), {"Mali": 0.5, "Chad": 2}, id="second-over-one"),
    ],
)
def test_weighted_tags_label_that_cannot_be_a_tag_is_invalid_document(
    labels: tuple[str, ...], probability: dict[str, float]
) -> None:
    """A tag has a name and a score in 0..1, or the index would refuse all of them later."""
    with pytest.raises(InvalidEvent) as refused:
        weighted_tags.weighted_tags(Prediction("m", "1", labels, probability), PREFIX)

    assert (refused.value.status, refused.value.reason) == (422, "invalid_document")
    assert refused.value.detail.startswith("predictions")
    assert "Mali" not in refused.value.detail


def test_factory_document_is_valid() -> None:
    """The document that other tests start from is one that is published, and no larger."""
    SCHEMA.validate(factories.weighted_tags())

    for name in ("$schema", "meta", "dt", "wiki_id", "page", "weighted_tags"):
        with pytest.raises(InvalidDocument):
            SCHEMA.validate(factories.weighted_tags(**{name: None}))
