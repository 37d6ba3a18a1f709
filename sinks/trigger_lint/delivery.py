"""A Trigger's `delivery`: whole, and in values that Knative reads as they are meant.

Source: knative/eventing, pkg/apis/duck/v1/delivery_types.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sinks.trigger_lint.finding import Problem

_NEEDED: Final = {
    "deadLetterSink": "what fails for good is lost",
    "retry": "what fails once is lost",
    "backoffPolicy": "attempts follow one another at once",
    "backoffDelay": "attempts follow one another at once",
    "timeout": "a subscriber that hangs is waited for without end, or for 10 minutes",
}
MEMBERS: Final = (*_NEEDED, "format", "retryAfterMax")
_POLICIES: Final = ("exponential", "linear")
_DURATION: Final = re.compile(
    r"P(?=.)(?:(?P<D>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<H>\d+)H)?(?:(?P<M>\d+)M)?(?:(?P<S>\d+(?:\.(?P<fraction>\d+))?)S)?)?",
    re.ASCII,
)
_SECONDS: Final = {"D": 86400, "H": 3600, "M": 60, "S": 1}
# More no delivery lasts, and whoever counts with it stays below infinity.
_MAX_SECONDS: Final = 1e9
_MAX_RETRIES: Final = 100


@dataclass(frozen=True, slots=True)
class Policy:
    """How often an event is sent, and for how long.

    waits:    seconds between all attempts together.
    timeout:  seconds of one attempt.
    """

    attempts: int
    waits: float
    timeout: float


def policy_of(spec: Mapping[str, Any]) -> Policy | None:
    """Return the delivery of a Trigger's spec as numbers; None if it has no such."""
    delivery = spec.get("delivery")
    if not isinstance(delivery, dict):
        return None
    retry, kind = delivery.get("retry"), delivery.get("backoffPolicy")
    delay, timeout = _seconds(delivery.get("backoffDelay")), _seconds(delivery.get("timeout"))
    if type(retry) is not int or retry < 0 or kind not in _POLICIES:
        return None
    if delay is None or timeout is None:
        return None
    retry = min(retry, _MAX_RETRIES)
    # Linear, the first repetition comes at once.
    grown = 2.0**retry - 1 if kind == "exponential" else retry * (retry - 1) / 2
    return Policy(retry + 1, delay * grown, timeout)


def _seconds(value: Any) -> float | None:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    seconds = sum(float(match[unit] or 0) * each for unit, each in _SECONDS.items())
    return min(seconds, _MAX_SECONDS)


def problems(spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the delivery of a Trigger's spec."""
    place, delivery = "spec.delivery", spec.get("delivery")
    if not isinstance(delivery, dict) or not delivery:
        yield Problem(
            place,
            "there is no delivery: what fails is repeated and kept as the Broker says, if it does",
            f"add one with {', '.join(_NEEDED)}",
        )
        return
    for name, lost in _NEEDED.items():
        if delivery.get(name) is None:
            yield Problem(
                place,
                f"{name} is missing, and a Trigger's delivery replaces the Broker's whole: {lost}",
                f"add {name}",
            )
    for name in sorted(map(str, delivery.keys() - set(MEMBERS))):
        yield Problem(f"{place}.{name}", "there is no such member", f"one of {', '.join(MEMBERS)}")
    yield from _values(place, delivery)


def _values(place: str, delivery: Mapping[str, Any]) -> Iterator[Problem]:
    retry, policy = delivery.get("retry"), delivery.get("backoffPolicy")
    if retry is not None and (type(retry) is not int or retry < 0):
        yield Problem(f"{place}.retry", f"{retry!r} is no number of attempts", "0 or more, as 3")
    if policy is not None and policy not in _POLICIES:
        advice = f"one of {', '.join(_POLICIES)}"
        yield Problem(f"{place}.backoffPolicy", f"{policy!r} is no policy", advice)
    for name in ("backoffDelay", "timeout"):
        if delivery.get(name) is not None:
            yield from _duration(f"{place}.{name}", delivery[name])
    sink = delivery.get("deadLetterSink")
    if sink is not None and not (isinstance(sink, dict) and (sink.get("ref") or sink.get("uri"))):
        advice = "name a Service with ref, and a path with uri"
        yield Problem(f"{place}.deadLetterSink", "it names nobody, so nothing is kept", advice)


def _duration(place: str, value: Any) -> Iterator[Problem]:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        advice = "write it as ISO 8601 does: PT5S, PT1M30S, PT0.2S"
        yield Problem(place, f"{value!r} is no duration", advice)
    elif match["fraction"] and match["fraction"][1:].strip("0"):
        what = f"{value} has more than tenths of a second, which Knative drops"
        yield Problem(place, what, "write tenths of a second at most")
