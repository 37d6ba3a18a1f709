"""Parity: what each of changeprop's rules makes of a change today, and what it makes of it at us.

The rule's own request goes through real sinks; what EventGate gets is held against what the model
server of today publishes. All differences are those of `sinks/compare/expected.py`, and each rule
has exactly the ones named here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from sinks.compare.comparison import Comparison
from sinks.compare.expected import CHANGED
from sinks.schema import output_schema
from tests import today
from tests.changeprop import PRODUCTION, STAGING, Rule
from tests.factories import merged
from tests.parity import (
    RISKS,
    TAGS,
    Json,
    answer_of,
    both,
    for_rule,
    on,
    rows_of,
    sample,
)
from tests.standalone import Standalone, standalone

ARTICLES: Final = ("outlink-topic-model", "article-country", RISKS[0])
# Row -> names of all differences of an event that has everything.
DIFFERENCES: Final[Mapping[str, tuple[str, ...]]] = {
    "drafttopic": ("A3", "A4", "A6"),
    "goodfaith": ("A3", "A4", "A6"),
    "outlink-topic-model": ("A6",),
    "article-country": ("A6",),
    TAGS: ("A6",),
    "revertrisk-language-agnostic": ("A6",),
    "revertrisk-multilingual": ("A6",),
    "revertrisk-wikidata": ("A6",),
    "revise-tone-task-generator": ("A6",),
}
# In staging besides: tags have a test stream here.
IN_STAGING: Final = {TAGS: ("D9",), "revise-tone-task-generator": ("D9",)}


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """Our sinks as in production."""
    with standalone(tmp_path_factory.mktemp("production")) as running:
        yield running


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """Our sinks as in staging."""
    directory = tmp_path_factory.mktemp("staging")
    env = {"ENVIRONMENT": "staging", "STREAM_NAMES": "test"}
    with standalone(directory, **env) as running:
        yield running


def told(comparison: Comparison) -> dict[tuple[str, str, str], str | None]:
    """(kind, row, pointer) -> name of the difference; None is one that nobody expects."""
    return {(group.kind, group.row, group.place): group.expected for group in comparison.groups}


def as_listed(rows: tuple[str, ...], more: Mapping[str, tuple[str, ...]] = {}) -> Any:
    """What `told` says of events that differ in all that is listed for these rows."""
    return {
        ("different", row, pointer): changed.name
        for row in rows
        for changed in CHANGED
        if changed.name in (*DIFFERENCES[row], *more.get(row, ()))
        for pointer in changed.pointers
    }


EDITED_OR_MADE: Final = [
    pytest.param(rule, kind, id=f"{rule.model}-{kind}")
    for rule in PRODUCTION.values()
    for kind in rule.kinds
    if kind != "move" and not (kind == "create" and rule.model in RISKS)
]


@pytest.mark.parametrize(("rule", "kind"), EDITED_OR_MADE)
def test_rule_publishes_what_today_is_published_but_for_its_defects(
    production: Standalone, rule: Rule, kind: str
) -> None:
    """Edits and creations: the same events with exactly the differences that are listed."""
    comparison, servers, ours = both(production, rule, for_rule(rule, kind))

    assert told(comparison) == as_listed(rows_of(rule.model))
    assert len(servers) == len(ours) == len(rows_of(rule.model))
    assert comparison.findings == 0


IN_STAGING_TOO: Final = [
    pytest.param(rule, kind, id=f"{rule.model}-{kind}")
    for rule in STAGING.values()
    for kind in rule.kinds
    if not (kind == "create" and rule.model in RISKS)
]


@pytest.mark.parametrize(("rule", "kind"), IN_STAGING_TOO)
def test_staging_rule_publishes_what_today_is_published_but_for_its_defects(
    staging: Standalone, rule: Rule, kind: str
) -> None:
    """The same in staging, into test streams."""
    event = merged(for_rule(rule, kind), {"meta": {"stream": "liftwing.test-events"}})

    comparison, _, ours = both(staging, rule, event)

    assert told(comparison) == as_listed(rows_of(rule.model), IN_STAGING)
    assert {each["meta"]["stream"] for each in ours} <= {
        "mediawiki.revision-score-test",
        "mediawiki.page_prediction_change.rc0",
        "mediawiki.page_weighted_tags_change.rc0",
    }


MOVED: Final = [rule for rule in PRODUCTION.values() if "move" in rule.kinds]


@pytest.mark.parametrize("rule", MOVED, ids=lambda rule: rule.model)
def test_rule_publishes_moves_which_crash_todays_servers(
    production: Standalone, rule: Rule
) -> None:
    """B1: nothing comes of any move today."""
    comparison, servers, _ = both(production, rule, for_rule(rule, "move"))

    assert servers == []
    assert told(comparison) == {("only ours", row, ""): "B1" for row in rows_of(rule.model)}


WITHOUT: Final[Mapping[str, tuple[str, Json, Json]]] = {
    "no performer": ("drafttopic", sample("edit_without_performer"), {"": "B2"}),
    "no groups": ("drafttopic", sample("edit", performer={"groups": None}), {"": "B3"}),
    "no is_bot": ("drafttopic", sample("edit", performer={"is_bot": None}), {"": "B3"}),
    "no namespace": ("drafttopic", sample("edit", page={"namespace_id": None}), {"": "B6"}),
    "half a prior revision": (
        "outlink-topic-model",
        sample("edit", prior_state={"revision": {"rev_id": None}}),
        {"": "B4"},
    ),
    "cantonese": (
        "outlink-topic-model",
        on("zh_yuewiki", "zh-yue.wikipedia.org"),
        {"": "D1"},
    ),
    "alemannic": (RISKS[0], on("alswiki", "als.wikipedia.org"), {"": "D1"}),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_rule_publishes_what_todays_server_loses(production: Standalone, name: str) -> None:
    """What crashes today's server, or makes it refuse, is published here."""
    model, event, expected = WITHOUT[name]

    comparison, servers, ours = both(production, PRODUCTION[model], event)

    assert (len(servers), len(ours)) == (0, 1)
    assert told(comparison) == {("only ours", model, place): why for place, why in expected.items()}


def test_no_country_is_published_where_todays_server_says_nothing(production: Standalone) -> None:
    """A7: old tags would stay."""
    comparison, servers, ours = both(
        production, PRODUCTION["article-country"], sample("edit"), empty=True
    )

    assert servers == []
    assert told(comparison) == {("only ours", row, ""): "A7" for row in rows_of("article-country")}
    assert [each["weighted_tags"] for each in ours if "weighted_tags" in each] == [
        {"clear": ["classification.prediction.articlecountry"]}
    ]


def test_no_tone_clears_the_tag_as_today(production: Standalone) -> None:
    """A clear is the same on both sides."""
    rule = PRODUCTION["revise-tone-task-generator"]

    comparison, servers, _ = both(production, rule, sample("edit"), empty=True)

    assert servers[0]["weighted_tags"] == {"clear": ["recommendation.tone"]}
    assert told(comparison) == as_listed((rule.model,))


PARTLY: Final[Mapping[str, tuple[str, Json, Json]]] = {
    "talk page": ("drafttopic", sample("edit_talk_page"), {}),
    "redirect": ("drafttopic", sample("edit", page={"is_redirect": True}), {}),
    "anonymous": (
        "drafttopic",
        sample("edit", performer={"user_id": None, "edit_count": None, "registration_dt": None}),
        {f"/performer/user_{name}": None for name in ("id", "edit_count", "registration_dt")},
    ),
    "without parent": (
        "drafttopic",
        sample("edit", revision={"rev_parent_id": None}),
        {"/rev_parent_id": None},
    ),
    "time with offset": (
        "drafttopic",
        sample("edit", dt="2026-08-11T11:14:27+02:00"),
        {"/dt": "UTC"},
    ),
    "unsafe request id": (
        "outlink-topic-model",
        sample("edit", meta={"request_id": "a b"}),
        {"/meta/request_id": "unsafe"},
    ),
    "hidden editor": (
        "outlink-topic-model",
        sample("edit", revision={"is_editor_visible": False}),
        {"/performer": "A16", "/revision/editor": "A16", "/prior_state/revision/editor": "A16"},
    ),
    "hidden comment": (
        "outlink-topic-model",
        sample("edit", revision={"is_comment_visible": False}),
        {"/revision/comment": "A16", "/prior_state/revision/comment": "A16"},
    ),
    "newer schema": ("outlink-topic-model", sample("edit_newer_schema"), {}),
    "testwiki": ("outlink-topic-model", on("testwiki", "test.wikipedia.org"), {}),
}


@pytest.mark.parametrize("name", PARTLY)
def test_change_with_something_special_differs_as_listed(production: Standalone, name: str) -> None:
    """What an event has not got cannot differ; what is hidden is left out here."""
    model, event, over = PARTLY[name]

    comparison, _, _ = both(production, PRODUCTION[model], event)

    listed = as_listed((model,)) | {
        ("different", model, pointer): why for pointer, why in over.items()
    }
    assert told(comparison) == {place: why for place, why in listed.items() if why is not None}


HIDDEN: Final = {"is_content_visible": False}
# What today's server refuses, or cannot do, is not even asked for here: defect, rule, event.
REFUSED: Final = [
    *(("D6", name, for_rule(PRODUCTION[name], "create")) for name in RISKS),
    *(
        ("D5", name, on(f"{wiki}wiki", f"{wiki}.wikimedia.org"))
        for name in ARTICLES
        for wiki in ("incubator", "outreach", "wikimania")
    ),
    *(("D5", name, on("mediawikiwiki", "www.mediawiki.org")) for name in ARTICLES),
    *(("D3", RISKS[0], on(f"{wiki}wiki", "x.wikipedia.org")) for wiki in ("fiu_vro", "roa_rup")),
    *(
        ("D8", name, merged(for_rule(rule, "edit"), {"revision": HIDDEN}))
        for name, rule in PRODUCTION.items()
        if name != "article-country"
    ),
]


@pytest.mark.parametrize(
    ("model", "event"),
    [
        pytest.param(model, event, id=f"{defect}-{model}-{event['wiki_id']}")
        for defect, model, event in REFUSED
    ],
)
def test_change_that_todays_server_refuses_is_ignored_without_a_call(
    production: Standalone, model: str, event: Json
) -> None:
    """The rule matches, today's server ends with an error event, ours is done."""
    comparison, servers, ours = both(production, PRODUCTION[model], event)

    assert servers == ours == []
    assert comparison.groups == {}
    assert production.asked == []
    predicted = answer_of(PRODUCTION[model], event)
    assert today.serve(model, event, predicted).status in (400, 500)


def test_hidden_content_is_published_by_article_country_of_today_alone(
    production: Standalone,
) -> None:
    """D8: it looks at the page as it is now; here no model is asked about what is hidden."""
    event = sample("edit", revision=HIDDEN)

    comparison, _, ours = both(production, PRODUCTION["article-country"], event)

    assert ours == []
    assert told(comparison) == {("only today", row, ""): "D8" for row in rows_of("article-country")}


def test_wiki_that_is_no_wikipedia_by_its_domain_alone_is_published_by_today_alone(
    production: Standalone,
) -> None:
    """D4: the word wikipedia in the domain is enough for today's servers."""
    event = on("nostalgiawiki", "nostalgia.wikipedia.org")

    comparison, _, ours = both(production, PRODUCTION["outlink-topic-model"], event)

    assert ours == []
    assert told(comparison) == {("only today", "outlink-topic-model", ""): "D4"}


@pytest.mark.parametrize("rule", PRODUCTION.values(), ids=PRODUCTION)
def test_event_of_todays_server_is_valid_itself(rule: Rule) -> None:
    """What ours is held against is no straw man: EventGate would take it."""
    event = for_rule(rule, "edit")
    for document in today.serve(rule.model, event, answer_of(rule, event)).published:
        title, _, version = document["$schema"][1:].rpartition("/")
        output_schema(title, version).validate(document)


def test_every_rule_has_its_differences_listed() -> None:
    """A rule that is added is compared too."""
    assert {row for name in PRODUCTION | STAGING for row in rows_of(name)} == set(DIFFERENCES)
