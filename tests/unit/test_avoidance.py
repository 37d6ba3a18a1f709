"""The order of hosts: who stands behind the others, for how long, and who tries him first."""

from __future__ import annotations

from dataclasses import dataclass, field

from sinks.avoidance import Avoidance, Order

AVOID = 30.0
SILENT = 2.0


@dataclass
class Scene:
    """Hosts a, b, ...; `now` is the time, `told` what has been told of them."""

    hosts: str = "ab"
    now: float = 1000.0
    told: list[tuple[str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.order_of = Avoidance(
            list(self.hosts),
            avoid_seconds=AVOID,
            silent_seconds=SILENT,
            changed=lambda host, avoided, _: self.told.append((host, avoided)),
            clock=lambda: self.now,
        )

    @property
    def order(self) -> tuple[str, str]:
        """The hosts ahead, and those behind."""
        ahead, behind = self.order_of.order()
        return "".join(self.hosts[at] for at in ahead), "".join(self.hosts[at] for at in behind)

    def asks(self, host: str, seconds: float = 65) -> float:
        return self.order_of.begin(self.hosts.index(host), seconds)

    def fails(self, host: str, begun: float | None = None) -> None:
        at = self.hosts.index(host)
        self.order_of.failed(at, self.now if begun is None else begun, "why")

    def answers(self, host: str, begun: float) -> None:
        self.order_of.answered(self.hosts.index(host), begun)
        self.order_of.end(self.hosts.index(host), begun)


def test_order_at_first_is_the_given_one() -> None:
    """Nobody is avoided that has not failed."""
    assert Scene("abc").order == ("abc", "")


def test_host_failed_stands_behind_until_its_time_is_over() -> None:
    """It is still there for when all others fail, and then back in its normal place."""
    scene = Scene("abc")

    scene.fails("a")

    assert scene.order == ("bc", "a")
    scene.now += AVOID - 0.1
    assert scene.order == ("bc", "a")
    scene.now += 0.1
    assert scene.order == ("abc", "")


def test_hosts_all_failed_keep_their_order() -> None:
    """There is never nothing left to try."""
    scene = Scene("abc")

    for host in "cab":
        scene.fails(host)

    assert scene.order == ("", "abc")


def test_host_failed_again_is_avoided_anew_and_told_once() -> None:
    """A hundred events that were on their way are one piece of news."""
    scene = Scene()

    for _ in range(100):
        scene.fails("a")
        scene.now += 1

    assert scene.order == ("b", "a")
    assert scene.told == [("a", True)]


def test_host_whose_time_is_over_is_tried_by_one_event() -> None:
    """As long as that one waits the others do not follow it."""
    scene = Scene()
    scene.fails("a")
    scene.now += AVOID

    begun = scene.asks("a")

    assert scene.order == ("b", "a")
    scene.now += 1
    scene.answers("a", begun)
    assert scene.order == ("ab", "")
    assert scene.told == [("a", True), ("a", False)]


def test_host_whose_trial_never_ends_is_tried_again() -> None:
    """An event that vanished while it tried does not keep a host away for ever."""
    scene = Scene()
    scene.fails("a")
    scene.now += AVOID

    scene.order_of.end(0, scene.asks("a", 40))

    scene.now += 39
    assert scene.order == ("b", "a")
    scene.now += 1
    assert scene.order == ("ab", "")


def test_host_whose_trial_fails_is_avoided_for_the_whole_time_again() -> None:
    """That it still does not work is nothing new."""
    scene = Scene()
    scene.fails("a")
    scene.now += AVOID
    scene.asks("a", 1)

    scene.fails("a")

    scene.now += AVOID - 0.1
    assert scene.order == ("b", "a")
    assert scene.told == [("a", True)]


def test_host_on_trial_is_for_all_if_no_other_is_free() -> None:
    """Nobody is sent to one that has failed just now to spare one that may work again."""
    scene = Scene()
    scene.fails("b")
    scene.now += AVOID
    scene.fails("a")

    scene.asks("b")

    assert scene.order == ("b", "a")


def test_host_avoided_that_answers_is_back_at_once() -> None:
    """When all have failed one is asked all the same; if it works, it is avoided no longer."""
    scene = Scene()
    scene.fails("a")
    scene.fails("b")

    scene.answers("a", scene.asks("a"))

    assert scene.order == ("a", "b")


def test_host_answer_to_what_was_asked_before_it_failed_changes_nothing() -> None:
    """A late answer tells how it was."""
    scene = Scene()
    begun = scene.asks("a")
    scene.now += 1
    scene.fails("a")
    scene.now += 1

    scene.answers("a", begun)

    assert scene.order == ("b", "a")


def test_host_failure_of_what_was_asked_before_it_worked_again_changes_nothing() -> None:
    """A time-out that ends long after the trouble is no new trouble."""
    scene = Scene()
    begun = scene.asks("a")
    scene.fails("a")
    scene.now += AVOID
    scene.answers("a", scene.asks("a"))
    scene.now += 1

    scene.fails("a", begun)

    assert scene.order == ("ab", "")


def test_host_failures_of_what_was_under_way_do_not_prolong_its_time() -> None:
    """A hundred events that hang since the beginning end one after the other."""
    scene = Scene()
    begun = scene.asks("a")
    scene.now += 1
    scene.fails("a")
    scene.now += AVOID - 1

    scene.fails("a", begun)

    scene.now += 1
    assert scene.order == ("ab", "")


def test_host_behind_one_that_works_is_back_when_its_time_is_over() -> None:
    """Nobody tries the second as long as the first one works, so its time has to be enough."""
    scene = Scene()
    scene.fails("b")

    scene.answers("a", scene.asks("a"))
    assert scene.told == [("b", True)]
    scene.now += AVOID
    scene.answers("a", scene.asks("a"))

    assert scene.told == [("b", True), ("b", False)]


def test_host_silent_is_avoided_before_its_time_out() -> None:
    """Who owes answers and says nothing gets no more questions."""
    scene = Scene()

    scene.asks("a")
    scene.now += SILENT
    assert scene.order == ("ab", "")
    scene.now += 0.1

    assert scene.order == ("b", "a")
    assert scene.told == [("a", True)]


def test_host_that_answers_others_is_not_silent() -> None:
    """One slow answer among quick ones may take its time."""
    scene = Scene()
    scene.asks("a")

    for _ in range(10):
        scene.now += SILENT / 2
        scene.answers("a", scene.asks("a"))

    assert scene.order == ("ab", "")


def test_host_that_owes_nothing_is_not_silent() -> None:
    """A night without events says nothing of a host."""
    scene = Scene()
    scene.answers("a", scene.asks("a"))
    scene.now += 10_000

    assert scene.order == ("ab", "")
    scene.asks("a")
    assert scene.order == ("ab", "")


def test_host_back_is_not_silent_because_of_what_it_owes_since_before() -> None:
    """What hung in it when it hung says nothing of how it is now."""
    scene = Scene()
    scene.asks("a")
    scene.now += SILENT + 1
    assert scene.order == ("b", "a")
    scene.now += AVOID
    scene.answers("a", scene.asks("a"))
    scene.now += SILENT + 1

    assert scene.order == ("ab", "")


def test_host_that_never_answered_is_tried_when_its_time_is_over() -> None:
    """However long the first events still wait for it."""
    scene = Scene()
    scene.asks("a")
    scene.now += SILENT + 1
    assert scene.order == ("b", "a")

    scene.now += AVOID

    assert scene.order == ("ab", "")


def test_host_silent_is_kept_if_it_is_the_last() -> None:
    """Without another host there is nothing to be gained."""
    scene = Scene()
    scene.fails("b")
    scene.asks("a")
    scene.now += SILENT + 1

    assert scene.order == ("a", "b")


def test_host_alone_is_never_avoided() -> None:
    """One that stands behind nobody needs no news of it."""
    scene = Scene("a")
    scene.asks("a")
    scene.now += SILENT + 1

    scene.fails("a")

    assert scene.order_of.order() == Order([0], [])
    assert scene.told == []
