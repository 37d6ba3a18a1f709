"""Event schemas of the local EventGate: finds them by `$schema`, judges events as AJV 6 would.

Knows files and JSON Schema; knows neither HTTP nor streams.
Error objects: https://github.com/ajv-validator/ajv/blob/v6/README.md#validation-errors
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import jsonschema_rs
import orjson

SCHEMAS_DIRECTORY = Path(__file__).parent.parent / "schemas"

# A name is matched whole and holds no dot, so no `$schema` can leave the directory.
_RELATIVE_URI = re.compile(
    r"/(?P<title>[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*)/(?P<version>\d+\.\d+\.\d+)(?:\.json|\.yaml)?",
    re.ASCII,
)
_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)

# AJV's name of each parameter and its message; both refer to the value of the keyword.
_MESSAGES = {
    "const": ("allowedValue", "should be equal to constant"),
    "enum": ("allowedValues", "should be equal to one of the allowed values"),
    "format": ("format", 'should match format "{}"'),
    "maxItems": ("limit", "should NOT have more than {} items"),
    "maxLength": ("limit", "should NOT be longer than {} characters"),
    "maxProperties": ("limit", "should NOT have more than {} properties"),
    "minItems": ("limit", "should NOT have fewer than {} items"),
    "minLength": ("limit", "should NOT be shorter than {} characters"),
    "minProperties": ("limit", "should NOT have fewer than {} properties"),
    "multipleOf": ("multipleOf", "should be multiple of {}"),
    "pattern": ("pattern", 'should match pattern "{}"'),
}
_COMPARISONS = {
    "exclusiveMaximum": "<",
    "exclusiveMinimum": ">",
    "maximum": "<=",
    "minimum": ">=",
}


class EventError(Exception):
    """An event that is answered as "error": the fault lies outside its schema's rules."""


@dataclass(frozen=True)
class Schema:
    """One compiled event schema.

    title:        what a stream's configuration names, e.g. `mediawiki/revision/score`.
    meta_fields:  the members of `meta` that the schema knows; only these may be filled in.
    """

    title: str
    document: dict[str, Any]
    meta_fields: frozenset[str]
    validator: jsonschema_rs.Draft7Validator

    def violations(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Return AJV-like errors, all of them: keyword, dataPath, schemaPath, params, message."""
        return [
            {
                "keyword": error.kind.name,
                "dataPath": _data_path(self.document, error.instance_path),
                "schemaPath": "#/" + "/".join(map(str, error.schema_path)),
                "params": params,
                "message": message,
            }
            for error in self.validator.iter_errors(event)
            for params, message in _params_and_messages(error.kind.name, error.kind.as_dict())
        ]


class Schemas:
    """Schemas in files `<title>/<version>.json`; compiled once, looked up again until found."""

    def __init__(self, directory: Path = SCHEMAS_DIRECTORY) -> None:
        self._directory = directory
        self._compiled: dict[str, Schema] = {}

    def load(self, uri: object) -> Schema:
        """Return the schema that an event's `$schema` names.

        uri:     relative, with a leading slash; a trailing .json or .yaml is tolerated.
        raises:  EventError if it is absolute, unknown or no usable schema.
        """
        text = str(uri)
        if _ABSOLUTE_URI.match(text):
            raise EventError(f"Absolute schema URI {text} is not allowed, use a relative one.")
        if text not in self._compiled:
            self._compiled[text] = self._compile(text)
        return self._compiled[text]

    def _compile(self, uri: str) -> Schema:
        match = _RELATIVE_URI.fullmatch(uri)
        if match is None:
            raise EventError(f"Failed loading schema at {uri}")
        try:
            path = self._directory / match["title"] / f"{match['version']}.json"
            document = cast(dict[str, Any], orjson.loads(path.read_bytes()))
            validator = jsonschema_rs.Draft7Validator(document, validate_formats=True)
            meta = document["properties"]["meta"].get("properties", {})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EventError(f"Failed loading schema at {uri}") from error
        return Schema(match["title"], document, frozenset(meta), validator)


def errors_text(violations: list[dict[str, Any]]) -> str:
    """Return all violations as EventGate's `errorsText`, e.g. `'.page_id' should be >= 1`."""
    return ", ".join(f"'{each['dataPath']}' {each['message']}" for each in violations)


def _data_path(schema: Any, instance_path: list[str | int]) -> str:
    # AJV writes declared members as `.name` and those under additionalProperties as `['name']`,
    # so the path can only be told by walking the schema beside it.
    path = ""
    for step in instance_path:
        declared = schema.get("properties", {}) if isinstance(schema, dict) else {}
        if isinstance(step, int):
            path += f"[{step}]"
            schema = schema.get("items") if isinstance(schema, dict) else None
        elif step in declared:
            path += f".{step}" if _IDENTIFIER.fullmatch(step) else _bracketed(step)
            schema = declared[step]
        else:
            path += _bracketed(step)
            schema = schema.get("additionalProperties") if isinstance(schema, dict) else None
    return path


def _bracketed(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


def _params_and_messages(keyword: str, details: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    # One entry of the validator may be several of AJV's: it names each unknown member alone.
    if keyword == "additionalProperties":
        message = "should NOT have additional properties"
        return [({"additionalProperty": name}, message) for name in details["unexpected"]]
    if keyword == "required":
        name = details["property"]
        return [({"missingProperty": name}, f"should have required property '{name}'")]
    if keyword == "type":
        types = ",".join(details["types"])
        return [({"type": types}, f"should be {types}")]
    if keyword in _COMPARISONS:
        comparison, limit = _COMPARISONS[keyword], details["limit"]
        exclusive = keyword.startswith("exclusive")
        params = {"comparison": comparison, "limit": limit, "exclusive": exclusive}
        return [(params, f"should be {comparison} {limit}")]
    if keyword in _MESSAGES:
        parameter, message = _MESSAGES[keyword]
        value = next(iter(details.values()))
        return [({parameter: value}, message.format(value))]
    return [({}, f'should pass "{keyword}" keyword validation')]
