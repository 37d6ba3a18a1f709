"""What neither Knative nor the shim takes as a Trigger, with what to write instead."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any, Final

from sinks.trigger_lint import delivery
from sinks.trigger_lint.finding import Problem
from sinks.trigger_lint.resource import object_of
from sinks.triggers import API_VERSION, InvalidTrigger, Trigger, parse

# Whatever the Services are, only the paths of subscribers count here.
_ANYWHERE: Final = {"*": "http://{name}"}
_UNKNOWN: Final = "spec has no "
_MEANT: Final = ("broker", "delivery", "filters", "subscriber")
_BELONGS: Final = {
    **dict.fromkeys(delivery.MEMBERS, "delivery"),
    **dict.fromkeys(("ref", "uri"), "subscriber"),
    **dict.fromkeys(("exact", "prefix", "suffix", "all", "any", "not"), "filters"),
}


def trigger_of(resource: Any) -> Trigger | None:
    """Return what events go by; None if it is refused."""
    try:
        return parse(resource, _ANYWHERE)
    except InvalidTrigger:
        return None


def problems(resource: Any, told: Collection[str]) -> Iterator[Problem]:
    """Yield what is refused, but for what is told already."""
    try:
        parse(resource, _ANYWHERE)
    except InvalidTrigger as error:
        for line in str(error).splitlines():
            if line not in told:
                yield _problem(resource, line)


def _problem(resource: Any, line: str) -> Problem:
    """Return the problem of what `parse` says; it names the first of these places alone."""
    if not isinstance(resource, dict) or resource.get("kind") != "Trigger":
        return Problem("kind", line, "kind: Trigger")
    if resource.get("apiVersion") != API_VERSION:
        return Problem("apiVersion", line, f"apiVersion: {API_VERSION}")
    name = object_of(resource, "metadata").get("name")
    if not isinstance(name, str) or not name:
        return Problem("metadata.name", line, "metadata.name: a text that no other Trigger has")
    if not isinstance(resource.get("spec"), dict):
        return Problem("spec", line, f"spec, with {', '.join(_MEANT)}")
    if line.startswith(_UNKNOWN):
        unknown = line.removeprefix(_UNKNOWN).split(", ")
        return Problem("spec", line, "; ".join(map(_right, unknown)))
    return Problem(
        "spec.subscriber",
        line,
        "name a Service with ref (apiVersion: v1, kind: Service, name), and a path with uri",
    )


def _right(member: str) -> str:
    if holder := _BELONGS.get(member):
        return f"indent {member} below {holder}"
    near = get_close_matches(member.lower(), _MEANT, 1)
    return f"is {near[0]} meant?" if near else f"leave {member} out"
