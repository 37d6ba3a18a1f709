"""Two validator libraries that judge every document, so that no proof rests on one's mistake.

Upstream files name their dialect `https://json-schema.org/...`, which no library knows: the
draft-07 class is named here instead of being looked up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import jsonschema_rs
import orjson
from jsonschema import Draft7Validator, FormatChecker  # type: ignore[import-untyped]
from rfc3987_syntax import is_valid_syntax  # type: ignore[import-untyped]

Judge = Callable[[Any], bool]
Verdicts = list[list[bool]]  # per library, of each document


class Disproved(Exception):
    """A proof that failed, with the document (or schema) that shows it."""

    def __init__(self, claim: str, shown_by: Any) -> None:
        super().__init__(f"{claim}: {orjson.dumps(shown_by)[:4000].decode(errors='replace')}")


def is_uri_reference(value: object) -> bool:
    """Judge the format `uri-reference`, for which jsonschema has no checker of its own here."""
    return not isinstance(value, str) or _is_uri_reference(value)


@cache
def _is_uri_reference(value: str) -> bool:
    # The parser needs seconds for 8 KiB; a run of one letter is as well-formed as the letter.
    shorter = re.sub(r"([a-z])\1+", r"\1", value)
    # An IRI reference in ASCII is a URI reference (RFC 3987 adds only other characters).
    return value.isascii() and bool(is_valid_syntax("iri_reference", shorter))


CHECKER = FormatChecker(("date-time",))  # KeyError if nothing installed judges it
CHECKER.checks("uri-reference")(is_uri_reference)


def jsonschema_rs_judge(schema: Any) -> Judge:
    """Return whether jsonschema_rs accepts a document, formats included."""
    return jsonschema_rs.Draft7Validator(schema, validate_formats=True).is_valid


def jsonschema_judge(schema: Any) -> Judge:
    """Return whether jsonschema accepts a document, formats included."""
    judge: Judge = Draft7Validator(schema, format_checker=CHECKER).is_valid
    return judge


LIBRARIES = (jsonschema_rs_judge, jsonschema_judge)  # the quick one first


def verdicts(schema: dict[str, Any], documents: list[Any]) -> Verdicts:
    """Return, per library, which documents `schema` accepts."""
    return [[*map(judge(schema), documents)] for judge in LIBRARIES]


def check_is_draft7(name: str, schema: dict[str, Any]) -> None:
    """Refuse a schema that does not name the draft-07 dialect, or is none by its rules."""
    if schema["$schema"] != "http://json-schema.org/draft-07/schema#":
        raise Disproved(f"{name}: not draft-07", schema["$schema"])
    Draft7Validator.check_schema(schema)
