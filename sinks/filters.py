"""Knative's Trigger filters as predicates on an event, which can tell how they judged it.

Semantics of Knative Eventing's own Go filters (pkg/eventfilter/subscriptionsapi) behind a Broker:
attributes are compared as text; one that is missing fails, but for `time`; times are in UTC; an
empty list filters nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sinks.cloudevent import Event
from sinks.timestamp import utc_time

Predicate = Callable[[Event], bool]
Pairs = Sequence[tuple[str, str]]

_NAME = re.compile(r"[a-z][a-z0-9]*")
_OTHER_NAMES = {"schemaurl": "dataschema", "datamediatype": "datacontenttype"}
# The second is CloudEvents 0.3's: Knative knows the name, and never a value.
_CONSTANTS = {"specversion": "1.0", "datacontentencoding": ""}
_NO_TIME = "0001-01-01T00:00:00Z"
_TEXT_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "exact": str.__eq__,
    "prefix": str.startswith,
    "suffix": str.endswith,
}


class InvalidFilter(ValueError):
    """The filter would not be accepted by Knative, or cannot be evaluated here."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter, compiled.

    dialect:    as it is written; `all` for a Trigger's whole list.
    passes:     whether an event passes: a plain function, because every event meets every Trigger.
    parts:      the filters that it is made of, in their order; none for a single condition.
    attribute:  of a single condition, with the `text` that it is compared with; an empty text
                stands for any that is not empty.
    """

    dialect: str
    passes: Predicate
    parts: tuple[Filter, ...] = ()
    attribute: str = ""
    text: str = ""

    def judged(self, event: Event) -> Judged:
        """Return what `passes` says of the event, of every part too."""
        value = _value(event, self.attribute) if self.attribute else None
        parts = tuple(part.judged(event) for part in self.parts)
        return Judged(self, self.passes(event), value, parts)


class Judged(NamedTuple):
    """How a filter judged one event.

    value:  of a single condition's attribute, as it is compared; None: the event has not got it.
    """

    filter: Filter
    passed: bool
    value: str | None
    parts: tuple[Judged, ...]


EVERYTHING = Filter("all", lambda _event: True)


def compile_filters(filters: Sequence[Any]) -> Filter:
    """Return the predicate for `spec.filters`: all of its elements have to pass.

    raises: InvalidFilter.
    """
    if not isinstance(filters, list):
        raise InvalidFilter("spec.filters has to be a list")
    return _all(tuple(_compile(element) for element in filters))


def compile_attributes(attributes: Mapping[str, Any]) -> Filter:
    """Return the predicate for the older `spec.filter.attributes`: exact, `""` is "not empty".

    raises: InvalidFilter.
    """
    return _conditions("exact", _pairs("filter.attributes", attributes), _all_equal)


def _compile(element: Any) -> Filter:
    if not isinstance(element, dict) or len(element) > 1:
        raise InvalidFilter("an element of filters has exactly one dialect")
    for dialect, body in element.items():
        if dialect in _TEXT_TESTS:
            return _text_filter(dialect, body)
        if dialect in ("all", "any"):
            return _list_filter(dialect, body)
        if dialect == "not":
            return _not_filter(body)
        known = ", ".join((*_TEXT_TESTS, "all", "any", "not"))
        raise InvalidFilter(f"dialect {dialect!r} is not one of {known}")
    return EVERYTHING


def _text_filter(dialect: str, body: Any) -> Filter:
    pairs, test = _pairs(dialect, body), _TEXT_TESTS[dialect]
    if any(not wanted for _, wanted in pairs):
        raise InvalidFilter(f"{dialect} with an empty value: Knative would let everything pass")

    def tested(pairs: Pairs) -> Predicate:
        def passes(event: Event) -> bool:
            for name, wanted in pairs:
                value = _value(event, name)
                if value is None or not test(value, wanted):
                    return False
            return True

        return passes

    return _conditions(dialect, pairs, tested)


def _all_equal(pairs: Pairs) -> Predicate:
    def passes(event: Event) -> bool:
        values = ((_value(event, name), wanted) for name, wanted in pairs)
        return all(value == wanted if wanted else bool(value) for value, wanted in values)

    return passes


def _conditions(dialect: str, pairs: Pairs, predicate: Callable[[Pairs], Predicate]) -> Filter:
    """Return the filter that all of these pairs make, each of which is one by itself too."""
    if len(pairs) == 1:
        return Filter(dialect, predicate(pairs), (), *pairs[0])
    parts = tuple(_conditions(dialect, [pair], predicate) for pair in pairs)
    return Filter(dialect, predicate(pairs), parts)


def _list_filter(dialect: str, body: Any) -> Filter:
    if not isinstance(body, list):
        raise InvalidFilter(f"{dialect} has to be a list of filters")
    if not body:
        return EVERYTHING
    parts = tuple(_compile_inner(element) for element in body)
    if dialect == "all":
        return _all(parts)
    tests = [part.passes for part in parts]
    return Filter(dialect, lambda event: any(passes(event) for passes in tests), parts)


def _all(parts: tuple[Filter, ...]) -> Filter:
    """A loop and no generator: every event meets every Trigger."""
    tests = [part.passes for part in parts]

    def passes(event: Event) -> bool:
        for test in tests:
            if not test(event):
                return False
        return True

    return Filter("all", passes, parts)


def _not_filter(body: Any) -> Filter:
    part = _compile_inner(body)
    passes = part.passes
    return Filter("not", lambda event: not passes(event), (part,))


def _compile_inner(element: Any) -> Filter:
    """Knative may read an empty filter beside others either way; one in `not` ends its process."""
    if isinstance(element, dict) and not any(element.values()):
        raise InvalidFilter("a filter without a condition inside all, any or not: leave it out")
    return _compile(element)


def _pairs(dialect: str, body: Any) -> list[tuple[str, str]]:
    if not isinstance(body, dict) or not body:
        raise InvalidFilter(f"{dialect} has to map attribute names to text")
    for name, wanted in body.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidFilter(f"{dialect}: {name!r} is no attribute name (a-z, 0-9)")
        if not isinstance(wanted, str):
            raise InvalidFilter(f"{dialect}: the value of {name} has to be text, in quotes")
    return list(body.items())


def _value(event: Event, name: str) -> str | None:
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    attribute = _OTHER_NAMES.get(name, name)
    value = event.attributes.get(attribute)
    if attribute == "time":
        return _NO_TIME if value is None else _go_time(value)
    if name == "datamediatype" and value is not None:
        return value.partition(";")[0].strip()
    return value


def _go_time(time: str) -> str:
    """Go writes no zeros that end a fraction, and no point after which nothing follows."""
    moment, _, fraction = utc_time(time)[:-1].partition(".")
    digits = fraction.rstrip("0")
    return f"{moment}.{digits}Z" if digits else f"{moment}Z"
