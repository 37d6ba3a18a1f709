"""When an issuer is asked for its keys: never too often, never by everybody at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from sinks.errors import Unavailable
from sinks.issuer import issuer_unavailable
from sinks.issuer_keys import FIRST_SECONDS, LEAST_SECONDS, OLD_SECONDS, IssuerKeys


@dataclass(frozen=True)
class Key:
    """A key that is nothing but its id."""

    kid: str | None


@dataclass
class Shown:
    """An issuer that shows some keys, or is down, at a time that the test sets."""

    kids: list[str | None] = field(default_factory=lambda: ["first"])
    down: bool = False
    now: float = 1000.0
    looks: int = 0
    before: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.keys = IssuerKeys(self.ask, lambda: self.now)

    def ask(self) -> list[Key]:
        self.looks += 1
        self.before()
        if self.down:
            raise issuer_unavailable("it is down")
        return [Key(kid) for kid in self.kids]

    def has(self, kid: str | None) -> bool | str:
        """Whether the key is known, or the reason why nobody can tell."""
        try:
            return self.keys.key(kid) is not None
        except Unavailable as error:
            return error.reason


@pytest.fixture
def shown() -> Shown:
    """An issuer with one key that nobody has asked for."""
    return Shown()


def test_keys_are_asked_for_with_the_first_token_only(shown: Shown) -> None:
    """A start needs no issuer, and a known key needs no second look."""
    assert shown.looks == 0
    assert [shown.has("first") for _ in range(5)] == [True] * 5
    assert shown.looks == 1


def test_unknown_key_is_looked_for_once_in_ten_seconds(shown: Shown) -> None:
    """Made-up ids do not make us hammer the issuer."""
    shown.has("first")
    for second in range(int(LEAST_SECONDS) * 3 + 1):
        shown.now = 1000.0 + second
        assert [shown.has(f"made-up-{second}-{each}") for each in range(50)] == [False] * 50

    assert shown.looks == 4  # at 0, 10, 20 and 30 seconds


def test_new_key_counts_at_once_if_the_last_look_is_ten_seconds_ago(shown: Shown) -> None:
    """Nobody waits for a key that the issuer shows already."""
    shown.has("first")
    shown.kids.append("second")
    shown.now += LEAST_SECONDS

    assert shown.has("second") is True


def test_new_key_amid_made_up_ones_counts_after_ten_seconds(shown: Shown) -> None:
    """Made-up ids do not put the next look off."""
    shown.has("first")
    shown.kids.append("second")
    seconds = 0.0
    while shown.has("second") is False:
        seconds += 0.5
        shown.now += 0.5
        if seconds < LEAST_SECONDS:
            assert shown.has("made-up") is False

    assert seconds == LEAST_SECONDS


def test_key_that_the_issuer_withdrew_counts_five_minutes_at_most(shown: Shown) -> None:
    """Known keys are looked at again although nothing is missing."""
    shown.has("first")
    shown.kids = ["second"]
    shown.now += OLD_SECONDS - 1
    assert shown.has("first") is True
    shown.now += 1

    assert shown.has("first") is False
    assert shown.has("second") is True
    assert shown.looks == 2


def test_issuer_down_leaves_known_keys_in_force_for_as_long_as_it_takes(shown: Shown) -> None:
    """It is asked again every ten seconds, not with every token."""
    shown.has("first")
    shown.down = True
    for second in range(1000):
        shown.now = 1000.0 + second
        assert shown.has("first") is True

    assert shown.looks == 1 + (1000 - int(OLD_SECONDS)) // int(LEAST_SECONDS)


def test_issuer_down_makes_an_unknown_key_temporary(shown: Shown) -> None:
    """A key that could not be looked for may be a good one: its caller repeats."""
    shown.has("first")
    shown.down = True
    shown.now += LEAST_SECONDS

    assert shown.has("second") == "issuer_unavailable"
    assert shown.has("third") == "issuer_unavailable"
    assert shown.looks == 2


def test_issuer_down_from_the_start_is_temporary_until_it_answers(shown: Shown) -> None:
    """Without any keys nobody is refused for good, and the issuer is asked every second."""
    shown.down = True
    assert [shown.has("first") for _ in range(5)] == ["issuer_unavailable"] * 5
    assert shown.looks == 1

    shown.down = False
    shown.now += FIRST_SECONDS
    assert shown.has("first") is True


def test_bug_while_asking_makes_no_token_wrong_for_good(shown: Shown) -> None:
    """What nobody foresaw must not look like a key that does not exist."""

    def broken() -> None:
        raise ZeroDivisionError

    shown.before = broken
    with pytest.raises(ZeroDivisionError):
        shown.has("first")

    assert shown.has("first") == "issuer_unavailable"


@pytest.mark.parametrize(
    ("kids", "found"), [(["one"], True), ([None], True), (["one", "two"], False)]
)
def test_token_without_an_id_is_for_the_only_key(kids: list[str | None], found: bool) -> None:
    """With several keys nobody can tell which one was meant, and looking again does not help."""
    shown = Shown(kids)
    shown.has("x")
    shown.now += LEAST_SECONDS

    assert shown.has(None) is found
    assert shown.looks == 1


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Eight callers at the same time."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.mark.parametrize("down", [False, True])
def test_callers_of_an_unknown_key_wait_for_one_look(
    shown: Shown, pool: ThreadPoolExecutor, down: bool
) -> None:
    """Eight tokens with a new key are one request to the issuer, however long it takes."""
    shown.down = down
    looking, go = threading.Event(), threading.Event()

    def slow() -> None:
        looking.set()
        go.wait(10)
        shown.now += 5

    shown.before = slow
    found = [pool.submit(shown.has, "first") for _ in range(8)]
    assert looking.wait(10)
    go.set()

    assert [each.result(10) for each in found] == ["issuer_unavailable" if down else True] * 8
    assert shown.looks == 1


def test_callers_of_a_known_key_go_on_while_one_looks_again(
    shown: Shown, pool: ThreadPoolExecutor
) -> None:
    """An issuer that hangs holds up one caller, and no others."""
    shown.has("first")
    shown.now += OLD_SECONDS
    hanging, go = threading.Event(), threading.Event()

    def hang() -> None:
        hanging.set()
        go.wait(10)

    shown.before = hang
    slow = pool.submit(shown.has, "first")
    assert hanging.wait(10)
    assert [shown.has("first") for _ in range(20)] == [True] * 20
    assert not slow.done()
    go.set()

    assert slow.result(10) is True
    assert shown.looks == 2
