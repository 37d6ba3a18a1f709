"""Knative's Trigger filters: which events pass, and which filters are refused."""

from __future__ import annotations

from typing import Any

import pytest

from sinks.cloudevent import Event, decode
from sinks.explaining.words import why_failed
from sinks.filters import InvalidFilter, Judged, compile_attributes, compile_filters
from sinks.triggers import filter_of
from tests.e2e import generated_filters

TYPE = "org.wikimedia.mediawiki.page.change.v1"
NO_TIME = "0001-01-01T00:00:00Z"
PASSING = {"exact": {"wikiid": "enwiki"}}
FAILING = {"exact": {"wikiid": "dewiki"}}


def event(**attributes: str) -> Event:
    """A page change with these attributes besides the required ones."""
    known = {"id": "event-1", "source": "/mediawiki/enwiki", "type": TYPE, "wikiid": "enwiki"}
    return Event({**known, **attributes}, {})


@pytest.mark.parametrize(
    ("element", "passes"),
    [
        pytest.param({"exact": {"type": TYPE}}, True, id="exact equal"),
        pytest.param({"exact": {"type": TYPE[:-1]}}, False, id="exact shorter"),
        pytest.param({"exact": {"type": TYPE.upper()}}, False, id="exact other case"),
        pytest.param({"exact": {"type": TYPE, "wikiid": "enwiki"}}, True, id="exact all pairs"),
        pytest.param({"exact": {"type": TYPE, "wikiid": "dewiki"}}, False, id="exact one pair"),
        pytest.param({"exact": {"specversion": "1.0"}}, True, id="exact specversion"),
        pytest.param({"exact": {"specversion": "0.3"}}, False, id="exact older specversion"),
        pytest.param({"prefix": {"type": "org.wikimedia."}}, True, id="prefix"),
        pytest.param({"prefix": {"type": TYPE}}, True, id="prefix is all of it"),
        pytest.param({"prefix": {"type": "wikimedia"}}, False, id="prefix in the middle"),
        pytest.param({"prefix": {"type": "Org."}}, False, id="prefix other case"),
        pytest.param({"prefix": {"type": "org", "wikiid": "de"}}, False, id="prefix one pair"),
        pytest.param({"suffix": {"type": ".v1"}}, True, id="suffix"),
        pytest.param({"suffix": {"type": ".v2"}}, False, id="suffix differs"),
        pytest.param({"suffix": {"type": ".V1"}}, False, id="suffix other case"),
        pytest.param({"suffix": {"type": "v1", "wikiid": "wiki"}}, True, id="suffix all pairs"),
        pytest.param({"prefix": {"type": "org.*"}}, False, id="prefix is no pattern"),
    ],
)
def test_text_dialect_on_a_present_attribute_compares_text(
    element: dict[str, Any], passes: bool
) -> None:
    """exact, prefix and suffix compare text, case-sensitively, and all pairs have to match."""
    assert compile_filters([element]).passes(event()) is passes


@pytest.mark.parametrize("dialect", ["exact", "prefix", "suffix"])
@pytest.mark.parametrize("name", ["pagechangekind", "subject", "dataschema", "datacontenttype"])
def test_text_dialect_on_a_missing_attribute_fails_and_its_not_passes(
    dialect: str, name: str
) -> None:
    """What an event has not got matches no text, so that `not` lets it pass."""
    element = {dialect: {name: "x"}}

    assert compile_filters([element]).passes(event()) is False
    assert compile_filters([{"not": element}]).passes(event()) is True


@pytest.mark.parametrize(
    ("element", "passes"),
    [
        pytest.param({"exact": {"time": NO_TIME}}, True, id="exact"),
        pytest.param({"prefix": {"time": "0001-01-01"}}, True, id="prefix"),
        pytest.param({"suffix": {"time": "Z"}}, True, id="suffix"),
        pytest.param({"prefix": {"time": "2026"}}, False, id="another year"),
    ],
)
def test_missing_time_is_compared_as_the_first_moment(
    element: dict[str, Any], passes: bool
) -> None:
    """Go's zero time stands for a missing one."""
    assert compile_filters([element]).passes(event()) is passes


@pytest.mark.parametrize(
    ("time", "text"),
    [
        pytest.param("2026-09-23T10:00:05Z", "2026-09-23T10:00:05Z", id="whole seconds"),
        pytest.param("2026-09-23T10:00:05.6Z", "2026-09-23T10:00:05.6Z", id="a fraction"),
        pytest.param("2026-09-23T10:00:05.600Z", "2026-09-23T10:00:05.6Z", id="trailing zeros"),
        pytest.param("2026-09-23T10:00:05.000Z", "2026-09-23T10:00:05Z", id="only zeros"),
        pytest.param("2026-09-23T10:00:00Z", "2026-09-23T10:00:00Z", id="zeros, no fraction"),
        pytest.param("2026-09-23T10:00:05.060Z", "2026-09-23T10:00:05.06Z", id="a zero within"),
        pytest.param("2026-09-23T00:30:05.600+01:00", "2026-09-22T23:30:05.6Z", id="with offset"),
        pytest.param("2026-09-23T10:00:05-00:00", "2026-09-23T10:00:05Z", id="without an offset"),
        pytest.param(
            "2026-09-23T10:00:05.1234567891Z", "2026-09-23T10:00:05.123456789Z", id="ten digits"
        ),
    ],
)
def test_time_is_compared_as_a_broker_hands_it_on(time: str, text: str) -> None:
    """A time is compared as text in UTC, without the zeros that end a fraction."""
    assert compile_filters([{"exact": {"time": text}}]).passes(event(time=time)) is True


@pytest.mark.parametrize(
    ("content_type", "element", "passes"),
    [
        pytest.param(
            "application/json",
            {"exact": {"datacontenttype": "application/json"}},
            True,
            id="equal",
        ),
        pytest.param(
            "application/json; charset=utf-8",
            {"exact": {"datacontenttype": "application/json"}},
            False,
            id="parameters count",
        ),
        pytest.param(
            "application/json; charset=utf-8",
            {"exact": {"datamediatype": "application/json"}},
            True,
            id="media type is the part before them",
        ),
        pytest.param(
            "application/json ;charset=utf-8",
            {"exact": {"datamediatype": "application/json"}},
            True,
            id="nor is the space before them",
        ),
        pytest.param(
            "Application/JSON",
            {"exact": {"datamediatype": "application/json"}},
            False,
            id="the case counts",
        ),
        pytest.param(
            "text/plain", {"exact": {"datamediatype": "application/json"}}, False, id="another"
        ),
    ],
)
def test_datacontenttype_is_compared_whole_and_datamediatype_without_parameters(
    content_type: str, element: dict[str, Any], passes: bool
) -> None:
    """Parameters belong to datacontenttype and not to datamediatype."""
    assert compile_filters([element]).passes(event(datacontenttype=content_type)) is passes


def test_schemaurl_is_dataschema() -> None:
    """Knative knows dataschema by its name of CloudEvents 0.2, too."""
    changed = event(dataschema="https://schema.example/1", schemaurl="ignored")

    assert compile_filters([{"suffix": {"schemaurl": "/1"}}]).passes(changed) is True


def test_datacontentencoding_has_no_value() -> None:
    """Knative takes the name for an attribute of CloudEvents 0.3, which no event has any more."""
    encoded = event(datacontentencoding="base64")

    assert compile_filters([{"exact": {"datacontentencoding": "base64"}}]).passes(encoded) is False
    assert compile_attributes({"datacontentencoding": ""}).passes(encoded) is False


@pytest.mark.parametrize(
    "element",
    [
        pytest.param({"exact": {"datamediatype": "application/json"}}, id="datamediatype"),
        pytest.param({"exact": {"wikidomain": "en.wikipedia.org"}}, id="extension"),
    ],
)
def test_exact_on_what_is_missing_inside_all_and_any_fails(element: dict[str, Any]) -> None:
    """A missing attribute fails its own filter only: `any` may still find another."""
    assert compile_filters([{"all": [PASSING, element]}]).passes(event()) is False
    assert compile_filters([{"any": [element]}]).passes(event()) is False
    assert compile_filters([{"any": [element, PASSING]}]).passes(event()) is True


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        pytest.param([{"any": [FAILING, PASSING]}], True, id="any with one"),
        pytest.param([{"any": [FAILING, FAILING]}], False, id="any without one"),
        pytest.param([{"all": [PASSING, PASSING]}], True, id="all of them"),
        pytest.param([{"all": [PASSING, FAILING]}], False, id="all but one"),
        pytest.param([{"not": PASSING}], False, id="not passing"),
        pytest.param([{"not": FAILING}], True, id="not failing"),
        pytest.param([{"not": {"not": PASSING}}], True, id="not not passing"),
        pytest.param([{"not": {"any": [FAILING, PASSING]}}], False, id="not any"),
        pytest.param([{"not": {"all": [FAILING, PASSING]}}], True, id="not all"),
        pytest.param([{"any": [{"all": [PASSING, {"not": FAILING}]}]}], True, id="nested"),
        pytest.param([PASSING, PASSING], True, id="two elements"),
        pytest.param([PASSING, FAILING], False, id="the second element fails"),
        pytest.param([FAILING, PASSING], False, id="the first element fails"),
    ],
)
def test_combined_filters_follow_any_all_not(filters: list[Any], passes: bool) -> None:
    """The list itself is an AND; any, all and not nest."""
    assert compile_filters(filters).passes(event()) is passes


@pytest.mark.parametrize(
    "filters",
    [
        pytest.param([], id="no element"),
        pytest.param([{}], id="empty element"),
        pytest.param([{"any": []}], id="empty any"),
        pytest.param([{"all": []}], id="empty all"),
        pytest.param([{"any": []}, {"all": []}, {}], id="all of these"),
    ],
)
def test_filter_without_condition_lets_everything_pass(filters: list[Any]) -> None:
    """An empty filter filters nothing."""
    assert compile_filters(filters).passes(event()) is True


def test_empty_element_beside_a_condition_does_not_hide_it() -> None:
    """What filters nothing leaves the other elements in force."""
    assert compile_filters([{}, FAILING]).passes(event()) is False


@pytest.mark.parametrize(
    "filters",
    [
        pytest.param([{"cesql": "type = 'x'"}], id="cesql"),
        pytest.param([{"not": {"cesql": "TRUE"}}], id="cesql in not"),
        pytest.param([{"any": [PASSING, {"cesql": "TRUE"}]}], id="cesql in any"),
        pytest.param([{"all": [{"any": [{"cesql": "TRUE"}]}]}], id="cesql deeper"),
        pytest.param([{"exact": {"type": "x"}, "prefix": {"type": "x"}}], id="two dialects"),
        pytest.param([{"not": {**PASSING, "any": [PASSING]}}], id="two dialects in not"),
        pytest.param([{"any": [{**PASSING, "suffix": {"id": "1"}}]}], id="two dialects in any"),
        pytest.param([{"regex": {"type": ".*"}}], id="unknown dialect"),
        pytest.param([{"Exact": {"type": "x"}}], id="dialect in upper case"),
        pytest.param([{"exact": {"wikiId": "enwiki"}}], id="upper-case name"),
        pytest.param([{"exact": {"wiki_id": "enwiki"}}], id="name with underscore"),
        pytest.param([{"prefix": {"1wiki": "enwiki"}}], id="name begins with a digit"),
        pytest.param([{"exact": {"wikiid\n": "enwiki"}}], id="name with line feed"),
        pytest.param([{"exact": {"": "enwiki"}}], id="empty name"),
        pytest.param([{"exact": {1: "enwiki"}}], id="name that is a number"),
        pytest.param([{"exact": {"type": ""}}], id="empty value"),
        pytest.param([{"prefix": {"type": ""}}], id="empty prefix"),
        pytest.param([{"suffix": {"type": ""}}], id="empty suffix"),
        pytest.param([{"exact": {"wikiid": "enwiki", "type": ""}}], id="one empty value"),
        pytest.param([{"not": {"exact": {"type": ""}}}], id="empty value in not"),
        pytest.param([{"any": [FAILING, {}]}], id="empty element in any"),
        pytest.param([{"not": {}}], id="empty not"),
        pytest.param([{"not": None}], id="not of null"),
        pytest.param([{"any": [{"not": {}}, PASSING]}], id="empty not in any"),
        pytest.param([{"all": [{"any": []}, PASSING]}], id="empty any in all"),
        pytest.param([{"not": {"all": []}}], id="empty all in not"),
        pytest.param([{"not": {"not": {}}}], id="empty not in not"),
        pytest.param([{"exact": {"namespaceid": 0}}], id="value that is a number"),
        pytest.param([{"exact": {"isredirect": False}}], id="value that is a boolean"),
        pytest.param([{"exact": {"type": None}}], id="value that is null"),
        pytest.param([{"exact": "x"}], id="no pairs"),
        pytest.param([{"any": PASSING}], id="any that is no list"),
        pytest.param([{"all": "x"}], id="all that is text"),
        pytest.param([{"not": [PASSING]}], id="not that is a list"),
        pytest.param(["exact"], id="element that is text"),
        pytest.param([None], id="element that is null"),
        pytest.param([[PASSING]], id="element that is a list"),
        pytest.param(PASSING, id="an object for the list"),
        pytest.param("x", id="text for the list"),
    ],
)
def test_compile_filters_of_a_wrong_filter_is_refused(filters: Any) -> None:
    """What Knative refuses, drops with a mere log line, or only its CESQL could judge, is refused
    before anything is routed by it."""
    with pytest.raises(InvalidFilter):
        compile_filters(filters)


def test_compile_filters_of_cesql_names_the_dialects_that_work() -> None:
    """The refusal says what would be right."""
    with pytest.raises(InvalidFilter, match="cesql.*exact, prefix, suffix, all, any, not"):
        compile_filters([{"cesql": "TRUE"}])


@pytest.mark.parametrize(
    ("attributes", "passes"),
    [
        pytest.param({"type": TYPE}, True, id="equal"),
        pytest.param({"type": TYPE.upper()}, False, id="other case"),
        pytest.param({"type": TYPE, "wikiid": "enwiki"}, True, id="all pairs"),
        pytest.param({"type": TYPE, "wikiid": "dewiki"}, False, id="one pair differs"),
        pytest.param({"wikiid": ""}, True, id="present"),
        pytest.param({"pagechangekind": ""}, False, id="missing extension has to be present"),
        pytest.param({"subject": ""}, False, id="missing subject has to be present"),
        pytest.param({"pagechangekind": "edit"}, False, id="missing extension"),
        pytest.param({"dataschema": "x"}, False, id="missing dataschema"),
        pytest.param({"wikiid": "", "type": "x"}, False, id="present but another differs"),
        pytest.param({"time": NO_TIME}, True, id="missing time is the first moment"),
    ],
)
def test_older_attributes_are_exact_and_an_empty_value_means_present(
    attributes: dict[str, str], passes: bool
) -> None:
    """filter.attributes compares exactly; an empty value asks for one that is not empty."""
    assert compile_attributes(attributes).passes(event()) is passes


def test_older_attributes_empty_value_on_an_empty_attribute_fails() -> None:
    """An attribute that is there but empty is not present in the sense of the older filter."""
    assert compile_attributes({"wikiid": ""}).passes(event(wikiid="")) is False


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"wikiId": "enwiki"}, id="upper-case name"),
        pytest.param({"namespaceid": 0}, id="value that is a number"),
        pytest.param({"type": None}, id="value that is null"),
        pytest.param([PASSING], id="a list"),
        pytest.param("type", id="text"),
    ],
)
def test_older_attributes_of_a_wrong_kind_are_refused(attributes: Any) -> None:
    """The older filter maps attribute names to text."""
    with pytest.raises(InvalidFilter):
        compile_attributes(attributes)


def agrees(judged: Judged) -> bool:
    """Whether a verdict is what its parts, or its one condition, make of it."""
    one, parts = judged.filter, [part.passed for part in judged.parts]
    if one.attribute:
        value, text = judged.value, one.text
        compared = {
            "exact": value == text if text else bool(value),
            "prefix": value is not None and value.startswith(text),
            "suffix": value is not None and value.endswith(text),
        }
        return judged.passed is compared[one.dialect] and not parts
    combined = {"any": any(parts), "not": parts[:1] == [False]}.get(one.dialect, all(parts))
    return judged.passed is combined and all(map(agrees, judged.parts))


def test_judged_of_generated_filters_is_what_they_say_when_called() -> None:
    """The tree of verdicts explains the one verdict, down to each condition and its value."""
    decoded = [decode(*message) for message in generated_filters.events("judged", 40)]
    seen = set()

    for spec in generated_filters.specs("judged", 400):
        compiled = filter_of(spec)
        for each in decoded:
            judged = compiled.judged(each)
            seen.add(judged.passed)
            assert judged.passed is compiled.passes(each), (spec, each)
            assert agrees(judged), (spec, each)
            assert bool([*why_failed(judged)]) is not judged.passed, (spec, each)

    assert seen == {True, False}


@pytest.mark.parametrize(
    ("element", "value"),
    [
        pytest.param({"exact": {"wikiid": "dewiki"}}, "enwiki", id="another value"),
        pytest.param({"prefix": {"absent": "x"}}, None, id="no such attribute"),
        pytest.param({"exact": {"time": "x"}}, NO_TIME, id="no time"),
        pytest.param({"exact": {"specversion": "0.3"}}, "1.0", id="a constant"),
    ],
)
def test_judged_of_one_condition_has_the_value_as_it_is_compared(
    element: dict[str, Any], value: str | None
) -> None:
    """What the filter saw, not what the event says."""
    (part,) = compile_filters([element]).judged(event()).parts

    assert (part.passed, part.value, part.parts) == (False, value, ())


def test_judged_of_several_pairs_tells_which_failed() -> None:
    """One exact with two attributes is one filter of two conditions."""
    compiled = compile_filters([{"exact": {"type": TYPE, "wikiid": "dewiki"}}])

    (element,) = compiled.judged(event()).parts

    assert [(part.filter.attribute, part.passed) for part in element.parts] == [
        ("type", True),
        ("wikiid", False),
    ]
