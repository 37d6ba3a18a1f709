"""The components `kafka-broker` and `kafka-source`: what they change, and what comes through."""

from __future__ import annotations

import pytest

from tests.manifest_components import COMPONENTS, dead_letter_sink, extended, flows_elsewhere
from tests.manifests import (
    ENVIRONMENTS,
    MANIFESTS,
    SETTINGS,
    app_of,
    generated,
    of_kind,
    overlay,
    seconds,
)


def test_kafka_broker_changes_the_broker_and_the_flows_and_nothing_else() -> None:
    """Triggers and sinks are the very same; the programs of the Broker in memory may not call."""
    before, after = overlay("staging-a"), extended("staging-a", "kafka-broker")

    differ = [new for new in after if new not in before]

    assert {(each["kind"], each["metadata"]["name"]) for each in differ} == {
        ("Broker", "default"),
        *(("NetworkPolicy", f"{sink}-from-broker") for sink in SETTINGS if sink != "http-shim"),
        *(("NetworkPolicy", f"{sink}-to-broker") for sink in ("http-shim", "deadletter-sink")),
    }
    assert len(after) == len(before)
    broker = of_kind(after, "Broker")["default"]
    assert broker["metadata"]["annotations"] == {"eventing.knative.dev/broker.class": "Kafka"}
    assert broker["spec"]["config"] == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "kafka-broker-config",
        "namespace": "knative-eventing",
    }


@pytest.mark.parametrize("components", [("kafka-broker",), COMPONENTS[:3]], ids=["alone", "others"])
def test_kafka_broker_is_the_only_one_that_may_call_and_be_called(
    components: tuple[str, ...],
) -> None:
    """Its dispatcher calls the sinks with events and with letters, its receiver takes events."""
    found = flows_elsewhere(extended("staging-a", *components))

    calls, takes = (
        [({"app": f"kafka-broker-{program}"}, [8080])] for program in ("dispatcher", "receiver")
    )
    assert {name: each for name, each in found.items() if name.endswith("-broker")} == {
        **dict.fromkeys([f"{sink}-from-broker" for sink in SETTINGS if sink != "http-shim"], calls),
        **dict.fromkeys([f"{sink}-to-broker" for sink in ("http-shim", "deadletter-sink")], takes),
    }


def test_kafka_broker_leaves_triggers_unordered() -> None:
    """One that is tried again holds up nobody."""
    triggers = of_kind(extended("production", "kafka-broker"), "Trigger").values()

    assert triggers
    assert all("annotations" not in each["metadata"] for each in triggers)


def test_kafka_source_reads_the_page_changes_of_both_data_centres() -> None:
    """They go to a path that the shim takes, within the time that the shim may need."""
    objects = extended("staging-b", "kafka-source")
    spec = of_kind(objects, "KafkaSource")["page-change"]["spec"]
    deadline = generated(objects, "ConfigMap", "http-shim")["data"]["EVENT_DEADLINE_SECONDS"]
    shim = app_of("http-shim").url_map.bind("shim")

    assert sorted(spec["topics"]) == [
        f"{centre}.mediawiki.page_change.v1" for centre in ("codfw", "eqiad")
    ]
    assert spec["sink"]["ref"] == {"apiVersion": "v1", "kind": "Service", "name": "http-shim"}
    assert shim.match(spec["sink"]["uri"], method="POST")
    assert seconds(spec["delivery"]["timeout"]) >= int(deadline) + 10
    assert dead_letter_sink({"spec": spec})["ref"]["name"] == "deadletter-sink"
    assert (spec["initialOffset"], spec["ordering"]) == ("latest", "unordered")


def test_kafka_sources_of_two_environments_take_no_event_from_each_other() -> None:
    """Each has a consumer group of its own."""
    groups = {
        of_kind(extended(name, "kafka-source"), "KafkaSource")["page-change"]["spec"][
            "consumerGroup"
        ]
        for name in ENVIRONMENTS
    }

    assert len(groups) == len(ENVIRONMENTS)


def test_kafka_source_has_no_cluster_but_the_one_of_the_overlay() -> None:
    """Without one it points to a host that cannot be."""
    text = (MANIFESTS / "components/kafka-source/page-change.yaml").read_text(encoding="utf-8")
    spec = of_kind(extended("dev", "kafka-source"), "KafkaSource")["page-change"]["spec"]

    assert "    - kafka.invalid:9092\n" in text
    assert spec["bootstrapServers"] == ["kafka.example.org:9093"]


def test_kafka_source_may_call_the_shim_and_hand_in_letters() -> None:
    """And nobody else may that could not before."""
    before = flows_elsewhere(overlay("dev"))
    after = flows_elsewhere(extended("dev", "kafka-source"))

    added = {name: found for name, found in after.items() if found != before.get(name)}

    assert added == {
        f"{sink}-from-kafka-source": [({"app": "kafka-source-dispatcher"}, [8080])]
        for sink in ("http-shim", "deadletter-sink")
    }
