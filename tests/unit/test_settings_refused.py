"""What no process starts with: staging that would publish for real, unknown callers, secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import certifi
import pytest

from sinks.deadletter_settings import DeadletterSettings
from sinks.egress_settings import EgressSettings
from sinks.score_settings import ScoreSettings
from sinks.settings import shown
from sinks.shim_settings import ShimSettings
from tests.unit.test_settings import PRODUCTION_STREAMS, TEST_STREAMS, problems

SCORE = {"PREDICTOR_URL": "http://predictor:8084"}
EGRESS = {"EVENTGATE_URLS": "http://eventgate:8192/v1/events"}
KNOWN = {"ALLOW_ANONYMOUS": "true"}
FROM_OUTSIDE = pytest.mark.parametrize(
    "from_env", [ShimSettings.from_env, DeadletterSettings.from_env], ids=["shim", "deadletter"]
)
EVERY_SINK = pytest.mark.parametrize(
    ("from_env", "environ"),
    [
        pytest.param(ScoreSettings.from_env, SCORE, id="score"),
        pytest.param(EgressSettings.from_env, EGRESS, id="egress"),
        pytest.param(ShimSettings.from_env, KNOWN, id="shim"),
        pytest.param(DeadletterSettings.from_env, KNOWN, id="deadletter"),
    ],
)
FromEnv = Callable[[Mapping[str, str]], Any]


TAGS_STREAM = "mediawiki.cirrussearch.page_weighted_tags_change.v1"
STAGING = {
    "ENVIRONMENT": "staging",
    "EVENTGATE_URLS": "https://eventgate-main.example.org/v1/events",
}


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param(STAGING, id="no-staging-host"),
        pytest.param({**STAGING, "STAGING_EVENTGATE_HOSTS": "other.example.org"}, id="other-host"),
        pytest.param({**STAGING, "STAGING_EVENTGATE_HOSTS": "example.org"}, id="suffix-of-host"),
        pytest.param({**STAGING, "STAGING_EVENTGATE_HOSTS": "https"}, id="scheme-as-host"),
        pytest.param(
            {
                **STAGING,
                "EVENTGATE_URLS": "http://staging.example.org/x,http://eventgate-main.example.org/x",
                "STAGING_EVENTGATE_HOSTS": "staging.example.org",
            },
            id="one-of-two-hosts",
        ),
        pytest.param(
            {
                **STAGING,
                "EVENTGATE_URLS": "HTTP://eventgate-main.example.org/x",
                "STAGING_EVENTGATE_HOSTS": "HTTP",
            },
            id="upper-case-scheme",
        ),
        *(
            pytest.param(
                {**STAGING, "STREAM_NAMES": "test", "EGRESS_STREAMS": f"a.test,{stream}"},
                id=f"{stream}-in-allow-list",
            )
            for stream in sorted(PRODUCTION_STREAMS)
        ),
    ],
)
def test_egress_settings_staging_to_production_does_not_start(environ: dict[str, str]) -> None:
    """Staging never publishes under production's names to a host that is not staging's."""
    lines = problems(EgressSettings.from_env, environ)

    assert len(lines) == 1
    assert "eventgate-main.example.org" in lines[0] or "EGRESS_STREAMS" in lines[0]


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({**STAGING, "STREAM_NAMES": "test"}, id="test-streams"),
        pytest.param(
            {**STAGING, "STAGING_EVENTGATE_HOSTS": "eventgate-main.example.org"}, id="staging-host"
        ),
        pytest.param(
            {
                **STAGING,
                "EVENTGATE_URLS": "http://s1:8192/v1/events, https://s2.example.org/v1/events",
                "STAGING_EVENTGATE_HOSTS": "s1,s2.example.org,s3",
            },
            id="two-staging-hosts",
        ),
        pytest.param({**STAGING, "ENVIRONMENT": "production"}, id="production"),
    ],
)
def test_egress_settings_staging_to_where_it_may_starts(environ: dict[str, str]) -> None:
    """Test streams anywhere, production's names only at staging's hosts."""
    settings = EgressSettings.from_env(environ)

    assert settings.eventgate_urls


def test_egress_settings_all_test_streams_by_name_start_in_staging() -> None:
    """No test stream is taken for one of production, however the allow-list was made."""
    streams = ",".join(sorted(TEST_STREAMS))

    settings = EgressSettings.from_env({**STAGING, "EGRESS_STREAMS": streams})

    assert settings.egress_streams == TEST_STREAMS


def test_egress_settings_test_names_with_a_production_stream_do_not_start_anywhere() -> None:
    """Test names are for streams that nobody depends on, in every environment."""
    environ = {**EGRESS, "STREAM_NAMES": "test", "EGRESS_STREAMS": f"a.test,{TAGS_STREAM}"}

    for environment in ("dev", "staging", "production"):
        (line,) = problems(EgressSettings.from_env, {**environ, "ENVIRONMENT": environment})

        assert "STREAM_NAMES=test" in line
        assert TAGS_STREAM in line


def test_egress_settings_staging_says_every_host_that_is_not_staging_s() -> None:
    """One line for each EventGate that would be production's, so that none is overlooked."""
    urls = "http://s1.example.org/v1/events,http://a.example.org/x,http://b.example.org/x"
    environ = {**STAGING, "EVENTGATE_URLS": urls, "STAGING_EVENTGATE_HOSTS": "s1.example.org"}

    lines = problems(EgressSettings.from_env, environ)

    assert ["a.example.org" in lines[0], "b.example.org" in lines[1]] == [True, True]
    assert len(lines) == 2


@FROM_OUTSIDE
@pytest.mark.parametrize("environment", ["dev", "staging"])
def test_settings_anonymous_outside_production_start(from_env: FromEnv, environment: str) -> None:
    """Calls without a token can be let in by name, outside production."""
    settings = from_env({**KNOWN, "ENVIRONMENT": environment})

    assert settings.allow_anonymous


@FROM_OUTSIDE
@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="nothing-else"),
        pytest.param({"TOKENS_FILE": __file__}, id="tokens-too"),
        pytest.param({"OIDC_ISSUER": "http://i", "OIDC_AUDIENCE": "a"}, id="oidc-too"),
    ],
)
def test_settings_anonymous_in_production_do_not_start(
    from_env: FromEnv, more: dict[str, str]
) -> None:
    """In production nobody publishes without a token, whatever else is set."""
    lines = problems(from_env, {**KNOWN, "ENVIRONMENT": "production", **more})

    assert [line.partition("=")[0] for line in lines] == ["ALLOW_ANONYMOUS"]


@FROM_OUTSIDE
@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"TOKENS_FILE": __file__}, id="tokens"),
        pytest.param({"OIDC_ISSUER": "http://i", "OIDC_AUDIENCE": "a"}, id="oidc"),
        pytest.param({"TOKENS_FILE": __file__, "ALLOW_ANONYMOUS": "false"}, id="said-no"),
    ],
)
def test_settings_with_known_callers_in_production_start(
    from_env: FromEnv, more: dict[str, str]
) -> None:
    """A tokens file, or an issuer, is enough to start."""
    settings = from_env({"ENVIRONMENT": "production", **more})

    assert not settings.allow_anonymous
    assert settings.tokens_file in (None, Path(__file__))


@FROM_OUTSIDE
@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"ALLOW_ANONYMOUS": "false"}, id="said-no"),
    ],
)
def test_settings_without_any_caller_do_not_start(
    from_env: FromEnv, environ: dict[str, str]
) -> None:
    """A sink that nobody may call is a mistake, and one that everybody may call has to be named."""
    (line,) = problems(from_env, environ)

    assert "TOKENS_FILE" in line
    assert "ALLOW_ANONYMOUS=true" in line


@EVERY_SINK
@pytest.mark.parametrize(
    "half",
    [
        pytest.param({"OIDC_ISSUER": "https://i.example"}, id="no-audience"),
        pytest.param({"OIDC_AUDIENCE": "sinks"}, id="no-issuer"),
    ],
)
def test_settings_half_of_oidc_does_not_start(
    from_env: FromEnv, environ: dict[str, str], half: dict[str, str]
) -> None:
    """An issuer whose tokens are for anybody, or an audience of no issuer, is no protection."""
    (line,) = problems(from_env, {**environ, **half})

    assert line.startswith("OIDC_ISSUER and OIDC_AUDIENCE")


@EVERY_SINK
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OIDC_SUBJECTS", "a:b"),
        ("OIDC_ISSUER_TOKEN_FILE", __file__),
        ("OIDC_ISSUER_CA_FILE", certifi.where()),
    ],
)
def test_settings_of_no_issuer_do_not_start(
    from_env: FromEnv, environ: dict[str, str], name: str, value: str
) -> None:
    """Who names subjects wants to keep others out; without an issuer nobody would be."""
    (line,) = problems(from_env, {**environ, name: value})

    assert line == f"{name} is set, but nobody is checked without OIDC_ISSUER"


@EVERY_SINK
@pytest.mark.parametrize("subjects", ["system:*:shim", "*:shim", "a,*b", "a,,b", "a b"])
def test_settings_subjects_with_a_star_inside_do_not_start(
    from_env: FromEnv, environ: dict[str, str], subjects: str
) -> None:
    """A pattern that means less than it looks like would let in too many, or nobody."""
    oidc = {"OIDC_ISSUER": "http://i", "OIDC_AUDIENCE": "a", "OIDC_SUBJECTS": subjects}

    (line,) = problems(from_env, {**environ, **oidc})

    assert line.startswith("OIDC_SUBJECTS=")


def test_settings_long_wrong_value_is_shortened() -> None:
    """A wrong value is shown, but not a whole file of it."""
    (line,) = problems(ScoreSettings.from_env, {**SCORE, "PORT": "1" * 10_000})

    assert len(line) < 300


def test_settings_wrong_value_with_newline_stays_one_line() -> None:
    """A newline in a value does not break the list of problems."""
    lines = problems(ScoreSettings.from_env, {**SCORE, "PORT": "80\n80"})

    assert len(lines) == 1


@pytest.mark.parametrize(
    ("from_env", "environ"),
    [
        pytest.param(
            ScoreSettings.from_env, {"PREDICTOR_URL": "http://me:Zq7@predictor"}, id="predictor"
        ),
        pytest.param(
            EgressSettings.from_env, {"EVENTGATE_URLS": "http://me:Zq7@eventgate"}, id="eventgate"
        ),
        pytest.param(ShimSettings.from_env, {**KNOWN, "K_SINK": "http://me:Zq7@b"}, id="broker"),
        pytest.param(
            ShimSettings.from_env, {**KNOWN, "DEADLETTER_URL": "http://me:Zq7@d"}, id="deadletter"
        ),
        *(
            pytest.param(DeadletterSettings.from_env, {**KNOWN, "DATABASE_URL": url}, id=url[:20])
            for url in (
                "mysql://me:Zq7@host/name",
                "postgres://me:Zq7@host/name",
                "POSTGRESQL://me:Zq7@host/name",
                "postgresql+psycopg2://me:Zq7@host/name",
                " postgresql://me:Z@q7:Zq7@host/name",
                "mysql://me:Zq7/more@host/name",
                "postgres://host/name?password=Zq7",
                "me:Zq7@host",
                "postgresql:me:Zq7@host",
            )
        ),
    ],
)
def test_settings_password_in_url_is_refused_unseen(
    from_env: FromEnv, environ: dict[str, str]
) -> None:
    """A URL with a password is refused, and the password does not reach the log by that."""
    (line,) = problems(from_env, environ)

    assert "Zq7" not in line
    assert "***" in line


def test_deadletter_settings_password_of_the_database_is_kept_unseen() -> None:
    """The one URL that may have a password reaches the database, and nothing that is written."""
    environ = {**KNOWN, "DATABASE_URL": "postgresql://me:Zq7@host/name", "PORT": "x"}

    lines = problems(DeadletterSettings.from_env, environ)
    settings = DeadletterSettings.from_env({**environ, "PORT": ""})

    assert "Zq7" not in "".join(lines)
    assert "Zq7" not in str(shown(settings))
    assert settings.database_url == "postgresql+psycopg://me:Zq7@host/name"


@pytest.mark.parametrize("version", ["1", "alloutlinks_202209", "v1.2-rc~3", "!", "v" * 100])
def test_score_settings_outlink_model_version_is_what_is_set(version: str) -> None:
    """The version of the deployed outlink model is published as it is set."""
    settings = ScoreSettings.from_env({**SCORE, "OUTLINK_MODEL_VERSION": version})

    assert settings.outlink_model_version == version


@pytest.mark.parametrize(
    "version",
    [" ", "a b", " a", "a\n", "a\t", "caf\u00e9", "\u0661", "a\x7f", "v" * 101],
    ids=lambda version: repr(version)[:12],
)
def test_score_settings_outlink_model_version_of_other_text_is_refused(version: str) -> None:
    """A version that nobody would write is a mistake in the deployment, so nothing starts."""
    lines = problems(ScoreSettings.from_env, {**SCORE, "OUTLINK_MODEL_VERSION": version})

    assert [line.partition("=")[0] for line in lines] == ["OUTLINK_MODEL_VERSION"]


@pytest.mark.parametrize(
    "uri",
    [
        "https://schema.example.org/%7Eme",
        'https://schema.example.org/"x"',
        "https://s/" + "x" * 2048,
    ],
    ids=["percent", "quote", "over-long"],
)
def test_settings_schema_base_uri_that_no_attribute_can_hold_is_refused(uri: str) -> None:
    """The base URI begins every `dataschema`, so it has to be sendable, or no event ever is."""
    lines = problems(ShimSettings.from_env, {**KNOWN, "SCHEMA_BASE_URI": uri})

    assert [line.partition("=")[0] for line in lines] == ["SCHEMA_BASE_URI"]
