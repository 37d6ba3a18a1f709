"""How the text of a setting becomes an address; as in `setting_values`, docstrings are for people.

All raise NotValid with a sentence that says what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from sinks.attributes import MAX_ATTRIBUTE_CHARS, is_sendable
from sinks.setting_values import NotValid

_PLACEHOLDER = re.compile(r"\{(?:isvc|namespace)\}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")


def url(value: str) -> str:
    """a URL such as http://host:8080/path"""
    if "?" in absolute_url(value) or "#" in value:
        raise NotValid("has to be a URL without ? and #")
    return value


def absolute_url(value: str) -> str:
    """a URL such as http://host:8080/path?query"""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.username is not None or not re.fullmatch(r"[!-z|~]+", value):
        raise NotValid("has to be an http or https URL such as http://host:8080/path")
    return value


def schema_base_uri(value: str) -> str:
    """a URL that can stand in an attribute, such as https://schema.example.org/jsonschema"""
    if len(url(value)) > MAX_ATTRIBUTE_CHARS // 2 or not is_sendable("dataschema", value):
        raise NotValid(f'has to be at most {MAX_ATTRIBUTE_CHARS // 2} characters without % and "')
    return value


def url_list(value: str) -> tuple[str, ...]:
    """comma-separated URLs of EventGate, such as http://eventgate:8192/v1/events"""
    urls = tuple(url(part.strip()) for part in value.split(","))
    if any(urlsplit(address).path in ("", "/") for address in urls):
        raise NotValid("has to be full URLs with their path, such as http://eventgate/v1/events")
    return urls


def predictor_url(value: str) -> str:
    """the base URL of the predictors, such as https://inference:30443 or http://{isvc}.{namespace}"""
    url(_PLACEHOLDER.sub("x", value))
    return value


def host_template(value: str) -> str:
    """a host name such as {isvc}.{namespace}.example.org"""
    if not _HOST.fullmatch(_PLACEHOLDER.sub("x", value)):
        raise NotValid("has to be a host name such as {isvc}.{namespace}.example.org")
    return value


def service_urls(value: str) -> Mapping[str, str]:
    """comma-separated name=URL, such as score-sink=http://127.0.0.1:8081"""
    urls: dict[str, str] = {}
    for part in value.split(","):
        name, separator, address = part.strip().partition("=")
        if not separator or not re.fullmatch(r"\*|[a-z0-9-]{1,63}", name):
            raise NotValid("has to be comma-separated name=URL, such as score-sink=http://host")
        url(address.replace("{name}", "x").replace("{namespace}", "x"))
        if name in urls:
            raise NotValid(f"names {name} twice")
        urls[name] = address
    return urls


def database_url(value: str) -> str:
    """sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME"""
    scheme = value.partition("://")[0]
    if scheme not in ("sqlite", "postgresql", "postgresql+psycopg"):
        raise NotValid("has to be sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
    return value.replace("postgresql://", "postgresql+psycopg://", 1)
