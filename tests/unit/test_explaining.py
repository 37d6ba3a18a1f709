"""Why an event goes where it goes: entry, filters in words, rows, streams, loops; nobody asked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from inspect import getsource
from typing import Any, get_args

import pytest

from sinks import decision, model_row, page_change, prediction_classification, publishing
from sinks.cloudevent import Event
from sinks.decision import Declined
from sinks.explaining.entry import Entry, enter
from sinks.explaining.explanation import Step, Verdict, explain, trigger_of
from sinks.explaining.subscribers import Surroundings
from sinks.explaining.words import why_declined, why_failed
from sinks.filters import compile_attributes, compile_filters
from sinks.models import MODELS, streams
from sinks.reasons import Reason
from sinks.triggers import InvalidTrigger
from tests import factories
from tests.factories import PAGE_CHANGE_TYPE, PREDICTION_TYPE, SCORE_TYPE

BASE = "https://schema.example.org/primary"
NOW = datetime(2026, 9, 23, 10, 1, 0, tzinfo=UTC)  # a minute after the factories' documents
EVENT = Event({"id": "1", "source": "/s", "type": "t", "wikiid": "enwiki", "kind": "edit"}, None)


def surroundings(
    environment: str = "production",
    names: str = "production",
    allowed: set[str] | None = None,
    max_event_age_seconds: float = 0,
) -> Surroundings:
    return Surroundings(
        MODELS,
        decision.load(environment, names, BASE, max_event_age_seconds),
        publishing.load(set(streams(names).values()) if allowed is None else allowed, names),
        NOW,
    )


HERE = surroundings()


def trigger(
    name: str, subscriber: Mapping[str, Any] | str = "", filters: list[Any] | None = None
) -> dict[str, Any]:
    """A Trigger; a subscriber that is a text is a row, the Trigger's own name if it is empty."""
    if isinstance(subscriber, str):
        ref = {"apiVersion": "v1", "kind": "Service", "name": "score-sink"}
        subscriber = {"ref": ref, "uri": f"/models/{subscriber or name}"}
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {"name": name},
        "spec": {
            "filters": filters or [{"exact": {"type": PAGE_CHANGE_TYPE}}],
            "subscriber": subscriber,
        },
    }


def service(name: str, uri: str | None = None, version: str = "v1") -> dict[str, Any]:
    ref = {"apiVersion": version, "kind": "Service", "name": name}
    return {"ref": ref} if uri is None else {"ref": ref, "uri": uri}


OUTPUTS: list[Any] = [
    {"any": [{"exact": {"type": each}} for each in (SCORE_TYPE, PREDICTION_TYPE)]}
]
TO_EGRESS = trigger("egress", service("egress-sink", "/"), OUTPUTS)


def entered(document: Any, as_it_is: bool = False) -> Entry:
    return enter(document, json.dumps(document).encode(), BASE, as_it_is)


def verdicts(
    document: Any, *resources: Any, here: Surroundings = HERE, only: str | None = None
) -> dict[str, Verdict]:
    """What becomes of a document at these Triggers, by their names."""
    event = entered(document).event
    assert event is not None
    names = None if only is None else [only]
    found = explain(event, [trigger_of(each) for each in resources], here, names)
    return {each.trigger.name: each for each in found}


def step_of(document: Any, *resources: Any, here: Surroundings = HERE) -> Step:
    """What the first of these Triggers leads to."""
    name = resources[0]["metadata"]["name"]
    step = verdicts(document, *resources, here=here, only=name)[name].step
    assert step is not None
    return step


def cloud_event(data: Any, **attributes: str) -> dict[str, Any]:
    known = {"specversion": "1.0", "id": "1", "source": "/s", "type": "dev.knative.kafka.event"}
    return {**known, **attributes, "data": data}


# --- how an event comes in ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "type_"),
    [
        pytest.param(factories.page_change(), PAGE_CHANGE_TYPE, id="page change"),
        pytest.param(
            factories.revision_create(),
            "org.wikimedia.mediawiki.revision.create.v2",
            id="revision create",
        ),
        pytest.param(factories.prediction_classification(), PREDICTION_TYPE, id="prediction"),
    ],
)
def test_enter_bare_document_is_typed_by_its_data(document: Any, type_: str) -> None:
    """As the shim types a change; a prediction becomes the event that its row replied."""
    entry = entered(document)

    assert entry.event is not None
    assert (entry.event.type, entry.event.data, entry.changed) == (type_, document, {})


def test_enter_bare_prediction_has_the_attributes_of_its_rows_reply() -> None:
    """What Triggers select such events by."""
    event = entered(factories.prediction_classification()).event

    assert event is not None
    assert (event.source, event.get("model")) == ("/models/article-country", "article-country")
    assert "causationid" not in event.attributes


def test_enter_cloudevent_is_typed_anew_and_tells_what_changed() -> None:
    """An event of KafkaSource would meet other filters if it came to the Broker by itself."""
    entry = entered(cloud_event(factories.page_change()))

    assert entry.event is not None
    assert entry.event.type == PAGE_CHANGE_TYPE
    assert entry.changed["type"] == ("dev.knative.kafka.event", PAGE_CHANGE_TYPE)
    assert entry.changed["wikiid"] == (None, "enwiki")
    assert "datacontenttype" not in entry.changed


def test_enter_cloudevent_of_the_shim_changes_nothing() -> None:
    """What the shim made, it would make again."""
    made = entered(factories.page_change()).event
    assert made is not None

    again = entered({"specversion": "1.0", **made.attributes, "data": made.data})

    assert (again.changed, again.as_it_is) == ({}, False)


@pytest.mark.parametrize(
    ("data", "as_it_is"),
    [
        pytest.param(factories.page_change(), True, id="so asked for"),
        pytest.param(factories.revision_score(), False, id="one of our replies"),
    ],
)
def test_enter_cloudevent_as_it_is_keeps_its_attributes(data: Any, as_it_is: bool) -> None:
    """The shim has no part in it."""
    entry = entered(cloud_event(data), as_it_is)

    assert entry.event is not None
    assert (entry.event.type, entry.as_it_is) == ("dev.knative.kafka.event", True)


@pytest.mark.parametrize(
    ("document", "outcome", "reason"),
    [
        pytest.param(
            factories.page_change(meta={"domain": "canary"}), "ignored", "canary", id="canary"
        ),
        pytest.param(
            factories.page_change(meta={"stream": "mediawiki.page_change.private.v1"}),
            "ignored",
            "private_stream",
            id="private",
        ),
        pytest.param(factories.revision_score(), "rejected", "unsupported_schema", id="bare score"),
        pytest.param({"a": 1}, "rejected", "unsupported_schema", id="something else"),
        pytest.param(
            factories.page_change(page=None), "rejected", "invalid_document", id="no page"
        ),
        pytest.param({"specversion": "1.0"}, "rejected", "malformed_event", id="no attributes"),
        pytest.param(cloud_event(5), "rejected", "malformed_data", id="data is a number"),
    ],
)
def test_enter_what_the_shim_does_not_route_tells_why(
    document: Any, outcome: str, reason: str
) -> None:
    """The same reason that the shim answers, and words for it."""
    entry = entered(document)

    assert (entry.event, entry.outcome, entry.reason) == (None, outcome, reason)
    assert entry.detail


# --- filters in words ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        pytest.param([{"exact": {"wikiid": "enwiki"}}], [], id="passes"),
        pytest.param(
            [{"exact": {"wikiid": "dewiki"}}], ["wikiid is enwiki, not dewiki"], id="exact"
        ),
        pytest.param(
            [{"prefix": {"wikiid": "de"}}],
            ["wikiid is enwiki, which does not begin with de"],
            id="prefix",
        ),
        pytest.param(
            [{"suffix": {"wikiid": "data"}}],
            ["wikiid is enwiki, which does not end with data"],
            id="suffix",
        ),
        pytest.param(
            [{"exact": {"model": "x"}}], ["the event has no model, and x is wanted"], id="absent"
        ),
        pytest.param(
            [{"exact": {"wikiid": "a", "kind": "b"}}, {"exact": {"type": "t"}}],
            ["wikiid is enwiki, not a", "kind is edit, not b"],
            id="several",
        ),
        pytest.param(
            [{"any": [{"exact": {"kind": "move"}}, {"exact": {"kind": "create"}}]}],
            ["kind is edit, not move or create"],
            id="any of one attribute",
        ),
        pytest.param(
            [{"any": [{"exact": {"kind": "a"}}, {"all": [{"prefix": {"type": "x"}}]}]}],
            ["none of: kind is edit, not a, or type is t, which does not begin with x"],
            id="any of several",
        ),
        pytest.param(
            [
                {
                    "any": [
                        {"all": [{"exact": {"type": "t"}}, {"exact": {"kind": "create"}}]},
                        {"all": [{"exact": {"type": "x"}}, {"exact": {"kind": "create"}}]},
                    ]
                }
            ],
            ["kind is edit, not create"],
            id="any, the nearest",
        ),
        pytest.param(
            [
                {
                    "any": [
                        {"exact": {"kind": "create"}},
                        {"exact": {"wikiid": "enwiki", "kind": "create", "type": "z"}},
                    ]
                }
            ],
            ["kind is edit, not create"],
            id="any, the least that is missing",
        ),
        pytest.param(
            [{"any": [{"not": {"exact": {"wikiid": "enwiki"}}}, {"exact": {"kind": "create"}}]}],
            ["none of: refused, because wikiid is enwiki, or kind is edit, not create"],
            id="any with not",
        ),
        pytest.param(
            [{"not": {"exact": {"wikiid": "enwiki"}}}],
            ["refused, because wikiid is enwiki"],
            id="not",
        ),
        pytest.param(
            [{"not": {"any": [{"exact": {"kind": "x"}}, {"suffix": {"wikiid": "wiki"}}]}}],
            ["refused, because wikiid ends with wiki"],
            id="not any",
        ),
        pytest.param(
            [{"not": {"not": {"exact": {"kind": "x"}}}}],
            ["refused, because not so: kind is edit, not x"],
            id="not not",
        ),
    ],
)
def test_why_failed_names_attribute_value_and_what_is_wanted(
    filters: list[Any], told: list[str]
) -> None:
    """One sentence for each innermost reason."""
    assert [*why_failed(compile_filters(filters).judged(EVENT))] == told


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        pytest.param({"wikiid": "dewiki"}, "wikiid is enwiki, not dewiki", id="another value"),
        pytest.param({"model": ""}, "the event has no model, and any is wanted", id="any value"),
    ],
)
def test_why_failed_of_the_older_filter_says_the_same(
    attributes: dict[str, str], told: str
) -> None:
    """An empty text asks for any value."""
    assert [*why_failed(compile_attributes(attributes).judged(EVENT))] == [told]


# --- rows ---------------------------------------------------------------------------------------


def test_explain_row_that_scores_tells_whom_it_would_ask_and_where_it_publishes() -> None:
    """Nobody is asked."""
    step = step_of(factories.page_change(), trigger("drafttopic"), TO_EGRESS)

    assert (step.outcome, step.reason, step.foreign) == ("replied", None, False)
    assert step.asked is not None
    assert step.asked.service.predict_path == "/v1/models/enwiki-drafttopic:predict"
    assert step.asked.body == {"rev_id": 1300200300}
    assert step.reply is not None
    assert (step.reply.type, step.reply.source) == (SCORE_TYPE, "/models/drafttopic")
    (egress,) = step.followed
    assert (egress.trigger, egress.outcome, egress.event) == ("egress", "relayed", step.reply)
    assert egress.event.get("stream") == "mediawiki.revision_score_drafttopic"


PAGE = {"page_id": 1, "page_title": "A", "namespace_id": 0, "is_redirect": False}


@pytest.mark.parametrize(
    ("row", "document", "reason", "told"),
    [
        pytest.param(
            "drafttopic",
            factories.page_change(page_change_kind="delete"),
            "page_change_kind",
            "page_change_kind delete is not one of create, edit",
            id="kind",
        ),
        pytest.param(
            "drafttopic",
            factories.page_change(wiki_id="dewiki"),
            "wiki_not_deployed",
            "there is no InferenceService dewiki-drafttopic here",
            id="not deployed",
        ),
        pytest.param(
            "revertrisk-wikidata",
            factories.page_change(),
            "wiki_not_supported",
            "enwiki is not one of its wikis: wikidatawiki",
            id="not supported",
        ),
        pytest.param(
            "article-country",
            factories.page_change(wiki_id="commonswiki"),
            "wiki_not_supported",
            "commonswiki is not one of its wikis: the group wikipedia, testwiki",
            id="not of the group",
        ),
        pytest.param(
            "revertrisk-language-agnostic",
            factories.page_change(wiki_id="fiu_vrowiki"),
            "predictor_cannot",
            "the model is for such wikis, but its server cannot answer for fiu_vrowiki",
            id="predictor cannot",
        ),
        pytest.param(
            "drafttopic",
            factories.page_change(
                revision={
                    "rev_id": 1,
                    "rev_dt": "2026-09-23T10:00:00Z",
                    "is_content_visible": False,
                }
            ),
            "hidden_content",
            "the revision's content is hidden",
            id="hidden",
        ),
        pytest.param(
            "article-country",
            factories.page_change(page={**PAGE, "namespace_id": 1}),
            "namespace",
            "namespace 1 is not one of 0",
            id="namespace",
        ),
        pytest.param(
            "article-country",
            factories.page_change(page={**PAGE, "is_redirect": True}),
            "redirect",
            "the page is a redirect",
            id="redirect",
        ),
        pytest.param(
            "article-country",
            factories.page_change(page={**PAGE, "is_redirect": None}),
            "redirect",
            "the event does not say whether the page is a redirect",
            id="perhaps a redirect",
        ),
    ],
)
def test_explain_row_that_declines_says_why_in_words(
    row: str, document: Any, reason: str, told: str
) -> None:
    """The reason of the answer, and the values that led to it."""
    step = step_of(document, trigger(row))

    assert (step.outcome, step.reason, step.detail) == ("ignored", reason, told)
    assert (step.asked, step.reply, step.followed) == (None, None, ())


def test_why_declined_has_words_for_every_reason_of_a_row() -> None:
    """A new reason without words would be found out by who asks why nothing arrives."""
    source = getsource(model_row.unwanted) + getsource(model_row.unwanted_wiki)
    reasons = set(re.findall(r'"([a-z_]+)"', source)) & set(get_args(Reason))
    change = page_change.parse(factories.page_change())

    told = {
        reason: why_declined(Declined(reason, change), MODELS["drafttopic"], HERE.deciding)
        for reason in reasons
    }

    assert len(reasons) == 9
    assert all(told.values())


def test_explain_row_that_finds_the_event_too_old_says_so() -> None:
    """The limit is named."""
    here = surroundings(max_event_age_seconds=30)

    step = step_of(factories.page_change(), trigger("drafttopic"), here=here)

    assert (step.reason, step.detail) == ("too_old", "2026-09-23T10:00:00Z is more than 30 s ago")


def test_explain_row_that_feeds_on_another_model_names_both() -> None:
    """A prediction of another model is none of its business."""
    document = factories.prediction_classification(
        predicted_classification={"model_name": "outlink-topic-model"}
    )
    tags = trigger("article-country-tags", "", [{"exact": {"type": PREDICTION_TYPE}}])

    step = step_of(document, tags)

    assert (step.reason, step.detail) == (
        "model_name",
        "the prediction is outlink-topic-model's, and it feeds on article-country's",
    )


def test_explain_canary_that_comes_to_a_broker_is_ignored_by_the_row() -> None:
    """Where the shim has no part in it, the row is the first to know."""
    document = cloud_event(factories.page_change(meta={"domain": "canary"}), type=PAGE_CHANGE_TYPE)
    event = entered(document, as_it_is=True).event
    assert event is not None

    (verdict,) = explain(event, [trigger_of(trigger("drafttopic"))], HERE)

    assert verdict.step is not None
    assert verdict.step.reason == "canary"
    assert "meta.domain is canary" in verdict.step.detail


@pytest.mark.parametrize(
    ("subscriber", "outcome", "reason"),
    [
        pytest.param(service("score-sink", "/models/x"), "rejected", "unknown_row", id="no row"),
        pytest.param(service("score-sink"), "deferred", "no_such_path", id="no path"),
        pytest.param(service("egress-sink", "/x"), "deferred", "no_such_path", id="egress path"),
        pytest.param(
            service("egress-sink", "/"), "rejected", "unsupported_schema", id="egress, a change"
        ),
    ],
)
def test_explain_subscriber_of_ours_that_cannot_take_it_says_why(
    subscriber: Any, outcome: str, reason: str
) -> None:
    """The same reason that the sink would answer."""
    step = step_of(factories.page_change(), trigger("one", subscriber))

    assert (step.outcome, step.reason) == (outcome, reason)


@pytest.mark.parametrize(
    "subscriber",
    [
        pytest.param(service("event-display"), id="a Service"),
        pytest.param(service("event-display", version="serving.knative.dev/v1"), id="Knative's"),
        pytest.param({"uri": "http://event-display/models/"}, id="an address"),
    ],
)
def test_explain_subscriber_of_somebody_else_ends_there(subscriber: Any) -> None:
    """Nothing is known of what it does."""
    step = step_of(factories.page_change(), trigger("one", subscriber))

    assert (step.foreign, step.outcome, step.reply, step.followed) == (True, "relayed", None, ())


def test_trigger_of_a_refused_filter_is_refused() -> None:
    """A dialect that the shim does not know is no Trigger of its."""
    with pytest.raises(InvalidTrigger, match="dialect 'equals' is not one of exact"):
        trigger_of(trigger("one", service("x", version="other/v1"), [{"equals": {"type": "x"}}]))


def test_trigger_goes_by_filters_and_not_by_filter() -> None:
    """`filters` beats the older `filter`."""
    resource = trigger("drafttopic")
    resource["spec"]["filter"] = {"attributes": {"type": "something.else"}}

    verdict = verdicts(factories.page_change(), resource)["drafttopic"]

    assert verdict.judged.passed
    assert verdict.step is not None


# --- what follows -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "stream"),
    [
        pytest.param("production", "mediawiki.revision_score_drafttopic", id="production"),
        pytest.param("test", "mediawiki.revision-score-test", id="test"),
    ],
)
def test_explain_stream_is_that_of_the_environment(names: str, stream: str) -> None:
    """STREAM_NAMES decides, for the row and for egress alike."""
    here = surroundings(names=names)

    step = step_of(factories.page_change(), trigger("drafttopic"), TO_EGRESS, here=here)

    assert [(each.outcome, each.event.get("stream")) for each in step.followed] == [
        ("relayed", stream)
    ]


def test_explain_stream_that_is_not_allowed_is_rejected_by_egress() -> None:
    """The allow-list of egress counts, not that of the row."""
    here = surroundings(allowed={"mediawiki.other"})

    step = step_of(factories.page_change(), trigger("drafttopic"), TO_EGRESS, here=here)

    assert [(each.outcome, each.reason) for each in step.followed] == [
        ("rejected", "stream_not_allowed")
    ]


def test_explain_environment_decides_what_is_deployed() -> None:
    """Staging has fewer InferenceServices than production."""
    document = factories.page_change(wiki_id="frwiki")
    steps = [
        step_of(document, trigger("damaging"), TO_EGRESS, here=surroundings(environment))
        for environment in ("production", "staging")
    ]

    assert [each.reason for each in steps] == [None, "wiki_not_deployed"]


def test_explain_reply_that_no_trigger_takes_is_told() -> None:
    """Nothing is published then."""
    step = step_of(factories.page_change(), trigger("drafttopic"))

    assert [(each.trigger, each.outcome, each.reason) for each in step.followed] == [
        (None, "ignored", "no_trigger")
    ]


def test_explain_reply_that_another_row_feeds_on_is_followed_to_its_end() -> None:
    """article-country's prediction is published, and made into tags, which are published too."""
    tags_type = {"exact": {"type": factories.TAGS_TYPE}}
    egress = trigger("egress", service("egress-sink", "/"), [{"any": [*OUTPUTS, tags_type]}])
    wanted = {"exact": {"type": PREDICTION_TYPE, "model": "article-country"}}
    tags = trigger("article-country-tags", "", [wanted])

    step = step_of(factories.page_change(), trigger("article-country"), tags, egress)

    assert [(each.trigger, each.outcome) for each in step.all()] == [
        ("article-country", "replied"),
        ("article-country-tags", "replied"),
        ("egress", "relayed"),
        ("egress", "relayed"),
    ]
    assert [each.trigger for each in step.followed[0].followed] == ["egress"]
    assert step.followed[0].asked is None


def endless() -> tuple[Surroundings, dict[str, Any]]:
    """A row that replies what it takes, and its Trigger."""
    row = replace(
        MODELS["article-country-tags"],
        name="article-country",
        output=prediction_classification.OUTPUT,
        from_prediction=prediction_classification.predicted_classification,
    )
    readers = {**HERE.deciding.readers, row.name: HERE.deciding.readers["article-country-tags"]}
    here = replace(HERE, rows={row.name: row}, deciding=replace(HERE.deciding, readers=readers))
    return here, trigger(row.name, "", [{"exact": {"type": PREDICTION_TYPE}}])


def test_explain_reply_that_comes_back_without_end_is_told_once() -> None:
    """The Router gives up after 255 hops; one turn shows why."""
    here, resource = endless()

    step = step_of(factories.prediction_classification(), resource, here=here)

    (again,) = step.followed
    assert (again.outcome, again.reason, again.followed) == ("rejected", "too_many_hops", ())
    assert again.detail.endswith("without end: article-country -> article-country")


def test_explain_replies_in_a_wider_circle_name_all_of_it() -> None:
    """Two Triggers that take what each other's row replies."""
    here, resource = endless()
    one = {**resource, "metadata": {"name": "one"}}
    two = {**resource, "metadata": {"name": "two"}}

    step = step_of(factories.prediction_classification(), one, two, here=here)

    told = {each.detail for each in step.all() if each.reason == "too_many_hops"}
    assert any(text.endswith("without end: one -> one") for text in told)
    assert len([*step.all()]) < 20


def test_explain_only_one_trigger_gets_the_event_and_all_get_its_reply() -> None:
    """As with `?trigger=`."""
    found = verdicts(
        factories.page_change(),
        trigger("drafttopic"),
        trigger("damaging"),
        TO_EGRESS,
        only="drafttopic",
    )

    assert [name for name, verdict in found.items() if verdict.step] == ["drafttopic"]
    assert found["damaging"].judged.passed
    assert found["drafttopic"].step is not None
    assert [each.trigger for each in found["drafttopic"].step.followed] == ["egress"]


def test_explain_without_a_matching_trigger_takes_no_step() -> None:
    """Each Trigger has its verdict all the same."""
    found = verdicts(factories.page_change(), TO_EGRESS)

    assert [(each.judged.passed, each.step) for each in found.values()] == [(False, None)]
