"""The rules of one attribute: name and value, judged in an otherwise faultless event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sinks.attributes import CORE, REQUIRED, check, is_sendable
from sinks.contract.check.reading import Reading
from sinks.contract.check.rules import found, shown
from sinks.contract.finding import Finding
from sinks.errors import MalformedEvent

FAULTLESS: Final = {"specversion": "1.0", "id": "1", "source": "/x", "type": "x"}
_MAX_NAME_CHARS: Final = 20


def attribute_faults(reading: Reading) -> list[Finding]:
    """Return what is wrong with each attribute by itself, and which are missing."""
    findings = []
    for name in ("specversion", *REQUIRED):
        if name not in reading.wire:
            problem = _problem({key: value for key, value in FAULTLESS.items() if key != name})
            slug = "specversion" if name == "specversion" else "required_attribute"
            findings.append(found(slug, reading.place(name), f"{problem}; it is missing"))
    for name in reading.wire:
        if name in CORE and name not in reading.attributes:
            continue
        value = reading.attributes.get(name, "x")  # what cannot be read may have a bad name too
        if problem := _problem({**FAULTLESS, name: value}):
            slug = _slug(name, value)
            there = shown(name if slug == "attribute_name" else value) if value else "empty"
            findings.append(found(slug, reading.place(name), f"{problem}; it is {there}"))
        elif len(name) > _MAX_NAME_CHARS or name[0].isdigit():
            problem = f"the name has {len(name)} characters, and begins with {name[0]!r}"
            findings.append(found("attribute_name_style", reading.place(name), problem))
    return findings


def _problem(attributes: Mapping[str, str]) -> str:
    try:
        check(attributes)
    except MalformedEvent as error:
        return error.detail
    return ""


def _slug(name: str, value: str) -> str:
    if name == "specversion":
        return "specversion"
    if not is_sendable(name, "x"):
        return "attribute_name"
    if not value:
        return "required_attribute" if name in REQUIRED else "empty_attribute"
    return "time" if name == "time" else "attribute_characters"
