"""An OIDC issuer that runs: its keys change, it is down, it wants to be asked properly."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sinks.bearer import authorization_of
from sinks.callers import callers_of
from sinks.deadline import Deadline
from sinks.errors import SinkError, Unavailable
from sinks.issuer import Issuer
from sinks.issuer_keys import FIRST_SECONDS, LEAST_SECONDS, OLD_SECONDS
from sinks.oidc import Oidc, keys_of
from sinks.shim_settings import ShimSettings
from sinks.telemetry import Telemetry
from sinks.upstreams import http_client
from tests.certificates import self_signed
from tests.issuer import AUDIENCE, SUBJECT, IssuerProcess, claims, signed, signing_key
from tests.upstream import Behave, Received, Upstream, answer

SECRET = "a-token-of-ours.for.the-issuer"  # noqa: S105


@dataclass
class Judge:
    """What a sink makes of its settings, but with a clock that the test sets."""

    url: str
    env: dict[str, str] = field(default_factory=dict)
    now: float = 0.0

    def __post_init__(self) -> None:
        env = {"OIDC_ISSUER": self.url, "OIDC_AUDIENCE": AUDIENCE, **self.env}
        settings = ShimSettings.from_env(env)
        self.telemetry = Telemetry("http-shim", lambda: 0)
        http = http_client("issuer", settings, self.telemetry)
        self.issuer = Issuer(http, settings.oidc_issuer, settings.oidc_issuer_token_file)
        keys = keys_of(self.issuer, lambda: self.now)
        self.oidc = Oidc(keys, settings.oidc_issuer, settings.oidc_audience, frozenset())

    def says(self, token: str) -> str:
        """The client's name, or why there is none."""
        try:
            return self.oidc.client(token)
        except SinkError as error:
            return error.reason


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[IssuerProcess]:
    """An issuer that has signed nothing yet."""
    with IssuerProcess(tmp_path) as process:
        yield process


# --- keys that change ----------------------------------------------------------------------------


def test_token_of_a_running_issuer_is_its_subject(issuer: IssuerProcess) -> None:
    """The keys are found by discovery, and asked for once."""
    judge = Judge(issuer.url)

    assert [judge.says(issuer.token()) for _ in range(3)] == [SUBJECT] * 3
    assert issuer.requests == 1
    assert b'sinks_upstream_seconds_count{sink="http-shim",upstream="issuer"} 2.0' in (
        judge.telemetry.render()
    )


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_key_that_is_rotated_in_counts_and_the_old_one_goes(
    issuer: IssuerProcess, algorithm: str
) -> None:
    """Shown beside the old key at first, as issuers do; then alone."""
    judge, old = Judge(issuer.url), issuer.token()
    assert judge.says(old) == SUBJECT

    issuer.show(signing_key("first"), signing_key("second", algorithm))
    judge.now += LEAST_SECONDS
    assert (judge.says(issuer.token()), judge.says(old)) == (SUBJECT, SUBJECT)

    issuer.show(signing_key("second", algorithm))
    judge.now += OLD_SECONDS
    assert (judge.says(issuer.token()), judge.says(old)) == (SUBJECT, "unauthenticated")
    assert issuer.requests == 3


def test_made_up_key_ids_are_few_requests(issuer: IssuerProcess) -> None:
    """Whatever is thrown at a sink, its issuer is asked every ten seconds at most."""
    judge, foe = Judge(issuer.url), signing_key("foe", "ES256")
    for second in range(30):
        judge.now = float(second)
        token = signed(foe, claims(issuer.url), kid=f"made-up-{second}")
        assert judge.says(token) == "unauthenticated"

    assert issuer.requests == 3


# --- an issuer that is down ----------------------------------------------------------------------


def test_issuer_down_at_the_start_defers_until_it_is_up(issuer: IssuerProcess) -> None:
    """The sink need not start after its issuer."""
    issuer.stop()
    judge = Judge(issuer.url)
    assert judge.says(issuer.token()) == "issuer_unavailable"

    issuer.start()
    judge.now += FIRST_SECONDS
    assert judge.says(issuer.token()) == SUBJECT


def test_issuer_down_later_leaves_its_keys_in_force(issuer: IssuerProcess) -> None:
    """Callers who are known stay known; a new key is a matter of time."""
    judge = Judge(issuer.url)
    judge.says(issuer.token())
    issuer.stop()
    judge.now += 10 * OLD_SECONDS

    assert judge.says(issuer.token()) == SUBJECT
    assert judge.says(issuer.token(aud="other")) == "unauthenticated"
    issuer.show(signing_key("second"))
    assert judge.says(issuer.token()) == "issuer_unavailable"

    issuer.start()
    judge.now += LEAST_SECONDS
    assert judge.says(issuer.token()) == SUBJECT


# --- an issuer that wants something --------------------------------------------------------------


def test_issuer_that_wants_a_token_gets_the_one_in_force(tmp_path: Path) -> None:
    """The file is read anew each time, because Kubernetes renews it; it is not logged."""
    mine = tmp_path / "mine"
    mine.write_text("an-old-token\n")
    with IssuerProcess(tmp_path, wants=SECRET) as issuer:
        judge = Judge(issuer.url, {"OIDC_ISSUER_TOKEN_FILE": str(mine)})
        assert judge.says(issuer.token()) == "issuer_unavailable"

        mine.write_text(f"{SECRET}\n")
        judge.now += LEAST_SECONDS
        assert judge.says(issuer.token()) == SUBJECT


@pytest.mark.parametrize("content", [b"", b"two\nlines", b"\xff\xfe", b"with\tcontrol"])
def test_issuer_token_that_cannot_be_shown_is_unavailable(tmp_path: Path, content: bytes) -> None:
    """The log names the variable and no part of the token."""
    mine = tmp_path / "mine"
    mine.write_bytes(content)
    judge = Judge("http://127.0.0.1:1", {"OIDC_ISSUER_TOKEN_FILE": str(mine)})

    with pytest.raises(Unavailable) as raised:
        judge.issuer.keys(Deadline.after(5))

    assert raised.value.upstream_text.startswith("OIDC_ISSUER_TOKEN_FILE ")
    assert not any(word in raised.value.upstream_text for word in ("two", "lines", "control"))


def test_own_token_without_a_file_is_not_shown(tmp_path: Path) -> None:
    """Nothing is made up where there is nothing."""
    assert authorization_of(tmp_path / "missing") == {}


def test_issuer_over_tls_is_verified(tmp_path: Path) -> None:
    """Keys count only if they come from the issuer itself."""
    trusted = self_signed(tmp_path / "issuer.pem")
    other = self_signed(tmp_path / "other.pem")
    with IssuerProcess(tmp_path, tls=trusted) as issuer:
        assert Judge(issuer.url, {"CA_FILE": str(trusted)}).says(issuer.token()) == SUBJECT
        for env in ({}, {"CA_FILE": str(other)}):
            assert Judge(issuer.url, env).says(issuer.token()) == "issuer_unavailable"


@pytest.mark.parametrize("own", [True, False], ids=["the issuer's", "of others"])
def test_issuer_with_authorities_of_its_own_is_verified_by_these(own: bool, tmp_path: Path) -> None:
    """OIDC_ISSUER_CA_FILE counts for the issuer instead of CA_FILE, and only for the issuer."""
    known = {True: self_signed(tmp_path / "a.pem"), False: self_signed(tmp_path / "b.pem")}
    with IssuerProcess(tmp_path, tls=known[True]) as issuer:
        settings = ShimSettings.from_env(
            {
                "OIDC_ISSUER": issuer.url,
                "OIDC_AUDIENCE": AUDIENCE,
                "OIDC_ISSUER_CA_FILE": str(known[own]),
                "CA_FILE": str(known[not own]),
            }
        )
        telemetry = Telemetry("http-shim", lambda: 0)
        subscribers = http_client("subscriber", settings, telemetry)
        callers = callers_of(settings, telemetry)

        with nullcontext() if own else pytest.raises(Unavailable):
            assert callers.client(f"Bearer {issuer.token()}").name == SUBJECT
        with pytest.raises(Unavailable) if own else nullcontext():
            subscribers.get(f"{issuer.url}/keys", {}, Deadline.after(5))


# --- an issuer that answers nonsense -------------------------------------------------------------


def once(status: int, body: Any = b"", **headers: str) -> Behave:
    """Answer and hang up, so that no idle connection is left."""
    return answer(status, body, {"Connection": "close", **headers})


GOOD = {"issuer": "{url}", "jwks_uri": "{url}/keys"}
GOOD_KEYS = {"keys": [signing_key("first").shown()]}


def showing(discovery: dict[str, Any] | Behave, keys: Any = GOOD_KEYS) -> Callable[[str], Behave]:
    """A counterpart by its own URL: `{url}` in the discovery document stands for it."""

    def made(url: str) -> Behave:
        def behave(received: Received, sock: socket.socket) -> bool | None:
            if received.target == "/keys":
                found = keys if callable(keys) else once(200, keys)
            elif callable(discovery):
                found = discovery
            else:
                found = once(200, json.loads(json.dumps(discovery).replace("{url}", url)))
            return found(received, sock)

        return behave

    return made


NONSENSE = {
    "error": showing(once(500)),
    "redirect": showing(once(302, Location="http://127.0.0.1:1/")),
    "no JSON": showing(once(200, b"<html>")),
    "list": showing(once(200, [])),
    "empty object": showing(once(200, {})),
    "cut off": showing(
        lambda _, sock: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
    ),
    "too large": showing(once(200, b"{" + b" " * 2000 + b"}")),
    "hang": showing(lambda _, sock: bool(sock.recv(1))),
    "another issuer": showing({**GOOD, "issuer": "https://other.example.org"}),
    "another path": showing({**GOOD, "issuer": "{url}/realm"}),
    "no jwks_uri": showing({"issuer": "{url}"}),
    "jwks_uri that is a path": showing({**GOOD, "jwks_uri": "/keys"}),
    "jwks_uri that is a file": showing({**GOOD, "jwks_uri": "file:///etc/passwd"}),
    "jwks_uri with a line break": showing({**GOOD, "jwks_uri": "{url}/keys\r\nX: y"}),
    "jwks_uri that is nowhere": showing({**GOOD, "jwks_uri": "http://127.0.0.1:1/keys"}),
    "keys that are an error": showing(GOOD, once(404)),
    "no keys": showing(GOOD, {"keys": []}),
    "keys that are none": showing(GOOD, {"keys": [7, "x"]}),
    "keys that are an object": showing(GOOD, {"keys": {"kid": "first"}}),
    "keys missing": showing(GOOD, {}),
    "keys that are a list": showing(GOOD, []),
}


@pytest.mark.parametrize("counterpart", NONSENSE.values(), ids=NONSENSE)
def test_issuer_that_answers_nonsense_is_unavailable(
    counterpart: Callable[[str], Behave],
) -> None:
    """The caller is told to come again, and nothing about the issuer; the log says what it was."""
    with Upstream(answer(200)) as upstream:
        upstream.behave = counterpart(upstream.url)
        judge = Judge(upstream.url, {"MAX_BODY_BYTES": "1024"})
        with pytest.raises(Unavailable) as raised:
            judge.issuer.keys(Deadline.after(0.5))

    error = raised.value
    assert (error.reason, error.stage) == ("issuer_unavailable", "issuer")
    assert error.detail == "callers cannot be checked now: send it again later"
    assert error.upstream_text


def test_issuer_without_a_key_for_signatures_is_unavailable(tmp_path: Path) -> None:
    """A key set for encryption only is a mistake of the issuer, not of the caller."""
    keys = {"keys": [signing_key("first").shown(use="enc")]}
    with Upstream(answer(200)) as upstream:
        upstream.behave = showing(GOOD, keys)(upstream.url)
        token = signed(signing_key("first"), claims(upstream.url))

        assert Judge(upstream.url).says(token) == "issuer_unavailable"


@pytest.mark.parametrize("path", ["", "/", "/realms/events", "/realms/events/"])
def test_issuer_with_or_without_a_slash_is_asked_by_get(path: str) -> None:
    """The address is the issuer's own and the well-known path; nothing is sent along."""
    with Upstream(answer(200)) as upstream:
        shown = {"issuer": "{url}" + path.removesuffix("/"), "jwks_uri": "{url}/keys"}
        upstream.behave = showing(shown)(upstream.url)
        found = Judge(upstream.url + path).issuer.keys(Deadline.after(5))

    assert found == GOOD_KEYS["keys"]
    well_known = f"{path.removesuffix('/')}/.well-known/openid-configuration"
    assert [(each.method, each.target, each.body) for each in upstream.received] == [
        ("GET", well_known, b""),
        ("GET", "/keys", b""),
    ]
    assert all("authorization" not in each.headers for each in upstream.received)


def test_issuer_over_https_does_not_show_its_keys_over_http(tmp_path: Path) -> None:
    """Keys that anybody on the way can exchange are no keys."""
    pem = self_signed(tmp_path / "issuer.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with Upstream(once(200, GOOD_KEYS)) as plain, Upstream(answer(200), context) as issuer:
        discovery = {"issuer": "{url}", "jwks_uri": f"{plain.url}/keys"}
        issuer.behave = showing(discovery)(issuer.url)
        judge = Judge(issuer.url, {"CA_FILE": str(pem)})

        assert judge.says(signed(signing_key("first"), claims(issuer.url))) == "issuer_unavailable"

    assert plain.received == []
