"""A Trigger's filters: what is refused, what lets all pass, and what can let nothing pass.

What a filter means is told by `sinks.filters` alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from sinks.cloudevent import Event
from sinks.filters import InvalidFilter, compile_attributes, compile_filters
from sinks.trigger_lint.finding import Problem, nearest
from sinks.trigger_lint.known import Known
from sinks.trigger_lint.resource import object_of

_TEXT: Final = {"exact": "is", "prefix": "begins with", "suffix": "ends with"}
_NESTING: Final = {"all", "any", "not"}
_OTHER_WORDS: Final = {
    "and": "all",
    "or": "any",
    "none": "not",
    "equals": "exact",
    "startswith": "prefix",
    "endswith": "suffix",
}
# Of difflib's ratio: one letter more or less.
_NEAR: Final = 0.85


@dataclass(frozen=True, slots=True)
class Condition:
    """One attribute that is compared with one text, wherever in the filters that is."""

    place: str
    dialect: str
    attribute: str
    text: str

    def holds(self, value: str) -> bool:
        """Return whether an event whose attribute has this value meets it."""
        compiled = compile_filters([{self.dialect: {self.attribute: self.text}}])
        return compiled.passes(Event({self.attribute: value}, None))


def problems(spec: Mapping[str, Any], known: Known) -> Iterator[Problem]:
    """Yield what is wrong with the filters of a Trigger's spec."""
    filters, attributes = spec.get("filters"), _older(spec)
    if filters and attributes:
        yield Problem(
            "spec.filter",
            "filters is there too, so this is not looked at",
            "move its conditions into filters, as one exact",
        )
    if filters is not None and not isinstance(filters, list):
        yield Problem("spec.filters", "spec.filters has to be a list", "begin elements with a dash")
        return
    refused = [
        problem
        for index, element in enumerate(filters or ())
        for problem in _refused(element, f"spec.filters[{index}]", known.attributes)
    ]
    if not filters:
        refused += _refused_older(spec.get("filter"), known.attributes)
    yield from refused
    found = [*conditions(spec)]
    older = {name: text for name, text in attributes.items() if text}  # else: any text
    if not refused and not _watches(spec) and not _asks(filters or [{"exact": older}]):
        yield Problem(
            "spec.filters",
            f"no condition{' on type' if found else ''}: events of all types come, replies too",
            "add exact with the type, beside all other elements",
        )
    for condition in found:
        yield from _impossible(condition, known)


def _watches(spec: Mapping[str, Any]) -> bool:
    """Whether the subscriber is our own that is there to see everything, and replies nothing."""
    return object_of(object_of(spec, "subscriber"), "ref").get("name") == "console"


def conditions(spec: Mapping[str, Any]) -> Iterator[Condition]:
    """Yield all conditions of a Trigger's spec that can be evaluated."""
    filters = spec.get("filters")
    if isinstance(filters, list) and filters:
        for index, element in enumerate(filters):
            yield from _inside(element, f"spec.filters[{index}]")
    else:
        yield from _pairs("spec.filter.attributes", "exact", _older(spec))


def _older(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    older = spec.get("filter")
    attributes = older.get("attributes") if isinstance(older, dict) else None
    return attributes if isinstance(attributes, dict) else {}


def _inside(element: Any, place: str) -> Iterator[Condition]:
    if isinstance(element, dict):
        for dialect in _TEXT:
            yield from _pairs(f"{place}.{dialect}", dialect, element.get(dialect))
        for child, where in _children(element, place):
            yield from _inside(child, where)


def _pairs(place: str, dialect: str, body: Any) -> Iterator[Condition]:
    for attribute, text in body.items() if isinstance(body, dict) else ():
        if not _refusal({dialect: {attribute: text}}):
            yield Condition(place, dialect, attribute, text)


def _children(element: Mapping[str, Any], place: str) -> Iterator[tuple[Any, str]]:
    for dialect, body in element.items():
        if isinstance(body, list):
            for index, child in enumerate(body):
                yield child, f"{place}.{dialect}[{index}]"
        elif dialect == "not":
            yield body, f"{place}.not"


def _refused(element: Any, place: str, attributes: Collection[str]) -> Iterator[Problem]:
    """Yield what is refused, at the innermost places that are refused by themselves."""
    if why := _refusal(element):
        nests = isinstance(element, dict) and len(element) == 1 and element.keys() <= _NESTING
        children = _children(element, place) if nests else ()
        inner = [each for child, where in children for each in _refused(child, where, attributes)]
        yield from inner or [Problem(place, why, _advice(element, attributes))]


def _refused_older(older: Any, attributes: Collection[str]) -> Iterator[Problem]:
    held = older.get("attributes") if isinstance(older, dict) else None
    if held is None and older:
        advice = "is filters meant? its elements begin with a dash"
        yield Problem("spec.filter", "filter has to hold attributes", advice)
    elif held is not None and held != {}:
        try:
            compile_attributes(held)
        except InvalidFilter as error:
            yield Problem("spec.filter.attributes", str(error), _pairs_advice(held, attributes))


def _refusal(element: Any) -> str:
    try:
        compile_filters([element])
    except InvalidFilter as error:
        return str(error)
    return ""


def _advice(element: Any, attributes: Collection[str]) -> str:
    if not isinstance(element, dict) or len(element) != 1:
        return "write an element for each dialect: all elements have to pass"
    dialect = str(next(iter(element)))
    if right := _OTHER_WORDS.get(dialect.lower().replace("_", "")):
        return f"write {right} for {dialect}"
    if dialect in _TEXT:
        return _pairs_advice(element[dialect], attributes)
    if dialect == "cesql":
        return "say it with exact, prefix, suffix, all, any and not: the shim knows no CESQL"
    return "write exact, prefix, suffix, all, any or not, with what it applies to"


def _pairs_advice(body: Any, attributes: Collection[str]) -> str:
    for name in map(str, body if isinstance(body, dict) else ()):
        plain = "".join(filter(str.isalnum, name)).lower()
        if plain != name and (near := get_close_matches(plain, attributes, 1, _NEAR)):
            return f"is {near[0]} meant?"
    return "map names of attributes, in lower case, to texts in quotes that are not empty"


def _asks(elements: Any) -> bool:
    """Whether each event's type is looked at, whatever else the event says; of good filters."""
    return any(
        any("type" in element.get(dialect, ()) for dialect in _TEXT)
        or _asks(element.get("all", ()))
        or (bool(element.get("any")) and all(_asks([each]) for each in element["any"]))
        for element in elements
    )


def _impossible(condition: Condition, known: Known) -> Iterator[Problem]:
    name, values = condition.attribute, known.values.get(condition.attribute)
    if name not in known.attributes:
        what = f"no event has the attribute {name}"
        yield Problem(condition.place, what, nearest(name, known.attributes))
    elif values is not None and not any(map(condition.holds, values)):
        what = f"no event's {name} {_TEXT[condition.dialect]} {condition.text}"
        yield Problem(condition.place, what, nearest(condition.text, values))
