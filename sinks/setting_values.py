"""How the text of a setting becomes a value; each parser's docstring tells people what is wanted.

All raise NotValid with a sentence that says what would be right.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson

from sinks.attributes import CORE, is_sendable


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


def service_name(value: str) -> str:
    """the name of a service, such as score-sink"""
    if not re.fullmatch(r"[!-~]{1,100}", value):
        raise NotValid("has to be 1-100 printable ASCII characters without space")
    return value


def words(value: str) -> frozenset[str]:
    """comma-separated exact names"""
    names = frozenset(part.strip() for part in value.split(","))
    if not all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names):
        raise NotValid("has to be comma-separated names of letters, digits, . _ -")
    return names


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
