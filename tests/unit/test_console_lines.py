"""The console's core: events become lines, whatever their order, in bounded memory."""

from __future__ import annotations

import itertools
import time

import pytest

from sinks import cloudevent
from sinks.cloudevent import NO_DATA, Event
from sinks.console.arrival import arrival_of
from sinks.console.board import Board
from sinks.console.document import MOST_CHARS, document_of
from sinks.console.line import MOST_MARKS, Line
from sinks.console.live import TICK_SECONDS, Position, messages
from sinks.console.page import Pages, static_files
from sinks.console.selection import Selection
from sinks.console.silence import Silence
from sinks.routed_report import report_of
from sinks.routing import Route
from sinks.subscriber import Delivery
from tests.console_events import change, delivery, reply, report, whole

ANY = Selection()
TAGS = reply("tags-1", model="article-country-tags", cause="reply-1")
EVENTS = (change(), reply("reply-1", model="article-country"), TAGS)


def board_of(*events: Event, most_lines: int = 100, most_bytes: int = 2**20) -> Board:
    board = Board(most_lines, most_bytes)
    for number, event in enumerate(events):
        board.take(arrival_of(event), 1000.0 + number)
    return board


def lines_of(board: Board, selection: Selection = ANY) -> list[Line]:
    return board.selected(selection)[0]


def outcomes(line: Line) -> dict[str, str]:
    return {mark.row: mark.outcome for mark in line.marks}


@pytest.mark.parametrize(
    "events",
    list(itertools.permutations(EVENTS)),
    ids=lambda events: "-".join(e.id for e in events),
)
def test_events_in_any_order_make_one_line(events: tuple[Event, ...]) -> None:
    """A change, a reply and a reply to that reply are one line, whichever comes first."""
    board = board_of(*events)

    (line,) = lines_of(board)

    assert outcomes(line) == {"article-country": "replied", "article-country-tags": "replied"}
    assert line.head.title == "Example"
    assert line.head.document is not None
    assert {board.find(number) for number in (1, 2)} == {line, None}


def test_reply_that_comes_again_changes_nothing() -> None:
    """A redelivery makes neither a second line nor news for those who watch."""
    once = board_of(*EVENTS)

    twice = board_of(*EVENTS, *EVENTS[1:])

    assert lines_of(twice) == lines_of(once)
    assert twice.sequence == once.sequence


@pytest.mark.parametrize("change", [EVENTS[0], report([], EVENTS[0])], ids=["broker", "shim"])
def test_change_that_comes_again_is_one_line_and_counted(change: Event) -> None:
    """Who sends a page change once more sees that it has arrived."""
    board = board_of(EVENTS[1], change, EVENTS[2], change, change)

    (line,) = lines_of(board)
    assert (line.times, line.received, line.last) == (3, 1000.0, 1004.0)
    assert "×3" in Pages(static_files(), 10, False).line(line)


def test_same_id_on_another_wiki_makes_a_line_of_its_own() -> None:
    """An id is unique only together with where the event is from."""
    other = change(wikiid="dewiki", source="/mediawiki/dewiki")

    board = board_of(change(), other)

    assert [line.head.wiki for line in lines_of(board)] == ["dewiki", "enwiki"]


def test_event_of_unknown_type_is_shown_as_it_is() -> None:
    """Whatever a Broker delivers is a line, with its type and its data."""
    event = Event({"id": "1", "source": "/cron", "type": "com.example.tick"}, b"\xffx", "binary")

    (line,) = lines_of(board_of(event, event))

    assert (line.head.kind, line.head.title, line.marks) == ("com.example.tick", "/cron", ())
    assert line.head.document is not None
    assert line.head.document.note == "The data is not JSON."


@pytest.mark.parametrize(
    "data",
    [NO_DATA, None, [], "x", {}, {"event": 1}, {"event": {"attributes": {"id": 1}}}, 10**15, b""],
    ids=repr,
)
def test_page_change_and_report_with_any_data_make_a_line(data: object) -> None:
    """What is in the data cannot keep an event from being shown."""
    reports = report([])._replace(data=data)
    changes = change()._replace(data=data)

    board = board_of(reports, changes)

    assert len(lines_of(board)) == 2


def test_report_names_what_each_row_and_its_reply_came_to() -> None:
    """The egress's answer is what became of the row's reply, not a row of its own."""
    answer = reply()
    told = [
        delivery("drafttopic", "replied", row="drafttopic", reply=whole(answer)),
        delivery("egress", "relayed", answer),
        delivery("reverted", "ignored", row="reverted", reason="wiki_not_deployed"),
        delivery("damaging", "rejected", row="damaging", reason="unknown_row", kept=True),
    ]

    (line,) = lines_of(board_of(report(told)))

    assert outcomes(line) == {
        "drafttopic": "relayed",
        "reverted": "ignored",
        "damaging": "rejected",
    }
    assert [step.trigger for step in line.marks[1].steps] == ["drafttopic", "egress"]
    assert line.streams == ("mediawiki.revision_score_drafttopic",)
    assert line.marks[0].last.kept


@pytest.mark.parametrize("first", ["report", "broker"])
def test_report_tells_more_than_the_broker(first: str) -> None:
    """Where both tell of a reply, what became of it stays, whichever comes first."""
    answer = reply()
    told = [
        delivery("drafttopic", "replied", row="drafttopic", reply=whole(answer)),
        delivery("egress", "deferred", answer, reason="eventgate_failed"),
    ]
    events = [report(told), answer] if first == "report" else [answer, report(told)]

    (line,) = lines_of(board_of(*events))

    assert outcomes(line) == {"drafttopic": "deferred"}


def test_report_of_another_attempt_replaces_what_it_repeats() -> None:
    """A caller that repeats one Trigger changes that row alone."""
    first = report([delivery("a", "deferred", row="a"), delivery("b", "relayed", row="b")])
    second = report([delivery("a", "relayed", row="a")])

    (line,) = lines_of(board_of(first, second))

    assert outcomes(line) == {"a": "relayed", "b": "relayed"}


@pytest.mark.parametrize("order", [1, -1], ids=["first", "last"])
def test_trigger_that_was_asked_alone_and_takes_nothing_is_no_row(order: int) -> None:
    """A feed for each Trigger sends one event to each; who does not take it adds nothing."""
    nobody = delivery(None, "ignored", reason="no_trigger")
    reports = [report([nobody]), report([delivery("a", "relayed", row="a")])]

    (line,) = lines_of(board_of(*reports[::order]))

    assert outcomes(line) == {"a": "relayed"}
    assert outcomes(lines_of(board_of(report([nobody])))[0]) == {"no Trigger": "ignored"}


def test_report_of_the_shim_is_read_as_it_is_written() -> None:
    """What the shim writes, the console reads."""
    cause, answer = change(), reply()
    deliveries = (
        Delivery("drafttopic", cause, "replied", None, answer),
        Delivery(None, answer, "ignored", "no_trigger"),
    )
    message = report_of(cause, [Route("drafttopic", deliveries)], {"drafttopic": "drafttopic"})
    (line,) = lines_of(board_of(cloudevent.decode(message.headers, message.body)))

    assert outcomes(line) == {"drafttopic": "ignored"}
    assert line.marks[0].last.reason == "no_trigger"
    assert line.marks[0].reply == document_of(answer.attributes, answer.data)


def test_board_over_its_number_of_lines_forgets_the_oldest() -> None:
    """The number of lines is bounded, and a line that changes stays where it is."""
    events = [change(f"change-{number}") for number in range(12)]

    board = board_of(*events[:10], reply(cause="change-2"), *events[10:], most_lines=10)

    assert [line.number for line in lines_of(board)] == list(range(12, 2, -1))
    assert board.find(2) is None


def test_board_over_its_bytes_forgets_the_oldest() -> None:
    """Large documents leave before there are many of them."""
    events = [change(f"change-{number}", title="x" * 250) for number in range(100)]

    board = board_of(*events, most_bytes=20_000)

    assert 5 < len(lines_of(board)) < 15
    assert lines_of(board)[0].number == 100


def test_board_counts_the_bytes_of_any_script() -> None:
    """A title with an emoji makes the text of its document four times as wide, and so counts."""
    latin, emoji = (lines_of(board_of(change(title=title)))[0] for title in ("x" * 9, "🦆" * 9))
    assert latin.head.document and emoji.head.document

    assert latin.head.document.text.isascii()
    assert emoji.size > latin.size + 2 * len(emoji.head.document.text)


def test_board_keeps_nothing_of_lines_that_have_left() -> None:
    """What a line had in the indexes leaves with it."""
    events = [each for n in range(50) for each in (change(f"c{n}"), reply(f"r{n}", cause=f"c{n}"))]

    board = board_of(*events, most_lines=10)

    assert len(board._numbers) == 20
    assert len(board._by_change) == 10
    assert board._bytes == sum(line.size for line in lines_of(board))


def test_line_with_many_rows_is_bounded() -> None:
    """Nobody makes one line grow without end."""
    events = [reply(f"r{number}", model=f"model-{number}") for number in range(300)]

    (line,) = lines_of(board_of(*events, most_bytes=2**30))

    assert len(line.marks) == MOST_MARKS
    assert len(line.keys) <= 2 * MOST_MARKS + 2


def test_large_document_is_cut_and_says_so() -> None:
    """One large document does not push all the others out of memory."""
    document = document_of({"id": "x" * 5000}, {"text": "é" * 3 * MOST_CHARS})

    assert len(document.text) == MOST_CHARS
    assert "Only the first 128 Ki characters" in document.note
    assert document.size < 2 * MOST_CHARS


def test_deeply_nested_document_is_not_shown_and_says_so() -> None:
    """What cannot be written as JSON is still a line."""
    data: object = 1
    for _ in range(400):
        data = [data]

    assert document_of({}, data).note == "The data is nested too deeply to be shown."


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (ANY, [3, 2, 1]),
        (Selection(wiki="dewiki"), [2]),
        (Selection(row="a"), [3, 1]),
        (Selection(outcome="relayed"), [3, 1]),
        (Selection(row="a", outcome="relayed"), [1]),
        (Selection(row="a", outcome="relayed", wiki="dewiki"), []),
    ],
    ids=str,
)
def test_selection_takes_what_fits_all_of_it(selection: Selection, numbers: list[int]) -> None:
    """With a row, the outcome has to be that row's."""
    one = report([delivery("a", "relayed", row="a"), delivery("b", "ignored", row="b")])
    two = report([delivery("b", "ignored", row="b")], change("2", wikiid="dewiki"))
    three = report(
        [delivery("a", "ignored", row="a"), delivery("b", "relayed", row="b")], change("3")
    )

    found = lines_of(board_of(one, two, three), selection)

    assert [line.number for line in found] == numbers


def told(board: Board, last_seen: str, selection: Selection = ANY) -> list[tuple[str, str, str]]:
    """Event, id and first line of data of all that is sent at once, the feed ending after it."""
    ends = iter([False, True])
    parts = messages(
        board,
        selection,
        Position("p"),
        last_seen,
        lambda line: f"<{line.number}>",
        lambda: next(ends),
    )
    found = []
    for message in b"".join(parts).decode().split("\n\n"):
        fields = dict(row.split(": ", 1) for row in message.splitlines())
        if "event" in fields:
            found.append((fields["event"], fields["id"], fields["data"]))
    return found


def test_feed_goes_on_after_the_last_event_seen() -> None:
    """Whoever comes back gets what has changed since, once, with its newest content."""
    board = board_of(change("a"), change("b"), change("c"), reply("r", cause="a"))

    assert told(board, "p-2") == [("line", "p-3", "<3>"), ("line", "p-4", "<1>")]


@pytest.mark.parametrize("last_seen", ["", "q-2", "p-x", "p--1", "-", "p-²"])
def test_feed_of_another_process_begins_anew(last_seen: str) -> None:
    """After a restart the page is told to forget what it has."""
    board = board_of(change("a"))

    assert told(board, last_seen) == [("reset", "p-0", ""), ("line", "p-1", "<1>")]


def test_feed_waits_where_what_has_changed_has_left() -> None:
    """A line that leaves with its own change is nothing to be told, and no reason to spin."""
    large = report([delivery("a", "rejected", row="a", detail="x" * 600)], change("0"))
    changes = [change(str(number)) for number in range(10)]
    room = sum(line.size for line in lines_of(board_of(*changes)))
    board = board_of(*changes, most_bytes=room + 100)
    before = board.sequence
    board.take(arrival_of(large), 1.0)
    ends = iter([False, False, True])
    begun = time.monotonic()

    parts = messages(board, ANY, Position("p"), f"p-{before}", repr, lambda: next(ends))

    assert b"".join(parts) == b"retry: 1000\n\n"
    assert board.sequence > before
    assert time.monotonic() - begun > TICK_SECONDS / 2


def test_feed_with_a_filter_tells_what_is_no_longer_shown() -> None:
    """A line whose outcome changes leaves a page that does not show that outcome."""
    board = board_of(report([delivery("a", "deferred", row="a")]), change("b"))

    assert told(board, "p-0", Selection(outcome="deferred")) == [
        ("line", "p-1", "<1>"),
        ("gone", "p-2", "2"),
    ]


def test_feed_tells_which_line_two_have_become() -> None:
    """A line that turns out to be about the same change as another leaves the page."""
    tags, first, cause = TAGS, EVENTS[1], EVENTS[0]
    board = board_of(cause, tags, first)

    assert told(board, "p-2") == [("gone", "p-3", "2"), ("line", "p-3", "<1>")]


HOSTILE = (
    "<script>document.title='pwned'</script>\r\n\x0b\u2028data: x\n\n\"'><img src=x onerror=a()>"
)


def test_html_of_hostile_events_is_escaped_everywhere() -> None:
    """No text of an event becomes markup, in lines, documents or letters."""
    event = change(title=HOSTILE, stream=HOSTILE, subject=HOSTILE)
    failing = delivery("x", "rejected", row=HOSTILE, reason=HOSTILE, detail=HOSTILE)
    (line,) = lines_of(board_of(report([failing], event)))
    pages = Pages(static_files(), 10, True)
    letter = dict.fromkeys(("reason", "row", "wiki", "last_arrived", "status"), HOSTILE)
    letters = {"letters": [{**letter, "number": 1, "count": 1, "replay": {"outcome": HOSTILE}}]}
    silence = Silence(HOSTILE, HOSTILE + "2", True, HOSTILE)
    replayed = {"replayed": [{"outcome": HOSTILE, "reason": HOSTILE, "detail": HOSTILE}]}

    shown = [
        pages.index([line], Selection(HOSTILE, HOSTILE, HOSTILE), ([HOSTILE], [HOSTILE]), HOSTILE),
        pages.opened(line, HOSTILE, [silence], alone=True),
        pages.gone(HOSTILE, alone=True),
        pages.letters({**letters, "next": HOSTILE, "total": HOSTILE}),
        pages.replayed(replayed),
    ]

    assert all("<img" not in page and "<script>" not in page for page in shown)
    assert all("&lt;script&gt;" in page for page in shown)


def test_feed_of_hostile_text_has_one_message_a_line() -> None:
    """No line break in a title ends a message or begins a field."""
    board = board_of(change(title=HOSTILE))
    pages = Pages(static_files(), 10, False)
    ends = iter([False, True])

    parts = messages(board, ANY, Position("p"), "p-0", pages.line, lambda: next(ends))

    _, message, rest = b"".join(parts).decode().split("\n\n")
    assert rest == ""
    assert all(
        line.startswith(("event: line", "id: p-1", "data: ")) for line in message.splitlines()
    )
