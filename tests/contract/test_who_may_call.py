"""Who may call, at sinks that run: tokens in a file, an OIDC issuer, both, or everybody."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.factories import PAGE_CHANGE_TYPE, SCORE_TYPE, binary, page_change, revision_score
from tests.issuer import AUDIENCE, SUBJECT, IssuerProcess, claims, signed, signing_key
from tests.processes import ROOT, Running, clean_env, gunicorn
from tests.upstream import Reply, Upstream, answer, call, predictor

TOKEN = "0123456789abcdef"  # noqa: S105
OTHER = "fedcba9876543210"
JSON = {"Content-Type": "application/json"}
PATIENCE_SECONDS = 20


@dataclass
class Sinks:
    """A shim that hands on to a Broker, a score-sink and an egress-sink, all with one issuer."""

    issuer: IssuerProcess
    broker: Upstream
    running: dict[str, Running]

    def call(self, sink: str, token: str | None, **headers: str) -> Reply:
        """Send the sink a good event with this bearer token."""
        path, event, body = {
            "shim": ("/events", JSON, json.dumps(page_change()).encode()),
            "predict": (
                "/v1/models/enwiki-drafttopic:predict",
                JSON,
                json.dumps({"event": page_change()}).encode(),
            ),
            "score": ("/models/drafttopic", *binary(page_change(), type=PAGE_CHANGE_TYPE)),
            "egress": ("/", *binary(revision_score(), type=SCORE_TYPE)),
        }[sink]
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        return call(self._of(sink).port, path, {**event, **shown, **headers}, body)

    def clients(self, sink: str) -> dict[tuple[str, str], float]:
        """(client, outcome) -> events, as the metrics have it."""
        text = call(self._of(sink).port, "/metrics", method="GET").body.decode()
        found = re.findall(
            r'^sinks_client_events_total\{client="(.*)",outcome="(\w+)",.*\} (\S+)$', text, re.M
        )
        return {(client, outcome): float(events) for client, outcome, events in found}

    def lines(self, sink: str) -> list[dict[str, Any]]:
        """What the sink has logged so far, without its server's own lines."""
        lines = [json.loads(line) for line in self._of(sink).log.splitlines()]
        return [line for line in lines if line["logger"] == "sinks"]

    def _of(self, sink: str) -> Running:
        return self.running["shim" if sink == "predict" else sink]


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sinks]:
    """All sinks that check their callers."""
    directory = tmp_path_factory.mktemp("sinks")
    tokens = directory / "tokens"
    tokens.write_text(f"changeprop={TOKEN}\n")
    with ExitStack() as stack:
        issuer = stack.enter_context(IssuerProcess(directory))
        broker = stack.enter_context(Upstream(answer(202)))
        models = stack.enter_context(Upstream(predictor))
        eventgate = stack.enter_context(Upstream(answer(201)))
        oidc = {
            "OIDC_ISSUER": issuer.url,
            "OIDC_AUDIENCE": AUDIENCE,
            "OIDC_SUBJECTS": "system:serviceaccount:events:*",
            "LOG_LEVEL": "DEBUG",
        }
        envs = {
            "shim": {"K_SINK": broker.url, "TOKENS_FILE": str(tokens)},
            "score": {"PREDICTOR_URL": models.url},
            "egress": {"EVENTGATE_URLS": f"{eventgate.url}/v1/events"},
        }
        apps = {"shim": "http_shim", "score": "score_sink", "egress": "egress_sink"}
        running = {
            name: stack.enter_context(
                gunicorn(f"sinks.{apps[name]}:create_app()", {**env, **oidc}, directory)
            )
            for name, env in envs.items()
        }
        yield Sinks(issuer, broker, running)


TAKEN = {"shim": 200, "score": 200, "egress": 202}


# --- OIDC at every sink --------------------------------------------------------------------------


@pytest.mark.parametrize("sink", TAKEN)
def test_call_with_a_token_of_the_issuer_is_taken_and_counted(sinks: Sinks, sink: str) -> None:
    """The subject stands in the log and in the metric."""
    before = sum(sinks.clients(sink).values())
    got = sinks.call(sink, sinks.issuer.token())

    assert got.status == TAKEN[sink]
    assert sum(sinks.clients(sink).values()) == before + 1
    assert {client for client, _ in sinks.clients(sink)} <= {SUBJECT, "changeprop"}
    assert sinks.lines(sink)[-1]["client"] == SUBJECT


def unsigned(issuer: IssuerProcess) -> str:
    return f"eyJhbGciOiJub25lIn0.{issuer.token().split('.')[1]}."


WRONG = {
    "none": lambda _: None,
    "unknown": lambda _: OTHER,
    "alg none": unsigned,
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 120),
    "another audience": lambda issuer: issuer.token(aud="other"),
    "another issuer": lambda issuer: signed(issuer.key, claims("https://other.example.org")),
    "unknown key": lambda issuer: signed(signing_key("foe", "ES256"), claims(issuer.url)),
}


@pytest.mark.parametrize("sink", [*TAKEN, "predict"])
@pytest.mark.parametrize("wrong", WRONG)
def test_call_without_a_known_token_is_401_without_a_hint(
    sinks: Sinks, sink: str, wrong: str
) -> None:
    """One answer for everything: no issuer, audience, key or client is in it."""
    got = sinks.call(sink, WRONG[wrong](sinks.issuer), **{"ce-id": "event-1"})

    assert got.status == 401
    assert got.headers["WWW-Authenticate"] == "Bearer"
    said = {"reason": "unauthenticated", "detail": "a known bearer token is required"}
    assert {**got.json(), "ce_id": None} == {**said, "ce_id": None}
    assert "client" not in sinks.lines(sink)[-1]


@pytest.mark.parametrize("sink", TAKEN)
def test_call_of_another_subject_is_403_without_a_hint(sinks: Sinks, sink: str) -> None:
    """The answer names nobody; the log says who should be named, or kept out."""
    subject = "system:serviceaccount:other:stranger"
    got = sinks.call(sink, sinks.issuer.token(sub=subject))

    assert got.status == 403
    assert "WWW-Authenticate" not in got.headers
    assert got.json()["reason"] == "forbidden"
    assert got.json()["detail"] == "this caller may not call here"
    assert subject in sinks.lines(sink)[-1]["upstream_text"]


@pytest.mark.parametrize("sink", TAKEN)
def test_unknown_callers_make_no_label(sinks: Sinks, sink: str) -> None:
    """Nobody who is refused can make the metrics grow."""
    before = sinks.clients(sink)
    for number in range(20):
        sinks.call(sink, f"made-up-{number:016}")
        sinks.call(sink, sinks.issuer.token(sub=f"stranger-{number}"))
        sinks.call(sink, sinks.issuer.token(sub=f"{SUBJECT}-{number}", aud="other"))

    assert sinks.clients(sink) == before


def test_call_with_a_token_of_the_file_is_taken_where_oidc_is_set(sinks: Sinks) -> None:
    """Both ways count at the same sink."""
    before = sinks.clients("shim").get(("changeprop", "relayed"), 0)

    assert sinks.call("shim", TOKEN).status == 200
    assert sinks.clients("shim")["changeprop", "relayed"] == before + 1
    assert sinks.lines("shim")[-1]["client"] == "changeprop"


@pytest.mark.parametrize("sink", ["score", "egress"])
def test_token_of_the_file_is_nothing_inside_the_cluster(sinks: Sinks, sink: str) -> None:
    """score and egress know subjects only."""
    assert sinks.call(sink, TOKEN).status == 401


def test_what_a_caller_shows_goes_no_further(sinks: Sinks) -> None:
    """Neither the Broker nor a log gets to see a caller's token."""
    token = sinks.issuer.token()
    sinks.broker.received.clear()
    for shown in (TOKEN, token, OTHER):
        sinks.call("shim", shown)

    heads = b"".join(each.raw_head for each in sinks.broker.received)
    assert len(sinks.broker.received) == 2
    assert b"uthorization" not in heads
    for sink in TAKEN:
        assert not any(shown in sinks.running[sink].log for shown in (TOKEN, OTHER, token))


def test_key_that_is_rotated_in_is_known_within_ten_seconds(sinks: Sinks) -> None:
    """A new key counts without a restart, however many made-up ones come in between."""
    sinks.call("shim", sinks.issuer.token())
    old = sinks.issuer.key
    sinks.issuer.show(old, signing_key("rotated", "ES256"))
    begun = time.monotonic()
    while sinks.call("shim", sinks.issuer.token()).status != 200:
        assert time.monotonic() - begun < 12
        assert sinks.call("shim", signed(old, claims(sinks.issuer.url))).status == 200
        sinks.call("shim", signed(signing_key("foe", "ES256"), claims(sinks.issuer.url)))
        time.sleep(0.1)


def test_call_while_the_issuer_is_down_is_deferred_until_it_is_up(tmp_path: Path) -> None:
    """The sink starts without its issuer; the log says ERROR, the answer names nobody."""
    with IssuerProcess(tmp_path) as issuer, Upstream(answer(201)) as eventgate:
        issuer.stop()
        env = {
            "EVENTGATE_URLS": f"{eventgate.url}/v1/events",
            "OIDC_ISSUER": issuer.url,
            "OIDC_AUDIENCE": AUDIENCE,
        }
        with gunicorn("sinks.egress_sink:create_app()", env, tmp_path, ready="/readyz") as egress:
            found = Sinks(issuer, eventgate, {"egress": egress})
            got = found.call("egress", issuer.token())
            line = found.lines("egress")[-1]
            assert (got.status, got.json()["reason"]) == (503, "issuer_unavailable")
            assert issuer.url.encode() not in got.body
            assert (line["level"], line["stage"]) == ("ERROR", "issuer")
            assert issuer.url in line["upstream_text"]

            issuer.start()
            limit = time.monotonic() + PATIENCE_SECONDS
            while found.call("egress", issuer.token()).status != 202:
                assert time.monotonic() < limit
                time.sleep(0.1)

            issuer.stop()
            assert found.call("egress", issuer.token()).status == 202


# --- tokens that change under load ---------------------------------------------------------------


class Load:
    """Four callers that never pause and show the token that is set."""

    def __init__(self, port: int, token: str) -> None:
        self.token = token
        self.statuses: list[int] = []
        self._port = port
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(4)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def more(self, calls: int = 40) -> None:
        """Return after so many more calls: each caller has begun several of them since."""
        wanted, limit = len(self.statuses) + calls, time.monotonic() + PATIENCE_SECONDS
        while len(self.statuses) < wanted:
            assert time.monotonic() < limit
            time.sleep(0.005)

    def _run(self) -> None:
        body = json.dumps(page_change()).encode()
        while not self._ended.is_set():
            shown = {**JSON, "Authorization": f"Bearer {self.token}"}
            self.statuses.append(call(self._port, "/events", shown, body).status)


def switch(directory: Path, version: str, text: str) -> None:
    """Change a mounted Secret as Kubernetes does: another directory behind the same link."""
    (directory / version).mkdir()
    (directory / version / "tokens").write_text(text)
    (directory / "..new").symlink_to(version)
    (directory / "..new").rename(directory / "..data")


def test_tokens_that_change_under_load_refuse_nobody_who_is_known(tmp_path: Path) -> None:
    """The new token is added, callers move to it, the old one goes: no restart, no wrong 401."""
    secret = tmp_path / "secret"
    secret.mkdir()
    switch(secret, "..1", f"old={TOKEN}\n")
    (secret / "tokens").symlink_to("..data/tokens")
    with Upstream(answer(202)) as broker:
        env = {"K_SINK": broker.url, "TOKENS_FILE": str(secret / "tokens")}
        with gunicorn("sinks.http_shim:create_app()", env, tmp_path) as shim:
            with Load(shim.port, TOKEN) as load:
                load.more()
                switch(secret, "..2", f"old={TOKEN}\nnew={OTHER}\n")
                load.more()
                load.token = OTHER
                load.more()
                for _ in range(20):  # written in place, it is empty for a moment
                    (secret / "tokens").write_text(f"# both\nold={TOKEN}\nnew={OTHER}\n")
                    load.more(4)
                switch(secret, "..3", f"new={OTHER}\n")
                load.more()
            refused = call(
                shim.port, "/events", {**JSON, "Authorization": f"Bearer {TOKEN}"}, b"{}"
            )

    assert set(load.statuses) == {200}
    assert refused.status == 401


# --- anonymous -----------------------------------------------------------------------------------


@pytest.mark.parametrize("app", ["http_shim", "score_sink", "egress_sink"])
def test_caller_without_a_name_makes_no_label_where_nobody_asks(app: str, tmp_path: Path) -> None:
    """Without OIDC score and egress check nobody and count no clients; the shim says who it was."""
    with Upstream(answer(202)) as upstream:
        env = {
            "K_SINK": upstream.url,
            "PREDICTOR_URL": upstream.url,
            "EVENTGATE_URLS": f"{upstream.url}/v1/events",
            "ALLOW_ANONYMOUS": "true",
        }
        with gunicorn(f"sinks.{app}:create_app()", env, tmp_path) as running:
            name = {"http_shim": "shim", "score_sink": "score", "egress_sink": "egress"}[app]
            found = Sinks(None, upstream, {name: running})  # type: ignore[arg-type]  # none is asked
            found.call(name, None, Authorization="Bearer x") if name != "shim" else None
            found.call(name, None)
            counted = {client for client, _ in found.clients(name)}

    assert counted == ({"anonymous"} if name == "shim" else set())


@pytest.mark.parametrize(
    "more", [{}, {"OIDC_ISSUER": "https://issuer", "OIDC_AUDIENCE": "us"}], ids=["alone", "oidc"]
)
def test_start_with_anonymous_callers_in_production_is_refused(more: Mapping[str, str]) -> None:
    """Not even beside another way in."""
    env = {"ALLOW_ANONYMOUS": "true", "ENVIRONMENT": "production", "K_SINK": "http://b", **more}
    ended = python("from sinks.http_shim import create_app; create_app()", env)

    assert ended.returncode == 4
    assert "ALLOW_ANONYMOUS=true is refused with ENVIRONMENT=production" in ended.stderr


def test_start_without_anybody_who_may_call_is_refused() -> None:
    """Everybody is let in by name only."""
    ended = python("from sinks.http_shim import create_app; create_app()", {"K_SINK": "http://b"})

    assert ended.returncode == 4
    assert "ALLOW_ANONYMOUS=true" in ended.stderr


def python(code: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program with these variables."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean_env(env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("app", ["score_sink", "egress_sink", "http_shim"])
@pytest.mark.parametrize("oidc", [False, True], ids=["without OIDC", "with OIDC"])
def test_start_loads_cryptography_only_with_oidc(app: str, oidc: bool) -> None:
    """It is slow to load, and sinks start from zero while an event waits."""
    env = {
        "PREDICTOR_URL": "http://p",
        "EVENTGATE_URLS": "http://e/v1/events",
        "K_SINK": "http://b",
        "ALLOW_ANONYMOUS": "true",
    }
    if oidc:
        env |= {"OIDC_ISSUER": "https://issuer", "OIDC_AUDIENCE": AUDIENCE}
    show = "print(sorted({'jwt', 'cryptography'} & set(sys.modules)))"
    ended = python(f"import sys; from sinks.{app} import create_app; create_app(); {show}", env)

    assert ended.stdout.strip() == ("['cryptography', 'jwt']" if oidc else "[]"), ended.stderr
