"""Filters that Knative 1.20 does not take, and what strict validation is good for."""

from __future__ import annotations

from typing import Any, Final

import pytest

from sinks.triggers import InvalidTrigger
from tests.e2e.api import Answer, ApiError
from tests.e2e.cluster import Cluster
from tests.e2e.filters_in_force import ours, trigger

PASSING: Final = {"exact": {"type": "com.example.one"}}
FAILING: Final = {"exact": {"type": "com.example.two"}}


def created(cluster: Cluster, spec: dict[str, Any], validation: str) -> Answer:
    """Return a Trigger as it would be stored; nothing is."""
    made = trigger("refused", "default", spec)
    path = cluster.api.path(made).rpartition("/")[0]
    return cluster.api.request("POST", path, made, fieldValidation=validation, dryRun="All")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param(
            {"filters": [{"exact": {"wikiId": "enwiki"}}]},
            'invalid key name "wikiId": spec.filters[0].exact[wikiId]',
            id="upper-case name",
        ),
        pytest.param(
            {"filters": [{"not": {"any": [{"prefix": {"1wiki": "e"}}]}}]},
            'invalid key name "1wiki": spec.filters[0].not.any[0].prefix[1wiki]',
            id="name that begins with a digit, deep inside",
        ),
        pytest.param(
            {"filters": [{"suffix": {"wikiid\n": "wiki"}}]},
            'invalid key name "wikiid\\n": spec.filters[0].suffix',
            id="name with a line feed",
        ),
        pytest.param(
            {"filter": {"attributes": {"wiki_id": "enwiki"}}},
            'invalid key name "wiki_id": spec.filter.attributes[wiki_id]',
            id="name with an underscore in the older filter",
        ),
        pytest.param(
            {"filters": [{**PASSING, "prefix": {"id": "1"}}]},
            "multiple dialects found, filters can have only one dialect set",
            id="two dialects",
        ),
        pytest.param(
            {"filters": [{"all": [{**PASSING, "not": FAILING}]}]},
            "multiple dialects found, filters can have only one dialect set",
            id="two dialects inside all",
        ),
        pytest.param(
            {"filters": [{"exact": {"namespaceid": 0}}]},
            "cannot unmarshal number into Go struct field",
            id="value that is a number",
        ),
        pytest.param(
            {"filter": {"attributes": {"isredirect": False}}},
            "cannot unmarshal bool into Go struct field",
            id="value of the older filter that is a boolean",
        ),
        pytest.param(
            {"filters": [{"and": [PASSING]}]},
            'unknown field "spec.filters[0].and"',
            id="and for all, validated strictly",
        ),
    ],
)
def test_filter_that_knative_refuses_is_refused_here_too(
    cluster: Cluster, spec: dict[str, Any], words: str
) -> None:
    """The shim would not start with a Trigger that could not be applied."""
    with pytest.raises(ApiError) as refusal:
        created(cluster, spec, "Strict")
    with pytest.raises(InvalidTrigger):
        ours({"refused": spec}, [])

    assert refusal.value.status == 400
    assert words in refusal.value.message


def test_misspelt_dialect_that_nobody_validates_is_no_filter_at_all(cluster: Cluster) -> None:
    """Without strict validation the API server drops what it does not know, and only warns."""
    spec = {"filters": [{"and": [FAILING]}]}

    stored = created(cluster, spec, "Warn")

    assert stored["spec"]["filters"] == [{}]
    assert 'unknown field "spec.filters[0].and' in stored.warnings[0]
    with pytest.raises(InvalidTrigger):
        ours({"misspelt": spec}, [])
