"""Settings: every variable reaches its value, defaults, and all that is wrong told at once.

What a process refuses to start with is in test_settings_refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
import pytest

from sinks.console_settings import ConsoleSettings
from sinks.deadletter_settings import DeadletterSettings
from sinks.egress_settings import EgressSettings
from sinks.environment import InvalidSettings, or_exit, stop
from sinks.models import ROWS
from sinks.score_settings import ScoreSettings
from sinks.server_settings import ServerSettings
from sinks.settings import shown
from sinks.shim_settings import ShimSettings
from tests.sixteen import ADDED

AUTHORITY = Path(certifi.where()).read_text(encoding="ascii")
AUTHORITY = AUTHORITY[AUTHORITY.index("-----BEGIN") :].partition("-----END CERTIFICATE-----")[0]
AUTHORITY += "-----END CERTIFICATE-----\n"
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
SCHEMA_BASE_URI = "https://schema.wikimedia.org/repositories/primary/jsonschema"


@dataclass(frozen=True)
class Variable:
    """A variable: a good text that changes the value, its value, a wrong text, the default.

    field:  of the settings; None: only the server reads it.
    """

    field: str | None
    text: str
    value: Any
    wrong: str | None
    default: Any


SERVER = {
    "PORT": Variable(None, "81", None, "http", None),
    "LOG_LEVEL": Variable("log_level", "DEBUG", "DEBUG", "info", "INFO"),
}
OIDC = {
    "OIDC_ISSUER": Variable("oidc_issuer", "https://i.example", "https://i.example", "issuer", ""),
    "OIDC_AUDIENCE": Variable("oidc_audience", "sinks shim", "sinks shim", None, ""),
    "OIDC_SUBJECTS": Variable(
        "oidc_subjects", "a:b, c:*", frozenset(("a:b", "c:*")), "a*b", frozenset()
    ),
    "OIDC_ISSUER_TOKEN_FILE": Variable(
        "oidc_issuer_token_file", __file__, Path(__file__), "/no/such/file", None
    ),
    "OIDC_ISSUER_CA_FILE": Variable(
        "oidc_issuer_ca_file", certifi.where(), Path(certifi.where()), __file__, None
    ),
}
CALLERS = {
    **OIDC,
    "TOKENS_FILE": Variable("tokens_file", __file__, Path(__file__), "/no/such/file", None),
    "ALLOW_ANONYMOUS": Variable("allow_anonymous", "true", True, "yes", True),
}
ROUTING = {
    "K_SINK": Variable("k_sink", "http://b/x", "http://b/x", "broker", ""),
    "K_CE_OVERRIDES": Variable("k_ce_overrides", '{"extensions":{"a":"b"}}', {"a": "b"}, "{", {}),
    "K_CA_CERTS": Variable("k_ca_certs", AUTHORITY, AUTHORITY, "PEM", ""),
    "TRIGGERS_DIR": Variable(
        "triggers_dir", "a:b", (Path("a"), Path("b")), ":", (Path("triggers"),)
    ),
    "SERVICE_URLS": Variable("service_urls", "a=http://h", {"a": "http://h"}, "http://x", {}),
    "SUBSCRIBER_TOKEN_FILE": Variable(
        "subscriber_token_file", __file__, Path(__file__), "/no/such/file", None
    ),
}
AGE = {"MAX_EVENT_AGE_SECONDS": Variable("max_event_age_seconds", "60", 60.0, "1h", 0.0)}
SCHEMAS = {
    "SCHEMA_BASE_URI": Variable(
        "schema_base_uri", "https://s.org/x/", "https://s.org/x", "s.org", SCHEMA_BASE_URI
    ),
}
STREAMS = {
    "STREAM_NAMES": Variable("stream_names", "test", "test", "staging", "production"),
}


def shared(deadline_seconds: float) -> dict[str, Variable]:
    """What all sinks read."""
    return {
        **SERVER,
        "ENVIRONMENT": Variable("environment", "staging", "staging", "prod", "dev"),
        "EVENT_DEADLINE_SECONDS": Variable(
            "event_deadline_seconds", "1.5", 1.5, "0", deadline_seconds
        ),
        "MAX_BODY_BYTES": Variable("max_body_bytes", "2048", 2048, "4MiB", 4 * 2**20),
        "MAX_IN_FLIGHT": Variable("max_in_flight", "7", 7, "-1", 1000),
        "CA_FILE": Variable(
            "ca_file", certifi.where(), Path(certifi.where()), "/no/such/file", None
        ),
        "OTEL_EXPORTER_OTLP_ENDPOINT": Variable(
            "otel_exporter_otlp_endpoint", "https://c:4318", "https://c:4318", "collector:4318", ""
        ),
        "OTEL_SDK_DISABLED": Variable("otel_sdk_disabled", "true", True, "yes", False),
        "OTEL_TRACES_SAMPLER_ARG": Variable("otel_traces_sampler_arg", "0.05", 0.05, "1.5", 1.0),
        "OTEL_SERVICE_NAME": Variable("otel_service_name", "shim-a", "shim-a", "the shim", ""),
    }


@dataclass(frozen=True)
class Sink:
    """The settings of one sink: how they are made, what has no default, all variables."""

    from_env: Callable[[Mapping[str, str]], Any]
    required: Mapping[str, str]
    variables: Mapping[str, Variable]


SINKS = {
    "score": Sink(
        ScoreSettings.from_env,
        {"PREDICTOR_URL": "http://predictor:8084"},
        {
            **shared(60),
            **OIDC,
            **SCHEMAS,
            **STREAMS,
            "PREDICTOR_URL": Variable(
                "predictor_url",
                "http://{isvc}.{namespace}:80/x",
                "http://{isvc}.{namespace}:80/x",
                "predictor",
                "http://predictor:8084",
            ),
            "PREDICTOR_HOST": Variable(
                "predictor_host", "{isvc}.{namespace}.org", "{isvc}.{namespace}.org", "http://x", ""
            ),
            **AGE,
            "YOUNG_REVISION_SECONDS": Variable("young_revision_seconds", "0", 0.0, "-5", 300.0),
            "OUTLINK_MODEL_VERSION": Variable(
                "outlink_model_version", "links_1", "links_1", "two words", "alloutlinks_202209"
            ),
        },
    ),
    "egress": Sink(
        EgressSettings.from_env,
        {"EVENTGATE_URLS": "http://eventgate:8192/v1/events"},
        {
            **shared(140),
            **OIDC,
            **STREAMS,
            "EVENTGATE_URLS": Variable(
                "eventgate_urls",
                "http://a/v1/events, http://b/v1/events",
                ("http://a/v1/events", "http://b/v1/events"),
                "eventgate:8192",
                ("http://eventgate:8192/v1/events",),
            ),
            "EVENTGATE_AVOID_SECONDS": Variable("eventgate_avoid_seconds", "0", 0.0, "3601", 30.0),
            "EVENTGATE_CONNECT_TIMEOUT_SECONDS": Variable(
                "eventgate_connect_timeout_seconds", "0.1", 0.1, "nan", 2.0
            ),
            "EVENTGATE_READ_TIMEOUT_SECONDS": Variable(
                "eventgate_read_timeout_seconds", "600", 600.0, "inf", 65.0
            ),
            "EGRESS_STREAMS": Variable(
                "egress_streams",
                "a.b, c-d_e",
                frozenset(("a.b", "c-d_e")),
                "a,,b",
                PRODUCTION_STREAMS | {row.stream for row in ADDED},
            ),
            "STAGING_EVENTGATE_HOSTS": Variable(
                "staging_eventgate_hosts", "x.org", frozenset(("x.org",)), "https://x", frozenset()
            ),
            "RELAYED_MEMORY_EVENTS": Variable("relayed_memory_events", "0", 0, "-1", 10_000),
        },
    ),
    "shim": Sink(
        ShimSettings.from_env,
        {"ALLOW_ANONYMOUS": "true"},
        {
            **shared(300),
            **CALLERS,
            **ROUTING,
            **SCHEMAS,
            "DEADLETTER_URL": Variable("deadletter_url", "http://d/", "http://d/", "d:8083", ""),
            "CONSOLE_URL": Variable("console_url", "http://c/", "http://c/", "c:8085", ""),
        },
    ),
    "console": Sink(
        ConsoleSettings.from_env,
        {},
        {
            **shared(5),
            **OIDC,
            "CONSOLE_EVENTS": Variable("console_events", "10", 10, "9", 500),
            "DEADLETTER_API_URL": Variable(
                "deadletter_api_url", "http://d/x/", "http://d/x", "d:8083", ""
            ),
            "TRIGGERS_DIR": ROUTING["TRIGGERS_DIR"],
            **AGE,
        },
    ),
    "deadletter": Sink(
        DeadletterSettings.from_env,
        {"ALLOW_ANONYMOUS": "true"},
        {
            **shared(300),
            **CALLERS,
            **ROUTING,
            "MAX_BODY_BYTES": Variable("max_body_bytes", "2048", 2048, "4MiB", 64 * 2**20),
            "DATABASE_URL": Variable(
                "database_url",
                "sqlite:////data/x.sqlite",
                "sqlite:////data/x.sqlite",
                "var/x.sqlite",
                "sqlite:///var/deadletters.sqlite",
            ),
            "DEADLETTERS_MAX_AGE_SECONDS": Variable(
                "deadletters_max_age_seconds", "1", 1.0, "0", 30 * 86400.0
            ),
            "DEADLETTERS_MAX_BYTES": Variable(
                "deadletters_max_bytes", "1048576", 2**20, "1048575", 2**30
            ),
        },
    ),
}
EVERY_SINK = pytest.mark.parametrize("sink", SINKS.values(), ids=SINKS)


class Noted(dict[str, str]):
    """An environment that notes which variables are asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


def problems(from_env: Callable[[Mapping[str, str]], Any], environ: Mapping[str, str]) -> list[str]:
    """The lines of the refusal of an environment."""
    with pytest.raises(InvalidSettings) as refused:
        from_env(environ)
    return str(refused.value).splitlines()


def values_of(settings: Any, variables: Mapping[str, Variable]) -> dict[str, Any]:
    """The values of the settings by the names of their variables."""
    return {
        name: getattr(settings, variable.field)
        for name, variable in variables.items()
        if variable.field is not None
    }


@EVERY_SINK
def test_settings_variables_are_those_of_the_tables(sink: Sink) -> None:
    """What these tests know is what is read: no variable more, none less."""
    environ = Noted(sink.required)

    sink.from_env(environ)

    assert environ.names == set(sink.variables)


@EVERY_SINK
def test_settings_fields_have_a_variable_each(sink: Sink) -> None:
    """Nothing in the settings comes from anywhere else."""
    settings = sink.from_env(sink.required)

    fields = {variable.field for variable in sink.variables.values()} - {None}
    derived = set() if "ALLOW_ANONYMOUS" in sink.variables else {"tokens_file", "allow_anonymous"}
    assert set(shown(settings)) == {name.upper() for name in fields | derived}


@EVERY_SINK
def test_settings_required_only_gives_defaults(sink: Sink) -> None:
    """Only what has to be known has no default."""
    settings = sink.from_env(sink.required)

    assert values_of(settings, sink.variables) == {
        name: variable.default for name, variable in sink.variables.items() if variable.field
    }


@EVERY_SINK
def test_settings_every_variable_is_read(sink: Sink) -> None:
    """Each variable reaches the value that is named after it."""
    settings = sink.from_env({name: each.text for name, each in sink.variables.items()})

    assert values_of(settings, sink.variables) == {
        name: variable.value for name, variable in sink.variables.items() if variable.field
    }


@EVERY_SINK
def test_settings_empty_variables_are_as_if_unset(sink: Sink) -> None:
    """An empty variable means the default, so that YAML can name it without setting it."""
    empty = dict.fromkeys(sink.variables, "")

    assert sink.from_env({**empty, **sink.required}) == sink.from_env(sink.required)


@EVERY_SINK
def test_settings_everything_wrong_says_all_problems_once(sink: Sink) -> None:
    """All problems are told at once, one line for each variable, so one restart is enough."""
    wrong = {name: each.wrong for name, each in sink.variables.items() if each.wrong is not None}

    lines = problems(sink.from_env, {**wrong, "OIDC_AUDIENCE": "goes with the issuer"})

    assert sorted(line.partition("=")[0] for line in lines) == sorted(wrong)


@EVERY_SINK
def test_settings_one_wrong_variable_is_the_only_one_named(sink: Sink) -> None:
    """Each wrong value is refused by itself, beside good ones."""
    good = {name: each.text for name, each in sink.variables.items()}
    wrong = {name: each.wrong for name, each in sink.variables.items() if each.wrong is not None}

    for name, text in wrong.items():
        lines = problems(sink.from_env, {**good, name: text})

        assert [line.partition("=")[0] for line in lines] == [name]


@pytest.mark.parametrize(
    ("sink", "name"),
    [
        ("score", "PREDICTOR_URL"),
        ("egress", "EVENTGATE_URLS"),
        ("shim", "TOKENS_FILE"),
        ("deadletter", "TOKENS_FILE"),
    ],
)
def test_settings_required_variable_absent_is_named(sink: str, name: str) -> None:
    """What has no default is asked for by name, saying what it has to be."""
    lines = problems(SINKS[sink].from_env, {})

    assert [line.split()[0] for line in lines] == [name]
    assert all(" is not set: " in line for line in lines)


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


def test_server_settings_every_variable_is_read() -> None:
    """The server takes its port, its limits and its patience from the same variables."""
    texts = {name: each.text for name, each in shared(300).items()}

    settings = ServerSettings.from_env(texts)

    assert settings == ServerSettings(
        port=81, log_level="DEBUG", max_in_flight=7, max_body_bytes=2048, event_deadline_seconds=1.5
    )


@pytest.mark.parametrize(
    ("environ", "anonymous"),
    [
        pytest.param({}, True, id="network-policy"),
        pytest.param({"OIDC_ISSUER": "http://i", "OIDC_AUDIENCE": "a"}, False, id="oidc"),
    ],
)
@pytest.mark.parametrize("name", ["score", "egress"])
def test_settings_in_the_cluster_ask_for_callers_with_oidc_only(
    name: str, environ: dict[str, str], anonymous: bool
) -> None:
    """score and egress rely on the NetworkPolicy, unless OIDC tells them whom to let in."""
    settings = SINKS[name].from_env({**SINKS[name].required, **environ})

    assert (settings.allow_anonymous, settings.tokens_file) == (anonymous, None)


def test_egress_default_streams_are_those_of_the_rows() -> None:
    """The default allow-list is made of the rows, so a new row is let through at once."""
    settings = EgressSettings.from_env(SINKS["egress"].required)

    assert settings.egress_streams == {row.stream for row in ROWS}


def test_egress_settings_test_stream_names_give_test_streams() -> None:
    """In the test set of names, only test streams are let through by default."""
    settings = EgressSettings.from_env({**SINKS["egress"].required, "STREAM_NAMES": "test"})

    assert settings.egress_streams == TEST_STREAMS | {row.test_stream for row in ADDED}
    assert not TEST_STREAMS & PRODUCTION_STREAMS


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        pytest.param("shim", "K_CA_CERTS", id="authority"),
        pytest.param("deadletter", "DATABASE_URL", id="database"),
    ],
)
def test_shown_settings_mask_what_is_long_or_secret(name: str, variable: str) -> None:
    """The start-up line shows all settings, but these only as being set."""
    secret = {"K_CA_CERTS": AUTHORITY, "DATABASE_URL": "postgresql://me:Zq7@h/d"}[variable]
    settings = SINKS[name].from_env(
        {**SINKS[name].required, variable: secret, "K_SINK": "http://b"}
    )

    seen = shown(settings)

    assert (seen[variable], seen["K_SINK"]) == ("set", "http://b")
    assert "Zq7" not in str(seen)
    assert AUTHORITY[40:80] not in str(seen)


@pytest.mark.parametrize("name", ["score", "egress"])
def test_shown_settings_can_be_set_again(name: str) -> None:
    """What the start-up line shows makes the same settings when it is pasted into a manifest."""
    sink = SINKS[name]
    settings = sink.from_env({variable: each.text for variable, each in sink.variables.items()})

    again = {
        variable: text for variable, text in shown(settings).items() if variable in sink.variables
    }

    assert sink.from_env({**sink.required, **again}) == settings


def test_shown_unset_secret_is_empty() -> None:
    """A secret that is not set is shown as such."""
    seen = shown(ShimSettings.from_env(SINKS["shim"].required))

    assert seen["K_CA_CERTS"] == ""


def test_or_exit_wrong_settings_end_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    """The process ends with all problems on standard error, and the server starts no other."""
    with pytest.raises(SystemExit) as ended:
        or_exit(
            lambda: ScoreSettings.from_env(
                {**SINKS["score"].required, "PORT": "x", "LOG_LEVEL": "y"}
            )
        )

    shown_lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 4
    assert [line.split("=")[0].strip() for line in shown_lines[1:]] == ["PORT", "LOG_LEVEL"]


def test_or_exit_good_settings_are_returned() -> None:
    """Good settings are handed on."""
    settings = or_exit(lambda: ScoreSettings.from_env(SINKS["score"].required))

    assert settings == ScoreSettings.from_env(SINKS["score"].required)


def test_stop_lists_one_line_per_problem(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else stops the start is told in the same way."""
    with pytest.raises(SystemExit):
        stop("a\nb")

    assert capsys.readouterr().err == "cannot start, because of these settings:\n  a\n  b\n"
