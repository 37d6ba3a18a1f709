"""The position of a feed while events are acknowledged in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sinks.feed.window import Window


@given(st.permutations(range(8)))
def test_position_is_the_last_before_which_all_are_acknowledged(order: list[int]) -> None:
    """Whatever ends first: nothing is passed over."""
    window = Window(-1)
    tickets = [window.begin(number) for number in range(8)]

    for done, number in enumerate(order, 1):
        window.acknowledge(tickets[number])

        gone = set(order[:done])
        assert window.position == next(n for n in range(9) if n not in gone) - 1


def test_window_that_waits_for_its_oldest_event_is_full() -> None:
    """A crash sends again no more than the spread, however long one event takes."""
    window = Window(0, max_spread=3)
    oldest, *others = (window.begin(number) for number in (1, 2, 3))
    for each in others:
        window.acknowledge(each)

    assert (window.is_full, window.position) == (True, 0)
    window.acknowledge(oldest)
    assert (window.is_full, window.position) == (False, 3)
