"""Who may call: what a caller shows, and the one refusal for everything else."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from werkzeug.test import EnvironBuilder

from sinks.answer import Answer
from sinks.callers import Callers, Client
from sinks.deadline import Deadline
from sinks.envelope import Trace
from sinks.errors import Forbidden, Unauthenticated, Unavailable, error_document
from sinks.incoming import Incoming, receive
from sinks.issuer import issuer_unavailable
from sinks.issuer_keys import IssuerKeys
from sinks.oidc import Oidc, PublicKey, public_key
from sinks.shim_settings import ShimSettings
from sinks.telemetry import Telemetry
from sinks.tokens import Tokens
from sinks.web import Sink
from tests.issuer import AUDIENCE, SUBJECT, claims, signed, signing_key

TOKEN = "0123456789abcdef"  # noqa: S105
DOTTED = "abc.def.0123456789"
ISSUER = "https://issuer.example.org"
KEY = signing_key("key", "ES256")
GOOD = signed(KEY, claims(ISSUER))
DETAIL = "unauthenticated: a known bearer token is required"


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    """A file that knows two clients, one by a token that looks like a JWT."""
    path = tmp_path / "tokens"
    path.write_text(f"changeprop={TOKEN}\nbackfill={DOTTED}\n")
    return Tokens(path)


def oidc(*subjects: str, ask: object = None) -> Oidc:
    """An issuer's judge that has KEY, or asks for keys with `ask`."""
    shown = public_key(KEY.shown())
    assert shown is not None
    keys: IssuerKeys[PublicKey] = IssuerKeys(ask if callable(ask) else lambda: [shown])
    return Oidc(keys, ISSUER, AUDIENCE, frozenset(subjects))


def down() -> list[PublicKey]:
    raise issuer_unavailable("nobody there")


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(f"Bearer {TOKEN}", id="as usual"),
        pytest.param(f"bearer {TOKEN}", id="scheme in lower case"),
        pytest.param(f"BEARER {TOKEN}", id="scheme in upper case"),
        pytest.param(f"Bearer   {TOKEN} ", id="more spaces"),
    ],
)
def test_client_with_a_known_token_is_its_name(tokens: Tokens, authorization: str) -> None:
    """A token in force names its client, however the header is spelt."""
    assert Callers(tokens).client(authorization).name == "changeprop"


@pytest.mark.parametrize("judge", [None, oidc()], ids=["tokens", "tokens and OIDC"])
@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("Bearer", id="scheme only"),
        pytest.param("Bearer ", id="no token"),
        pytest.param(TOKEN, id="token only"),
        pytest.param(f"Basic {TOKEN}", id="another scheme"),
        pytest.param(f"Bearer {TOKEN[:-1]}", id="token cut short"),
        pytest.param(f"Bearer {TOKEN} {DOTTED}", id="two tokens"),
        pytest.param(f"Bearer {TOKEN}, Bearer {TOKEN}", id="two headers"),
        pytest.param(f"Bearer changeprop={TOKEN}", id="line of the file"),
        pytest.param("Bearer \xe9\xff\u20ac" + TOKEN, id="non-ASCII"),
        pytest.param("Bearer a.b.c", id="two dots"),
        pytest.param(f"Bearer {signed(KEY, claims(ISSUER, aud='other'))}", id="another audience"),
        pytest.param(f"Basic {GOOD}", id="JWT in another scheme"),
        pytest.param(f"Bearer .{GOOD}", id="JWT with a dot more"),
    ],
)
def test_client_without_a_known_token_is_refused_without_hint(
    tokens: Tokens, judge: Oidc | None, authorization: str | None
) -> None:
    """Whatever is wrong, the answer is the same; it names neither clients nor issuer."""
    with pytest.raises(Unauthenticated) as refused:
        Callers(tokens, judge).client(authorization)

    assert str(refused.value) == DETAIL
    assert error_document(refused.value, None) == (
        b'{"reason":"unauthenticated","detail":"a known bearer token is required","ce_id":null}'
    )


def test_client_without_authorization_may_be_anonymous(tokens: Tokens) -> None:
    """ALLOW_ANONYMOUS is for calls that show nothing at all."""
    for callers in (
        Callers(tokens, allow_anonymous=True),
        Callers(Tokens(None), oidc(), allow_anonymous=True),
    ):
        assert callers.client(None) == ("anonymous", "anonymous")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", f"Basic {TOKEN}"])
def test_client_with_a_wrong_token_is_refused_although_anonymous_may(
    tokens: Tokens, authorization: str
) -> None:
    """Who shows something wrong is not taken for somebody who shows nothing."""
    with pytest.raises(Unauthenticated):
        Callers(tokens, allow_anonymous=True).client(authorization)


@pytest.mark.parametrize(
    ("token", "client"),
    [(TOKEN, "changeprop"), (DOTTED, "backfill"), (GOOD, SUBJECT)],
    ids=["file", "file, two dots", "OIDC"],
)
def test_client_with_tokens_and_oidc_is_known_by_either(
    tokens: Tokens, token: str, client: str
) -> None:
    """Both ways count side by side, so that callers can move from one to the other."""
    assert Callers(tokens, oidc()).client(f"Bearer {token}") == (client, client)


def test_client_subjects_without_end_are_few_labels_and_clients_of_the_file_keep_theirs(
    tokens: Tokens,
) -> None:
    """Any subject of a cluster may call: the first 1000 are told apart, the rest counted as one."""

    class AnySubject(Oidc):
        def __init__(self) -> None:
            pass

        def client(self, token: str) -> str:
            return token.partition(".")[0]

    callers = Callers(tokens, AnySubject())
    telemetry = Telemetry("http-shim", lambda: 0)
    for number in [*range(10_000), 7]:
        client = callers.client(f"Bearer subject-{number}.x.y")
        assert client.name == f"subject-{number}"
        telemetry.count("relayed", 0.1, None, client.label)
    telemetry.count("relayed", 0.1, None, callers.client(f"Bearer {TOKEN}").label)

    lines = telemetry.render().decode().splitlines()
    counted = dict(
        line.rsplit(" ", 1) for line in lines if line.startswith("sinks_client_events_total")
    )
    series = 'sinks_client_events_total{{client="{}",outcome="relayed",sink="http-shim"}}'
    assert len(counted) == 1002
    assert counted[series.format("subject-7")] == "2.0"
    assert counted[series.format("(others)")] == "9000.0"
    assert counted[series.format("changeprop")] == "1.0"


@pytest.mark.parametrize("token", [TOKEN, DOTTED])
def test_client_with_a_token_of_the_file_is_known_while_the_issuer_is_down(
    tokens: Tokens, token: str
) -> None:
    """What the file knows needs no issuer."""
    assert Callers(tokens, oidc(ask=down)).client(f"Bearer {token}")


def test_client_with_a_jwt_while_the_issuer_is_down_is_deferred(tokens: Tokens) -> None:
    """A token that nobody can judge is not a wrong one; the answer names no issuer."""
    with pytest.raises(Unavailable) as deferred:
        Callers(tokens, oidc(ask=down)).client(f"Bearer {GOOD}")

    assert (deferred.value.status, deferred.value.reason) == (503, "issuer_unavailable")
    assert deferred.value.stage == "issuer"
    assert b"nobody there" not in error_document(deferred.value, None)
    assert deferred.value.upstream_text == "nobody there"


def test_client_with_no_jwt_while_the_issuer_is_down_is_refused(tokens: Tokens) -> None:
    """What cannot be the issuer's token need not wait for the issuer."""
    with pytest.raises(Unauthenticated):
        Callers(tokens, oidc(ask=down)).client("Bearer no-token-at-all")


def test_client_with_a_jwt_of_another_subject_is_forbidden_without_hint(tokens: Tokens) -> None:
    """Only the log says who it was."""
    with pytest.raises(Forbidden) as refused:
        Callers(tokens, oidc("somebody-else")).client(f"Bearer {GOOD}")

    assert error_document(refused.value, None) == (
        b'{"reason":"forbidden","detail":"this caller may not call here","ce_id":null}'
    )
    assert SUBJECT in refused.value.upstream_text


def test_time_of_asking_who_calls_is_the_events_own() -> None:
    """A slow issuer leaves less for all that follows, so that the answer is not too late."""
    left: list[float] = []

    def slow(_: str | None) -> Client:
        time.sleep(0.2)
        return Client("changeprop", "changeprop")

    def handle(_: Incoming, deadline: Deadline, _trace: Trace) -> Answer:
        left.append(deadline.remaining())
        return Answer("relayed")

    environ = EnvironBuilder(method="POST", data=b"{}", content_type="application/json")
    settings = ShimSettings.from_env({"ALLOW_ANONYMOUS": "true", "EVENT_DEADLINE_SECONDS": "60"})
    answered = Sink("shim", settings).deliver(environ.get_environ(), receive, handle, slow)

    assert answered.status == 202
    assert left[0] <= 60 - 0.2
