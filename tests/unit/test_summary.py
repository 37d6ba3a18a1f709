"""The shim's one answer for all deliveries of an event."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sinks.cloudevent import Event
from sinks.delivery import Delivery
from sinks.errors import Rejected, Unavailable, error_document
from sinks.incoming import Incoming
from sinks.reasons import Outcome, Reason
from sinks.routing import Route
from sinks.summary import summed, to_repeat

EVENT = Event({"id": "e", "source": "/s", "type": "t"}, {})
PLAIN = Incoming("e", {}, None, {})
TIME = "2026-09-23T10:00:00Z"


def routes(outcome: Outcome, reason: Reason | None, names: list[str]) -> list[Route]:
    """One route with one delivery for each name."""
    return [Route(name, (Delivery(name, EVENT, outcome, reason),)) for name in names]


@pytest.mark.parametrize("count", [1, 3, 9, 14, 40, 200])
@pytest.mark.parametrize("rejected", [0, 5], ids=["none_rejected", "some_rejected"])
def test_summed_deferred_names_every_trigger_or_says_to_repeat_all(
    count: int, rejected: int
) -> None:
    """A caller that repeats only what is named never leaves one out."""
    names = [f"revertrisk-language-{n:03}" for n in range(count)]
    refused = [f"refused-{n}" for n in range(rejected)]
    routed = routes("deferred", "upstream_unavailable", names)
    routed += routes("rejected", "unscorable_revision", refused)

    with pytest.raises(Unavailable) as raised:
        summed(PLAIN, EVENT, routed)

    body = error_document(raised.value, "e").decode()
    assert all(name in body for name in names) or "repeat without ?trigger=" in body
    assert f"{count} of {count + rejected} Triggers deferred" in body
    assert not rejected or f"{rejected}" in body.partition("deferred")[2]
    assert len(body) <= 768
    assert to_repeat(raised.value.detail) == (tuple(names) if names[-1] in body else (), rejected)


def test_summed_rejected_behind_a_trigger_names_the_trigger_that_got_the_event() -> None:
    """A failure of egress is the failure of the Trigger whose reply egress got."""
    chain = (
        Delivery("drafttopic", EVENT, "replied", None, EVENT),
        Delivery("egress", EVENT, "rejected", "rejected_by_eventgate"),
    )

    with pytest.raises(Rejected, match=r"1 of 1 .* drafttopic \(rejected_by_eventgate\)"):
        summed(PLAIN, EVENT, [Route("drafttopic", chain)])


@pytest.mark.parametrize(
    ("reasons", "dt"),
    [
        pytest.param((None,), TIME, id="now"),
        pytest.param(("already_relayed", None), TIME, id="one-of-them-now"),
        pytest.param(("already_relayed", "already_relayed"), None, id="before"),
    ],
)
def test_summed_relayed_has_a_time_if_any_of_it_was_relayed_now(
    reasons: Sequence[Reason | None], dt: str | None
) -> None:
    """An event that comes again and was published before is late for nobody but its sender."""
    change = Event({**EVENT.attributes, "time": TIME}, {})
    routed = [route for each in reasons for route in routes("relayed", each, ["egress"])]

    answer = summed(PLAIN, change, routed)

    assert (answer.outcome, answer.dt) == ("relayed", dt)


def test_summed_reply_that_nobody_takes_is_ignored() -> None:
    """A reply without a Trigger has not been handed on."""
    chain = (
        Delivery("drafttopic", EVENT, "replied", None, EVENT),
        Delivery(None, EVENT, "ignored", "no_trigger"),
    )

    answer = summed(PLAIN, EVENT, [Route("drafttopic", chain)])

    assert (answer.outcome, answer.reason) == ("ignored", "no_trigger")
    assert answer.document is not None
    assert [each["outcome"] for each in answer.document["outcomes"]] == ["replied", "ignored"]
