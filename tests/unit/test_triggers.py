"""Trigger files: how they are loaded, and facts about the ones that are shipped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from sinks import deployed, inputs, models, page_change, revision_score, triggers, wikis
from sinks.cloudevent import Event
from sinks.envelope import event_type, page_change_event
from sinks.model_row import Conditions, ModelRow, unwanted
from sinks.models import MODELS
from sinks.triggers import InvalidTrigger, Trigger, load
from tests.factories import page_change as page_change_document
from tests.factories import revision_create as revision_create_document
from tests.sixteen import NAMES, SIXTEEN

ROOT = Path(triggers.__file__).parent.parent
SHIPPED = ROOT / "triggers"
OPTIONAL = SHIPPED / "optional"
SERVICE_URLS = {"score-sink": "http://score:8081", "egress-sink": "http://egress:8082"}
READERS = inputs.load_readers()
EGRESS_DEADLINE_SECONDS = 140


def trigger(name: str = "one", namespace: str | None = None, **spec: Any) -> dict[str, Any]:
    """The smallest Trigger, with keyword overrides of its spec; None removes a member."""
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    known = {"broker": "default", "subscriber": {"uri": "http://one.example/"}, **spec}
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": metadata,
        "spec": {key: value for key, value in known.items() if value is not None},
    }


def service(name: str = "score-sink", **more: Any) -> dict[str, Any]:
    """A reference to a Service."""
    return {"ref": {"apiVersion": "v1", "kind": "Service", "name": name, **more}}


def write(directory: Path, name: str, *resources: Any) -> Path:
    """Write a file of one YAML document a resource."""
    path = directory / name
    path.write_text(yaml.safe_dump_all(resources), encoding="utf-8")
    return path


def subscriber_of(
    directory: Path,
    subscriber: Mapping[str, Any],
    service_urls: Mapping[str, str],
    namespace: str | None = None,
) -> str:
    """Load one Trigger with this subscriber and return its URL."""
    write(directory, "one.yaml", trigger(namespace=namespace, subscriber=subscriber))
    return load([directory], service_urls)[0].subscriber


def problems(directories: list[Path], service_urls: Mapping[str, str] | None = None) -> list[str]:
    """Return the lines of the refusal."""
    with pytest.raises(InvalidTrigger) as refused:
        load(directories, service_urls or {})
    return str(refused.value).splitlines()


def scored(wiki_id: str = "enwiki") -> Event:
    """A score event as it comes back from score-sink."""
    attributes = {"id": "score-1", "source": "/models/drafttopic", "wikiid": wiki_id}
    kind = event_type("mediawiki/revision/score", 3)
    return Event({**attributes, "type": kind, "pagechangekind": "edit"}, {})


def incoming(document: dict[str, Any]) -> Event:
    """The event that the shim makes of a document."""
    change = inputs.parse(document, READERS)
    return page_change_event(change, document, "http://schema.example", "binary")


# Loading.


def test_load_of_several_directories_returns_triggers_by_name(tmp_path: Path) -> None:
    """All directories make one list in order of the names, whatever the files are called."""
    (tmp_path / "more").mkdir()
    write(tmp_path, "a.yaml", trigger("zebra"))
    write(tmp_path, "z.yaml", trigger("ant"))
    write(tmp_path / "more", "m.yaml", trigger("mole"))

    loaded = load([tmp_path, tmp_path / "more"], {})

    assert [each.name for each in loaded] == ["ant", "mole", "zebra"]


def test_load_of_a_directory_does_not_descend(tmp_path: Path) -> None:
    """What lies below is not routed unless it is named: that is how optional Triggers stay off."""
    (tmp_path / "below").mkdir()
    write(tmp_path, "one.yaml", trigger("one"))
    write(tmp_path / "below", "two.yaml", trigger("two"))

    assert [each.name for each in load([tmp_path], {})] == ["one"]


def test_load_of_a_kustomization_skips_it(tmp_path: Path) -> None:
    """kustomization.yaml is not a Trigger and no problem, even if it is broken."""
    write(tmp_path, "one.yaml", trigger())
    (tmp_path / "kustomization.yaml").write_text("kind: [", encoding="utf-8")

    assert len(load([tmp_path], {})) == 1


def test_load_of_a_file_with_several_documents_returns_all_of_them(tmp_path: Path) -> None:
    """`---` separates Triggers; an empty document is none."""
    path = tmp_path / "several.yaml"
    documents = [yaml.safe_dump(trigger("one")), "# nothing\n", yaml.safe_dump(trigger("two"))]
    path.write_text("---\n".join(["", *documents, ""]), encoding="utf-8")

    assert [each.name for each in load([tmp_path], {})] == ["one", "two"]


def test_load_of_other_files_skips_them(tmp_path: Path) -> None:
    """Only `*.yaml` is read."""
    write(tmp_path, "one.yaml", trigger())
    (tmp_path / "README.md").write_text("{", encoding="utf-8")
    (tmp_path / "one.yaml.orig").write_text("{", encoding="utf-8")

    assert len(load([tmp_path], {})) == 1


@pytest.mark.parametrize(
    ("spec", "passes"),
    [
        pytest.param({}, True, id="no filter"),
        pytest.param({"filters": []}, True, id="empty filters"),
        pytest.param({"filter": {}}, True, id="empty filter"),
        pytest.param({"filter": {"attributes": {"wikiid": "enwiki"}}}, True, id="older passes"),
        pytest.param({"filter": {"attributes": {"wikiid": "dewiki"}}}, False, id="older fails"),
        pytest.param(
            {
                "filters": [{"exact": {"wikiid": "enwiki"}}],
                "filter": {"attributes": {"wikiid": "dewiki"}},
            },
            True,
            id="filters hide a failing filter",
        ),
        pytest.param(
            {
                "filters": [{"exact": {"wikiid": "dewiki"}}],
                "filter": {"attributes": {"wikiid": "enwiki"}},
            },
            False,
            id="filters hide a passing filter",
        ),
        pytest.param(
            {"filters": [], "filter": {"attributes": {"wikiid": "dewiki"}}},
            False,
            id="empty filters hide nothing",
        ),
    ],
)
def test_load_of_filters_makes_the_predicate(
    tmp_path: Path, spec: dict[str, Any], passes: bool
) -> None:
    """`filters` overrides the older `filter` completely; without either everything passes."""
    write(tmp_path, "one.yaml", trigger(**spec))

    assert load([tmp_path], {})[0].filter.passes(scored()) is passes


# What is refused.


def test_load_of_several_broken_files_lists_every_problem(tmp_path: Path) -> None:
    """Whoever repairs Triggers is told everything in one go, each line with its file."""
    other = tmp_path / "other"
    other.mkdir()
    broken = tmp_path / "broken.yaml"
    broken.write_text("kind: [Trigger", encoding="utf-8")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"kind: \xff\xfe")
    files = [
        broken,
        binary,
        write(tmp_path, "cesql.yaml", trigger("cesql", filters=[{"cesql": "TRUE"}])),
        write(tmp_path, "good.yaml", trigger("good")),
        write(tmp_path, "twice.yaml", trigger("good")),
        write(tmp_path, "service.yaml", {"apiVersion": "v1", "kind": "Service"}),
        write(other, "ref.yaml", trigger("ref", subscriber=service("unknown-sink"))),
        write(other, "text.yaml", "just text"),
    ]

    lines = problems([tmp_path, other, tmp_path / "missing"], SERVICE_URLS)

    faulty = [path for path in files if path.name != "good.yaml"]
    assert len(lines) == len(faulty) + 1
    for path in faulty:
        assert [line for line in lines if line.startswith(f"{path}: ")], path.name
    assert f"{tmp_path / 'missing'}: not a directory" in lines


def test_load_of_a_trigger_with_two_faults_lists_both(tmp_path: Path) -> None:
    """A Trigger whose filter and whose subscriber are wrong is repaired once, not twice."""
    filters = [{"cesql": "TRUE"}]
    write(tmp_path, "one.yaml", trigger(filters=filters, subscriber=service("unknown-sink")))

    text = "\n".join(problems([tmp_path]))

    assert "cesql" in text
    assert "unknown-sink" in text


def test_load_of_two_documents_with_one_broken_lists_the_broken_one(tmp_path: Path) -> None:
    """Each document of a file is judged by itself."""
    write(tmp_path, "two.yaml", trigger("good"), {"kind": "Broker"}, trigger("bad", subscriber={}))

    assert len(problems([tmp_path])) == 2


def test_load_of_the_same_name_twice_names_it(tmp_path: Path) -> None:
    """?trigger= and outcomes go by name, so that a name has to be unique, across directories."""
    (tmp_path / "more").mkdir()
    write(tmp_path, "a.yaml", trigger("same"))
    write(tmp_path / "more", "b.yaml", trigger("same", namespace="another"))

    lines = problems([tmp_path, tmp_path / "more"])

    assert lines == [f"{tmp_path / 'more' / 'b.yaml'}: a second Trigger with the name same"]


def test_load_without_any_trigger_is_refused(tmp_path: Path) -> None:
    """A shim without Triggers would acknowledge everything and deliver nothing."""
    write(tmp_path, "kustomization.yaml", {"kind": "Kustomization"})

    assert problems([tmp_path]) == [f"no Trigger in {tmp_path}"]


def test_load_of_a_file_for_a_directory_is_refused(tmp_path: Path) -> None:
    """TRIGGERS_DIR names directories."""
    path = write(tmp_path, "one.yaml", trigger())

    assert problems([path]) == [f"{path}: not a directory"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("kind: [", id="unclosed"),
        pytest.param("a: b: c", id="mapping in a mapping"),
        pytest.param("kind: Trigger\n\tspec: {}", id="tab"),
        pytest.param("kind: !!python/object:os.system x", id="tag of Python"),
        pytest.param("kind: *unknown", id="alias without anchor"),
        pytest.param("kind: Trigger\nmetadata: {name: x, made: 2026-02-31}", id="day not real"),
        pytest.param("kind: Trigger\nspec: !!int x", id="number not real"),
    ],
)
def test_load_of_broken_yaml_is_one_line_with_the_file(tmp_path: Path, text: str) -> None:
    """The message of the YAML reader goes on one line behind the file's name."""
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")

    lines = problems([tmp_path])

    assert len(lines) == 1
    assert lines[0].startswith(f"{path}: ")


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param({**trigger(), "kind": "Service"}, id="another kind"),
        pytest.param({**trigger(), "kind": "trigger"}, id="kind in lower case"),
        pytest.param({**trigger(), "apiVersion": "eventing.knative.dev/v1beta1"}, id="older api"),
        pytest.param({**trigger(), "apiVersion": "v1"}, id="another api"),
        pytest.param({**trigger(), "metadata": {}}, id="no name"),
        pytest.param({**trigger(), "metadata": {"name": ""}}, id="empty name"),
        pytest.param({**trigger(), "metadata": {"name": 1}}, id="name that is a number"),
        pytest.param({**trigger(), "metadata": None}, id="no metadata"),
        pytest.param({**trigger(), "spec": None}, id="no spec"),
        pytest.param({**trigger(), "spec": []}, id="spec that is a list"),
        pytest.param([trigger()], id="a list"),
        pytest.param("Trigger", id="text"),
        pytest.param(trigger(filters={"exact": {"type": "x"}}), id="filters no list"),
        pytest.param(trigger(filter={"exact": {"type": "x"}}), id="filter without attributes"),
        pytest.param(trigger(filter="type"), id="filter that is text"),
        pytest.param(trigger(filter={"attributes": {"Type": "x"}}), id="upper-case name"),
    ],
)
def test_load_of_what_is_no_usable_trigger_is_refused(tmp_path: Path, resource: Any) -> None:
    """Only an eventing.knative.dev/v1 Trigger with a name and good filters is routed by."""
    write(tmp_path, "one.yaml", resource)

    assert len(problems([tmp_path])) == 1


# Subscribers.


@pytest.mark.parametrize(
    ("urls", "url"),
    [
        pytest.param({"score-sink": "http://exact:1"}, "http://exact:1", id="exact"),
        pytest.param(
            {"*": "http://{name}.{namespace}.svc", "score-sink": "http://exact:1"},
            "http://exact:1",
            id="exact before template",
        ),
        pytest.param(
            {"*": "http://{name}.{namespace}.svc", "egress-sink": "http://exact:1"},
            "http://score-sink.default.svc",
            id="template",
        ),
        pytest.param({"*": "http://gateway/{name}"}, "http://gateway/score-sink", id="path"),
    ],
)
def test_subscriber_ref_is_resolved_by_exact_name_then_template(
    tmp_path: Path, urls: dict[str, str], url: str
) -> None:
    """SERVICE_URLS names a Service exactly, or by the template `*`."""
    assert subscriber_of(tmp_path, service(), urls) == url


@pytest.mark.parametrize(
    ("of_trigger", "of_ref", "expected"),
    [
        pytest.param(None, None, "default", id="none"),
        pytest.param("of-trigger", None, "of-trigger", id="the Trigger's"),
        pytest.param(None, "of-ref", "of-ref", id="the ref's"),
        pytest.param("of-trigger", "of-ref", "of-ref", id="the ref's before the Trigger's"),
    ],
)
def test_subscriber_ref_namespace_is_the_refs_else_the_triggers_else_default(
    tmp_path: Path, of_trigger: str | None, of_ref: str | None, expected: str
) -> None:
    """Where a Service is looked for follows Kubernetes."""
    ref = service(**({"namespace": of_ref} if of_ref else {}))

    url = subscriber_of(tmp_path, ref, {"*": "http://{name}.{namespace}.svc"}, of_trigger)

    assert url == f"http://score-sink.{expected}.svc"


@pytest.mark.parametrize(
    ("base", "uri", "url"),
    [
        pytest.param("http://s:1", "/models/x", "http://s:1/models/x", id="path"),
        pytest.param("http://s:1/", "/models/x", "http://s:1/models/x", id="slash at the end"),
        pytest.param("http://s:1", "/", "http://s:1/", id="root"),
        pytest.param("http://s:1/base", "/models/x", "http://s:1/models/x", id="path of its own"),
        pytest.param("http://s:1/base", "models/x", "http://s:1/base/models/x", id="below"),
        pytest.param("http://s:1", "/x?y=z", "http://s:1/x?y=z", id="query"),
        pytest.param("https://s", "/x", "https://s/x", id="https"),
        pytest.param("http://s:1/base", None, "http://s:1/base", id="none"),
    ],
)
def test_subscriber_ref_with_relative_uri_is_joined(
    tmp_path: Path, base: str, uri: str | None, url: str
) -> None:
    """The uri is resolved against the Service's address as RFC 3986 says."""
    subscriber = {**service(), **({"uri": uri} if uri else {})}

    assert subscriber_of(tmp_path, subscriber, {"score-sink": base}) == url


def test_subscriber_with_absolute_uri_needs_no_service_url(tmp_path: Path) -> None:
    """A uri without ref is the address itself."""
    url = "https://elsewhere.example:8443/events?x=y"

    assert subscriber_of(tmp_path, {"uri": url}, {}) == url


@pytest.mark.parametrize(
    "subscriber",
    [
        pytest.param({}, id="nothing"),
        pytest.param(None, id="no subscriber"),
        pytest.param({"uri": "/models/x"}, id="relative uri without ref"),
        pytest.param({"uri": "ftp://host/"}, id="another scheme"),
        pytest.param({"uri": "host:8080/x"}, id="no scheme"),
        pytest.param({"uri": 5}, id="uri that is a number"),
        pytest.param({"uri": "http:///x"}, id="uri without host"),
        pytest.param({"uri": "http://[::1/x"}, id="uri that cannot be read"),
        pytest.param({"uri": "http://host:99999/"}, id="port too large"),
        pytest.param({"uri": "http://host/a b"}, id="space in the uri"),
        pytest.param({"uri": "http://host/é"}, id="non-ASCII uri"),
        pytest.param({"uri": "http://user:pass@host/"}, id="user in the uri"),
        pytest.param(service("unknown-sink"), id="unknown Service"),
        pytest.param({"ref": "score-sink"}, id="ref that is text"),
        pytest.param({**service(), "uri": "/a b"}, id="space in the relative uri"),
        pytest.param({**service(), "uri": "//["}, id="relative uri of half an address"),
        pytest.param({"uri": "http://["}, id="half an address"),
        pytest.param({**service(), "uri": "http://other/"}, id="absolute uri beside ref"),
        pytest.param({"ref": {**service()["ref"], "kind": "Broker"}}, id="ref to a Broker"),
        pytest.param(
            {"ref": {**service()["ref"], "apiVersion": "serving.knative.dev/v1"}},
            id="ref to a Knative Service",
        ),
        pytest.param({"ref": {"apiVersion": "v1", "kind": "Service"}}, id="ref without name"),
    ],
)
def test_subscriber_that_cannot_be_called_is_refused(
    tmp_path: Path, subscriber: dict[str, Any] | None
) -> None:
    """A subscriber that no request can reach stops the start instead of failing every event."""
    write(tmp_path, "one.yaml", trigger(subscriber=subscriber))

    lines = problems([tmp_path], SERVICE_URLS)

    assert len(lines) == 1
    assert lines[0].startswith(f"{tmp_path / 'one.yaml'}: ")


def test_subscriber_ref_without_name_is_refused_although_a_template_takes_all(
    tmp_path: Path,
) -> None:
    """A template must not make a host name of a name that is missing."""
    write(
        tmp_path, "one.yaml", trigger(subscriber={"ref": {"apiVersion": "v1", "kind": "Service"}})
    )

    assert len(problems([tmp_path], {"*": "http://{name}.{namespace}.svc"})) == 1


# The shipped files.


def resources(directory: Path) -> dict[str, dict[str, Any]]:
    """The Triggers of a shipped directory by file name without its ending."""
    return {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(directory.glob("*.yaml"))
        if path.name != "kustomization.yaml"
    }


SHIPPED_RESOURCES = {**resources(SHIPPED), **resources(OPTIONAL)}
SCORE_NAMES = sorted(SHIPPED_RESOURCES.keys() - {"egress"})
# Whose Triggers are expected to take an event or not; what else is shipped may take it as well.
KNOWN = {*NAMES, "egress"}


@cache
def shipped() -> Mapping[str, Trigger]:
    """All shipped Triggers, loaded once."""
    return {each.name: each for each in load([SHIPPED, OPTIONAL], SERVICE_URLS)}


def takers(event: Event) -> set[str]:
    """The known ones among the shipped Triggers that take an event."""
    return {name for name, each in shipped().items() if each.filter.passes(event)} & KNOWN


def seconds(duration: str) -> float:
    """Seconds of an ISO 8601 duration of minutes or seconds."""
    number, unit = float(duration[2:-1]), duration[-1]
    assert duration.startswith("PT"), duration
    return number * {"M": 60, "S": 1}[unit]


def exact_types(filters: Any) -> set[str]:
    """All values that `exact` wants of `type`, at any depth."""
    if isinstance(filters, list):
        return {kind for each in filters for kind in exact_types(each)}
    if not isinstance(filters, dict):
        return set()
    found = {filters["exact"]["type"]} if "type" in filters.get("exact", {}) else set()
    return found | {kind for each in filters.values() for kind in exact_types(each)}


def test_shipped_triggers_load_with_service_urls() -> None:
    """Production's directory alone and with the optional one beside it are good."""
    assert {each.name for each in load([SHIPPED], SERVICE_URLS)} & KNOWN == {
        "article-country",
        "article-country-tags",
        "drafttopic",
        "egress",
        "outlink-topic-model",
        "revertrisk-language-agnostic",
        "revertrisk-multilingual",
        "revertrisk-wikidata",
    }
    assert set(shipped()) == set(SHIPPED_RESOURCES)


def test_shipped_triggers_without_service_urls_list_every_ref() -> None:
    """Forgetting SERVICE_URLS is told once per Trigger."""
    assert len(problems([SHIPPED, OPTIONAL])) == len(SHIPPED_RESOURCES)


@pytest.mark.parametrize("name", sorted(SHIPPED_RESOURCES))
def test_shipped_trigger_is_named_as_its_file(name: str) -> None:
    """A Trigger is found by its name; no namespace, so that an overlay can set it."""
    resource = SHIPPED_RESOURCES[name]

    assert resource["metadata"] == {"name": name}
    assert resource["spec"]["broker"] == "default"


@pytest.mark.parametrize("row", sorted(MODELS))
def test_shipped_triggers_have_exactly_one_for_each_row(row: str) -> None:
    """Which Triggers exist decides which models run: a row without one can never run."""
    subscribers = [each.subscriber for each in shipped().values()]

    found = subscribers.count(f"http://score:8081/models/{row}")
    assert found == 1, f"add triggers/{row}.yaml or triggers/optional/{row}.yaml with this uri"
    assert SHIPPED_RESOURCES[row]["spec"]["subscriber"] == {
        **service("score-sink"),
        "uri": f"/models/{row}",
    }


def test_shipped_triggers_beside_the_rows_are_the_egress_alone() -> None:
    """No Trigger addresses a row that does not exist."""
    assert SHIPPED_RESOURCES.keys() - MODELS.keys() == {"egress"}
    assert shipped()["egress"].subscriber == "http://egress:8082/"


@pytest.mark.parametrize("directory", [SHIPPED, OPTIONAL], ids=["triggers", "optional"])
def test_shipped_kustomization_lists_exactly_the_files(directory: Path) -> None:
    """A file that is not listed is never applied."""
    text = (directory / "kustomization.yaml").read_text(encoding="utf-8")
    kustomization = yaml.safe_load(text)
    files = sorted(path.name for path in directory.glob("*.yaml"))

    unlisted = set(files) - set(kustomization["resources"]) - {"kustomization.yaml"}
    assert not unlisted, f"add {', '.join(unlisted)} to the resources of {directory.name}"
    assert sorted(kustomization["resources"]) == [
        name for name in files if name != "kustomization.yaml"
    ]
    assert kustomization["kind"] == "Kustomization"
    assert not kustomization.keys() & {"namespace", "namePrefix", "nameSuffix"}


@pytest.mark.parametrize("name", sorted(SHIPPED_RESOURCES))
def test_shipped_trigger_has_a_complete_delivery(name: str) -> None:
    """Any delivery of a Trigger replaces all of the Broker's, so none of it may be missing."""
    delivery = SHIPPED_RESOURCES[name]["spec"]["delivery"]

    assert delivery.keys() == {
        "deadLetterSink",
        "retry",
        "backoffPolicy",
        "backoffDelay",
        "timeout",
    }
    assert delivery["deadLetterSink"] == {**service("deadletter-sink"), "uri": "/"}
    assert delivery["backoffPolicy"] == "exponential"
    assert delivery["retry"] >= 1


def test_shipped_egress_timeout_lets_the_sink_answer_first() -> None:
    """The sink's own answer names the cause; a time-out of the sender does not."""
    delivery = SHIPPED_RESOURCES["egress"]["spec"]["delivery"]

    assert seconds(delivery["timeout"]) > EGRESS_DEADLINE_SECONDS


@pytest.mark.parametrize("name", SCORE_NAMES)
def test_shipped_score_filter_types_are_the_input_types_in_code(name: str) -> None:
    """A row's Trigger takes what the row reads; drafttopic's page changes only, or each revision
    would be scored twice."""
    reads = {
        event_type(title, major) for title, major in inputs.load_readers(MODELS[name].wanted.titles)
    }
    expected = {event_type(page_change.TITLE, 1)} if name == "drafttopic" else reads

    assert exact_types(SHIPPED_RESOURCES[name]["spec"]["filters"]) == expected


def test_shipped_egress_filter_types_are_the_output_types_in_code() -> None:
    """Whatever a row replies is taken by the egress."""
    types = exact_types(SHIPPED_RESOURCES["egress"]["spec"]["filters"])

    assert types == {row.output_type for row in models.ROWS}


@pytest.mark.parametrize("row", models.ROWS, ids=lambda row: row.name)
def test_shipped_triggers_route_a_reply_to_the_egress_and_to_what_feeds_on_it(
    row: ModelRow,
) -> None:
    """A reply that a row took again would go in a circle."""
    reply = Event({**scored().attributes, "type": row.output_type, "model": row.name}, {})

    taken = takers(reply)

    assert taken == {"egress"} | (
        {"article-country-tags"} if row.name == "article-country" else set()
    )


ITEMS = {"itemquality", "itemtopic"}
SCORES = {row.name for row in SIXTEEN if row.output is revision_score.OUTPUT}
ARTICLES = {"outlink-topic-model", "article-country"}
RISKS = {"revertrisk-language-agnostic", "revertrisk-multilingual"}
TONE = {"revise-tone-task-generator"}


@pytest.mark.parametrize(
    ("wiki_id", "domain", "kind", "rows"),
    [
        pytest.param(
            "enwiki",
            "en.wikipedia.org",
            "edit",
            SCORES - ITEMS | ARTICLES | RISKS | TONE,
            id="edit",
        ),
        pytest.param(
            "enwiki", "en.wikipedia.org", "create", SCORES - ITEMS | ARTICLES, id="create"
        ),
        pytest.param("enwiki", "en.wikipedia.org", "move", ARTICLES | RISKS, id="move"),
        pytest.param("enwiki", "en.wikipedia.org", "delete", set(), id="delete"),
        pytest.param("enwiki", "en.wikipedia.org", "undelete", set(), id="undelete"),
        pytest.param(
            "enwiki", "en.wikipedia.org", "visibility_change", set(), id="visibility change"
        ),
        pytest.param(
            "enwiki", "canary", "edit", SCORES - ITEMS | ARTICLES | RISKS | TONE, id="canary"
        ),
        pytest.param(
            "wikidatawiki",
            "www.wikidata.org",
            "edit",
            SCORES - {"drafttopic"} | {"revertrisk-wikidata"},
            id="Wikidata",
        ),
        pytest.param(
            "wikidatawiki", "www.wikidata.org", "move", {"revertrisk-wikidata"}, id="item move"
        ),
        pytest.param(
            "zh_yuewiki",
            "zh-yue.wikipedia.org",
            "edit",
            SCORES - {"drafttopic"} - ITEMS | ARTICLES | RISKS,
            id="another Wikipedia",
        ),
        pytest.param(
            "dewiktionary",
            "de.wiktionary.org",
            "edit",
            SCORES - {"drafttopic"} - ITEMS,
            id="no Wikipedia",
        ),
    ],
)
def test_shipped_triggers_route_a_page_change_by_wiki_and_kind(
    wiki_id: str, domain: str, kind: str, rows: set[str]
) -> None:
    """A change goes to the rows that could score it, never to the egress."""
    event = incoming(
        page_change_document(wiki_id=wiki_id, page_change_kind=kind, meta={"domain": domain})
    )

    assert takers(event) == rows


@pytest.mark.parametrize("domain", [None, "EN.wikipedia.org", "a b"], ids=repr)
@pytest.mark.parametrize(
    "row", [row for row in models.ROWS if row.question], ids=lambda row: row.name
)
def test_shipped_trigger_delivers_every_change_that_its_row_wants(
    row: ModelRow, domain: str | None
) -> None:
    """No change is lost between Trigger and row, whatever its domain is, or if it has none."""
    conditions = Conditions(
        deployed.load("production"), wikis.load(), 0, datetime(2026, 9, 23, tzinfo=UTC)
    )
    trigger = shipped()[row.name]
    undelivered = []
    wanted = 0
    for wiki_id in conditions.wikis:
        for kind in ("edit", "create", "move"):
            document = page_change_document(
                wiki_id=wiki_id, page_change_kind=kind, meta={"domain": domain}
            )
            if unwanted(row, inputs.parse(document, READERS), conditions) is None:
                wanted += 1
                passes = trigger.filter.passes(incoming(document))
                undelivered += [] if passes else [(wiki_id, kind)]

    assert wanted
    assert undelivered == []


@pytest.mark.parametrize(
    "page",
    [{"namespace_id": 1}, {"is_redirect": True}, {"namespace_id": None}, {"is_redirect": None}],
    ids=["talk page", "redirect", "unknown namespace", "unknown whether redirect"],
)
@pytest.mark.parametrize(
    ("wiki_id", "domain"),
    [("enwiki", "en.wikipedia.org"), ("wikidatawiki", "www.wikidata.org")],
)
def test_shipped_triggers_route_what_is_no_article_to_score_rows_alone(
    wiki_id: str, domain: str, page: dict[str, Any]
) -> None:
    """Only the revscoring rows take other namespaces and redirects."""
    event = incoming(page_change_document(wiki_id=wiki_id, page=page, meta={"domain": domain}))

    taken = takers(event)

    assert taken
    assert taken <= SCORES


@pytest.mark.parametrize("namespace_id", [0, 1, 118])
@pytest.mark.parametrize("is_redirect", [True, False])
def test_shipped_drafttopic_takes_every_namespace_and_redirects(
    namespace_id: int, is_redirect: bool
) -> None:
    """Production routes edits in any namespace, redirects too."""
    page = {"namespace_id": namespace_id, "is_redirect": is_redirect}

    assert shipped()["drafttopic"].filter.passes(incoming(page_change_document(page=page)))


@pytest.mark.parametrize("schema", ["1.2.0", "2.0.0"])
@pytest.mark.parametrize(
    ("wiki_id", "absent"),
    [
        pytest.param("enwiki", {"drafttopic", "itemquality", "itemtopic"}, id="enwiki"),
        pytest.param("wikidatawiki", {"drafttopic"}, id="wikidatawiki"),
    ],
)
def test_shipped_triggers_route_a_revision_create_to_optional_rows_only(
    schema: str, wiki_id: str, absent: set[str]
) -> None:
    """Both majors of revision-create go to the optional rows, never to drafttopic."""
    document = revision_create_document(
        **{"$schema": f"/mediawiki/revision/create/{schema}", "database": wiki_id}
    )
    event = incoming(document)

    taken = takers(event)

    assert taken == SCORES - absent


def test_load_of_a_misspelt_member_of_spec_is_refused(tmp_path: Path) -> None:
    """Without its `filters` a Trigger would take everything, deletions of pages included."""
    resource = trigger()
    resource["spec"]["fliters"] = resource["spec"].pop("filters", [])
    write(tmp_path, "one.yaml", resource)

    (line,) = problems([tmp_path])

    assert "spec has no fliters" in line
