"""Settings: defaults, every refusal, all problems at once, and what may not be started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import certifi
import pytest

from sinks.egress_settings import EgressSettings
from sinks.environment import InvalidSettings, or_exit, stop
from sinks.models import ROWS
from sinks.score_settings import ScoreSettings
from sinks.server_settings import ServerSettings
from sinks.setting_values import (
    NotValid,
    boolean,
    ce_overrides,
    choice,
    directories,
    existing_file,
    host_template,
    number,
    predictor_url,
    service_urls,
    url,
    url_list,
    whole,
    words,
)
from sinks.settings import shown
from sinks.shim_settings import ShimSettings
from tests.sixteen import ADDED

SCORE = {"PREDICTOR_URL": "http://predictor:8084"}
EGRESS = {"EVENTGATE_URLS": "http://eventgate:8192/v1/events"}
SHIM = {"ALLOW_ANONYMOUS": "true"}
PRODUCTION_STREAMS = {
    "mediawiki.revision_score_articlequality",
    "mediawiki.revision_score_articletopic",
    "mediawiki.revision_score_drafttopic",
    "mediawiki.revision_score_draftquality",
    "mediawiki.revision_score_damaging",
    "mediawiki.revision_score_goodfaith",
    "mediawiki.revision_score_reverted",
    "mediawiki.page_outlink_topic_prediction_change.v1",
    "mediawiki.article_country_prediction_change.v1",
    "mediawiki.page_revert_risk_prediction_change.v1",
    "mediawiki.page_revert_risk_multilingual_prediction_change.v1",
    "mediawiki.page_revert_risk_wikidata_prediction_change.v1",
    "mediawiki.cirrussearch.page_weighted_tags_change.v1",
}
TEST_STREAMS = {
    "mediawiki.revision-score-test",
    "mediawiki.page_prediction_change.rc0",
    "mediawiki.page_weighted_tags_change.rc0",
}
SHARED_DEFAULTS: dict[str, Any] = {
    "environment": "dev",
    "max_body_bytes": 4 * 1024 * 1024,
    "max_in_flight": 1000,
    "ca_file": None,
}
SCHEMA_BASE_URI = "https://schema.wikimedia.org/repositories/primary/jsonschema"


def problems(from_env: Callable[[Mapping[str, str]], Any], environ: Mapping[str, str]) -> list[str]:
    """The lines of the refusal of an environment."""
    with pytest.raises(InvalidSettings) as refused:
        from_env(environ)
    return str(refused.value).splitlines()


def test_server_settings_empty_environment_gives_defaults() -> None:
    """Without any variable the server listens on 8080 and admits 1000 deliveries."""
    settings = ServerSettings.from_env({})

    assert settings == ServerSettings(
        port=8080,
        log_level="INFO",
        max_in_flight=1000,
        max_body_bytes=4 * 2**20,
        event_deadline_seconds=300,
    )


def test_score_settings_required_only_gives_defaults() -> None:
    """Only the predictors' URL has no default."""
    settings = ScoreSettings.from_env(SCORE)

    assert settings == ScoreSettings(
        **SHARED_DEFAULTS,
        stream_names="production",
        schema_base_uri=SCHEMA_BASE_URI,
        event_deadline_seconds=60,
        predictor_url="http://predictor:8084",
        predictor_host="",
        max_event_age_seconds=0,
        young_revision_seconds=300,
        outlink_model_version="alloutlinks_202209",
    )


def test_egress_settings_required_only_gives_defaults() -> None:
    """Only EventGate's URLs have no default; the streams are those of the rows."""
    settings = EgressSettings.from_env(EGRESS)

    assert settings.eventgate_urls == ("http://eventgate:8192/v1/events",)
    assert settings.event_deadline_seconds == 140
    assert settings.eventgate_connect_timeout_seconds == 2
    assert settings.eventgate_read_timeout_seconds == 65
    assert settings.egress_streams == PRODUCTION_STREAMS | {row.stream for row in ADDED}
    assert settings.staging_eventgate_hosts == frozenset()
    assert {name: getattr(settings, name) for name in SHARED_DEFAULTS} == SHARED_DEFAULTS


def test_shim_settings_required_only_gives_defaults() -> None:
    """Only who may call has no default."""
    settings = ShimSettings.from_env(SHIM)

    assert settings.event_deadline_seconds == 300
    assert (settings.k_sink, settings.k_ce_overrides, settings.k_ca_certs) == ("", {}, "")
    assert settings.triggers_dir == (Path("triggers"),)
    assert settings.service_urls == {}
    assert (settings.tokens_file, settings.allow_anonymous) == (None, True)
    assert settings.schema_base_uri == SCHEMA_BASE_URI
    assert {name: getattr(settings, name) for name in SHARED_DEFAULTS} == SHARED_DEFAULTS


@pytest.mark.parametrize(
    ("from_env", "environ"),
    [
        pytest.param(ScoreSettings.from_env, SCORE, id="score"),
        pytest.param(EgressSettings.from_env, EGRESS, id="egress"),
        pytest.param(ShimSettings.from_env, SHIM, id="shim"),
    ],
)
def test_settings_empty_variables_are_as_if_unset(
    from_env: Callable[[Mapping[str, str]], Any], environ: dict[str, str]
) -> None:
    """An empty variable means the default, so that YAML can name it without setting it."""
    names = ("ENVIRONMENT", "CA_FILE", "MAX_BODY_BYTES", "K_SINK", "EGRESS_STREAMS", "TOKENS_FILE")

    settings = from_env({**environ, **dict.fromkeys(names, "")})

    assert settings == from_env(environ)


def test_settings_every_variable_is_read(tmp_path: Path) -> None:
    """Each variable reaches the value that is named after it."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(Path(certifi.where()).read_bytes())
    shared = {
        "ENVIRONMENT": "production",
        "STREAM_NAMES": "test",
        "SCHEMA_BASE_URI": "https://schema.example.org/x/",
        "EVENT_DEADLINE_SECONDS": "1.5",
        "MAX_BODY_BYTES": "2048",
        "MAX_IN_FLIGHT": "7",
        "CA_FILE": str(ca_file),
    }
    own = {
        "PREDICTOR_URL": "http://{isvc}.{namespace}:80/x",
        "PREDICTOR_HOST": "{isvc}.{namespace}.example.org",
        "MAX_EVENT_AGE_SECONDS": "60",
        "YOUNG_REVISION_SECONDS": "0",
        "OUTLINK_MODEL_VERSION": "links_1",
    }

    settings = ScoreSettings.from_env({**shared, **own})

    assert settings == ScoreSettings(
        environment="production",
        stream_names="test",
        schema_base_uri="https://schema.example.org/x",
        event_deadline_seconds=1.5,
        max_body_bytes=2048,
        max_in_flight=7,
        ca_file=ca_file,
        predictor_url="http://{isvc}.{namespace}:80/x",
        predictor_host="{isvc}.{namespace}.example.org",
        max_event_age_seconds=60,
        young_revision_seconds=0,
        outlink_model_version="links_1",
    )


def test_egress_settings_test_stream_names_give_test_streams() -> None:
    """In the test set of names, only test streams are let through by default."""
    settings = EgressSettings.from_env({**EGRESS, "STREAM_NAMES": "test"})

    assert settings.egress_streams == TEST_STREAMS | {row.test_stream for row in ADDED}
    assert not TEST_STREAMS & PRODUCTION_STREAMS


def test_egress_settings_streams_given_replace_the_rows() -> None:
    """The allow-list is what is set, exactly."""
    settings = EgressSettings.from_env({**EGRESS, "EGRESS_STREAMS": "a.b, c-d_e"})

    assert settings.egress_streams == {"a.b", "c-d_e"}


WRONG_SHARED = {
    "PORT": "http",
    "LOG_LEVEL": "info",
    "ENVIRONMENT": "prod",
    "EVENT_DEADLINE_SECONDS": "0",
    "MAX_BODY_BYTES": "4MiB",
    "MAX_IN_FLIGHT": "-1",
    "CA_FILE": "/no/such/file",
}


@pytest.mark.parametrize(
    ("from_env", "environ"),
    [
        pytest.param(
            ScoreSettings.from_env,
            {
                **WRONG_SHARED,
                "STREAM_NAMES": "staging",
                "SCHEMA_BASE_URI": "schema.wikimedia.org",
                "PREDICTOR_URL": "predictor",
                "PREDICTOR_HOST": "http://x",
                "MAX_EVENT_AGE_SECONDS": "1h",
                "YOUNG_REVISION_SECONDS": "-5",
                "OUTLINK_MODEL_VERSION": "two words",
            },
            id="score",
        ),
        pytest.param(
            EgressSettings.from_env,
            {
                **WRONG_SHARED,
                "STREAM_NAMES": "staging",
                "EVENTGATE_URLS": "eventgate:8192",
                "EVENTGATE_CONNECT_TIMEOUT_SECONDS": "nan",
                "EVENTGATE_READ_TIMEOUT_SECONDS": "inf",
                "EGRESS_STREAMS": "a,,b",
                "STAGING_EVENTGATE_HOSTS": "https://x",
            },
            id="egress",
        ),
        pytest.param(
            ShimSettings.from_env,
            {
                **WRONG_SHARED,
                "SCHEMA_BASE_URI": "schema.wikimedia.org",
                "K_SINK": "broker",
                "K_CE_OVERRIDES": "{",
                "SERVICE_URLS": "http://x",
                "TOKENS_FILE": "/no/such/file",
                "ALLOW_ANONYMOUS": "yes",
            },
            id="shim",
        ),
    ],
)
def test_settings_everything_wrong_says_all_problems_once(
    from_env: Callable[[Mapping[str, str]], Any], environ: dict[str, str]
) -> None:
    """All problems are told at once, one line for each variable, so one restart is enough."""
    lines = problems(from_env, environ)

    assert sorted(line.partition("=")[0].split()[0] for line in lines) == sorted(environ)


@pytest.mark.parametrize(
    ("from_env", "names"),
    [
        pytest.param(ScoreSettings.from_env, ["PREDICTOR_URL"], id="score"),
        pytest.param(EgressSettings.from_env, ["EVENTGATE_URLS"], id="egress"),
        pytest.param(ShimSettings.from_env, ["TOKENS_FILE"], id="shim"),
    ],
)
def test_settings_required_variable_absent_is_named(
    from_env: Callable[[Mapping[str, str]], Any], names: list[str]
) -> None:
    """What has no default is asked for by name, saying what it has to be."""
    lines = problems(from_env, {})

    assert [line.split()[0] for line in lines] == names
    assert all(" is not set: " in line for line in lines)


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
        pytest.param(ShimSettings.from_env, {**SHIM, "K_SINK": "http://me:Zq7@b"}, id="broker"),
    ],
)
def test_settings_password_in_url_is_refused_unseen(
    from_env: Callable[[Mapping[str, str]], Any], environ: dict[str, str]
) -> None:
    """A URL with a password is refused, and the password does not reach the log by that."""
    (line,) = problems(from_env, environ)

    assert "Zq7" not in line


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
    lines = problems(ShimSettings.from_env, {**SHIM, "SCHEMA_BASE_URI": uri})

    assert [line.partition("=")[0] for line in lines] == ["SCHEMA_BASE_URI"]


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


@pytest.mark.parametrize("environment", ["dev", "staging"])
def test_shim_settings_anonymous_outside_production_starts(environment: str) -> None:
    """Calls without a token can be let in by name, outside production."""
    settings = ShimSettings.from_env({**SHIM, "ENVIRONMENT": environment})

    assert settings.allow_anonymous


@pytest.mark.parametrize(
    "more",
    [pytest.param({}, id="no-tokens"), pytest.param({"TOKENS_FILE": __file__}, id="tokens-too")],
)
def test_shim_settings_anonymous_in_production_does_not_start(more: dict[str, str]) -> None:
    """In production nobody publishes without a token, tokens file or not."""
    lines = problems(ShimSettings.from_env, {**SHIM, "ENVIRONMENT": "production", **more})

    assert [line.partition("=")[0] for line in lines] == ["ALLOW_ANONYMOUS"]


def test_shim_settings_tokens_file_in_production_starts(tmp_path: Path) -> None:
    """A tokens file is enough to start."""
    tokens = tmp_path / "tokens"
    tokens.touch()

    settings = ShimSettings.from_env({"ENVIRONMENT": "production", "TOKENS_FILE": str(tokens)})

    assert (settings.tokens_file, settings.allow_anonymous) == (tokens, False)


def test_shown_shim_settings_mask_secrets() -> None:
    """The start-up line shows all settings, but secrets only as being set."""
    pem = Path(certifi.where()).read_text(encoding="ascii").partition("-----END CERTIFICATE-----")
    authority = "".join(pem[:2])[-4000:]
    authority = authority[authority.index("-----BEGIN") :]
    settings = ShimSettings.from_env({**SHIM, "K_CA_CERTS": authority, "K_SINK": "http://b"})

    seen = shown(settings)

    assert authority[40:80] not in str(seen)
    assert (seen["k_ca_certs"], seen["k_sink"]) == ("set", "http://b")


def test_shown_unset_secret_is_empty() -> None:
    """A secret that is not set is shown as such."""
    seen = shown(ShimSettings.from_env(SHIM))

    assert seen["k_ca_certs"] == ""


@pytest.mark.parametrize(
    ("parse", "value", "expected"),
    [
        pytest.param(boolean, "true", True, id="true"),
        pytest.param(boolean, "false", False, id="false"),
        pytest.param(choice("a", "b"), "b", "b", id="choice"),
        pytest.param(number(0, 10), "0", 0.0, id="number-least"),
        pytest.param(number(0, 10), "10", 10.0, id="number-most"),
        pytest.param(number(0, 10), "0.000001", 1e-6, id="number-small"),
        pytest.param(whole(1, 65535), "65535", 65535, id="whole-most"),
        pytest.param(whole(1, 65535), "0080", 80, id="whole-with-zeros"),
        pytest.param(url, "http://h", "http://h", id="url"),
        pytest.param(url, "https://[::1]:8443/a/b", "https://[::1]:8443/a/b", id="url-ipv6"),
        pytest.param(url_list, "http://a/x, http://b", ("http://a/x", "http://b"), id="url-list"),
        pytest.param(
            predictor_url, "http://{isvc}.{namespace}/x", "http://{isvc}.{namespace}/x", id="isvc"
        ),
        pytest.param(host_template, "{isvc}.x.org:80", "{isvc}.x.org:80", id="host"),
        pytest.param(words, " a ,b.c-d_e,a", frozenset(("a", "b.c-d_e")), id="words"),
        pytest.param(
            service_urls,
            "score-sink=http://h:1, *=http://{name}.{namespace}.svc",
            {"score-sink": "http://h:1", "*": "http://{name}.{namespace}.svc"},
            id="service-urls",
        ),
        pytest.param(
            directories, "a:/b:c/d", (Path("a"), Path("/b"), Path("c/d")), id="directories"
        ),
        pytest.param(existing_file, __file__, Path(__file__), id="file"),
        pytest.param(
            ce_overrides, '{"extensions":{"a1":"x","b":""}}', {"a1": "x", "b": ""}, id="overrides"
        ),
        pytest.param(ce_overrides, "{}", {}, id="overrides-empty"),
        pytest.param(ce_overrides, '{"extensions":null}', {}, id="overrides-null"),
    ],
)
def test_setting_value_good_text_is_parsed(
    parse: Callable[[str], Any], value: str, expected: Any
) -> None:
    """Each kind of setting is parsed to its value."""
    seen = parse(value)

    assert seen == expected


URL_REFUSED = (
    "h",
    "h:80",
    "//h",
    "ftp://h",
    "http:/h",
    "http://",
    "http:///x",
    "http://:80",
    "http://h:0",
    "http://h:65536",
    "http://h:x",
    "http://u@h",
    "http://u:p@h",
    "http://@h",
    "http://h?a=1",
    "http://h/?",
    "http://h#a",
    "http://h/#",
    "http://h/a b",
    "http://h/a\n",
    "http://h/caf\u00e9",
    "http://\u0661",
    "http://[::1",
    " http://h",
)


@pytest.mark.parametrize("value", URL_REFUSED, ids=repr)
def test_url_other_text_is_not_valid(value: str) -> None:
    """Only an http(s) URL of a host, without credentials, query and fragment, is a base URL."""
    with pytest.raises(NotValid):
        url(value)


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        *((boolean, value) for value in ("True", "1", "yes", "on", " true", "true\n")),
        *((choice("a", "b"), value) for value in ("A", "c", "a ", "ab", "a\n")),
        *(
            (number(0.1, 10), value)
            for value in (
                *("", "x", "-1", "+1", "1e1", "0x1", "1_0", "nan", "inf", ".5", "1.", "1,5"),
                *(" 1", "1\n", "\u0661", "0", "0.09", "10.1", "9" * 13, "0.1234567", "60s"),
            )
        ),
        *(
            (whole(1, 100), value)
            for value in ("x", "-1", "1.0", "1e1", "0", "101", "1\n", "\u0661", "1_0", "9" * 20)
        ),
        *((url_list, value) for value in (",", "http://a,", "http://a,b", "http://a;http://b c")),
        *(
            (predictor_url, value)
            for value in (
                "predictor",
                "http://{isvc",
                "http://x/?a",
                "http://{model}/",
                "http://{}/",
            )
        ),
        *(
            (host_template, value)
            for value in ("a/b", "http://a", "a b", "{model}.x", "a\n", "a:b", "\u0661", "a:123456")
        ),
        *((words, value) for value in (",", "a,,b", "a b", "a/b", "*", "a\nb", "\u00e9", "a;b")),
        *(
            (service_urls, value)
            for value in (
                *("a", "a=", "=http://h", "A=http://h", "a_b=http://h", "a=h", "**=http://h"),
                *("a=http://h,", "a=http://h/?x", "*=http://{nme}.svc", "a=http://h b=http://h"),
            )
        ),
        *((directories, value) for value in (":", "::")),
        *((existing_file, value) for value in ("/no/such/file", "/", ".", "a\x00b")),
        *(
            (ce_overrides, value)
            for value in (
                *("", "x", "[]", "null", "1", '"x"', '{"extensions":"x"}', '{"extensions":[1]}'),
                *('{"extensions":{"a":1}}', '{"extensions":{"a":null}}', "{'extensions':{}}"),
                *(
                    '{"extensions":{"A":"x"}}',
                    '{"extensions":{"a-b":"x"}}',
                    '{"extensions":{"":"x"}}',
                ),
                *('{"extensions":{"a":"x y"}}', '{"extensions":{"a":"caf\u00e9"}}'),
                *('{"extensions":{"a":"x\\n"}}', '{"extensions":{"a":"50%"}}'),
                '{"extensions":{"a":"' + "x" * 2049 + '"}}',
            )
        ),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, str) else value.__name__,
)
def test_setting_value_other_text_is_not_valid(parse: Callable[[str], Any], value: str) -> None:
    """Whatever is not a value of the setting is refused with a sentence, never a crash."""
    with pytest.raises(NotValid) as refused:
        parse(value)

    assert str(refused.value).startswith("has to be")


@pytest.mark.parametrize(
    "name", ["id", "source", "type", "specversion", "time", "datacontenttype", "data"]
)
def test_ce_overrides_attribute_that_is_no_extension_is_not_valid(name: str) -> None:
    """An override may only add extensions: one id for all events would lose all but one."""
    with pytest.raises(NotValid):
        ce_overrides(f'{{"extensions":{{"{name}":"x"}}}}')


def test_or_exit_wrong_settings_end_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    """The process ends with all problems on standard error, and the server starts no other."""
    with pytest.raises(SystemExit) as ended:
        or_exit(lambda: ScoreSettings.from_env({**SCORE, "PORT": "x", "LOG_LEVEL": "y"}))

    shown_lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 4
    assert [line.split("=")[0].strip() for line in shown_lines[1:]] == ["PORT", "LOG_LEVEL"]


def test_or_exit_good_settings_are_returned() -> None:
    """Good settings are handed on."""
    settings = or_exit(lambda: ScoreSettings.from_env(SCORE))

    assert settings == ScoreSettings.from_env(SCORE)


def test_stop_lists_one_line_per_problem(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else stops the start is told in the same way."""
    with pytest.raises(SystemExit):
        stop("a\nb")

    assert capsys.readouterr().err == "cannot start, because of these settings:\n  a\n  b\n"


def test_egress_default_streams_are_those_of_the_rows() -> None:
    """The default allow-list is made of the rows, so a new row is let through at once."""
    settings = EgressSettings.from_env(EGRESS)

    assert settings.egress_streams == {row.stream for row in ROWS}
