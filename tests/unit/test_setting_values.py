"""The parsers of settings' texts: what each takes, and that it refuses everything else in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sinks.setting_values import (
    NotValid,
    boolean,
    ce_overrides,
    choice,
    directories,
    existing_file,
    number,
    subjects,
    whole,
    words,
)
from sinks.url_values import database_url, host_template, predictor_url, service_urls, url, url_list


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
        pytest.param(url_list, "http://a/x, http://b/y", ("http://a/x", "http://b/y"), id="list"),
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
        pytest.param(
            subjects,
            "system:serviceaccount:events:shim, https://x.example/*, *",
            frozenset(("system:serviceaccount:events:shim", "https://x.example/*", "*")),
            id="subjects",
        ),
        pytest.param(database_url, "sqlite:///var/x.sqlite", "sqlite:///var/x.sqlite", id="sqlite"),
        pytest.param(
            database_url, "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d", id="postgresql"
        ),
        pytest.param(
            database_url,
            "postgresql+psycopg://u:p@h/d",
            "postgresql+psycopg://u:p@h/d",
            id="postgresql-driver",
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
        *(
            (subjects, value)
            for value in ("a*b", "*a", "a,,b", ",", "a b", "a\nb", "**", "caf\u00e9")
        ),
        *(
            (database_url, value)
            for value in (
                *("mysql://h/d", "postgres://h/d", "postgresql+asyncpg://h/d", "SQLITE:///x"),
                *("var/x.sqlite", "sqlite:x", "://h", " sqlite:///x", "http://h/d"),
            )
        ),
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
