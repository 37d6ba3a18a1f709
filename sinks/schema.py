"""Our JSON Schemas, compiled: what a document must be to be read, and to be sent.

Owns `sinks/schemas/`: `<title>/<x.y.z>.json` are output schemas, `readers/<title>/<major>.json` the
members we read of an input. Knows nothing of events, wikis or HTTP.
source: https://json-schema.org/draft-07/json-schema-validation
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import orjson

_ROOT = Path(__file__).parent / "schemas"
_FILES = {path.relative_to(_ROOT).as_posix(): path for path in _ROOT.rglob("*.json")}
_MAX_DETAIL_CHARS = 300
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_$.-]{1,64}")
_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}
_TYPES |= {float: "number", type(None): "null"}
# As the output schemas judge `meta.uri`.
_URI_REFERENCE = jsonschema_rs.Draft7Validator(
    {"type": "string", "format": "uri-reference", "maxLength": 8192}, validate_formats=True
)
# What a library error says of the schema; anything else in it may quote the document.
_EXPECTATIONS = ("limit", "format", "options", "pattern")


def is_uri_reference(text: str) -> bool:
    """True if an output schema would take the text for a `meta.uri`."""
    return _URI_REFERENCE.is_valid(text)


class InvalidDocument(ValueError):
    """A document that its schema refuses.

    detail:  one line of at most 300 characters: JSON pointer, what is wrong, what would be right.
             Never a value of the document; a name in it only if it is plain (else `*`).
    """

    def __init__(self, detail: str) -> None:
        self.detail = detail[:_MAX_DETAIL_CHARS]
        super().__init__(self.detail)


class Problem(NamedTuple):
    """One thing that a schema refuses: where, as a JSON pointer, and what would be right."""

    pointer: str
    text: str


_UNJUDGED = Problem("", "is nested too deeply, or holds what JSON has no word for")


@dataclass(frozen=True, slots=True)
class DocumentSchema:
    """One compiled schema, free to share. `version`: x.y.z of an output, the major of a reader.

    definition: the schema itself; not to be changed.
    """

    title: str
    version: str
    definition: Mapping[str, Any] = field(repr=False, compare=False)
    _validator: jsonschema_rs.Draft7Validator = field(repr=False, compare=False)

    def validate(self, document: object) -> None:
        """Accept `document` (JSON, as orjson loads it), formats included; or InvalidDocument."""
        problem = self.first_problem(document)
        # Raised only here: inside a handler, the traceback would show an error that quotes values.
        if problem is not None:
            raise InvalidDocument(f"{problem.pointer or 'the document'}: {problem.text}")

    def first_problem(self, document: object) -> Problem | None:
        """Return one thing that the schema refuses in `document`, or None."""
        try:
            # Not iter_errors: that collects every error first, seconds for one large array.
            self._validator.validate(document)
            return None
        except jsonschema_rs.ValidationError as error:
            return next(_problems_of(error))
        except ValueError:
            return _UNJUDGED

    def problems(self, document: object, limit: int) -> list[Problem]:
        """Return what the schema refuses in `document`, up to `limit`.

        For people, not for deliveries: an array can have a problem in each of its elements, and all
        are looked for before the first is returned, 30 microseconds each.
        """
        try:
            errors = self._validator.iter_errors(document)
            found = (problem for error in errors for problem in _problems_of(error))
            return list(islice(found, limit))
        except ValueError:
            return [_UNJUDGED]


def output_schema(title: str, version: str) -> DocumentSchema:
    """Return the schema of what we send (`mediawiki/revision/score`, `3.0.0`); or LookupError."""
    return _load("", title, version)


def reader_schema(title: str, major: int) -> DocumentSchema:
    """Return the schema of what we read of any `<major>.x` of `title`; or LookupError."""
    return _load("readers/", title, str(major))


@cache
def _load(folder: str, title: str, version: str) -> DocumentSchema:
    path = _FILES.get(f"{folder}{title}/{version}.json")
    schema = orjson.loads(path.read_bytes()) if path else {}
    if schema.get("title") != title:
        raise LookupError(f"no such schema, there are {', '.join(sorted(_FILES))}")
    validator = jsonschema_rs.Draft7Validator(schema, validate_formats=True)
    return DocumentSchema(title, version, schema, validator)


def _problems_of(error: jsonschema_rs.ValidationError) -> Iterator[Problem]:
    keyword, facts = error.kind.name, error.kind.as_dict()
    pointer = "".join(f"/{_plain(str(step), '*')}" for step in error.instance_path)
    if keyword == "required":
        yield Problem(f"{pointer}/{facts['property']}", "is missing, must be present")
    elif keyword == "additionalProperties":
        for unexpected in facts["unexpected"]:
            name = _plain(unexpected, "a member")
            yield Problem(pointer, f"{name} is unknown to the schema, must be left out")
    elif keyword == "type":
        found = _TYPES.get(type(error.instance), "another type")
        yield Problem(pointer, f"is {found}, must be {' or '.join(facts['types'])}")
    else:
        expected = next((f" {facts[fact]}" for fact in _EXPECTATIONS if fact in facts), "")
        yield Problem(pointer, f"must satisfy {keyword}{expected}")


def _plain(name: str, otherwise: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else otherwise
