"""What a process takes on at a time: deliveries by number, their bodies by bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from werkzeug.test import EnvironBuilder

from sinks.admission import MAX_BYTES as BUDGET
from sinks.admission import Admission
from sinks.errors import Unavailable
from sinks.server_settings import MAX_BODY_BYTES
from sinks.wsgi_request import BODY_SECONDS, expected_bytes

MAX_IN_FLIGHT = 10
MAX_BYTES = 1000
SMALL = MAX_BYTES // MAX_IN_FLIGHT  # the largest body that does not count
LARGE = 400


@pytest.fixture
def admission() -> Admission:
    """Ten deliveries at a time, 1000 bytes of large bodies."""
    return Admission(MAX_IN_FLIGHT, MAX_BYTES)


@pytest.fixture
def inside(admission: Admission) -> Iterator[Callable[..., list[Callable[[bytes], bytes]]]]:
    """A function that lets deliveries with these bodies in; they leave when the test ends."""
    with ExitStack() as stack:

        def enter(*sizes: int) -> list[Callable[[bytes], bytes]]:
            return [stack.enter_context(admission.admitted(size)) for size in sizes]

        yield enter


def refusal(admission: Admission, size: int) -> Unavailable:
    """The error that a delivery with such a body gets, without its block having begun."""
    begun = False
    with pytest.raises(Unavailable) as refused, admission.admitted(size):
        begun = True
    assert not begun
    assert refused.value.reason == "overloaded"
    return refused.value


def test_admission_at_its_number_refuses_the_next(
    admission: Admission, inside: Callable[..., object]
) -> None:
    """Exactly so many are in; one more is told to come again after a second."""
    inside(*[0] * MAX_IN_FLIGHT)

    error = refusal(admission, 0)

    assert (error.status, error.retry_after) == (503, "1")
    assert admission.in_flight == MAX_IN_FLIGHT


def test_admission_after_a_refusal_counts_as_before(admission: Admission) -> None:
    """A refused delivery takes no place, however often it comes."""
    with admission.admitted(MAX_BYTES):
        for _ in range(2 * MAX_IN_FLIGHT):
            refusal(admission, LARGE)
        assert admission.in_flight == 1

    with admission.admitted(MAX_BYTES):
        assert admission.in_flight == 1


def test_admission_of_a_delivery_that_fails_frees_its_place(admission: Admission) -> None:
    """Whatever a delivery raises, its number and its bytes are free again."""
    for _ in range(2 * MAX_IN_FLIGHT):
        with pytest.raises(ZeroDivisionError), admission.admitted(MAX_BYTES) as measured:
            measured(b"x" * LARGE)
            raise ZeroDivisionError

    assert admission.in_flight == 0
    with admission.admitted(MAX_BYTES):
        pass


@pytest.mark.parametrize(
    ("sizes", "more", "fits"),
    [
        pytest.param([LARGE, LARGE], MAX_BYTES - 2 * LARGE, True, id="fills-it"),
        pytest.param([LARGE, LARGE], MAX_BYTES - 2 * LARGE + 1, False, id="one-byte-over"),
        pytest.param([MAX_BYTES], SMALL, True, id="small-beside-full"),
        pytest.param([MAX_BYTES], SMALL + 1, False, id="large-beside-full"),
        pytest.param([SMALL] * 9, MAX_BYTES, True, id="large-beside-small"),
        pytest.param([], 2 * MAX_BYTES, True, id="alone-over-the-limit"),
        pytest.param([0], 2 * MAX_BYTES, True, id="beside-nothing-large"),
        pytest.param([2 * MAX_BYTES], LARGE, False, id="beside-one-over-the-limit"),
    ],
)
def test_admission_by_bytes_counts_large_bodies_only(
    admission: Admission, inside: Callable[..., object], sizes: list[int], more: int, fits: bool
) -> None:
    """Large bodies share the limit; small ones never wait for them; one alone always goes."""
    inside(*sizes)

    if fits:
        with admission.admitted(more):
            assert admission.in_flight == len(sizes) + 1
    else:
        assert f"{MAX_BYTES} bytes" in refusal(admission, more).detail


@pytest.mark.parametrize(
    ("came", "more", "fits"),
    [
        pytest.param(SMALL, MAX_BYTES, True, id="small-frees-all"),
        pytest.param(LARGE, MAX_BYTES - LARGE, True, id="large-frees-the-rest"),
        pytest.param(LARGE, MAX_BYTES - LARGE + 1, False, id="large-keeps-its-own"),
    ],
)
def test_admission_of_a_body_of_unknown_size_keeps_what_came(
    admission: Admission,
    inside: Callable[..., list[Callable[[bytes], bytes]]],
    came: int,
    more: int,
    fits: bool,
) -> None:
    """What was reserved for a chunked body and not needed is free while the event is in work."""
    body = b"x" * came
    (measured,) = inside(MAX_BYTES)

    assert measured(body) is body

    if fits:
        inside(more)
    else:
        refusal(admission, more)


def test_admission_of_a_body_larger_than_told_never_reserves_more(admission: Admission) -> None:
    """The reservation is the most; who measures more than that does not fill the limit twice."""
    with admission.admitted(LARGE) as measured:
        measured(b"x" * MAX_BYTES)
        with admission.admitted(MAX_BYTES - LARGE):
            pass


def test_admission_from_many_threads_lets_exactly_its_number_in(admission: Admission) -> None:
    """Neither number nor bytes are lost or made up when deliveries come and go at once."""
    most, refused, lock, start = 0, 0, threading.Lock(), threading.Barrier(20)

    def work() -> None:
        nonlocal most, refused
        start.wait()
        for _ in range(300):
            try:
                with admission.admitted(LARGE) as measured:
                    measured(b"")
                    with lock:
                        most = max(most, admission.in_flight)
            except Unavailable:
                with lock:
                    refused += 1

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 <= most <= MAX_IN_FLIGHT
    assert admission.in_flight == 0
    with admission.admitted(MAX_BYTES), pytest.raises(Unavailable), admission.admitted(LARGE):
        pass


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"CONTENT_LENGTH": "300"}, 300, id="declared"),
        pytest.param({"CONTENT_LENGTH": "1000"}, 1000, id="declared-most"),
        pytest.param({"CONTENT_LENGTH": "1001"}, 0, id="declared-too-large-is-never-read"),
        pytest.param({"CONTENT_LENGTH": "0"}, 0, id="empty"),
        pytest.param({}, 0, id="nothing"),
        pytest.param({"HTTP_TRANSFER_ENCODING": "chunked"}, 1000, id="chunked"),
        pytest.param(
            {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "3"}, 1000, id="both-is-chunked"
        ),
    ],
)
def test_expected_bytes_is_the_most_that_the_body_can_take(
    headers: dict[str, str], expected: int
) -> None:
    """Known before a byte of the body is read, and never less than what will be read."""
    environ = EnvironBuilder(method="POST").get_environ()
    environ.pop("CONTENT_LENGTH", None)

    assert expected_bytes({**environ, **headers}, 1000) == expected


def test_body_time_limit_bounds_how_long_bytes_are_reserved() -> None:
    """Bytes reserved for bodies that do not come are free again after 30 s at the latest."""
    assert BODY_SECONDS <= 30


def test_admission_budget_has_room_for_several_of_the_largest_bodies() -> None:
    """One sender whose body does not come keeps no other large event out."""
    assert BUDGET >= 4 * MAX_BODY_BYTES[2]
