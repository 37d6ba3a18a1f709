"""The sample documents that commands know by name."""

from __future__ import annotations

import pytest

from sinks import event_samples, inputs
from sinks.schema import output_schema


@pytest.mark.parametrize("name", event_samples.names())
def test_sample_is_a_valid_document(name: str) -> None:
    """Whoever sends a sample is not refused for it."""
    document = event_samples.document(name)

    title, major = inputs.schema_of(document)
    readers = inputs.load_readers()
    if (title, major) in readers:
        readers[title, major].schema.validate(document)
    else:
        output_schema(title, document["$schema"].rpartition("/")[2]).validate(document)


def test_samples_have_ids_of_their_own() -> None:
    """A Broker, or the console, tells them apart."""
    ids = [event_samples.document(name)["meta"]["id"] for name in event_samples.names()]

    assert len(set(ids)) == len(ids) == 8


def test_sample_variant_changes_only_what_it_says() -> None:
    """A created page has no earlier state, and is otherwise the page of the edit."""
    edit, create = (event_samples.document(n) for n in ("page_change", "page_change_create"))

    assert create.keys() == edit.keys() - {"prior_state"}
    assert (create["page_change_kind"], create["page"]) == ("create", edit["page"])
    assert {**edit["revision"], "rev_parent_id": 0} == create["revision"]


def test_sample_of_an_unknown_name_is_a_key_error() -> None:
    """A misspelt name is no file name, whatever lies about."""
    with pytest.raises(KeyError):
        event_samples.document("../samples/page_change")
