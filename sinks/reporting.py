"""Telling the console that `CONSOLE_URL` names, beside the deliveries: never in their way.

Reports wait in a bounded queue for one thread that posts them. Whatever the console does, a
delivery neither waits for it nor fails with it: the oldest reports are dropped, and counted.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sinks import log
from sinks.cloudevent import Event, Message
from sinks.deadline import Deadline
from sinks.errors import SinkError, let_go
from sinks.http_client import HttpClient
from sinks.routed_report import report_of
from sinks.routing import Route

MOST_REPORTS: Final = 1000
MOST_BYTES: Final = 16 * 2**20
POST_SECONDS: Final = 2.0
_TOO_LARGE: Final = 413


class Reporting:
    """Posts reports of routed events; a thread (under gevent a greenlet) of its own does it.

    rows:     Trigger -> the row that it delivers to.
    dropped:  counts reports that no console has got.
    """

    def __init__(
        self,
        http: HttpClient,
        url: str,
        rows: Mapping[str, str],
        dropped: Callable[[], None],
        post_seconds: float = POST_SECONDS,
    ) -> None:
        self._http = http
        self._url = url
        self._rows = rows
        self._dropped = dropped
        self._post_seconds = post_seconds
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._arrived = threading.Condition()
        self._reached = True
        threading.Thread(target=self._post_all, name="console", daemon=True).start()

    def tell(self, event: Event, routes: Sequence[Route]) -> None:
        """Let the console know in its own time; raises nothing."""
        try:
            report = report_of(event, routes, self._rows)
        except (SinkError, ValueError):
            self._dropped()
            return
        with self._arrived:
            self._waiting.append(report)
            self._bytes += len(report.body)
            while len(self._waiting) > MOST_REPORTS or self._bytes > MOST_BYTES:
                self._bytes -= len(self._waiting.popleft().body)
                self._dropped()
            self._arrived.notify()

    def _post_all(self) -> None:
        while True:
            with self._arrived:
                while not self._waiting:
                    self._arrived.wait()
                report = self._waiting.popleft()
                self._bytes -= len(report.body)
            self._told(self._post(report))

    def _post(self, report: Message) -> str:
        """Return what went wrong, empty if the console has the report."""
        try:
            deadline = Deadline.after(self._post_seconds)
            status = self._http.post(self._url, report.body, report.headers, deadline).status
        except SinkError as error:
            let_go(error)
            return error.detail
        except Exception as raised:  # nobody would start the thread again
            log.write(logging.ERROR, "bug", {"sink": "http-shim", "stage": "console"}, raised)
            return f"an error of ours ({type(raised).__name__})"
        if status == _TOO_LARGE:  # for this one alone: it is not lost
            self._dropped()
            return ""
        return "" if 200 <= status < 300 else f"it answered {status}"

    def _told(self, problem: str) -> None:
        """One line when the console is lost and one when it is back, however many reports."""
        if problem:
            self._dropped()
        if bool(problem) == self._reached:
            self._reached = not problem
            fields = {"sink": "http-shim", "stage": "console", "detail": problem}
            word = "lost" if problem else "found again"
            log.write(logging.WARNING, f"console {word}", fields)
