"""The table of models: which row takes which change, on which wikis, and where it publishes."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import sinks
from sinks import deployed, inputs
from sinks.deployed import InferenceService
from sinks.envelope import event_type
from sinks.models import MODELS, ROWS, Conditions, ModelRow, isvc_name, unwanted
from sinks.page_change import PageChange
from tests.factories import SCORE_TYPE, page_change, revision_create

READERS = inputs.load_readers()
NOW = datetime(2026, 9, 23, 10, 5, 0, tzinfo=UTC)  # five minutes after the factories' documents
NAMES = (
    "articlequality",
    "itemquality",
    "articletopic",
    "itemtopic",
    "drafttopic",
    "draftquality",
    "damaging",
    "goodfaith",
    "reverted",
)
with (Path(sinks.__path__[0]) / "deployed.tsv").open(encoding="utf-8", newline="") as table:
    DEPLOYED = list(csv.reader((line for line in table if line[0] != "#"), delimiter="\t"))[1:]


def wiki_of(row: ModelRow) -> str:
    """A wiki for which production has the row's model."""
    names = [name for where, _, name in DEPLOYED if where == "production"]
    return min(name for name in names if name.endswith(f"-{row.name}")).partition("-")[0]


def change(row: ModelRow, **over: Any) -> PageChange:
    """A page change that the row takes, with members replaced."""
    return inputs.parse(page_change(**{"wiki_id": wiki_of(row), **over}), READERS)


def creation(row: ModelRow, **over: Any) -> PageChange:
    """A revision-create that the row takes, with members replaced."""
    return inputs.parse(revision_create(**{"database": wiki_of(row), **over}), READERS)


def conditions(oldest: float = 0, now: datetime = NOW, where: str = "production") -> Conditions:
    return Conditions(deployed.load(where), oldest, now)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize(
    ("over", "expected"),
    [
        pytest.param({}, None, id="edit"),
        pytest.param({"page_change_kind": "create"}, None, id="create"),
        pytest.param({"page_change_kind": "move"}, "page_change_kind", id="move"),
        pytest.param({"page_change_kind": "delete"}, "page_change_kind", id="delete"),
        pytest.param({"page_change_kind": "undelete"}, "page_change_kind", id="undelete"),
        pytest.param(
            {"page_change_kind": "visibility_change"}, "page_change_kind", id="visibility-change"
        ),
        pytest.param({"page_change_kind": "merge"}, "page_change_kind", id="newer-kind"),
        pytest.param({"page_change_kind": "Edit"}, "page_change_kind", id="kind-in-upper-case"),
        pytest.param({"page_change_kind": ""}, "page_change_kind", id="empty-kind"),
        pytest.param({"page": {"namespace_id": 1}}, None, id="talk-page"),
        pytest.param({"page": {"namespace_id": 828}}, None, id="module"),
        pytest.param({"page": {"namespace_id": -1}}, None, id="negative-namespace"),
        pytest.param({"page": {"namespace_id": None}}, None, id="unknown-namespace"),
        pytest.param({"page": {"is_redirect": True}}, None, id="redirect"),
        pytest.param({"page": {"is_redirect": None}}, None, id="unknown-whether-redirect"),
        pytest.param({"revision": {"is_content_visible": True}}, None, id="visible"),
        pytest.param({"revision": {"is_content_visible": False}}, "hidden_content", id="hidden"),
        pytest.param({"wiki_id": "xxwiki"}, "wiki_not_deployed", id="unknown-wiki"),
        pytest.param(
            {"wiki_id": "xxwiki", "page_change_kind": "delete"},
            "page_change_kind",
            id="kind-before-wiki",
        ),
        pytest.param(
            {"wiki_id": "xxwiki", "revision": {"is_content_visible": False}},
            "wiki_not_deployed",
            id="wiki-before-hidden",
        ),
    ],
)
def test_unwanted_revscoring_row_takes_edits_and_creations(
    row: ModelRow, over: dict[str, Any], expected: str | None
) -> None:
    """A revscoring row takes every visible edit and creation, in any namespace, redirects too."""
    reason = unwanted(row, change(row, **over), conditions())

    assert reason == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize(
    ("over", "expected"),
    [
        pytest.param({}, None, id="article"),
        pytest.param({"page_namespace": 1, "page_is_redirect": True}, None, id="talk-redirect"),
        pytest.param({"database": "xxwiki"}, "wiki_not_deployed", id="unknown-wiki"),
    ],
)
def test_unwanted_revision_create_is_always_of_a_taken_kind(
    row: ModelRow, over: dict[str, Any], expected: str | None
) -> None:
    """A revision-create has no kind: it is always one that the row scores."""
    reason = unwanted(row, creation(row, **over), conditions())

    assert reason == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize(
    ("oldest", "later", "expected"),
    [
        pytest.param(0, 10**8, None, id="no-limit"),
        pytest.param(600, 300, None, id="young"),
        pytest.param(600, 600, None, id="exactly-as-old"),
        pytest.param(600, 601, "too_old", id="older"),
        pytest.param(0.5, 1, "too_old", id="fraction"),
        pytest.param(600, -3600, None, id="from-the-future"),
    ],
)
def test_unwanted_event_older_than_limit_is_too_old(
    row: ModelRow, oldest: float, later: int, expected: str | None
) -> None:
    """Only what is older than the limit is too old; 0 is no limit."""
    now = datetime(2026, 9, 23, 10, 0, 0, tzinfo=UTC) + timedelta(seconds=later)

    reason = unwanted(row, change(row), conditions(oldest, now))

    assert reason == expected


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        pytest.param({}, None, id="article"),
        pytest.param({"page": {"namespace_id": 1}}, "namespace", id="other-namespace"),
        pytest.param({"page": {"namespace_id": None}}, "namespace", id="unknown-namespace"),
        pytest.param({"page": {"is_redirect": True}}, "redirect", id="redirect"),
        pytest.param({"page": {"is_redirect": None}}, "redirect", id="unknown-whether-redirect"),
        pytest.param(
            {"page": {"is_redirect": True, "namespace_id": 1}}, "namespace", id="namespace-first"
        ),
        pytest.param(
            {"page": {"namespace_id": 1}, "revision": {"is_content_visible": False}},
            "hidden_content",
            id="hidden-first",
        ),
        pytest.param(
            {"page": {"is_redirect": True}, "dt": "2020-01-01T00:00:00Z"},
            "redirect",
            id="redirect-before-age",
        ),
        pytest.param({"dt": "2020-01-01T00:00:00Z"}, "too_old", id="age-last"),
    ],
)
def test_unwanted_articles_only_row_asks_namespace_and_redirect(
    over: dict[str, Any], expected: str | None
) -> None:
    """A row can be limited to articles; what is not known to be one then is none."""
    row = replace(MODELS["drafttopic"], namespaces=frozenset((0,)), redirects=False)

    reason = unwanted(row, change(row, **over), conditions(oldest=3600))

    assert reason == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("where", ["staging", "production"])
def test_unwanted_wikis_are_exactly_the_deployed_ones(row: ModelRow, where: str) -> None:
    """A row takes exactly the wikis for which the environment's table has its model."""
    wikis = {name.partition("-")[0] for _, _, name in DEPLOYED} | {"commonswiki", "xxwiki"}
    expected = {
        name.removesuffix(f"-{row.name}")
        for place, _, name in DEPLOYED
        if place == where and name.endswith(f"-{row.name}")
    }

    taken = {
        wiki
        for wiki in wikis
        if unwanted(row, change(row, wiki_id=wiki), conditions(where=where)) is None
    }

    assert taken == expected


@pytest.mark.parametrize(("where", "count"), [("production", 109), ("staging", 9), ("dev", 0)])
def test_load_environment_has_only_its_own_services(where: str, count: int) -> None:
    """The table's services are told apart by environment."""
    expected = {
        name: InferenceService(name, space) for place, space, name in DEPLOYED if place == where
    }

    services = deployed.load(where)

    assert services == expected
    assert len(services) == count


def test_rows_every_deployed_service_has_its_row() -> None:
    """No model is deployed that no row could call, and no row is deployed nowhere."""
    called = {name.partition("-")[2] for _, _, name in DEPLOYED}

    assert called == set(MODELS)


def test_rows_names_are_unique_and_complete() -> None:
    """There is exactly one row for each of the nine models."""
    names = [row.name for row in ROWS]

    assert sorted(names) == sorted(NAMES)
    assert list(MODELS) == names
    assert all(MODELS[row.name] is row for row in ROWS)


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("articlequality", "mediawiki.revision_score_articlequality"),
        ("itemquality", "mediawiki.revision_score_articlequality"),
        ("articletopic", "mediawiki.revision_score_articletopic"),
        ("itemtopic", "mediawiki.revision_score_articletopic"),
        ("drafttopic", "mediawiki.revision_score_drafttopic"),
        ("draftquality", "mediawiki.revision_score_draftquality"),
        ("damaging", "mediawiki.revision_score_damaging"),
        ("goodfaith", "mediawiki.revision_score_goodfaith"),
        ("reverted", "mediawiki.revision_score_reverted"),
    ],
)
def test_rows_streams_are_those_of_production_and_test(name: str, stream: str) -> None:
    """Each row publishes to its production stream, or to the one test stream."""
    row = MODELS[name]

    assert (row.stream, row.test_stream) == (stream, "mediawiki.revision-score-test")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rows_output_type_differs_from_every_input_type(row: ModelRow) -> None:
    """A reply can never be taken for an input, so nothing goes round in circles."""
    inputs_types = {event_type(title, major) for title, major in READERS}

    assert row.output_type == SCORE_TYPE
    assert row.output_type not in inputs_types


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_isvc_name_is_wiki_and_model(row: ModelRow) -> None:
    """The InferenceService's name is made of wiki and row, and looked up, never guessed."""
    name = isvc_name(row, change(row))

    assert name == f"{wiki_of(row)}-{row.name}"
    assert deployed.load("production")[name].name == name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rows_request_has_the_revision_only(row: ModelRow) -> None:
    """The request holds nothing that would make a predictor publish an event itself."""
    body = row.request(change(row))

    assert body == {"rev_id": 1300200300}
