"""What can go wrong with one event, and what the sender should do about it.

The class alone decides between *rejected* (permanent: the sender dead-letters) and *deferred*
(temporary: the sender repeats). Knative retries 404, 408, 409, 429 and every 5xx, so permanent
errors use none of these (knative/specs, specs/eventing/data-plane.md).
"""

from __future__ import annotations

import re
import traceback

import orjson

from sinks.reasons import DeferredReason, Outcome, Reason, RejectedReason, Stage

# Knative's Go dispatcher crashes when the body of an error answer is longer.
MAX_ERROR_BODY_BYTES = 768
RETRIED_4XX = (404, 408, 409, 429)  # by both of Knative's brokers; all others are final
MAX_DETAIL_CHARS = 420  # leaves room for an id of 128 characters, each escaped
_SAFE_ID = re.compile(r"[!#$&-~]{1,128}")  # printable ASCII without space, `"` and `%`


class SinkError(Exception):
    """Why an event was not handled. Concrete classes fix `status` and `outcome`.

    reason:  a declared slug; the same in the answer, the log line and the metric.
    detail:  one line for people: what is wrong and what would be right. Never page text.

    upstream_text goes into the log only; retry_after is an upstream's own Retry-After, passed on.
    """

    status = 500
    outcome: Outcome = "deferred"
    stage: Stage = "receiving"

    def __init__(self, reason: Reason, detail: str, *, stage: Stage | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail
        self.upstream_text = ""
        self.retry_after: str | None = None
        if stage is not None:
            self.stage = stage


class PermanentError(SinkError):
    """The same event would fail again: 400, 401, 403, 405, 413, 415 or 422."""

    outcome: Outcome = "rejected"
    reason: RejectedReason

    def __init__(self, reason: RejectedReason, detail: str, *, stage: Stage | None = None) -> None:
        super().__init__(reason, detail, stage=stage)


class TemporaryError(SinkError):
    """Worth repeating: 404, 500, 502, 503 or 504."""

    reason: DeferredReason

    def __init__(self, reason: DeferredReason, detail: str, *, stage: Stage | None = None) -> None:
        super().__init__(reason, detail, stage=stage)


class MalformedEvent(PermanentError):
    """Not a CloudEvent, or not JSON."""

    status = 400


class Unauthenticated(PermanentError):
    """The caller did not show a known token."""

    status = 401


class Forbidden(PermanentError):
    """The caller is known, but may not call here."""

    status = 403


class WrongMethod(PermanentError):
    """Events are POSTed."""

    status = 405


class BodyTooLarge(PermanentError):
    """The body is over `MAX_BODY_BYTES`, or over what the predictor takes."""

    status = 413


class UnsupportedMediaType(PermanentError):
    """The content type is one that a sink cannot read."""

    status = 415


class InvalidEvent(PermanentError):
    """A CloudEvent whose data cannot be handled, now or later."""

    status = 422


class Rejected(PermanentError):
    """Another party refused this event for good."""

    status = 422


class Bug(TemporaryError):
    """An exception nobody foresaw: repeated, because a bug of ours must never look permanent."""

    stage: Stage = "processing"


class NoSuchPath(TemporaryError):
    """A wrong path is a mistake in the deployment, so Knative's retry of 404 is welcome."""

    status = 404


class BadAnswer(TemporaryError):
    """An upstream answered something that cannot be understood."""

    status = 502


class Unavailable(TemporaryError):
    """An upstream, or this process, cannot take the event now."""

    status = 503


class DeadlineExceeded(TemporaryError):
    """Our own deadline for the event is used up."""

    status = 504


def let_go(error: BaseException | None) -> None:
    """Free what the functions that have failed held: an error, its traceback and the body would
    keep each other until the garbage collector comes, and bodies of many events take all memory."""
    errors = [error]
    seen = set()
    for each in errors:
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            traceback.clear_frames(each.__traceback__)
            each.__traceback__ = None
            errors += [each.__cause__, each.__context__]


def safe_id(value: object) -> str | None:
    """Return `value` if it may stand in headers and errors: 1-128 printable ASCII characters
    without space, `"` and `%`; else None."""
    return value if isinstance(value, str) and _SAFE_ID.fullmatch(value) else None


def error_document(error: SinkError, ce_id: object) -> bytes:
    """Return the one-line JSON body `{"reason", "detail", "ce_id"}`, at most 768 bytes."""
    detail = error.detail.encode("ascii", "replace").decode()[:MAX_DETAIL_CHARS]
    printable = "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in detail)
    return orjson.dumps({"reason": error.reason, "detail": printable, "ce_id": safe_id(ce_id)})
