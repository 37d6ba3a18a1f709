"""The table of models: which row takes which change, on which wikis, and where it publishes.

Every expectation of the sixteen rows is written out, not taken from them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import sinks
from sinks import deployed, inputs, jsondata, wikis
from sinks.deployed import InferenceService
from sinks.envelope import event_type
from sinks.errors import InvalidEvent
from sinks.model_row import Conditions, ModelRow, isvc_name, question_for, unwanted
from sinks.models import MODELS, ROWS
from sinks.page_change import PageChange
from sinks.prediction import Prediction, WrongShape
from tests.factories import (
    PREDICTION_TYPE,
    SCORE_TYPE,
    TAGS_TYPE,
    merged,
    page_change,
    prediction_classification,
    revision_create,
)
from tests.sixteen import ADDED, NAMES, SIXTEEN

TAGS = "article-country-tags"
# Row -> a wiki whose changes it takes.
HOME = {
    "articlequality": "enwiki",
    "itemquality": "wikidatawiki",
    "articletopic": "enwiki",
    "itemtopic": "wikidatawiki",
    "drafttopic": "enwiki",
    "draftquality": "enwiki",
    "damaging": "enwiki",
    "goodfaith": "enwiki",
    "reverted": "viwiki",
    "outlink-topic-model": "enwiki",
    "article-country": "enwiki",
    TAGS: "enwiki",
    "revertrisk-language-agnostic": "enwiki",
    "revertrisk-multilingual": "enwiki",
    "revertrisk-wikidata": "wikidatawiki",
    "revise-tone-task-generator": "enwiki",
}
REVSCORING, OTHERS = NAMES[:9], NAMES[9:]
READERS = {row.name: inputs.load_readers(row.wanted.titles) for row in ROWS}
NOW = datetime(2026, 9, 23, 10, 5, 0, tzinfo=UTC)  # five minutes after the factories' documents


def table(name: str) -> list[list[str]]:
    """The lines of a table beside the modules, without comments and heading."""
    with (Path(sinks.__path__[0]) / name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader((line for line in file if line[0] != "#"), delimiter="\t"))[1:]


DEPLOYED = table("deployed.tsv")
DOMAINS = {wiki_id: domain for wiki_id, domain, _, _ in table("wikis.tsv")}
ALL_WIKIS = wikis.load()
WIKIPEDIAS = {
    wiki_id for wiki_id, domain in DOMAINS.items() if domain.endswith(".wikipedia.org")
} - {"nostalgiawiki", "testwiki", "test2wiki", "thankyouwiki"}


def read(row: ModelRow, document: dict[str, Any]) -> PageChange:
    """The values of a document, as this row reads it."""
    return inputs.parse(document, READERS[row.name])


def change(row: ModelRow, **over: Any) -> PageChange:
    """A change that the row takes, with members replaced: an edit, or what is predicted of one."""
    make = prediction_classification if row.name == TAGS else page_change
    return read(row, make(**{"wiki_id": HOME[row.name], **over}))


def conditions(oldest: float = 0, now: datetime = NOW, where: str = "production") -> Conditions:
    return Conditions(deployed.load(where), ALL_WIKIS, oldest, now)


def each_row(*names: str) -> pytest.MarkDecorator:
    """Run a test for each of these rows."""
    return pytest.mark.parametrize("row", [MODELS[name] for name in names], ids=names)


def test_rows_have_the_sixteen_in_their_order() -> None:
    """There is exactly one row for each model, and names lead to rows."""
    names = tuple(row.name for row in ROWS)

    assert tuple(name for name in names if name in HOME) == tuple(HOME) == NAMES
    assert len(HOME) == 16
    assert len(set(names)) == len(names)
    assert tuple(MODELS) == names
    assert all(MODELS[row.name] is row for row in ROWS)


# --- which changes ----------------------------------------------------------------------------

TAKEN_KINDS = {
    **dict.fromkeys(REVSCORING, {"edit", "create"}),
    "outlink-topic-model": {"edit", "create", "move"},
    "article-country": {"edit", "create", "move"},
    TAGS: {"edit", "create", "move"},
    "revertrisk-language-agnostic": {"edit", "move"},
    "revertrisk-multilingual": {"edit", "move"},
    "revertrisk-wikidata": {"edit", "move"},
    "revise-tone-task-generator": {"edit"},
}


@pytest.mark.parametrize(
    "kind",
    [
        *("edit", "create", "move", "delete", "undelete", "visibility_change"),
        *("merge", "Edit", "edit ", ""),
    ],
    ids=lambda kind: repr(kind),
)
@each_row(*NAMES)
def test_unwanted_kind_only_those_of_the_row_are_taken(row: ModelRow, kind: str) -> None:
    """Each row has its kinds of change; others, and newer ones, it does not score."""
    reason = unwanted(row, change(row, page_change_kind=kind), conditions())

    assert reason == (None if kind in TAKEN_KINDS[row.name] else "page_change_kind")


# What a change may be besides -> what the revscoring rows, and what the rows of articles say.
VARIANTS: list[tuple[str, dict[str, Any], str | None, str | None]] = [
    ("article", {"page": {"namespace_id": 0, "is_redirect": False}}, None, None),
    ("talk-page", {"page": {"namespace_id": 1}}, None, "namespace"),
    ("module", {"page": {"namespace_id": 828}}, None, "namespace"),
    ("negative-namespace", {"page": {"namespace_id": -1}}, None, "namespace"),
    ("unknown-namespace", {"page": {"namespace_id": None}}, None, "namespace"),
    ("redirect", {"page": {"is_redirect": True}}, None, "redirect"),
    ("unknown-whether-redirect", {"page": {"is_redirect": None}}, None, "redirect"),
    ("talk-redirect", {"page": {"namespace_id": 1, "is_redirect": True}}, None, "namespace"),
    ("visible", {"revision": {"is_content_visible": True}}, None, None),
    ("hidden", {"revision": {"is_content_visible": False}}, "hidden_content", "hidden_content"),
    ("hidden-editor", {"revision": {"is_editor_visible": False}}, None, None),
    ("hidden-comment", {"revision": {"is_comment_visible": False}}, None, None),
    ("unknown-wiki", {"wiki_id": "xxwiki"}, "wiki_not_deployed", "wiki_not_supported"),
    ("other-domain", {"meta": {"domain": "evil.example.org"}}, None, None),
    ("no-domain", {"meta": {"domain": None}}, None, None),
]


@pytest.mark.parametrize(
    ("over", "expected"), [pytest.param(over, it, id=name) for name, over, it, _ in VARIANTS]
)
@each_row(*REVSCORING)
def test_unwanted_revscoring_row_takes_every_visible_page(
    row: ModelRow, over: dict[str, Any], expected: str | None
) -> None:
    """The revscoring rows take any namespace and redirects, but nothing hidden."""
    reason = unwanted(row, change(row, **over), conditions())

    assert reason == expected


@pytest.mark.parametrize(
    ("over", "expected"), [pytest.param(over, it, id=name) for name, over, _, it in VARIANTS]
)
@each_row(*(name for name in OTHERS if name != TAGS))
def test_unwanted_other_row_takes_articles_only(
    row: ModelRow, over: dict[str, Any], expected: str | None
) -> None:
    """The other rows take what is known to be an article and no redirect."""
    reason = unwanted(row, change(row, **over), conditions())

    assert reason == expected


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        *(
            pytest.param(over, it, id=name)
            for name, over, _, it in VARIANTS
            if name != "negative-namespace"
        ),
        pytest.param({"predicted_classification": {"model_name": "revertrisk"}}, "model_name"),
        pytest.param({"predicted_classification": {"model_name": TAGS}}, "model_name"),
        pytest.param({"predicted_classification": {"predictions": []}}, None, id="of-nothing"),
    ],
)
def test_unwanted_tags_row_takes_article_countrys_predictions_only(
    over: dict[str, Any], expected: str | None
) -> None:
    """The tags are made of what article-country says of articles, whatever that is."""
    row = MODELS[TAGS]

    reason = unwanted(row, change(row, **over), conditions())

    assert reason == expected


def test_parse_tags_row_negative_namespace_is_invalid_document() -> None:
    """A published prediction is of a page, which no negative namespace has."""
    with pytest.raises(InvalidEvent, match="/page/namespace_id") as refused:
        change(MODELS[TAGS], page={"namespace_id": -1})

    assert refused.value.reason == "invalid_document"


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        pytest.param({}, None, id="article"),
        pytest.param({"page_namespace": 1, "page_is_redirect": True}, None, id="talk-redirect"),
        pytest.param({"page_namespace": -1}, None, id="negative-namespace"),
        pytest.param({"database": "xxwiki"}, "wiki_not_deployed", id="unknown-wiki"),
        pytest.param({"rev_timestamp": "2020-01-01T00:00:00Z"}, "too_old", id="old"),
    ],
)
@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@each_row(*REVSCORING)
def test_unwanted_revision_create_is_always_of_a_taken_kind(
    row: ModelRow, version: str, over: dict[str, Any], expected: str | None
) -> None:
    """The revscoring rows read the older input too, which has no kind and hides nothing."""
    schema = {"$schema": f"/mediawiki/revision/create/{version}"}
    document = revision_create(**schema, **{"database": HOME[row.name], **over})

    reason = unwanted(row, read(row, document), conditions(oldest=3600))

    assert reason == expected


UNREAD = {
    **dict.fromkeys(REVSCORING, (prediction_classification,)),
    **dict.fromkeys(OTHERS, (revision_create, prediction_classification)),
    TAGS: (page_change, revision_create),
}


@pytest.mark.parametrize(
    ("row", "make"),
    [pytest.param(MODELS[name], make) for name, makers in UNREAD.items() for make in makers],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", "")),
)
def test_parse_document_of_another_kind_is_unsupported_schema(row: ModelRow, make: Any) -> None:
    """What a row does not feed on is refused for good: its Trigger is wrong."""
    with pytest.raises(InvalidEvent) as refused:
        read(row, make())

    assert (refused.value.status, refused.value.reason) == (422, "unsupported_schema")


@pytest.mark.parametrize(
    ("oldest", "later", "expected"),
    [
        pytest.param(0, 10**8, None, id="no-limit"),
        pytest.param(600, 300, None, id="young"),
        pytest.param(600, 600, None, id="exactly-as-old"),
        pytest.param(600, 601, "too_old", id="older"),
        pytest.param(600, -3600, None, id="from-the-future"),
    ],
)
@each_row(*NAMES)
def test_unwanted_event_older_than_limit_is_too_old(
    row: ModelRow, oldest: float, later: int, expected: str | None
) -> None:
    """No row takes what is older than the limit, 0 is no limit; but a prediction that has been made
    becomes tags at any age."""
    now = datetime(2026, 9, 23, 10, 0, 0, tzinfo=UTC) + timedelta(seconds=later)

    reason = unwanted(row, change(row), conditions(oldest, now))

    assert reason == (None if row.name == TAGS else expected)


# Faults in the order in which they are to be told, and the reason of either sort of row.
FAULTS: list[tuple[dict[str, Any], str | None, str]] = [
    ({"page_change_kind": "delete"}, "page_change_kind", "page_change_kind"),
    ({"wiki_id": "xxwiki"}, "wiki_not_deployed", "wiki_not_supported"),
    ({"revision": {"is_content_visible": False}}, "hidden_content", "hidden_content"),
    ({"page": {"namespace_id": 1}}, None, "namespace"),
    ({"page": {"is_redirect": True}}, None, "redirect"),
    ({"dt": "2020-01-01T00:00:00Z"}, "too_old", "too_old"),
]
OTHER_MODEL = ({"predicted_classification": {"model_name": "x"}}, None, "model_name")


@each_row(*NAMES)
def test_unwanted_of_several_reasons_the_first_is_told(row: ModelRow) -> None:
    """Model, kind, wiki, hidden content, namespace, redirect, age: whatever else is wrong."""
    faults = [OTHER_MODEL, *FAULTS[:-1]] if row.name == TAGS else FAULTS
    places = range(len(faults))
    sets = [each for size in range(len(faults) + 1) for each in combinations(places, size)]
    column = 1 if row.name in REVSCORING else 2
    expected = {
        each: next((reason for place in each if (reason := faults[place][column])), None)
        for each in sets
    }

    seen = {}
    for each in sets:
        over: dict[str, Any] = {}
        for place in each:
            over = merged(over, faults[place][0])
        seen[each] = unwanted(row, change(row, **over), conditions(oldest=3600))

    assert seen == expected


# --- on which wikis ---------------------------------------------------------------------------

MULTILINGUAL = (
    "ar az bg bn ca cs da de el en eo es et eu fa fi fr he hi hr hu hy id it ja ka ko lt lv ms"
    " nl no pl ro ru sk sl sr sv ta test th tr uk ur uz vi zh"
)
EDIT_QUALITY = (
    "arwiki bswiki cawiki cswiki dewiki enwiki eswiki eswikibooks eswikiquote etwiki fawiki fiwiki"
    " frwiki hewiki hiwiki huwiki itwiki jawiki kowiki lvwiki nlwiki nowiki plwiki ptwiki rowiki"
    " ruwiki simplewiki sqwiki srwiki svwiki testwiki trwiki ukwiki wikidatawiki zhwiki"
)


def named(names: str) -> set[str]:
    """The wikis of these codes."""
    return {f"{name}wiki" for name in names.split()}


# Row -> the wikis of which it takes changes.
TAKEN_WIKIS = {
    "articlequality": named("en eu fa fr gl nl pt ru simple sv test tr uk"),
    "itemquality": {"wikidatawiki"},
    "articletopic": named("ar cs en eu hu hy ko sr uk vi"),
    "itemtopic": {"wikidatawiki"},
    "drafttopic": {"enwiki"},
    "draftquality": named("en pt simple test"),
    "damaging": set(EDIT_QUALITY.split()),
    "goodfaith": set(EDIT_QUALITY.split()),
    "reverted": named("bn el gl hr id is ta vi") | {"enwiktionary"},
    "outlink-topic-model": WIKIPEDIAS | {"testwiki", "test2wiki"},
    "article-country": WIKIPEDIAS | {"testwiki"},
    TAGS: WIKIPEDIAS | {"testwiki"},
    "revertrisk-language-agnostic": WIKIPEDIAS - named("fiu_vro roa_rup") | {"testwiki"},
    "revertrisk-multilingual": named(MULTILINGUAL),
    "revertrisk-wikidata": {"wikidatawiki"},
    "revise-tone-task-generator": named("en pt fr ar test"),
}
UNABLE = {"revertrisk-language-agnostic": {"fiu_vrowiki", "roa_rupwiki"}}
TAKEN_WIKIS_IN_STAGING = {
    "articlequality": {"enwiki"},
    "itemquality": {"wikidatawiki"},
    "articletopic": {"enwiki"},
    "itemtopic": set(),
    "drafttopic": {"enwiki"},
    "draftquality": {"enwiki"},
    "damaging": {"enwiki", "wikidatawiki"},
    "goodfaith": {"enwiki"},
    "reverted": {"viwiki"},
    **{name: TAKEN_WIKIS[name] for name in OTHERS},
}


def test_wikis_expected_are_as_many_as_they_should_be() -> None:
    """What the expectations here are made of has the sizes that are known, or more Wikipedias."""
    sizes = {name: len(taken) for name, taken in TAKEN_WIKIS.items()}

    assert len(WIKIPEDIAS) > 300
    assert (sizes["damaging"], sizes["revertrisk-multilingual"]) == (35, 48)


@pytest.mark.parametrize(
    ("where", "taken"),
    [("production", TAKEN_WIKIS), ("staging", TAKEN_WIKIS_IN_STAGING)],
    ids=["production", "staging"],
)
@each_row(*NAMES)
def test_unwanted_every_wiki_of_the_table_is_taken_or_told_why(
    row: ModelRow, where: str, taken: Mapping[str, set[str]]
) -> None:
    """Each row takes exactly its wikis; of all others it says why not."""
    otherwise = "wiki_not_deployed" if row.name in REVSCORING else "wiki_not_supported"
    asked, limits = change(row), conditions(where=where)

    seen = {wiki: unwanted(row, asked._replace(wiki_id=wiki), limits) for wiki in DOMAINS}

    cannot = {wiki for wiki, reason in seen.items() if reason == "predictor_cannot"}
    assert {wiki for wiki, reason in seen.items() if reason is None} == taken[row.name]
    assert cannot == UNABLE.get(row.name, set())
    assert set(seen.values()) - {None, "predictor_cannot"} == {otherwise}


FIFTEEN = (
    "apiportal donate foundation incubator labs login mediawiki nostalgia outreach test2 test"
    " thankyou vote wikifunctions wikimania"
)
# Row -> which of these fifteen it takes; each of the two tests is taken where the server knows it.
TAKEN_OF_FIFTEEN = {
    "outlink-topic-model": {"testwiki", "test2wiki"},
    "article-country": {"testwiki"},
    TAGS: {"testwiki"},
    "revertrisk-language-agnostic": {"testwiki"},
    "revertrisk-multilingual": {"testwiki"},
    "revertrisk-wikidata": set(),
    "revise-tone-task-generator": {"testwiki"},
}


@each_row(*OTHERS)
def test_unwanted_wiki_that_is_no_languages_wikipedia_is_not_supported(row: ModelRow) -> None:
    """What a pattern of names takes for Wikipedias is ignored, but for the two test wikis."""
    asked = change(row)

    seen = {
        wiki: unwanted(row, asked._replace(wiki_id=wiki), conditions()) for wiki in named(FIFTEEN)
    }

    taken = TAKEN_OF_FIFTEEN[row.name]
    assert len(seen) == 15
    assert seen == {wiki: None if wiki in taken else "wiki_not_supported" for wiki in seen}


@each_row(*MODELS)
def test_row_every_wiki_that_it_names_is_in_the_table(row: ModelRow) -> None:
    """A request is made from the table of wikis, so a row may name none that is not there."""
    missing = ((row.wanted.wikis or frozenset()) | row.wanted.excluded_wikis) - set(DOMAINS)

    assert missing == set()


# --- who is asked, and what -------------------------------------------------------------------

# Row -> namespace of its InferenceServices, which are called <wiki>-<row> ...
NAMESPACES = {
    "articlequality": "revscoring-articlequality",
    "itemquality": "revscoring-articlequality",
    "articletopic": "revscoring-articletopic",
    "itemtopic": "revscoring-articletopic",
    "drafttopic": "revscoring-drafttopic",
    "draftquality": "revscoring-draftquality",
    "damaging": "revscoring-editquality-damaging",
    "goodfaith": "revscoring-editquality-goodfaith",
    "reverted": "revscoring-editquality-reverted",
}
# ... or its one InferenceService.
SERVICES = {
    "outlink-topic-model": ("outlink-topic-model", "articletopic-outlink"),
    "article-country": ("article-country", "article-models"),
    "revertrisk-language-agnostic": ("revertrisk-language-agnostic", "revertrisk"),
    "revertrisk-multilingual": ("revertrisk-multilingual", "revertrisk"),
    "revertrisk-wikidata": ("revertrisk-wikidata", "revertrisk"),
    "revise-tone-task-generator": ("revise-tone-task-generator", "revise-tone-task-generator"),
}


@each_row(*REVSCORING)
def test_question_for_revscoring_row_each_wiki_has_its_own_service(row: ModelRow) -> None:
    """Each wiki that a revscoring row takes has an InferenceService of its own."""
    expected = {
        wiki: InferenceService(f"{wiki}-{row.name}", NAMESPACES[row.name])
        for wiki in TAKEN_WIKIS[row.name]
    }

    seen = {wiki: question_for(row, wiki, deployed.load("production"))[1] for wiki in expected}

    assert seen == expected
    assert all(isvc_name(row, wiki) == service.name for wiki, service in seen.items())


@each_row(*SERVICES)
def test_question_for_other_row_one_service_answers_for_all_wikis(row: ModelRow) -> None:
    """Where one InferenceService answers for all wikis, it has the row's own name."""
    seen = {question_for(row, wiki, {})[1] for wiki in TAKEN_WIKIS[row.name]}

    assert seen == {InferenceService(*SERVICES[row.name])}


def test_question_for_tags_row_is_asked_of_nobody() -> None:
    """The tags need no predictor: what is in them has been predicted."""
    with pytest.raises(LookupError, match=TAGS):
        question_for(MODELS[TAGS], "enwiki", deployed.load("production"))


FAMILIES = {
    **dict.fromkeys(REVSCORING, "revscoring"),
    "outlink-topic-model": "outlink",
    "article-country": "article-country",
    TAGS: None,
    "revertrisk-language-agnostic": "revertrisk",
    "revertrisk-multilingual": "revertrisk",
    "revertrisk-wikidata": "revertrisk",
    "revise-tone-task-generator": "revise-tone",
}


def test_rows_families_are_those_that_are_asked_alike() -> None:
    """Each row belongs to the family in whose words it asks."""
    families = {row.name: row.question and row.question.family for row in SIXTEEN}

    assert families == FAMILIES


REV = 1300200300  # of the factories' revision; 123 is their page
TWELVE = {
    # wiki: (first label of the host, code of the language)
    "alswiki": ("als", "gsw"),
    "bat_smgwiki": ("bat-smg", "sgs"),
    "be_x_oldwiki": ("be-tarask", "be-tarask"),
    "cbk_zamwiki": ("cbk-zam", "cbk-zam"),
    "fiu_vrowiki": ("fiu-vro", None),
    "map_bmswiki": ("map-bms", "map-bms"),
    "nds_nlwiki": ("nds-nl", "nds-nl"),
    "roa_rupwiki": ("roa-rup", None),
    "roa_tarawiki": ("roa-tara", "roa-tara"),
    "zh_classicalwiki": ("zh-classical", "lzh"),
    "zh_min_nanwiki": ("zh-min-nan", "nan"),
    "zh_yuewiki": ("zh-yue", "yue"),
}
RISK = "revertrisk-language-agnostic"
OUTLINK = {"page_id": 123, "revision_id": REV, "threshold": 0.0}
TONE = {"page_id": 123, "page_title": "Example", "rev_id": REV}
# (row, wiki) -> what is asked.
REQUESTS: dict[tuple[str, str], dict[str, Any]] = {
    **{(name, HOME[name]): {"rev_id": REV} for name in REVSCORING},
    ("reverted", "enwiktionary"): {"rev_id": REV},
    ("damaging", "eswikibooks"): {"rev_id": REV},
    **{("outlink-topic-model", wiki): {**OUTLINK, "wiki_id": wiki} for wiki in TWELVE},
    ("outlink-topic-model", "enwiki"): {**OUTLINK, "wiki_id": "enwiki"},
    ("outlink-topic-model", "testwiki"): {**OUTLINK, "lang": "test"},
    ("outlink-topic-model", "test2wiki"): {**OUTLINK, "lang": "test2"},
    **{
        ("article-country", wiki): {"lang": label, "title": "Example"}
        for wiki, (label, _) in TWELVE.items()
    },
    ("article-country", "enwiki"): {"lang": "en", "title": "Example"},
    ("article-country", "testwiki"): {"lang": "test", "title": "Example"},
    **{
        (RISK, wiki): {"rev_id": REV, "lang": language}
        for wiki, (_, language) in TWELVE.items()
        if language
    },
    (RISK, "enwiki"): {"rev_id": REV, "lang": "en"},
    (RISK, "simplewiki"): {"rev_id": REV, "lang": "simple"},
    (RISK, "testwiki"): {"rev_id": REV, "lang": "test"},
    ("revertrisk-multilingual", "nowiki"): {"rev_id": REV, "lang": "no"},
    ("revertrisk-multilingual", "testwiki"): {"rev_id": REV, "lang": "test"},
    ("revertrisk-wikidata", "wikidatawiki"): {"rev_id": REV},
    ("revise-tone-task-generator", "arwiki"): {**TONE, "lang": "ar"},
    ("revise-tone-task-generator", "testwiki"): {**TONE, "lang": "test"},
}


@pytest.mark.parametrize(("name", "wiki"), REQUESTS)
def test_request_is_exactly_what_the_server_takes(name: str, wiki: str) -> None:
    """Page, revision and language as each server wants them; never `event`, or it would publish."""
    row = MODELS[name]
    asked = change(row, wiki_id=wiki)
    limits = conditions()
    question, _ = question_for(row, wiki, limits.deployed)

    body = question.request(asked, limits.wikis[wiki])

    assert unwanted(row, asked, limits) is None
    assert body == REQUESTS[name, wiki]
    assert json.loads(jsondata.dumps(body)) == body


def test_requests_expected_are_of_every_row_that_asks() -> None:
    """No row that asks a predictor is left out above."""
    asking = {name for name, _ in REQUESTS}

    assert asking == set(NAMES) - {TAGS}


LABELS: dict[str, str] = {
    **dict.fromkeys(("articlequality", "itemquality", "draftquality"), "single"),
    **dict.fromkeys(("articletopic", "itemtopic", "drafttopic"), "list"),
    **dict.fromkeys(("damaging", "goodfaith", "reverted"), "boolean"),
}
# Kind of labels -> what a predictor says, and what is read of it.
SAID: dict[str, tuple[Any, tuple[str, ...]]] = {
    "single": ("GA", ("GA",)),
    "list": (["a", "b"], ("a", "b")),
    "boolean": (True, ("true",)),
}


@pytest.mark.parametrize("kind", SAID)
@each_row(*REVSCORING)
def test_prediction_revscoring_row_reads_its_own_kind_of_labels(row: ModelRow, kind: str) -> None:
    """One label, any number of them, or yes and no: a row takes no other kind for its own."""
    said, labels = SAID[kind]
    wiki, probability = HOME[row.name], dict.fromkeys((*labels, "true", "false"), 0.5)
    score = {"prediction": said, "probability": probability}
    answer = {
        wiki: {
            "models": {row.name: {"version": "1"}},
            "scores": {str(REV): {row.name: {"score": score}}},
        }
    }
    question, _ = question_for(row, wiki, deployed.load("production"))

    if kind == LABELS[row.name]:
        seen = question.prediction(answer, change(row), row.name)

        assert seen == Prediction(row.name, "1", labels, probability)
    else:
        with pytest.raises(WrongShape):
            question.prediction(answer, change(row), row.name)


# --- what is published, and where -------------------------------------------------------------

SCORES, CLASSES = "mediawiki.revision-score-test", "mediawiki.page_prediction_change.rc0"
TAG_STREAM = "mediawiki.cirrussearch.page_weighted_tags_change.v1"
TEST_TAG_STREAM = "mediawiki.page_weighted_tags_change.rc0"


@pytest.mark.parametrize(
    ("name", "stream", "test_stream", "output_type"),
    [
        ("articlequality", "mediawiki.revision_score_articlequality", SCORES, SCORE_TYPE),
        ("itemquality", "mediawiki.revision_score_articlequality", SCORES, SCORE_TYPE),
        ("articletopic", "mediawiki.revision_score_articletopic", SCORES, SCORE_TYPE),
        ("itemtopic", "mediawiki.revision_score_articletopic", SCORES, SCORE_TYPE),
        ("drafttopic", "mediawiki.revision_score_drafttopic", SCORES, SCORE_TYPE),
        ("draftquality", "mediawiki.revision_score_draftquality", SCORES, SCORE_TYPE),
        ("damaging", "mediawiki.revision_score_damaging", SCORES, SCORE_TYPE),
        ("goodfaith", "mediawiki.revision_score_goodfaith", SCORES, SCORE_TYPE),
        ("reverted", "mediawiki.revision_score_reverted", SCORES, SCORE_TYPE),
        (
            "outlink-topic-model",
            "mediawiki.page_outlink_topic_prediction_change.v1",
            CLASSES,
            PREDICTION_TYPE,
        ),
        (
            "article-country",
            "mediawiki.article_country_prediction_change.v1",
            CLASSES,
            PREDICTION_TYPE,
        ),
        (TAGS, TAG_STREAM, TEST_TAG_STREAM, TAGS_TYPE),
        (RISK, "mediawiki.page_revert_risk_prediction_change.v1", CLASSES, PREDICTION_TYPE),
        (
            "revertrisk-multilingual",
            "mediawiki.page_revert_risk_multilingual_prediction_change.v1",
            CLASSES,
            PREDICTION_TYPE,
        ),
        (
            "revertrisk-wikidata",
            "mediawiki.page_revert_risk_wikidata_prediction_change.v1",
            CLASSES,
            PREDICTION_TYPE,
        ),
        ("revise-tone-task-generator", TAG_STREAM, TEST_TAG_STREAM, TAGS_TYPE),
    ],
)
def test_row_streams_and_type_are_those_of_what_it_publishes(
    name: str, stream: str, test_stream: str, output_type: str
) -> None:
    """Each row has a stream in either set of names, and one type of event."""
    row = MODELS[name]

    assert (row.stream, row.test_stream, row.output_type) == (stream, test_stream, output_type)


INPUT_TYPES = {
    **dict.fromkeys(
        REVSCORING,
        {
            "org.wikimedia.mediawiki.page.change.v1",
            "org.wikimedia.mediawiki.revision.create.v1",
            "org.wikimedia.mediawiki.revision.create.v2",
        },
    ),
    **dict.fromkeys(OTHERS, {"org.wikimedia.mediawiki.page.change.v1"}),
    TAGS: {PREDICTION_TYPE},
}


def read_types(row: ModelRow) -> set[str]:
    """The types of event that a row reads."""
    return {event_type(title, major) for title, major in READERS[row.name]}


@each_row(*NAMES)
def test_row_reads_each_version_of_its_inputs(row: ModelRow) -> None:
    """Page changes for most, revision-create in both its versions for some, and predictions."""
    assert read_types(row) == INPUT_TYPES[row.name]


@each_row(*MODELS)
def test_row_never_reads_the_type_that_it_publishes(row: ModelRow) -> None:
    """A reply is never an input of its own row, so nothing goes round in circles."""
    assert row.output_type not in read_types(row)


def test_rows_only_the_tags_row_reads_what_others_publish() -> None:
    """All predictions of that type come to the row of the tags, and its tags to none."""
    feeds = {
        row.name: {other.name for other in SIXTEEN if row.output_type in read_types(other)}
        for row in SIXTEEN
    }

    assert {name: rows for name, rows in feeds.items() if rows} == {
        "outlink-topic-model": {TAGS},
        "article-country": {TAGS},
        "revertrisk-language-agnostic": {TAGS},
        "revertrisk-multilingual": {TAGS},
        "revertrisk-wikidata": {TAGS},
    }


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("drafttopic", "scores"),
        ("article-country", "predicted_classification"),
        (TAGS, "weighted_tags"),
        ("revise-tone-task-generator", "weighted_tags"),
    ],
)
def test_row_from_prediction_makes_the_member_of_its_document(name: str, member: str) -> None:
    """What a prediction becomes is a matter of the document that the row publishes."""
    prediction = change(MODELS[TAGS]).prediction
    assert prediction is not None

    seen = MODELS[name].from_prediction(prediction)

    assert set(seen) == {member}


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        (TAGS, "classification.prediction.articlecountry"),
        ("revise-tone-task-generator", "recommendation.tone"),
    ],
)
def test_row_tags_have_the_prefix_of_their_model(name: str, prefix: str) -> None:
    """Two rows tag pages, and neither may take the tags of the other away."""
    prediction = change(MODELS[TAGS], predicted_classification={"predictions": []}).prediction
    assert prediction is not None

    seen = MODELS[name].from_prediction(prediction)

    assert seen == {"weighted_tags": {"clear": [prefix]}}


# --- the table of what is deployed ------------------------------------------------------------


@pytest.mark.parametrize(("where", "count"), [("production", 109), ("staging", 9), ("dev", 0)])
def test_load_environment_has_only_its_own_services(where: str, count: int) -> None:
    """The table's services are told apart by environment."""
    expected = {
        name: InferenceService(name, space) for place, space, name in DEPLOYED if place == where
    }

    services = deployed.load(where)

    known = [name for name in services if name.partition("-")[2] in REVSCORING]
    assert services == expected
    assert len(known) == count


def test_deployed_every_service_belongs_to_a_row_and_a_wiki() -> None:
    """No model is deployed that no row could call, nor on a wiki that nobody knows."""
    split = [name.partition("-") for _, _, name in DEPLOYED]

    added = {row.name for row in ADDED if row.wanted.where_deployed}
    assert {model for _, _, model in split} == {*REVSCORING, *added}
    assert {wiki for wiki, _, _ in split} <= set(DOMAINS)
