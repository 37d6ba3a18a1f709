"""The lint of Triggers: each way to spoil one is found, at its place and in words."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import pytest
import yaml

from sinks.local.processes import ROOT
from sinks.models import MODELS
from sinks.trigger_lint import command
from sinks.trigger_lint.finding import Finding
from sinks.trigger_lint.known import Known
from sinks.trigger_lint.lint import lint
from sinks.triggers import files

SHIPPED: Final = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for directory in ("triggers", "triggers/optional")
    for path in files(ROOT / directory)
}
CHANGE: Final = "org.wikimedia.mediawiki.page.change.v1"
SCORE: Final = "org.wikimedia.mediawiki.revision.score.v3"
PREDICTION: Final = "org.wikimedia.mediawiki.page.prediction_classification_change.v1"
TAGS: Final = "org.wikimedia.mediawiki.cirrussearch.page_weighted_tags_change.v1"


@cache
def known() -> Known:
    """What the command knows."""
    return command.known()


def linted(
    *triggers: Any, brokers: Sequence[Any] = (), services: Sequence[Any] = ()
) -> list[Finding]:
    """Return what is found in these resources."""
    return lint([("file.yaml", each) for each in triggers], known(), brokers, services)


def trigger(name: str = "drafttopic", **spec: Any) -> dict[str, Any]:
    """A Trigger as it is shipped, but for these members of its spec; None removes one."""
    made = copy.deepcopy(SHIPPED[name])
    made["spec"] = {key: each for key, each in {**made["spec"], **spec}.items() if each is not None}
    return made


def delivery(of: str = "drafttopic", **members: Any) -> dict[str, Any]:
    """A Trigger whose delivery has these members, or has not got them."""
    both = {**SHIPPED[of]["spec"]["delivery"], **members}
    return trigger(of, delivery={key: each for key, each in both.items() if each is not None})


def letters_to(name: str, **members: str) -> dict[str, Any]:
    """A Trigger with another dead-letter sink."""
    ref = {"apiVersion": "v1", "kind": "Service", "name": name, **members}
    return delivery(deadLetterSink={"ref": ref, "uri": "/"})


def within(namespace: str, made: dict[str, Any]) -> dict[str, Any]:
    """The same in a namespace."""
    return {**made, "metadata": {**made["metadata"], "namespace": namespace}}


def broker(name: str, kind_of: str = "MTChannelBasedBroker") -> dict[str, Any]:
    """A Broker of this class."""
    annotations = {"eventing.knative.dev/broker.class": kind_of}
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Broker",
        "metadata": {"name": name, "annotations": annotations},
    }


def service(name: str, version: str = "v1") -> dict[str, Any]:
    """A Service, of Knative Serving with another version."""
    return {"apiVersion": version, "kind": "Service", "metadata": {"name": name}}


def filters(*elements: Any) -> dict[str, Any]:
    """A Trigger with these filters beside one on the type."""
    return trigger(filters=[{"exact": {"type": CHANGE}}, *elements])


def subscriber(
    uri: str | None, service: str | None = "score-sink", **members: str
) -> dict[str, Any]:
    """A Trigger with another subscriber."""
    ref = {"apiVersion": "v1", "kind": "Service", "name": service, **members} if service else None
    members = {"ref": ref, "uri": uri}
    return trigger(subscriber={key: each for key, each in members.items() if each is not None})


def without(name: str, *path: str) -> dict[str, Any]:
    """A shipped Trigger without one member."""
    made = copy.deepcopy(SHIPPED[name])
    holder = made
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    return made


# --- what is shipped -----------------------------------------------------------------------------


def test_lint_of_the_shipped_triggers_finds_nothing() -> None:
    """All of them together, as a cluster would have them."""
    assert len(SHIPPED) == len(MODELS) + 1
    assert linted(*SHIPPED.values()) == []


def test_lint_of_what_a_cluster_adds_finds_nothing() -> None:
    """Defaults, a namespace and a status are no mistakes of whoever wrote the Trigger."""
    cluster = trigger(filter={})
    cluster["metadata"] |= {"namespace": "event-sinks", "uid": "1", "annotations": {"a": "b"}}
    cluster["spec"]["subscriber"]["ref"]["namespace"] = "event-sinks"
    cluster["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}

    assert linted(cluster) == []


def test_lint_of_equal_names_in_two_namespaces_finds_nothing() -> None:
    """`kubectl get triggers -A` shows both."""
    other = trigger()
    other["metadata"] = {**other["metadata"], "namespace": "other"}

    assert linted(trigger(), other) == []


# --- one Trigger ---------------------------------------------------------------------------------


DELIVERY: Final[Mapping[str, tuple[Any, str, str, str]]] = {
    "none": (
        trigger(delivery=None),
        "spec.delivery",
        "there is no delivery",
        "deadLetterSink, retry, backoffPolicy, backoffDelay, timeout",
    ),
    "empty": (trigger(delivery={}), "spec.delivery", "there is no delivery", "add one"),
    **{
        f"without {name}": (
            delivery(**{name: None}),
            "spec.delivery",
            f"{name} is missing, and a Trigger's delivery replaces the Broker's whole",
            f"add {name}",
        )
        for name in ("deadLetterSink", "retry", "backoffPolicy", "backoffDelay", "timeout")
    },
    "egress without its dead-letter sink": (
        without("egress", "spec", "delivery", "deadLetterSink"),
        "spec.delivery",
        "deadLetterSink is missing",
        "add deadLetterSink",
    ),
    "dead-letter sink of nobody": (
        delivery(deadLetterSink={}),
        "spec.delivery.deadLetterSink",
        "it names nobody",
        "name a Service with ref",
    ),
    "misspelt": (
        delivery(retries=3),
        "spec.delivery.retries",
        "there is no such member",
        "one of deadLetterSink, retry",
    ),
    "negative retry": (delivery(retry=-1), "spec.delivery.retry", "-1 is no number", "0 or more"),
    "retry as text": (delivery(retry="3"), "spec.delivery.retry", "'3' is no number", "as 3"),
    "retry as truth": (delivery(retry=True), "spec.delivery.retry", "True is no number", "as 3"),
    "policy": (
        delivery(backoffPolicy="Exponential"),
        "spec.delivery.backoffPolicy",
        "'Exponential' is no policy",
        "one of exponential, linear",
    ),
    "plain seconds": (
        delivery(backoffDelay="5s"),
        "spec.delivery.backoffDelay",
        "'5s' is no duration",
        "PT5S",
    ),
    "a number": (delivery(timeout=600), "spec.delivery.timeout", "600 is no duration", "PT5S"),
    "no unit": (delivery(timeout="PT"), "spec.delivery.timeout", "'PT' is no duration", "PT5S"),
    "hundredths": (
        delivery(backoffDelay="PT0.05S"),
        "spec.delivery.backoffDelay",
        "PT0.05S has more than tenths of a second, which Knative drops",
        "tenths of a second at most",
    ),
}
FILTERS: Final[Mapping[str, tuple[Any, str, str, str]]] = {
    "and for all": (
        filters({"and": [{"exact": {"wikiid": "enwiki"}}]}),
        "spec.filters[1]",
        "dialect 'and' is not one of exact, prefix, suffix, all, any, not",
        "write all for and",
    ),
    "or for any, inside": (
        filters({"not": {"or": [{"exact": {"wikiid": "enwiki"}}]}}),
        "spec.filters[1].not",
        "dialect 'or' is not one of",
        "write any for or",
    ),
    "startsWith for prefix": (
        filters({"any": [{"startsWith": {"wikiid": "en"}}]}),
        "spec.filters[1].any[0]",
        "dialect 'startsWith' is not one of",
        "write prefix for startsWith",
    ),
    "an unknown dialect": (
        filters({"regex": {"wikiid": "en.*"}}),
        "spec.filters[1]",
        "dialect 'regex' is not one of",
        "write exact, prefix, suffix, all, any or not",
    ),
    "cesql": (
        filters({"cesql": "wikiid = 'enwiki'"}),
        "spec.filters[1]",
        "dialect 'cesql' is not one of",
        "the shim knows no CESQL",
    ),
    "two dialects in one element": (
        filters({"exact": {"wikiid": "enwiki"}, "prefix": {"source": "/mediawiki/"}}),
        "spec.filters[1]",
        "an element of filters has exactly one dialect",
        "write an element for each dialect",
    ),
    "an empty value": (
        trigger(filters=[{"exact": {"type": ""}}]),
        "spec.filters[0]",
        "exact with an empty value: Knative would let everything pass",
        "texts in quotes that are not empty",
    ),
    "an upper-case name": (
        filters({"all": [{"exact": {"wikiID": "enwiki"}}]}),
        "spec.filters[1].all[0]",
        "exact: 'wikiID' is no attribute name (a-z, 0-9)",
        "is wikiid meant?",
    ),
    "a name with an underscore": (
        filters({"exact": {"wiki_id": "enwiki"}}),
        "spec.filters[1]",
        "exact: 'wiki_id' is no attribute name (a-z, 0-9)",
        "is wikiid meant?",
    ),
    "the name of a member of the body": (
        filters({"exact": {"page_change_kinds": "edit"}}),
        "spec.filters[1]",
        "exact: 'page_change_kinds' is no attribute name",
        "is pagechangekind meant?",
    ),
    "a name like none of ours": (
        filters({"exact": {"Rev_Id": "5"}}),
        "spec.filters[1]",
        "exact: 'Rev_Id' is no attribute name",
        "in lower case",
    ),
    "a value that is no text": (
        filters({"exact": {"namespaceid": 0}}),
        "spec.filters[1]",
        "exact: the value of namespaceid has to be text, in quotes",
        "texts in quotes",
    ),
    "an object for the list": (
        trigger(filters={"exact": {"type": CHANGE}}),
        "spec.filters",
        "spec.filters has to be a list",
        "begin elements with a dash",
    ),
    "filter beside filters": (
        trigger(filter={"attributes": {"type": CHANGE}}),
        "spec.filter",
        "filters is there too, so this is not looked at",
        "move its conditions into filters",
    ),
    "filter for filters": (
        trigger(filters=None, filter=[{"exact": {"type": CHANGE}}]),
        "spec.filter",
        "filter has to hold attributes",
        "is filters meant?",
    ),
    "a dialect in filter": (
        trigger(filters=None, filter={"exact": {"type": CHANGE}}),
        "spec.filter",
        "filter has to hold attributes",
        "is filters meant?",
    ),
    "older, a name that is none": (
        trigger(filters=None, filter={"attributes": {"type": CHANGE, "wikiId": "enwiki"}}),
        "spec.filter.attributes",
        "filter.attributes: 'wikiId' is no attribute name",
        "is wikiid meant?",
    ),
    "older, no object": (
        trigger(filters=None, filter={"attributes": CHANGE}),
        "spec.filter.attributes",
        "filter.attributes has to map attribute names to text",
        "map names of attributes",
    ),
    "none": (trigger(filters=None), "spec.filters", "no condition: events of all types", "type"),
    "an empty list": (trigger(filters=[]), "spec.filters", "no condition: events of all", "type"),
    "older without a value": (
        trigger(filters=None, filter={"attributes": {"type": ""}}),
        "spec.filters",
        "no condition: events of all types come",
        "add exact with the type",
    ),
    "no type": (
        trigger(filters=[{"exact": {"wikiid": "enwiki"}}]),
        "spec.filters",
        "no condition on type: events of all types come, replies too",
        "add exact with the type",
    ),
    "a type in one of two ways": (
        trigger(filters=[{"any": [{"exact": {"type": CHANGE}}, {"exact": {"wikiid": "enwiki"}}]}]),
        "spec.filters",
        "no condition on type",
        "add exact with the type",
    ),
    "a type that is excluded": (
        trigger(filters=[{"not": {"exact": {"type": SCORE}}}]),
        "spec.filters",
        "no condition on type",
        "add exact with the type",
    ),
    "an unknown type": (
        trigger(filters=[{"exact": {"type": "org.wikimedia.mediawiki.page.change.v2"}}]),
        "spec.filters[0].exact",
        "no event's type is org.wikimedia.mediawiki.page.change.v2",
        f"is {CHANGE} meant?",
    ),
    "the beginning of no type": (
        trigger(filters=[{"prefix": {"type": "wikimedia."}}]),
        "spec.filters[0].prefix",
        "no event's type begins with wikimedia.",
        "one of org.wikimedia.mediawiki.",
    ),
    "older, an unknown type": (
        trigger(filters=None, filter={"attributes": {"type": "page.change"}}),
        "spec.filter.attributes",
        "no event's type is page.change",
        "org.wikimedia.mediawiki.",
    ),
    "an unknown wiki": (
        filters({"any": [{"exact": {"wikiid": "enwki"}}]}),
        "spec.filters[1].any[0].exact",
        "no event's wikiid is enwki",
        "is enwiki meant?",
    ),
    "an unknown model": (
        filters({"not": {"exact": {"model": "drafttopics"}}}),
        "spec.filters[1].not.exact",
        "no event's model is drafttopics",
        "is drafttopic meant?",
    ),
    "Python's True": (
        filters({"exact": {"isredirect": "False"}}),
        "spec.filters[1].exact",
        "no event's isredirect is False",
        "is false meant?",
    ),
    "an unknown kind of change": (
        filters({"any": [{"exact": {"pagechangekind": "edits"}}]}),
        "spec.filters[1].any[0].exact",
        "no event's pagechangekind is edits",
        "is edit meant?",
    ),
    "the older name of a kind": (
        filters({"prefix": {"pagechangekind": "suppress"}}),
        "spec.filters[1].prefix",
        "no event's pagechangekind begins with suppress",
        "one of create, delete, edit, move, undelete, visibility_change",
    ),
    "an unknown attribute": (
        filters({"exact": {"pagechangekinds": "edit"}}),
        "spec.filters[1].exact",
        "no event has the attribute pagechangekinds",
        "is pagechangekind meant?",
    ),
}
SUBSCRIBERS: Final[Mapping[str, tuple[Any, str, str, str]]] = {
    "an unknown row": (
        subscriber("/models/drafttopik"),
        "spec.subscriber.uri",
        "/models/drafttopik names no row",
        "/models/ and one of article-country, ",
    ),
    "a slash too many": (
        subscriber("/models/drafttopic/"),
        "spec.subscriber.uri",
        "/models/drafttopic/ names no row",
        "/models/",
    ),
    "no path": (subscriber(None), "spec.subscriber.uri", "it names no row", "/models/"),
    "no slash": (
        subscriber("models/drafttopic"),
        "spec.subscriber.uri",
        "models/drafttopic does not begin with a slash",
        "/models/drafttopic",
    ),
    "a URL": (
        subscriber("http://score-sink.events/models/drafttopic", None),
        "spec.subscriber.uri",
        "is absolute: it holds in one namespace only",
        "name the Service with ref",
    ),
    "a sink of another namespace": (
        within("a", subscriber("/models/drafttopic", namespace="b")),
        "spec.subscriber.ref.namespace",
        "score-sink is that of b, but the Trigger is in a",
        "leave namespace out",
    ),
    "dead letters of another namespace": (
        within("a", letters_to("deadletter-sink", namespace="b")),
        "spec.delivery.deadLetterSink.ref.namespace",
        "deadletter-sink is that of b, but the Trigger is in a",
        "leave namespace out",
    ),
    "dead letters to another of our sinks": (
        letters_to("egress-sink"),
        "spec.delivery.deadLetterSink.ref.name",
        "egress-sink keeps no dead letters",
        "deadletter-sink",
    ),
    "no URL": (
        subscriber("http://[", None),
        "spec.subscriber",
        "the subscriber's URL",
        "name a Service with ref (apiVersion: v1, kind: Service, name), and a path with uri",
    ),
    "no URL beside a ref": (
        subscriber("//[", "score-sink"),
        "spec.subscriber",
        "has to be relative",
        "a path with uri",
    ),
    "nobody": (
        trigger(subscriber={}),
        "spec.subscriber",
        "subscriber needs a ref to a v1 Service",
        "name a Service with ref",
    ),
}
OTHERS: Final[Mapping[str, tuple[Any, str, str, str]]] = {
    "no Broker": (trigger(broker=None), "spec.broker", "it names no Broker", "broker: default"),
    "a misspelt member": (
        trigger(filtres=[]),
        "spec",
        "spec has no filtres",
        "is filters meant?",
    ),
    "a member that is like none": (trigger(paused=True), "spec", "spec has no paused", "leave"),
    "ref beside the subscriber": (
        trigger(subscriber=None, ref={"name": "score-sink"}, uri="/models/drafttopic"),
        "spec",
        "spec has no ref, uri",
        "indent ref below subscriber; indent uri below subscriber",
    ),
    "retry beside the delivery": (
        trigger(retry=3),
        "spec",
        "spec has no retry",
        "indent retry below delivery",
    ),
    "a dialect beside the filters": (
        trigger(exact={"wikiid": "enwiki"}),
        "spec",
        "spec has no exact",
        "indent exact below filters",
    ),
    "no spec": (
        without("drafttopic", "spec"),
        "spec",
        "spec is missing or not an object",
        "spec, with broker, delivery, filters, subscriber",
    ),
    "another version": (
        {**trigger(), "apiVersion": "eventing.knative.dev/v1beta1"},
        "apiVersion",
        "apiVersion has to be eventing.knative.dev/v1",
        "apiVersion: eventing.knative.dev/v1",
    ),
    "another kind": ({**trigger(), "kind": "Triger"}, "kind", "not a Trigger", "kind: Trigger"),
    "no name": (
        without("drafttopic", "metadata", "name"),
        "metadata.name",
        "metadata.name is missing",
        "metadata.name: ",
    ),
}
TIMES: Final[Mapping[str, tuple[Any, str, str, str]]] = {
    "below the sink's own deadline": (
        delivery(timeout="PT1M"),
        "spec.delivery.timeout",
        "60 s are too few: score-sink may take 60 s, and its answer 10 s to arrive",
        "PT70S or more",
    ),
    "in days and tenths": (
        delivery(timeout="P0DT0H1M9.9S"),
        "spec.delivery.timeout",
        "69.9 s are too few",
        "PT70S or more",
    ),
    "egress": (
        delivery("egress", timeout="PT140S"),
        "spec.delivery.timeout",
        "140 s are too few: egress-sink may take 140 s, and its answer 10 s to arrive",
        "PT150S or more",
    ),
    "a row that asks no predictor": (
        delivery("article-country-tags", timeout="PT5S"),
        "spec.delivery.timeout",
        "5 s are too few: score-sink may take 1 s",
        "PT11S or more",
    ),
}
SPOILT: Final = {**DELIVERY, **FILTERS, **SUBSCRIBERS, **OTHERS, **TIMES}


@pytest.mark.parametrize(("spoilt", "place", "what", "advice"), SPOILT.values(), ids=SPOILT)
def test_lint_of_a_spoilt_trigger_finds_just_that(
    spoilt: Any, place: str, what: str, advice: str
) -> None:
    """One finding: its place, what is wrong and what to do."""
    (found,) = [each for each in linted(spoilt) if "comes back" not in each.what]

    assert (found.source, found.place) == ("file.yaml", place)
    assert what in found.what
    assert advice in found.advice


def test_lint_tells_everything_that_is_wrong_at_once() -> None:
    """Nobody has to mend one thing to hear of the next; Triggers keep their order."""
    bad = trigger(filters=[{"and": []}, {"exact": {"type": CHANGE, "wikiid": "x"}}], delivery=None)
    second = subscriber("/models/none")

    found = [(each.trigger, each.place) for each in linted(bad, second, {})]

    assert found == [
        ("drafttopic", "spec.filters[0]"),
        ("drafttopic", "spec.filters[1].exact"),
        ("drafttopic", "spec.delivery"),
        ("drafttopic", "spec.subscriber.uri"),
        ("drafttopic", "metadata.name"),
        ("resource 3", "kind"),
    ]


def test_lint_of_control_characters_shows_them_harmlessly() -> None:
    """What a file says does not reach a terminal as it is."""
    bad = delivery(backoffPolicy="\x1b[2J")
    bad["metadata"]["name"] = "a\nb"

    (found,) = linted(bad)

    assert (found.trigger, found.what) == ("a\\x0ab", "'\\x1b[2J' is no policy")


@pytest.mark.parametrize("kind", ["create", "edit", "move", "delete", "undelete"])
def test_lint_of_a_kind_of_change_that_there_is_finds_nothing(kind: str) -> None:
    """A Trigger may take what no row of ours scores."""
    assert linted(filters({"exact": {"pagechangekind": kind}})) == []


# --- names that may be somebody else's -----------------------------------------------------------


@pytest.mark.parametrize(
    ("doubtful", "place", "what", "advice"),
    [
        pytest.param(
            subscriber("/models/drafttopic", "scores-sink"),
            "spec.subscriber.ref.name",
            "scores-sink is none of our sinks, and nearly score-sink",
            "is score-sink meant?",
            id="subscriber",
        ),
        pytest.param(
            letters_to("dead-letter-sink"),
            "spec.delivery.deadLetterSink.ref.name",
            "dead-letter-sink is none of our sinks, and nearly deadletter-sink",
            "is deadletter-sink meant?",
            id="dead-letter sink",
        ),
        pytest.param(
            trigger(broker="defualt"),
            "spec.broker",
            "no Broker defualt is known here, and without one nobody looks at the Trigger",
            "is default meant?",
            id="Broker",
        ),
    ],
)
def test_lint_of_a_name_that_is_nearly_ours_warns(
    doubtful: Any, place: str, what: str, advice: str
) -> None:
    """It can be meant, so it is no error."""
    (found,) = linted(doubtful)

    assert found.severity == "warning"
    assert (found.place, found.what, found.advice) == (place, what, advice)


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(subscriber("/", "event-display"), id="another Service"),
        pytest.param(subscriber("/models/drafttopic", "score-sink-v2"), id="a second one of ours"),
        pytest.param(subscriber("/", "my-egress-sink"), id="somebody's own"),
        pytest.param(within("a", subscriber("/", "display", namespace="b")), id="other namespace"),
        pytest.param(
            subscriber("/models/drafttopic", namespace="b"), id="a Trigger without a namespace"
        ),
        pytest.param(letters_to("letters"), id="somebody's letters"),
        pytest.param(trigger(broker="audit"), id="another Broker"),
    ],
)
def test_lint_of_what_is_not_ours_finds_nothing(foreign: Any) -> None:
    """Everybody may have Triggers of their own, of whose Services nothing is known."""
    assert linted(foreign) == []


@pytest.mark.parametrize(
    ("namespace", "name", "advice"),
    [
        pytest.param("a", "audits", "is audit meant?", id="nearly one"),
        pytest.param("a", "default", "one of audit", id="default"),
        pytest.param("a", "elsewhere", "one of audit", id="of another namespace"),
        pytest.param("c", "audit", "use a namespace that has one, as a, b", id="without any"),
    ],
)
def test_lint_beside_brokers_finds_one_that_is_not_among_them(
    namespace: str, name: str, advice: str
) -> None:
    """No warning: it is known which Brokers there are, and nobody looks at such a Trigger."""
    brokers = [within("a", broker("audit")), within("b", broker("elsewhere"))]

    (found,) = linted(within(namespace, trigger("egress", broker=name)), brokers=brokers)

    assert (found.severity, found.place, found.advice) == ("error", "spec.broker", advice)
    assert found.what == (
        f"namespace {namespace} has no Broker {name}, and without one nobody looks at the Trigger"
    )


@pytest.mark.parametrize("namespace", ["a", ""], ids=["its own", "any"])
def test_lint_beside_its_broker_finds_nothing(namespace: str) -> None:
    """A Trigger that names no namespace can be meant for each that was read."""
    made = within(namespace, trigger("egress", broker="audit"))

    assert linted(made, brokers=[within("a", broker("audit"))]) == []


@pytest.mark.parametrize("place", ["subscriber", "dead-letter sink"])
def test_lint_beside_services_finds_one_that_is_not_among_them(place: str) -> None:
    """No warning: it is known which Services there are, so nothing else can be meant."""
    services = [within("a", service(each)) for each in ("score-sink", "deadletter-sink")]
    made, name, nearly = {
        "subscriber": (subscriber("/models/drafttopic", "scores-sink"), "scores-sink", "score"),
        "dead-letter sink": (letters_to("dead-letters"), "dead-letters", "deadletter"),
    }[place]

    (found,) = linted(within("a", made), services=services)

    assert (found.severity, found.what) == ("error", f"namespace a has no Service {name}")
    assert found.advice == f"is {nearly}-sink meant?"


def test_lint_beside_services_judges_each_ref_in_its_own_namespace() -> None:
    """Of a namespace of which no Service was read, nothing is known."""
    services = [within("b", service("display", "serving.knative.dev/v1"))]
    ref = {"kind": "Channel", "name": "letters", "namespace": "b"}
    channel = within("a", delivery(deadLetterSink={"ref": ref}))

    def of(name: str) -> dict[str, Any]:
        return within("a", subscriber("/", name, namespace="b"))

    assert linted(of("display"), services=services) == linted(channel, services=services) == []
    (found,) = linted(of("other"), services=services)
    assert (found.what, found.advice) == ("namespace b has no Service other", "one of display")


def test_lint_of_our_sinks_beside_others_services_finds_them_missing() -> None:
    """Ours are as little there as anybody's, if they are not among those that were read."""
    services = [within("a", service("display"))]

    found = linted(within("a", trigger()), services=services)

    assert [each.what for each in found] == [
        "namespace a has no Service score-sink",
        "namespace a has no Service deadletter-sink",
    ]


def test_lint_of_a_name_that_is_nearly_ours_and_there_finds_nothing() -> None:
    """What was read is meant."""
    services = [service("scores-sink"), service("deadletter-sink")]

    assert linted(subscriber("/models/drafttopic", "scores-sink"), services=services) == []


def test_lint_of_a_trigger_without_a_namespace_takes_it_for_any_that_was_read() -> None:
    """Whoever applies it decides; so a file is linted beside what a cluster holds."""
    both = [trigger(), SHIPPED["egress"]]
    services = [service(each) for each in ("score-sink", "egress-sink", "deadletter-sink")]
    held = [within("a", each) for each in services]

    assert linted(*both, brokers=[within("a", broker("default"))], services=held) == []
    (found, *_) = linted(trigger(), services=held[1:])
    assert found.what == "what was read has no Service score-sink"


# --- replies that nobody takes -------------------------------------------------------------------


def test_lint_of_a_whole_environment_warns_of_a_reply_that_nobody_takes() -> None:
    """With its Broker, all Triggers were read; without, and in any namespace, egress may be
    elsewhere."""
    brokers = [within("a", broker("default")), within("b", broker("default"))]
    elsewhere = within("b", SHIPPED["egress"])

    (found,) = linted(within("a", trigger()), elsewhere, brokers=brokers)

    assert linted(within("a", trigger()), elsewhere) == []
    assert linted(trigger(), elsewhere, brokers=brokers) == []
    assert (found.trigger, found.severity) == ("drafttopic", "warning")
    assert found.what == "nobody takes what it replies: nothing is published"
    assert found.advice == "add triggers/egress.yaml"


@pytest.mark.parametrize(
    "taker",
    [
        pytest.param(SHIPPED["egress"], id="egress"),
        pytest.param(trigger("egress", filters=[{"exact": {"model": "drafttopic"}}]), id="model"),
        pytest.param(trigger("egress", filters=[{"cesql": "true"}]), id="one that is refused"),
    ],
)
def test_lint_of_a_reply_that_somebody_may_take_does_not_warn_of_it(taker: Any) -> None:
    """What a Trigger takes that is refused, nobody knows."""
    found = linted(trigger(), taker, brokers=[broker("default")])

    assert [each for each in found if "nobody takes" in each.what] == []


# --- times that do not nest ----------------------------------------------------------------------


def test_lint_counts_the_delivery_of_the_reply_on_a_broker_in_memory() -> None:
    """Score 60 s, then egress 3 x 140 s and waits of 6 s + 12 s: 498 s."""
    short, enough = delivery(timeout="PT8M17S"), delivery(timeout="PT8M18S")

    assert linted(enough, SHIPPED["egress"]) == linted(short) == []
    (found,) = linted(short, SHIPPED["egress"])
    assert (found.trigger, found.place) == ("drafttopic", "spec.delivery.timeout")
    assert found.what == (
        "497 s are too few: score-sink may take 60 s, and 438 s pass until its reply is delivered,"
        " which a Broker in memory waits for"
    )
    assert found.advice == "PT498S or more"


def test_lint_counts_linear_waits_as_knative_does() -> None:
    """The first repetition comes at once, the second after one delay: 60 s + 3 x 140 s + 6 s."""
    linear = delivery("egress", backoffPolicy="linear")

    assert linted(delivery(timeout="PT486S"), linear) == []
    assert [each.advice for each in linted(delivery(timeout="PT485S"), linear)] == [
        "PT486S or more"
    ]


def test_lint_counts_replies_to_replies() -> None:
    """article-country waits for its tags and for their egress: 60 s + 4 x 1 s + 42 s + 438 s."""
    others = SHIPPED["article-country-tags"], SHIPPED["egress"]

    assert linted(delivery("article-country", timeout="PT544S"), *others) == []
    (found,) = linted(delivery("article-country", timeout="PT543S"), *others)
    assert (found.trigger, found.advice) == ("article-country", "PT544S or more")


@pytest.mark.parametrize(
    ("kind_of", "enough"), [("Kafka", True), ("MTChannelBasedBroker", False)], ids=str
)
def test_lint_of_a_kafka_broker_does_not_count_what_it_stores(kind_of: str, enough: bool) -> None:
    """Kafka's Broker waits for the sink alone."""
    both = [delivery(timeout="PT2M"), SHIPPED["egress"]]

    assert (linted(*both, brokers=[broker("default", kind_of)]) == []) == enough


@pytest.mark.parametrize(
    "taker",
    [
        pytest.param(within("b", SHIPPED["egress"]), id="of another Broker"),
        pytest.param({**subscriber("/", "display"), **{"metadata": {"name": "x"}}}, id="foreign"),
        pytest.param(delivery("egress", timeout=None), id="without a time-out"),
        pytest.param(delivery("egress", backoffDelay="6s"), id="with a delay that is none"),
    ],
)
def test_lint_counts_nothing_that_it_cannot_know(taker: Any) -> None:
    """Another Broker's Trigger, somebody's subscriber, and what is wrong for another reason."""
    if taker["metadata"]["name"] == "x":
        taker["spec"]["filters"] = [{"exact": {"type": SCORE}}]

    found = linted(delivery(timeout="PT2M"), taker)

    assert [each for each in found if each.trigger == "drafttopic"] == []


def test_lint_of_endless_times_ends() -> None:
    """However large a number somebody writes."""
    nines = "9" * 5000
    endless = delivery("egress", retry=10**9, backoffDelay=f"PT{nines}S", timeout=f"P{nines}D")

    (found,) = linted(delivery(), endless)

    assert found.trigger == "drafttopic"


# --- replies that come back ----------------------------------------------------------------------


def on(name: str, row: str, *types: str, **conditions: str) -> dict[str, Any]:
    """A Trigger that takes events of these types to a row."""
    exact = [{"exact": {"type": each, **conditions}} for each in types]
    made = trigger(filters=[{"any": exact}])
    made["metadata"] = {"name": name}
    made["spec"]["subscriber"] = {**made["spec"]["subscriber"], "uri": f"/models/{row}"}
    return made


def test_lint_of_a_reply_that_feeds_its_own_trigger_finds_it() -> None:
    """The row replies what its own Trigger asks for."""
    (found,) = linted(on("a", "drafttopic", CHANGE, SCORE))

    assert (found.trigger, found.place) == ("a", "spec.filters")
    assert found.what == "what its row replies passes its own filters, and comes back without end"
    assert "which differs from that of the reply" in found.advice


@pytest.mark.parametrize(
    ("condition", "circle"),
    [
        pytest.param({"model": "drafttopic"}, True, id="its own model"),
        pytest.param({"model": "goodfaith"}, False, id="another model"),
        pytest.param({"source": "/models/drafttopic"}, True, id="its own source"),
        pytest.param({"stream": "mediawiki.revision-score-test"}, True, id="the test stream"),
        pytest.param({"stream": "mediawiki.revision_score_goodfaith"}, False, id="another stream"),
        pytest.param({"wikiid": "zh_yuewiki"}, True, id="some wiki"),
        pytest.param({"pagechangekind": "edit"}, False, id="what no reply has"),
    ],
)
def test_lint_of_a_narrower_trigger_looks_at_what_a_reply_says(
    condition: dict[str, str], circle: bool
) -> None:
    """Its type alone decides nothing: the other attributes of the reply are looked at too."""
    assert bool(linted(on("a", "drafttopic", SCORE, **condition))) == circle


def test_lint_of_a_circle_through_several_triggers_tells_the_way() -> None:
    """Each alone is fine; together they never end. One that only listens is not in it."""
    steps = [
        on("a", "drafttopic", CHANGE, TAGS),
        on("b", "outlink-topic-model", SCORE),
        on("c", "article-country-tags", PREDICTION),
    ]

    assert [linted(each) for each in steps] == [[], [], []]
    (found,) = linted(*steps, SHIPPED["egress"], SHIPPED["drafttopic"])
    assert (found.trigger, found.what) == ("a", "replies run in a circle: a -> b -> c -> a")


def test_lint_of_triggers_of_two_brokers_finds_no_circle() -> None:
    """A reply goes to the Broker that the event came from, and to no other."""
    one, other = on("a", "drafttopic", PREDICTION), on("b", "outlink-topic-model", SCORE)
    assert len(linted(one, other)) == 1

    other["spec"]["broker"] = "other"

    assert linted(one, other) == []
