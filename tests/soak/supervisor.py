"""What is done to our own processes while events flow: kills, clock, tokens, a full disk."""

from __future__ import annotations

import secrets
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from tests.soak import schedule
from tests.soak.processes import Process
from tests.soak.scene import SINKS, Journal, Scene
from tests.soak.schedule import Strike

_OLD_TOKEN_SECONDS: Final = 22.0  # longer than any call that was begun with it
_FULL_SECONDS: Final = 3.0
_CLOCK_SECONDS: Final = 1.5  # libfaketime looks once a second


class Supervisor:
    """Strikes one thing after the other; `work` has to be called often."""

    def __init__(self, scene: Scene, sinks: Mapping[str, Process], disk: Path) -> None:
        self._scene = scene
        self._sinks = sinks
        self._ballast = disk / "ballast"
        self._journal = Journal(scene.path("supervisor.ndjson"))
        self._strikes: Iterator[Strike] = schedule.strikes(scene.seed, SINKS)
        self._next = next(self._strikes)
        self._due = time.monotonic() + self._next.after
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._tokens: list[str] = []
        self.counts: Counter[str] = Counter()
        self.write_clock("+0")
        self._new_token()

    def work(self) -> None:
        """Do what is due."""
        self._do_later()
        if time.monotonic() >= self._due:
            self._strike(self._next)
            self._next = next(self._strikes)
            self._due = time.monotonic() + self._next.after
        for name, sink in self._sinks.items():
            if sink.running.poll() is not None:
                self._note("broken", f"{name} ended by itself: see {sink.log}")
                sink.start()
                sink.wait_ready(self._do_later)

    def relent(self) -> None:
        """Undo what would keep the soak from its end."""
        self._ballast.unlink(missing_ok=True)

    def end(self) -> None:
        """Relent, and note what should have had an effect and had none."""
        self.relent()
        if self.counts["clock"] and not self.counts["clock seen"]:
            self._note("broken", "no jump of the clock has reached a sink: is libfaketime at work?")

    def write_clock(self, offset: str) -> None:
        self._replace("clock", offset)

    def _strike(self, strike: Strike) -> None:
        self.counts[strike.what] += 1
        self._journal.write({"t": time.time(), "what": strike.what, "target": strike.target})
        if strike.what == "clock":
            self.write_clock(strike.target)
            self._after(_CLOCK_SECONDS, lambda: self._look_at_clock(int(strike.target)))
        elif strike.what == "tokens":
            self._new_token()
        elif strike.what == "disk":
            self._fill()
            self._after(_FULL_SECONDS, lambda: self._ballast.unlink(missing_ok=True))
        else:
            self.counts[f"kills of {strike.target}"] += 1
            self._kill(strike.what, self._sinks[strike.target])

    def _kill(self, what: str, sink: Process) -> None:
        if what == "kill_worker":
            sink.kill_worker()
        else:
            sink.kill()
            sink.start()
        sink.wait_ready(self._do_later)  # the disk, say, does not stay full meanwhile

    def _do_later(self) -> None:
        now = time.monotonic()
        for due, act in [each for each in self._later if each[0] <= now]:
            self._later.remove((due, act))
            act()

    def _look_at_clock(self, offset: int) -> None:
        date = self._sinks["score-sink"].date()
        if date is not None:
            ahead = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
            self.counts["clock seen"] += offset != 0 and abs(ahead - offset) < 10

    def _new_token(self) -> None:
        """Both are valid for a while; then the old one is not."""
        token = secrets.token_hex(16)
        self._tokens.append(token)
        self._write_tokens()
        self._after(1.0, lambda: self._replace("token", token))
        if len(self._tokens) == 1:
            self._replace("token", token)
        else:
            self._after(_OLD_TOKEN_SECONDS, self._drop_token)

    def _drop_token(self) -> None:
        old = self._tokens.pop(0)
        self._write_tokens()
        request = urllib.request.Request(  # noqa: S310
            f"{self._sinks['http-shim'].url}/events", b"{}", {"Authorization": f"Bearer {old}"}
        )
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5)
            status = 200
        except urllib.error.HTTPError as error:
            status = error.code
        except OSError:
            return  # just being killed
        self.counts["old tokens refused"] += status == 401
        if status not in (401, 503):
            self._note("broken", f"a token that was taken away got {status}, not 401")

    def _write_tokens(self) -> None:
        lines = [f"client-{number}={token}" for number, token in enumerate(self._tokens)]
        self._replace("tokens", "\n".join(lines) + "\n")

    def _fill(self) -> None:
        """Leave not a byte on the dead letters' disk."""
        block = b"\0" * 2**20
        with self._ballast.open("wb", buffering=0) as file:
            while block:
                try:
                    file.write(block)
                except OSError:
                    block = block[: len(block) // 2]

    def _replace(self, name: str, text: str) -> None:
        new = self._scene.path(f"{name}.new")
        new.write_text(text)
        new.replace(self._scene.path(name))

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, act))

    def _note(self, kind: str, text: str) -> None:
        self._journal.write({"t": time.time(), "what": kind, "k": kind, "text": text})
