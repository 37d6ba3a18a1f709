"""How a row decides: each condition alone and their order, on a table of wikis made up here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest

from sinks import inputs, page_change
from sinks.deployed import InferenceService
from sinks.model_row import (
    Conditions,
    ModelRow,
    Question,
    Wanted,
    isvc_name,
    question_for,
    unwanted,
    unwanted_wiki,
)
from sinks.output import Output
from sinks.page_change import PageChange
from sinks.prediction import Prediction
from sinks.wikis import Wiki
from tests import factories

READERS = inputs.load_readers()
NOW = datetime(2026, 9, 23, 10, 5, 0, tzinfo=UTC)  # five minutes after the factories' documents
WIKIS = {
    "enwiki": Wiki("enwiki", "en.example.org", "open", "en"),
    "frwiki": Wiki("frwiki", "fr.example.org", "open", "fr"),
    "testwiki": Wiki("testwiki", "test.example.org", "closed", "en"),
}
DEPLOYED = {"enwiki-m": InferenceService("enwiki-m", "space")}
SERVICE = InferenceService("m", "everywhere")


def wanted(**over: Any) -> Wanted:
    """What is wanted of edits of articles on the wikis of the group `open`."""
    known = {
        "titles": (page_change.TITLE,),
        "kinds": frozenset(("edit",)),
        "wiki_group": "open",
    }
    return Wanted(**{**known, **over})


def question(service: InferenceService | None) -> Question:
    """A question that is never asked here."""
    return Question(
        family="outlink",
        service=service,
        request=lambda change, wiki: {},
        prediction=lambda answer, change, model: Prediction(model, "1", (), {}),
    )


def row(asked: Question | None = None, **over: Any) -> ModelRow:
    """The row `m`, which wants what `wanted` says."""
    return ModelRow(
        name="m",
        stream="s",
        test_stream="t",
        wanted=wanted(**over),
        question=asked,
        output=Output("mediawiki/x/y", "12.3.4", lambda change: {}),
        from_prediction=lambda prediction: {},
    )


def change(**over: Any) -> PageChange:
    """An edit of an article on enwiki, with members replaced."""
    return inputs.parse(factories.page_change(**over), READERS)


def conditions(oldest: float = 0, now: datetime = NOW) -> Conditions:
    return Conditions(DEPLOYED, WIKIS, oldest, now)


@pytest.mark.parametrize(
    ("over", "wiki", "expected"),
    [
        pytest.param({}, "enwiki", None, id="in-the-group"),
        pytest.param({}, "testwiki", "wiki_not_supported", id="in-another-group"),
        pytest.param({}, "xxwiki", "wiki_not_supported", id="in-no-table"),
        pytest.param({}, "", "wiki_not_supported", id="empty"),
        pytest.param({"wikis": frozenset(("testwiki",))}, "testwiki", None, id="besides-the-group"),
        pytest.param({"wikis": frozenset(("testwiki",))}, "frwiki", None, id="group-still-counts"),
        pytest.param(
            {"wikis": frozenset(("testwiki",))}, "xxwiki", "wiki_not_supported", id="neither"
        ),
        pytest.param(
            {"wiki_group": None, "wikis": frozenset(("frwiki",))}, "frwiki", None, id="by-name"
        ),
        pytest.param(
            {"wiki_group": None, "wikis": frozenset(("frwiki",))},
            "enwiki",
            "wiki_not_supported",
            id="by-name-only-deployed-elsewhere",
        ),
        pytest.param(
            {"wiki_group": None, "wikis": frozenset()}, "enwiki", "wiki_not_supported", id="nowhere"
        ),
        pytest.param(
            {"excluded_wikis": frozenset(("frwiki",))}, "frwiki", "predictor_cannot", id="excluded"
        ),
        pytest.param(
            {"excluded_wikis": frozenset(("frwiki",)), "wikis": frozenset(("frwiki",))},
            "frwiki",
            "predictor_cannot",
            id="excluded-though-named",
        ),
        pytest.param(
            {"excluded_wikis": frozenset(("frwiki",))}, "enwiki", None, id="others-are-not"
        ),
        pytest.param({"wiki_group": None}, "enwiki", None, id="deployed"),
        pytest.param({"wiki_group": None}, "frwiki", "wiki_not_deployed", id="not-deployed"),
        pytest.param({"wiki_group": None}, "xxwiki", "wiki_not_deployed", id="no-wiki-at-all"),
    ],
)
def test_unwanted_wiki_by_group_by_name_or_where_deployed(
    over: dict[str, Any], wiki: str, expected: str | None
) -> None:
    """A row is for a group of wikis, for wikis by name, or for those that have its predictor."""
    reason = unwanted_wiki(row(**over), wiki, conditions())

    assert reason == expected


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        pytest.param({"wiki_group": None}, True, id="neither"),
        pytest.param({}, False, id="group"),
        pytest.param({"wiki_group": None, "wikis": frozenset(("a",))}, False, id="names"),
        pytest.param({"wiki_group": None, "wikis": frozenset()}, False, id="no-names"),
    ],
)
def test_wanted_where_deployed_only_without_group_and_names(
    over: dict[str, Any], expected: bool
) -> None:
    """An empty set of wikis is none, not all that are deployed."""
    seen = wanted(**over).where_deployed

    assert seen is expected


@pytest.mark.parametrize(
    ("over", "namespace", "expected"),
    [
        pytest.param({}, 0, None, id="article"),
        pytest.param({}, 1, "namespace", id="talk-page"),
        pytest.param({}, None, "namespace", id="not-known"),
        pytest.param({"namespaces": frozenset((4, -1))}, -1, None, id="named"),
        pytest.param({"namespaces": frozenset((4, -1))}, 0, "namespace", id="not-named"),
        pytest.param({"namespaces": frozenset()}, 0, "namespace", id="none"),
        pytest.param({"namespaces": None}, 828, None, id="all"),
        pytest.param({"namespaces": None}, None, None, id="all-even-not-known"),
    ],
)
def test_unwanted_namespace_that_is_not_named(
    over: dict[str, Any], namespace: int | None, expected: str | None
) -> None:
    """Articles by default; a namespace that is not known is in no set."""
    reason = unwanted(row(**over), change(page={"namespace_id": namespace}), conditions())

    assert reason == expected


@pytest.mark.parametrize("redirects", [True, False], ids=["redirects-too", "no-redirects"])
@pytest.mark.parametrize(
    ("is_redirect", "expected"), [(False, None), (True, "redirect"), (None, "redirect")]
)
def test_unwanted_redirect_unless_known_to_be_none(
    redirects: bool, is_redirect: bool | None, expected: str | None
) -> None:
    """Without redirects, a page has to be known to be none."""
    asked = change(page={"is_redirect": is_redirect})

    reason = unwanted(row(redirects=redirects), asked, conditions())

    assert reason == (None if redirects else expected)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("edit", None), ("move", "page_change_kind"), ("Edit", "page_change_kind"), (None, None)],
)
def test_unwanted_kind_that_is_not_named(kind: str | None, expected: str | None) -> None:
    """A change without a kind, as of the older input, is of any kind."""
    asked = change()._replace(page_change_kind=kind)

    reason = unwanted(row(), asked, conditions())

    assert reason == expected


@pytest.mark.parametrize(
    ("visible", "expected"), [(True, None), (None, None), (False, "hidden_content")]
)
def test_unwanted_hidden_content(visible: bool | None, expected: str | None) -> None:
    """Only content that is known to be hidden is not scored."""
    asked = change(revision={"is_content_visible": visible})

    reason = unwanted(row(), asked, conditions())

    assert reason == expected


@pytest.mark.parametrize(
    ("feeds_on", "model", "expected"),
    [
        pytest.param("a", "a", None, id="the-model-it-feeds-on"),
        pytest.param("a", "b", "model_name", id="another-model"),
        pytest.param("a", "A", "model_name", id="upper-case"),
        pytest.param("a", "", "model_name", id="empty"),
        pytest.param(None, "a", "model_name", id="feeds-on-none"),
        pytest.param(None, "m", "model_name", id="its-own"),
        pytest.param("a", None, None, id="no-prediction"),
        pytest.param(None, None, None, id="neither"),
    ],
)
def test_unwanted_prediction_of_another_model(
    feeds_on: str | None, model: str | None, expected: str | None
) -> None:
    """A row feeds on the predictions of one model, or of none."""
    prediction = None if model is None else Prediction(model, "1", (), {})

    reason = unwanted(
        row(model_name=feeds_on), change()._replace(prediction=prediction), conditions()
    )

    assert reason == expected


@pytest.mark.parametrize(
    ("oldest", "age", "expected"),
    [
        pytest.param(0, 10**9, None, id="no-limit"),
        pytest.param(600, 599.999, None, id="younger"),
        pytest.param(600, 600, None, id="exactly-as-old"),
        pytest.param(600, 600.001, "too_old", id="older"),
        pytest.param(0.5, 1, "too_old", id="part-of-a-second"),
        pytest.param(600, -3600, None, id="from-the-future"),
    ],
)
def test_unwanted_older_than_the_limit(oldest: float, age: float, expected: str | None) -> None:
    """Only what is older than the limit is too old, 0 is no limit; and what has been predicted is
    passed on at any age."""
    now = datetime(2026, 9, 23, 10, 0, 0, tzinfo=UTC) + timedelta(seconds=age)

    reason = unwanted(row(question(SERVICE)), change(), conditions(oldest, now))
    passed_on = unwanted(row(), change(), conditions(oldest, now))

    assert reason == expected
    assert passed_on is None


# What spoils an edit that `row` wants, in the order in which it is to be told.
FAULTS: Mapping[str, dict[str, Any]] = {
    "page_change_kind": {"page_change_kind": "delete"},
    "wiki_not_supported": {"wiki_id": "xxwiki"},
    "hidden_content": {"revision": {"is_content_visible": False}},
    "namespace": {"page": {"namespace_id": 1}},
    "redirect": {"page": {"is_redirect": True}},
    "too_old": {"dt": "2020-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("other_model", [False, True], ids=["page-change", "other-model"])
def test_unwanted_of_several_reasons_the_first_is_told(other_model: bool) -> None:
    """Whatever else is wrong, the reason is the same: the first of model, kind, wiki, and so on."""
    sets = [names for size in range(len(FAULTS) + 1) for names in combinations(FAULTS, size)]
    expected = {names: "model_name" if other_model else next(iter(names), None) for names in sets}

    seen = {}
    for names in sets:
        document: dict[str, Any] = {}
        for name in names:
            document = factories.merged(document, FAULTS[name])
        asked = change(**document)
        if other_model:
            asked = asked._replace(prediction=Prediction("a", "1", (), {}))
        seen[names] = unwanted(row(question(SERVICE)), asked, conditions(oldest=3600))

    assert len(seen) == 64
    assert seen == expected


def test_isvc_name_is_wiki_and_row() -> None:
    """A predictor of a single wiki is named after both."""
    seen = isvc_name(row(), "be_x_oldwiki")

    assert seen == "be_x_oldwiki-m"


def test_question_for_one_service_is_asked_for_every_wiki() -> None:
    """Where one InferenceService answers for all, the wiki does not matter."""
    asked = question(SERVICE)

    seen = [question_for(row(asked), wiki, {}) for wiki in ("enwiki", "xxwiki")]

    assert seen == [(asked, SERVICE)] * 2


def test_question_for_single_wikis_is_whom_the_table_names() -> None:
    """Name and namespace come from the table of what is deployed, never from a pattern."""
    asked = question(None)

    seen = question_for(row(asked), "enwiki", DEPLOYED)

    assert seen == (asked, InferenceService("enwiki-m", "space"))


@pytest.mark.parametrize(
    "asking", [row(), row(question(None))], ids=["asks-nobody", "not-deployed-there"]
)
def test_question_for_nobody_is_lookup_error(asking: ModelRow) -> None:
    """That there is nobody to ask had to be known before: not knowing it is a bug."""
    with pytest.raises(LookupError):
        question_for(asking, "frwiki", DEPLOYED)


def test_output_type_is_of_title_and_major_version() -> None:
    """The type of the replies follows from the schema of what is replied."""
    seen = row().output_type

    assert seen == "org.wikimedia.mediawiki.x.y.v12"
