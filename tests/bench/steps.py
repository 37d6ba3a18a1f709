"""CPU microseconds per event by step of a score-sink, in one process; prints them as JSON.

`python -m tests.bench.steps TEMPLATE`, with the sink's settings in the environment. Each call of
the functions below is timed without what it calls of the others, so that nothing is counted twice.
The predictor is a real one, over a socket; what a server does around all this is not in it.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gevent import monkey

# Step -> the functions that it is made of, each by the name through which it is called.
STEPS: Final[Mapping[str, Sequence[str]]] = {
    "read request": (
        "sinks.web:headers_of",
        "sinks.web:deadline_of",
        "sinks.web:expected_bytes",
        "sinks.web:body_of",
    ),
    "decode": ("sinks.score_sink:decode_event",),
    "validate, parse": ("sinks.inputs:parse",),
    "accept": ("sinks.inputs:unwanted", "sinks.model_row:unwanted"),
    "ask predictor": ("sinks.predictor:Predictor.predict",),
    "build": ("sinks.score_sink:score",),
    "encode, answer": ("sinks.web:answered",),
    "metrics": ("sinks.telemetry:Telemetry.count",),
}
# Routing, admission, and what leads from one step to the next.
REST: Final = "rest"
_WINDOWS: Final = 60
_EVENTS: Final = 100
_CALIBRATIONS: Final = 20_000


class Stopwatch:
    """Adds up the CPU seconds of functions, each without those of the others that it calls.

    called:           what `timed` has returned and somebody has called.
    inside, outside:  what the timing of a call takes, between its looks at the clock and around.
    """

    def __init__(self, inside: float = 0.0, outside: float = 0.0) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.called: set[Callable[..., Any]] = set()
        self._inside = inside
        self._outside = outside
        self._inner = [0.0]

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed."""

        def call(*arguments: Any, **named: Any) -> Any:
            self.called.add(call)
            self._inner.append(0.0)
            begun = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                whole = time.process_time() - begun
                self.seconds[step] += whole - self._inside - self._inner.pop()
                self._inner[-1] += whole + self._outside

        return call


def calibrated() -> Stopwatch:
    """Return one that knows what it takes itself."""
    watch = Stopwatch()
    nothing = watch.timed(REST, lambda: None)
    begun = time.process_time()
    for _ in range(_CALIBRATIONS):
        nothing()
    whole = (time.process_time() - begun) / _CALIBRATIONS
    inside = watch.seconds[REST] / _CALIBRATIONS
    return Stopwatch(inside, whole - inside)


def found(name: str) -> tuple[Any, str]:
    """Return what has the function as an attribute, and the attribute's name.

    raises: AttributeError if there is no such function any more.
    """
    module, _, path = name.partition(":")
    *owners, attribute = path.split(".")
    owner: Any = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    getattr(owner, attribute)
    return owner, attribute


def measured(
    app: Callable[..., Any],
    environ: Mapping[str, Any],
    body: bytes,
    steps: Mapping[str, Sequence[str]] = STEPS,
) -> dict[str, float]:
    """Return microseconds per event by step, each step's smallest window.

    raises: SystemExit if a function is never called: its step would look cheaper than it is.
    """
    watch = calibrated()
    timers: dict[str, Callable[..., Any]] = {}
    for step, names in steps.items():
        for name in names:
            owner, attribute = found(name)
            timers[name] = watch.timed(step, getattr(owner, attribute))
            setattr(owner, attribute, timers[name])
    whole = watch.timed(REST, app)
    windows: list[dict[str, float]] = []
    for _ in range(_WINDOWS):
        watch.seconds.clear()
        for _ in range(_EVENTS):
            whole({**environ, "wsgi.input": io.BytesIO(body)}, _checked)
        windows.append(dict(watch.seconds))
    if idle := [name for name, timer in timers.items() if timer not in watch.called]:
        raise SystemExit(f"never called: {', '.join(idle)}; name in STEPS what is called instead")
    return {
        step: max(0.0, min(each[step] for each in windows)) / _EVENTS * 1e6
        for step in (*steps, REST)
    }


def _checked(status: str, _: Sequence[tuple[str, str]]) -> None:
    if status != "200 OK":
        raise SystemExit(f"the sink answered {status} instead of a reply")


def _environ(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return what a server makes of such a request."""
    named = {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()}
    kind = named.pop("HTTP_CONTENT_TYPE")
    path = {"REQUEST_METHOD": "POST", "PATH_INFO": "/models/drafttopic", "QUERY_STRING": ""}
    return {**named, **path, "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body))}


def main() -> None:
    monkey.patch_all()  # as the worker does, before anything of the sinks is there
    from sinks.score_sink import create_app
    from tests.bench.events import sample

    headers, body = sample(Path(sys.argv[1]).read_bytes(), 1)
    app = create_app()
    gc.freeze()
    print(json.dumps(measured(app.wsgi_app, _environ(headers, body), body)))


if __name__ == "__main__":
    main()
