"""How the text of a setting becomes a value; each parser's docstring tells people what is wanted.

All raise NotValid with a sentence that says what would be right.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from sinks.attributes import CORE, MAX_ATTRIBUTE_CHARS, is_sendable

_PLACEHOLDER = re.compile(r"\{(?:isvc|namespace)\}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")


class NotValid(ValueError):
    """The text is not a value of this setting."""


def boolean(value: str) -> bool:
    """true or false"""
    if value not in ("true", "false"):
        raise NotValid("has to be true or false")
    return value == "true"


def choice(*choices: str) -> Callable[[str], str]:
    """Return the parser for one of a few words."""

    def parse(value: str) -> str:
        if value not in choices:
            raise NotValid(f"has to be one of {', '.join(choices)}")
        return value

    return parse


def model_version(value: str) -> str:
    """the version of a model, such as alloutlinks_202209"""
    if not re.fullmatch(r"[!-~]{1,100}", value):
        raise NotValid("has to be 1-100 printable ASCII characters without space")
    return value


def number(least: float, most: float) -> Callable[[str], float]:
    """Return the parser for a decimal number."""

    def parse(value: str) -> float:
        if not re.fullmatch(r"\d{1,12}(?:\.\d{1,6})?", value, re.ASCII):
            raise NotValid("has to be a number such as 60 or 0.5")
        if not least <= float(value) <= most:
            raise NotValid(f"has to be from {least:g} to {most:g}")
        return float(value)

    return parse


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return the parser for a whole number."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"\d{1,12}", value, re.ASCII) or not least <= int(value) <= most:
            raise NotValid(f"has to be a whole number from {least} to {most}")
        return int(value)

    return parse


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


def words(value: str) -> frozenset[str]:
    """comma-separated exact names"""
    names = frozenset(part.strip() for part in value.split(","))
    if not all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names):
        raise NotValid("has to be comma-separated names of letters, digits, . _ -")
    return names


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


def directories(value: str) -> tuple[Path, ...]:
    """directories of Trigger files, separated by :"""
    parts = tuple(Path(part) for part in value.split(":"))
    if Path() in parts:
        raise NotValid("has to be directories, separated by one : each")
    return parts


def existing_file(value: str) -> Path | None:
    """the path of a file"""
    path = Path(value)
    if not path.is_file():
        raise NotValid("has to be a file that exists")
    return path


def authorities_file(value: str) -> Path | None:
    """the path of a PEM file of certificate authorities"""
    path = existing_file(value)
    try:
        ssl.create_default_context(cafile=path)
    except OSError:
        raise NotValid("has to be a PEM file of certificate authorities") from None
    return path


def authorities(value: str) -> str:
    """PEM text of certificate authorities"""
    try:
        ssl.create_default_context(cadata=value)
    except (OSError, TypeError):
        raise NotValid("has to be the PEM text of certificate authorities") from None
    return value


def ce_overrides(value: str) -> Mapping[str, str]:
    """what a SinkBinding sets: {"extensions": {"name": "value"}}"""
    try:
        extensions = orjson.loads(value).get("extensions") or {}
        good = all(
            name not in CORE and is_sendable(name, extension)
            for name, extension in extensions.items()
        )
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        good = False
    if not good:
        raise NotValid('has to be {"extensions": {"name": "value"}}, names not of core attributes')
    return dict(extensions)


def subjects(value: str) -> frozenset[str]:
    """comma-separated subjects, such as system:serviceaccount:events:changeprop"""
    names = frozenset(part.strip() for part in value.split(","))
    if not all(re.fullmatch(r"[!-)+-~]*[!-~]", name) for name in names):
        raise NotValid("has to be comma-separated subjects; a * may stand at the end only")
    return names


def database_url(value: str) -> str:
    """sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME"""
    scheme = value.partition("://")[0]
    if scheme not in ("sqlite", "postgresql", "postgresql+psycopg"):
        raise NotValid("has to be sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
    return value.replace("postgresql://", "postgresql+psycopg://", 1)
