"""The words for what became of an event: the same in answers, log lines, metrics and docs."""

from __future__ import annotations

from typing import Literal

Outcome = Literal["replied", "relayed", "ignored", "rejected", "deferred"]

# Of a permanent error.
RejectedReason = Literal[
    "body_too_large",
    "client_disconnected",
    "deliveries_rejected",
    "forbidden",
    "invalid_document",
    "invalid_event",
    "invalid_id",
    "invalid_query",
    "invalid_reply",
    "invalid_time",
    "malformed_data",
    "malformed_event",
    "method_not_allowed",
    "no_event",
    "predictor_misconfigured",
    "rejected_by_broker",
    "rejected_by_eventgate",
    "rejected_by_subscriber",
    "stream_mismatch",
    "stream_not_allowed",
    "too_many_hops",
    "unauthenticated",
    "unknown_isvc",
    "unknown_letter",
    "unknown_row",
    "unknown_trigger",
    "unscorable_revision",
    "unsupported_media_type",
    "unsupported_schema",
    "wiki_mismatch",
]
# Of a temporary error. Two are of both: what a predictor answers decides about the one, and
# changeprop is never told that a missing Trigger is final.
DeferredReason = Literal[
    "broker_failed",
    "bug",
    "deadletter_sink_failed",
    "deadline",
    "deliveries_deferred",
    "eventgate_failed",
    "issuer_unavailable",
    "no_such_path",
    "overloaded",
    "predictor_failed",
    "predictor_misconfigured",
    "revision_not_yet_known",
    "storage_failed",
    "subscriber_failed",
    "unknown_destination",
    "unknown_trigger",
    "upstream_bad_answer",
    "upstream_timeout",
    "upstream_unavailable",
]
# Of an acknowledged event that needed no call.
RelayedReason = Literal["already_relayed",]
# Of an acknowledged event that nothing follows.
IgnoredReason = Literal[
    "canary",
    "hidden_content",
    "model_name",
    "namespace",
    "no_trigger",
    "page_change_kind",
    "predictor_cannot",
    "private_stream",
    "redirect",
    "too_old",
    "wiki_not_deployed",
    "wiki_not_supported",
]
# Every reason that an answer, a log line or a metric can carry.
Reason = Literal[RejectedReason, DeferredReason, RelayedReason, IgnoredReason]

Stage = Literal[
    "receiving",
    "processing",
    "predictor",
    "eventgate",
    "subscriber",
    "http-shim",
    "broker",
    "issuer",
    "deadletter-sink",
    "console",
    "storage",
    "collector",
]
