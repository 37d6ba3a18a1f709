"""TLS to every upstream is verified, and there is nothing with which it could be switched off."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from flask import Flask

from sinks import egress_sink, http_shim, score_sink
from sinks.deadletter_settings import DeadletterSettings
from sinks.deadline import Deadline
from sinks.egress_settings import EgressSettings
from sinks.environment import InvalidSettings
from sinks.errors import Unavailable
from sinks.score_settings import ScoreSettings
from sinks.server_settings import ServerSettings
from sinks.settings import SinkSettings
from sinks.shim_settings import ShimSettings
from sinks.telemetry import Telemetry
from sinks.upstreams import http_client
from tests.certificates import self_signed
from tests.factories import PAGE_CHANGE_TYPE, SCORE_TYPE, binary, page_change, revision_score
from tests.issuer import AUDIENCE, claims, signed, signing_key
from tests.processes import ROOT, gunicorn
from tests.upstream import Upstream, answer, call

JSON = {"Content-Type": "application/json"}
Request = tuple[str, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Way:
    """What makes a sink call one of its upstreams.

    env:       its settings; `{url}` is the upstream, `{plain}` refuses events over plain HTTP.
    request:   path, headers and body that need the upstream.
    reason:    of the answer when the upstream cannot be reached.
    """

    app: Callable[[Any], Flask]
    settings: Callable[[Mapping[str, str]], SinkSettings]
    env: Mapping[str, str]
    request: Request
    reason: str = "upstream_unavailable"


def shim(request: Request, reason: str, **env: str) -> Way:
    return Way(http_shim.create_app, ShimSettings.from_env, env, request, reason)


EVENT: Request = ("/events", JSON, json.dumps(page_change()).encode())
TOKEN = signed(signing_key("key", "ES256"), claims("https://issuer"))
WAYS = {
    "predictor": Way(
        score_sink.create_app,
        ScoreSettings.from_env,
        {"PREDICTOR_URL": "{url}"},
        ("/models/drafttopic", *binary(page_change(), type=PAGE_CHANGE_TYPE)),
    ),
    "eventgate": Way(
        egress_sink.create_app,
        EgressSettings.from_env,
        {"EVENTGATE_URLS": "{url}/v1/events"},
        ("/", *binary(revision_score(), type=SCORE_TYPE)),
    ),
    "subscriber": shim(EVENT, "upstream_unavailable", SERVICE_URLS="sink={url}"),
    "broker": shim(EVENT, "upstream_unavailable", K_SINK="{url}/ml/default"),
    "deadletter-sink": shim(
        EVENT, "deadletter_sink_failed", SERVICE_URLS="sink={plain}", DEADLETTER_URL="{url}"
    ),
    "issuer": shim(
        (EVENT[0], {**JSON, "Authorization": f"Bearer {TOKEN}"}, EVENT[2]),
        "issuer_unavailable",
        SERVICE_URLS="sink={plain}",
        OIDC_ISSUER="{url}",
        OIDC_AUDIENCE=AUDIENCE,
    ),
}


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A good certificate, another one, and one that has run out."""
    directory = tmp_path_factory.mktemp("pems")
    good, other = (self_signed(directory / f"{name}.pem") for name in ("good", "other"))
    return {"good": good, "other": other, "expired": run_out(good, directory / "expired.pem")}


def run_out(good: Path, path: Path) -> Path:
    """Write the same certificate, but of last week."""
    raw = good.read_bytes()
    key: Any = serialization.load_pem_private_key(raw, None)
    pattern, last_week = x509.load_pem_x509_certificate(raw), datetime.now(UTC) - timedelta(7)
    builder = (
        x509.CertificateBuilder()
        .subject_name(pattern.subject)
        .issuer_name(pattern.issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(last_week)
        .not_valid_after(last_week + timedelta(days=1))
    )
    for each in pattern.extensions:
        builder = builder.add_extension(each.value, each.critical)
    found = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    path.write_bytes(raw.partition(b"-----BEGIN CERTIFICATE")[0] + found)
    return path


def serving(pem: Path) -> Upstream:
    """An upstream that shows this certificate, takes what it gets and hangs up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return Upstream(answer(202, headers={"Connection": "close"}), context)


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    """The URL of a subscriber over plain HTTP that refuses every event for good."""
    with Upstream(answer(422, headers={"Connection": "close"})) as upstream:
        yield upstream.url


@pytest.fixture(scope="module")
def triggers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one Trigger that takes everything."""
    directory = tmp_path_factory.mktemp("triggers")
    subscriber = {"ref": {"apiVersion": "v1", "kind": "Service", "name": "sink"}}
    trigger = {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {"name": "all"},
        "spec": {"broker": "default", "subscriber": subscriber},
    }
    (directory / "all.yaml").write_text(yaml.safe_dump(trigger), encoding="utf-8")
    return directory


@dataclass(frozen=True)
class Calling:
    """Makes sinks call an upstream."""

    triggers: Path
    plain: str

    def env(self, way: Way, url: str) -> dict[str, str]:
        """The settings with which the sink calls this URL."""
        filled = {
            name: value.replace("{url}", url).replace("{plain}", self.plain)
            for name, value in way.env.items()
        }
        shared = {"TRIGGERS_DIR": str(self.triggers), "EVENT_DEADLINE_SECONDS": "10"}
        anonymous = {} if "OIDC_ISSUER" in filled else {"ALLOW_ANONYMOUS": "true"}
        return {**shared, **anonymous, **filled}

    def reason(self, way: Way, url: str, **env: str) -> tuple[int, str]:
        """Status and reason with which the sink answers."""
        path, headers, body = way.request
        app = way.app(way.settings({**self.env(way, url), **env}))
        got = app.test_client().post(path, headers=dict(headers), data=body)
        document = got.get_json(silent=True) or {}
        return got.status_code, document.get("detail", "") + document.get("reason", "")


@pytest.fixture
def calling(triggers: Path, plain: str) -> Calling:
    """Sinks whose other upstreams are there."""
    return Calling(triggers, plain)


@pytest.mark.parametrize("name", WAYS)
def test_upstream_with_a_trusted_certificate_is_called(
    name: str, calling: Calling, pems: dict[str, Path]
) -> None:
    """The cases below fail because of the certificate, and of nothing else."""
    with serving(pems["good"]) as upstream:
        calling.reason(WAYS[name], upstream.url, CA_FILE=str(pems["good"]))

        assert upstream.received


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(
    ("shown", "host", "trusted"),
    [
        pytest.param("good", "localhost", "good", id="wrong host"),
        pytest.param("good", "127.0.0.1", "other", id="unknown authority"),
        pytest.param("good", "127.0.0.1", "", id="unknown to the system"),
        pytest.param("expired", "127.0.0.1", "expired", id="expired"),
    ],
)
def test_upstream_with_a_wrong_certificate_is_deferred(
    name: str, shown: str, host: str, trusted: str, calling: Calling, pems: dict[str, Path]
) -> None:
    """Nothing is sent to it, and the event comes again: a certificate can be put right."""
    env = {"CA_FILE": str(pems[trusted])} if trusted else {}
    with serving(pems[shown]) as upstream:
        status, told = calling.reason(WAYS[name], f"https://{host}:{upstream.port}", **env)

    assert (status, upstream.received) == (503, [])
    assert WAYS[name].reason in told


def test_broker_authorities_count_for_the_broker_only(
    calling: Calling, pems: dict[str, Path]
) -> None:
    """K_CA_CERTS is what a SinkBinding knows of its Broker; it says nothing of subscribers."""
    with serving(pems["good"]) as upstream:
        authority = pems["good"].read_text().partition("-----BEGIN CERTIFICATE")
        env = {"K_CA_CERTS": authority[1] + authority[2]}
        calling.reason(WAYS["broker"], upstream.url, **env)
        assert len(upstream.received) == 1

        assert calling.reason(WAYS["subscriber"], upstream.url, **env)[0] == 503
        assert len(upstream.received) == 1


# --- no switch -------------------------------------------------------------------------------


class Asked(dict[str, str]):
    """An environment that remembers which variables were asked for."""

    def __init__(self, known: Mapping[str, str]) -> None:
        super().__init__(known)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


SETTINGS: dict[str, tuple[Callable[[Mapping[str, str]], Any], dict[str, str]]] = {
    "score": (ScoreSettings.from_env, {"PREDICTOR_URL": "https://127.0.0.1:1"}),
    "egress": (EgressSettings.from_env, {"EVENTGATE_URLS": "https://127.0.0.1:1/v1/events"}),
    "shim": (ShimSettings.from_env, {"ALLOW_ANONYMOUS": "true"}),
    "deadletter": (DeadletterSettings.from_env, {"ALLOW_ANONYMOUS": "true"}),
}


def names_of(sink: str) -> set[str]:
    """All variables that a sink and its server read."""
    from_env, known = SETTINGS[sink]
    asked = Asked(known)
    from_env(asked)
    ServerSettings.from_env(asked)
    return asked.names


@pytest.mark.parametrize("sink", SETTINGS)
@pytest.mark.parametrize("value", ["false", "0", "none", "no", "*", "true", "1", "127.0.0.1"])
def test_no_setting_switches_verification_off(sink: str, value: str, pems: dict[str, Path]) -> None:
    """Whatever a variable is set to, the sink does not start, or verifies as before."""
    from_env, known = SETTINGS[sink]
    names = names_of(sink)
    assert {"CA_FILE", "ENVIRONMENT", "PORT", "OIDC_ISSUER"} <= names
    tried = 0
    with serving(pems["good"]) as upstream:
        for name in sorted(names):
            env = {**known, "CA_FILE": str(pems["other"]), name: value}
            try:
                settings = from_env(env)
            except InvalidSettings:
                continue
            tried += 1
            authorities = getattr(settings, "k_ca_certs", "")
            http = http_client("broker", settings, Telemetry("x", lambda: 0), ca_certs=authorities)
            with pytest.raises(Unavailable, match="certificate verify failed"):
                http.post(upstream.url, b"{}", JSON, Deadline.after(10))

    assert tried or value == "*"  # no variable alone takes a star
    assert upstream.received == []


def test_clients_are_made_in_one_place() -> None:
    """So what holds for one of them holds for all."""
    makers = {
        path.name
        for path in (ROOT / "sinks").rglob("*.py")
        if not {"feed", "local"} & set(path.parts)  # the command has no settings of a sink
        and "Transport(" in path.read_text(encoding="utf-8")
    }
    sessions = [
        path.name
        for path in (ROOT / "sinks").rglob("*.py")
        if not {"contract", "feed", "local"} & set(path.parts)
        for word in ("requests.get(", "requests.post(", "requests.Session(", "urlopen(")
        if word in path.read_text(encoding="utf-8")
    ]

    assert makers == {"upstreams.py"}
    assert sessions == []


def test_environment_of_the_process_does_not_switch_verification_off(
    pems: dict[str, Path], tmp_path: Path
) -> None:
    """What other programs and libraries heed in their environment means nothing to a sink."""
    off = "PYTHONHTTPSVERIFY SSL_VERIFY VERIFY_SSL NODE_TLS_REJECT_UNAUTHORIZED VERIFY".split()
    on = "SSL_NO_VERIFY GIT_SSL_NO_VERIFY INSECURE CURL_INSECURE TLS_SKIP_VERIFY".split()
    bundles = dict.fromkeys(
        ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"),
        str(pems["good"]),
    )
    with serving(pems["good"]) as upstream:
        env = {
            **dict.fromkeys(off, "0"),
            **dict.fromkeys(on, "1"),
            **bundles,
            "PREDICTOR_URL": upstream.url,
        }
        with gunicorn("sinks.score_sink:create_app()", env, tmp_path) as running:
            path, headers, body = WAYS["predictor"].request
            got = call(running.port, path, headers, body)

    assert (got.status, got.json()["reason"]) == (503, "upstream_unavailable")
    assert upstream.received == []
