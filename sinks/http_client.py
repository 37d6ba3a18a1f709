"""The one HTTP client of the sinks: ask within a deadline, and say what should happen next.

It reads no environment and follows no redirects; retries are the broker's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sinks import __version__
from sinks.bearer import UnreadableToken, authorization_of
from sinks.deadline import Deadline
from sinks.errors import BadAnswer, DeadlineExceeded, SinkError, Unavailable
from sinks.http_message import AnswerTooLarge, HttpRequest, HttpResponse, UnreadableAnswer
from sinks.http_transport import Sends, Transport
from sinks.reasons import Stage
from sinks.tracing import Tracer

USER_AGENT: Final = f"knative-event-sinks/{__version__}"
_HEADERS: Final = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}


class HttpClient:
    """Requests to one kind of upstream, with that upstream's errors as the sinks' own.

    upstream:    the stage that errors name, such as predictor or eventgate.
    observe:     gets the seconds of every call.
    token_file:  who we are, shown with every call; None: nothing is shown.
    tracer:      gets a span of every call that is part of a trace; None: nobody does.
    """

    def __init__(
        self,
        upstream: Stage,
        transport: Transport,
        observe: Callable[[float], None] = lambda seconds: None,
        read_timeout_seconds: float | None = None,
        token_file: Path | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._upstream: Stage = upstream
        self._transport = transport
        self._observe = observe
        self._read_timeout_seconds = read_timeout_seconds
        self._token_file = token_file
        self._tracer = tracer

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        deadline: Deadline,
        *,
        share_seconds: float | None = None,
        sends: Sends | None = None,
    ) -> HttpResponse:
        """Return the answer to a POST, whatever its status.

        share_seconds:  how much of the time this call may take; the rest is for others.
        sends:          what became of the same request at others; counts this one's too.
        raises: Unavailable (503), BadAnswer (502), DeadlineExceeded (504).
        """
        return self._asked("POST", url, body, headers, deadline, share_seconds, sends)

    def get(self, url: str, headers: Mapping[str, str], deadline: Deadline) -> HttpResponse:
        """Return the answer to a GET, whatever its status. raises: what post raises."""
        return self._asked("GET", url, b"", headers, deadline)

    def close(self) -> None:
        """Close the connections that are idle."""
        self._transport.close()

    def _asked(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        deadline: Deadline,
        share_seconds: float | None = None,
        sends: Sends | None = None,
    ) -> HttpResponse:
        if self._tracer is None or "traceparent" not in headers:
            return self._exchanged(method, url, body, headers, deadline, share_seconds, sends)
        span = self._tracer.call(self._upstream, method, url, headers)
        status, fields = None, dict[str, str]()
        try:
            told = {**headers, **span.trace}
            response = self._exchanged(method, url, body, told, deadline, share_seconds, sends)
            status = response.status
            return response
        except SinkError as error:
            fields = {"reason": error.reason, "detail": error.detail}
            raise
        finally:
            span.end(status, fields)

    def _exchanged(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        deadline: Deadline,
        share_seconds: float | None,
        sends: Sends | None,
    ) -> HttpResponse:
        sent = {**_HEADERS, **headers, **self._authorization()}
        patience = deadline
        for limit in (self._read_timeout_seconds, share_seconds):
            if limit is not None:
                patience = patience.within(limit)
        begun = time.perf_counter()
        try:
            return self._transport.send(HttpRequest(method, url, sent, body), patience, sends)
        except TimeoutError as error:
            if deadline.remaining() <= 0:
                raise DeadlineExceeded(
                    "deadline", f"no time left while {error}", stage=self._upstream
                ) from error
            raise Unavailable("upstream_timeout", str(error), stage=self._upstream) from error
        except ConnectionError as error:
            raise Unavailable("upstream_unavailable", str(error), stage=self._upstream) from error
        except (AnswerTooLarge, UnreadableAnswer) as error:
            raise BadAnswer(
                "upstream_bad_answer", f"the answer cannot be read: {error}", stage=self._upstream
            ) from error
        finally:
            self._observe(time.perf_counter() - begun)

    def _authorization(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        try:
            if shown := authorization_of(self._token_file):
                return shown
            problem = "is not there"
        except UnreadableToken as error:
            problem = str(error)
        # Never without it: a refusal would be for good.
        raise Unavailable(
            "upstream_unavailable",
            f"the token for {self._upstream} {problem}: look at {self._token_file}",
            stage=self._upstream,
        )


def blame(upstream: Stage, error: SinkError, response: HttpResponse, text: str) -> SinkError:
    """Return the error, marked as what this upstream answered: for the log, and its Retry-After.

    text: what the upstream said; goes into the log only.
    """
    error.stage = upstream
    error.upstream_text = text
    error.retry_after = response.headers.get("retry-after")
    return error
