"""The component `authentication`: who shows which token to whom, and who is let in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from sinks import inputs
from sinks.envelope import event_type
from sinks.models import MODELS, ROWS
from tests.manifest_components import (
    COMPONENTS,
    SOURCE_AND_AUTHENTICATION,
    dead_letter_sink,
    extended,
    flows_elsewhere,
    pod_makers,
)
from tests.manifests import (
    ENVIRONMENTS,
    SETTINGS,
    Object,
    container_of,
    environ_of,
    generated,
    of_kind,
    pod_of,
    seen_by,
)

# Knative's names of the service accounts of a Trigger, a SinkBinding and a KafkaSource.
OF_TRIGGER: Final = "{}-oidc-eventing.knative.dev-trigger"
OF_BINDING: Final = "{}-oidc-sources.knative.dev-sinkbinding"
OF_KAFKA_SOURCE: Final = "{}-oidc-sources.knative.dev-kafkasource"


def input_types() -> set[str]:
    """The types of what comes in."""
    return {event_type(*read) for read in inputs.load_readers()}


def output_types() -> set[str]:
    """The types of what the rows reply."""
    return {row.output_type for row in ROWS}


def audience_of(deployment: Object, file: str) -> str | None:
    """Whom the token in this file of a Pod is for; None: the API server."""
    (mount,) = [
        each
        for each in container_of(deployment)["volumeMounts"]
        if each["mountPath"] == str(Path(file).parent)
    ]
    (volume,) = [each for each in pod_of(deployment)["volumes"] if each["name"] == mount["name"]]
    (token,) = [
        each["serviceAccountToken"]
        for each in volume["projected"]["sources"]
        if each.get("serviceAccountToken", {}).get("path") == Path(file).name
    ]
    found: str | None = token.get("audience")
    return found


def types_of(policy: Object) -> set[str]:
    """The types that a policy's one filter lets pass."""
    (filter_,) = policy["spec"]["filters"]
    return {each["exact"]["type"] for each in filter_["any"]}


def test_authentication_names_the_same_audience_at_either_end() -> None:
    """Who calls a sink has a token for it; none that the Broker's sinks get is one for the shim."""
    objects = extended("dev", *SOURCE_AND_AUTHENTICATION)
    wanted = {
        sink: generated(objects, "ConfigMap", sink)["data"]["OIDC_AUDIENCE"] for sink in SETTINGS
    }
    destinations = [
        *(each["spec"]["subscriber"] for each in of_kind(objects, "Trigger").values()),
        *(
            dead_letter_sink(each)
            for kind in ("Trigger", "Broker", "KafkaSource")
            for each in of_kind(objects, kind).values()
        ),
        of_kind(objects, "KafkaSource")["page-change"]["spec"]["sink"],
    ]

    assert len(destinations) == 2 * len(of_kind(objects, "Trigger")) + 3
    assert all(each["audience"] == wanted[each["ref"]["name"]] for each in destinations)
    assert wanted.pop("http-shim") not in wanted.values()
    for caller in ("http-shim", "deadletter-sink"):
        file = generated(objects, "ConfigMap", caller)["data"]["SUBSCRIBER_TOKEN_FILE"]
        assert {audience_of(of_kind(objects, "Deployment")[caller], file)} == {*wanted.values()}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_authentication_lets_in_whom_knative_calls_by(environment: str) -> None:
    """The service accounts of Triggers, sinks and the KafkaSource pass; others do not, and nobody
    comes without a token."""
    objects = extended(environment, *SOURCE_AND_AUTHENTICATION)
    (namespace,) = of_kind(objects, "Namespace")
    prefix = f"system:serviceaccount:{namespace}:"
    subjects = {
        sink: generated(objects, "ConfigMap", sink)["data"]["OIDC_SUBJECTS"] for sink in SETTINGS
    }

    source = prefix + OF_KAFKA_SOURCE.format("page-change")
    assert subjects == dict.fromkeys(SETTINGS, f"{prefix}*") | {"http-shim": source}
    for sink in ("http-shim", "deadletter-sink"):
        assert generated(objects, "ConfigMap", sink)["data"]["ALLOW_ANONYMOUS"] == "false"


def test_authentication_policies_are_of_the_broker_and_pass_what_it_gets() -> None:
    """The shim tells of changes, replies and replayed letters of predictions; of no other types."""
    policies = of_kind(extended("dev", *SOURCE_AND_AUTHENTICATION), "EventPolicy")
    to = [{"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}}]

    assert all(each["spec"]["to"] == to for each in policies.values())
    assert {name: types_of(each) for name, each in policies.items()} == {
        "page-changes": input_types(),
        "predictions": output_types(),
    }


def test_authentication_knows_senders_by_the_service_accounts_that_knative_makes() -> None:
    """By no `ref`, which could name what is not applied yet. Knative shortens names over 63
    characters, and then nobody could say what they are."""
    policies = of_kind(extended("dev", "authentication"), "EventPolicy")
    prefix = "system:serviceaccount:event-sinks-dev:"

    named = {
        name: [each["sub"].removeprefix(prefix) for each in policy["spec"]["from"]]
        for name, policy in policies.items()
    }

    rows = [OF_TRIGGER.format(name) for name in sorted(MODELS)]
    assert named == {
        "page-changes": [OF_BINDING.format("http-shim")],
        "predictions": [OF_BINDING.format("deadletter-sink"), *rows],
    }
    assert max(len(each) for names in named.values() for each in names) <= 63


@pytest.mark.parametrize("components", [("authentication",), COMPONENTS], ids=["alone", "all"])
def test_authentication_asks_the_issuer_with_a_token_and_its_own_authority(
    components: tuple[str, ...],
) -> None:
    """Where predictors and EventGate have another authority, CA_FILE stays theirs."""
    objects = extended("production", *components)

    assert pod_makers(objects).keys() == SETTINGS.keys()
    for sink, pod in pod_makers(objects).items():
        with seen_by(objects, pod) as environ:
            settings = SETTINGS[sink].from_env(environ)
        assert settings.oidc_issuer_token_file.name == "token"
        assert settings.oidc_issuer_ca_file.name == "ca.crt"
        assert settings.ca_file != settings.oidc_issuer_ca_file
        asked_with = "/var/run/issuer/token"
        assert environ_of(objects, pod)["OIDC_ISSUER_TOKEN_FILE"] == asked_with
        assert audience_of(pod, asked_with) is None


def test_authentication_has_the_filter_of_the_broker_hand_in_letters() -> None:
    """It is what shows the Trigger's token; the channel behind it has none."""
    found = flows_elsewhere(extended("staging-a", "authentication"))

    by_filter = [({"eventing.knative.dev/brokerRole": "filter"}, [8080])]
    assert found["deadletter-sink-from-broker"] == found["score-sink-from-broker"] == by_filter
