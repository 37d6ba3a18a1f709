"""A caller as it has to be: what has not been acknowledged has not been handed over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import requests

_PAUSE_SECONDS: Final = 0.3
_GIVE_UP_SECONDS: Final = 120.0

Post = Callable[[], requests.Response]


@dataclass(frozen=True, slots=True)
class Sent:
    """How an event was handed over: in how many attempts, and how many seconds from the first."""

    attempts: int
    seconds: float


def send(post: Post) -> Sent:
    """Post an event again and again until the answer is 2xx. raises: AssertionError, in the end."""
    begun, attempts = time.monotonic(), 0
    seen: object = None
    while time.monotonic() < begun + _GIVE_UP_SECONDS:
        attempts += 1
        try:
            answer = post()
            if answer.ok:
                return Sent(attempts, time.monotonic() - begun)
            seen = f"{answer.status_code} {answer.text}"
        except requests.RequestException as error:
            seen = error
        time.sleep(_PAUSE_SECONDS)
    raise AssertionError(f"given up after {attempts} attempts; the last answer: {seen}")


def send_all(posts: Iterable[Post], at_once: int) -> list[Sent]:
    """Send events side by side. raises: AssertionError for the first that is given up."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(send, posts))
