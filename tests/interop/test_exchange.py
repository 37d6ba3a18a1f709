"""A thousand generated events each way between our codec and three that are not ours, all equal."""

from __future__ import annotations

import base64
import collections

import pytest

from tests import tools
from tests.interop import parties
from tests.interop.deviations import DEVIATIONS, Deviation
from tests.interop.exchange import canonical
from tests.interop.generated import COUNT, SEED, Generator, Sample, features
from tests.interop.parties import Party, both, differences
from tests.interop.unaided import UNAIDED
from tests.tools import Say

# What both sets have to hold, and what only that of foreign writers can.
EVERYWHERE = {
    "boolean", "integer", "many extensions", "no extension", "no time", "nanoseconds", "zone",
    "no data", "bytes", "bytes like JSON", "+json", "page change", "score", "JSON dict",
    "JSON list", "JSON str", "JSON int", "JSON float", "JSON bool", "JSON NoneType",
}  # fmt: skip
THEIRS = {"other than ASCII", "percent", "lower-case time", "JSON without a type"}


@pytest.mark.parametrize("free", [False, True], ids=["ours", "theirs"])
def test_generated_events_are_the_same_each_time_and_of_every_kind(free: bool) -> None:
    """The same seed makes the same events, and no kind that is promised is missing."""
    samples = Generator(SEED, free=free).samples(COUNT)

    found = collections.Counter(name for sample in samples for name in features(sample))
    rare = {name for name in EVERYWHERE | (THEIRS if free else set()) if found[name] < 5}

    assert samples == Generator(SEED, free=free).samples(COUNT)
    assert len({sample.attributes["id"] for sample in samples}) == COUNT
    assert rare == set()
    assert free or not any(found[name] for name in THEIRS)


def test_go_programs_are_formatted_as_gofmt_does(say: Say) -> None:
    """Go has one format, and its tool is at hand."""
    assert tools.gofmt(say) == []


def test_what_ours_writes_is_read_equal(party: Party, ours: list[Sample]) -> None:
    """Whoever reads our events, in either mode, sees the attributes and data that we meant."""
    pairs = both(ours)

    events = party.read([parties.write(*pair) for pair in pairs])

    assert len(pairs) == 2 * COUNT
    assert differences(pairs, events, ("ours", "writes"), (party.name, "reads")) == []


def test_what_they_write_is_read_equal_by_ours(party: Party, theirs: list[Sample]) -> None:
    """Whoever writes an event, in either mode, means the attributes and data that we read."""
    pairs = both(theirs)

    messages = party.write([sample.line(mode) for sample, mode in pairs])
    events = [parties.read(message) for message in messages]

    assert len(pairs) > 1.9 * COUNT
    assert differences(pairs, events, (party.name, "writes"), ("ours", "reads")) == []


def test_ours_reads_what_it_writes_equal(ours: list[Sample]) -> None:
    """Our own codec loses nothing on the way either."""
    pairs = both(ours)

    events = [parties.read(parties.write(*pair)) for pair in pairs]

    assert differences(pairs, events, ("ours", "writes"), ("ours", "reads")) == []


def test_ours_writes_no_attribute_that_needs_encoding(theirs: list[Sample]) -> None:
    """Go and Java neither encode nor decode: such a value must not leave us, in either mode."""
    refused = 0
    for sample, mode in both(theirs):
        values = "".join(
            str(value) for name, value in sample.attributes.items() if name != "datacontenttype"
        )
        if not values.isascii() or set(values) & set(' "%'):
            with pytest.raises(ValueError, match="cannot be written"):
                parties.write(sample, mode)
            refused += 1

    assert refused > COUNT


@pytest.mark.parametrize("at", ["attribute", "data", "nothing"])
def test_comparison_notices_one_wrong_message_of_a_thousand(
    party: Party, ours: list[Sample], at: str
) -> None:
    """An exchange in which one event has changed, or got lost, does not pass for equal."""
    pairs = [pair for pair in both(ours[:100]) if pair[1] == "binary"]
    number = next(i for i, (sample, _) in enumerate(pairs) if sample.data and "json" in sample.data)
    messages = [parties.write(*pair) for pair in pairs]
    changed = {**messages[number], "headers": [list(each) for each in messages[number]["headers"]]}
    if at == "attribute":
        next(each for each in changed["headers"] if each[0] == "ce-type")[1] += "x"
    elif at == "data":
        changed["body"] = base64.b64encode(b'{"other": 1}').decode()
    else:
        changed["body"] = ""
    messages[number] = changed

    found = differences(pairs, party.read(messages), ("ours", "writes"), (party.name, "reads"))

    assert [line.split(":")[0] for line in found] == [f"{pairs[number][0].number} binary"]


@pytest.mark.parametrize(
    "row", DEVIATIONS, ids=lambda row: f"{row.party}-{row.does}-{row.what.replace(' ', '_')}"
)
def test_deviation_has_events_that_show_it(
    row: Deviation, ours: list[Sample], theirs: list[Sample]
) -> None:
    """A deviation that no event shows would excuse something that nobody has looked at."""
    samples = theirs if (row.party == "ours") == (row.does == "reads") else ours
    applied = [pair for pair in both(samples) if row.applies(*pair)]

    assert len(applied) >= 3
    if row.becomes is not None:
        for sample, mode in applied:
            right = canonical(sample.line(mode))
            assert row.becomes({"attributes": right["attributes"], "data": right["data"]}) != right


def test_unaided_sdk_still_makes_each_mistake(party: Party) -> None:
    """What our programs work around is still there: else the workaround has to go."""
    rows = [row for row in UNAIDED if row.party == party.name]
    writes = [row for row in rows if row.does == "writes"]
    reads = [row for row in rows if row.does == "reads"]

    written = party.write([row.line for row in writes])
    read = party.read([row.line for row in reads])
    mended = [
        f"{row.does}: {row.what}: {answer}"
        for row, answer in zip(writes + reads, written + read, strict=True)
        if not row.shows(answer)
    ]

    assert len(rows) >= 4
    assert mended == []
