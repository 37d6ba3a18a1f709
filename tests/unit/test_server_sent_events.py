"""Server-sent events, as the specification reads them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.feed.server_sent_events import EndlessEvent, EventReader, ServerSentEvent

Events = list[ServerSentEvent]
# What lines of a stream are made of: each of these means something somewhere.
PIECES = st.sampled_from(
    "data: event: id: retry: : data id a \0 7 é \ufeff \r \n \r\n \n\n \r\r \r\n\r\n x:y".split(" ")
)
STREAMS = st.lists(PIECES, max_size=40).map(lambda pieces: "".join(pieces).encode())


def read(*chunks: bytes, last_event_id: str = "", most: int = 1000) -> Events:
    reader = EventReader(last_event_id, most)
    return [event for chunk in chunks for event in reader.feed(chunk)]


def message(data: bytes, id: str = "", type: str = "message", size: int = 0) -> ServerSentEvent:
    return ServerSentEvent(id, type, data, size)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\n", [message(b"a")], id="one_line"),
        pytest.param(b"data: a\ndata\ndata:b\n\n", [message(b"a\n\nb")], id="several_lines"),
        pytest.param(b"data:  a\n\n", [message(b" a")], id="only_one_space_is_left_out"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [*map(message, (b"a", b"b", b"c"))]),
        pytest.param(b":ok\n\n: data: a\n\n:\n\n", [], id="comments"),
        pytest.param(b":ok\ndata: a\n:more\n\n", [message(b"a")], id="comment_inside"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [message(b"a")], id="byte_order_mark"),
        pytest.param(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", [], id="only_the_first_is_one"),
        pytest.param(b"event: x\ndata: a\n\ndata: b\n\n", [message(b"a", type="x"), message(b"b")]),
        pytest.param(b"event: x\n\ndata: b\n\n", [message(b"b")], id="type_without_data_is_lost"),
        pytest.param(b"id: 1\ndata: a\n\ndata: b\n\n", [message(b"a", "1"), message(b"b", "1")]),
        pytest.param(b"data: a\nid: 1\n\n", [message(b"a", "1")], id="id_behind_the_data"),
        pytest.param(b"id: 1\n\n", [message(b"", "1")], id="id_without_data_counts"),
        pytest.param(b"id: 1\ndata: a\n\nid\ndata: b\n\n", [message(b"a", "1"), message(b"b")]),
        pytest.param(b"id: 1\0\ndata: a\n\n", [message(b"a")], id="id_with_nul_is_none"),
        pytest.param(b"data: a\nDATA: b\nx: c\n\n", [message(b"a")], id="unknown_fields"),
        pytest.param(b"data: \xff\n\n", [message(b"\xff")], id="no_utf8_is_left_to_others"),
        pytest.param(b"id: 1\ndata: a\n", [], id="cut_before_the_empty_line"),
        pytest.param(b"data: a\n\nid: 1\ndata: b", [message(b"a")], id="cut_in_the_middle"),
    ],
)
def test_stream_is_read_as_the_specification_says(stream: bytes, events: Events) -> None:
    """Each rule of the specification by an example."""
    assert read(stream) == events


@given(STREAMS, st.lists(st.integers(0, 120)))
def test_stream_cut_into_any_chunks_is_the_same(stream: bytes, cuts: list[int]) -> None:
    """A network cuts anywhere: in a line end, a byte order mark, a character."""
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[begin:end] for begin, end in pairwise(places)]

    assert read(*chunks) == read(stream)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        pytest.param(b"retry: 1500\n", 1.5, id="milliseconds"),
        pytest.param(b"retry: 1.5\n", None, id="no_integer"),
        pytest.param(b"retry: -1\n", None, id="negative"),
        pytest.param("retry: ٣\n".encode(), None, id="other_digits"),
        pytest.param(b"retry:" + b"9" * 5000 + b"\n", None, id="too_long"),
    ],
)
def test_retry_is_what_the_stream_wants(line: bytes, seconds: float | None) -> None:
    """It holds at once, without an event."""
    reader = EventReader()

    list(reader.feed(line))

    assert reader.retry_seconds == seconds


def test_last_id_of_the_connection_before_holds_until_there_is_another() -> None:
    """An event without an id after a reconnect does not throw the position away."""
    events = read(b"data: a\n\nid: 2\ndata: b\n\n", last_event_id="1")

    assert [event.id for event in events] == ["1", "2"]


@pytest.mark.parametrize(
    "large",
    [
        pytest.param(b"data: " + b"x" * 200, id="one_line"),
        pytest.param(b"\n".join([b"data: " + b"x" * 20] * 10), id="many_lines"),
        pytest.param(b"data: a\ndata: " + b"x" * 200 + b"\ndata: b", id="one_of_several"),
    ],
)
def test_event_that_is_too_large_is_told_and_its_id_counts(large: bytes) -> None:
    """Nothing of it is kept, and the next event is read as if it had not been there."""
    stream = b"data: a\n\n" + large + b"\nid: 7\n\ndata: b\n\n"

    before, told, after = read(*(stream[i : i + 7] for i in range(0, len(stream), 7)), most=100)

    assert (before.data, after.data, after.too_large) == (b"a", b"b", 0)
    assert (told.data, told.id) == (b"", "7")
    assert told.too_large > 200


def test_event_of_just_the_limit_is_read() -> None:
    """The limit itself is not too large."""
    assert read(b"data: " + b"x" * 94 + b"\n\n", most=100) == [message(b"x" * 94)]


@pytest.mark.parametrize("part", [b"data: x", b"data: x\n"], ids=["one_line", "many_lines"])
def test_event_that_never_ends_is_given_up(part: bytes) -> None:
    """The connection is left after 64 times the limit, of which nothing was kept."""
    reader = EventReader(max_event_bytes=100)
    taken = 0
    with pytest.raises(EndlessEvent):
        for _ in range(10_000):
            list(reader.feed(part))
            taken += len(part)

    assert 6300 <= taken <= 8000
