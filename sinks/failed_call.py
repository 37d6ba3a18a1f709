"""What is done about a call of an API, or of a page, that fails: the same whichever sink has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sinks.delivery_log import log_failure
from sinks.errors import SinkError, let_go
from sinks.http_message import HttpResponse
from sinks.responses import bug, failed
from sinks.telemetry import Telemetry


def failed_call(raised: Exception, known: Mapping[str, Any], telemetry: Telemetry) -> HttpResponse:
    """Return the answer to a call of an API that raised; it is logged and counted, but no event.

    known: more fields for the log line.
    """
    error = raised if isinstance(raised, SinkError) else bug(raised)
    telemetry.failed(error)
    log_failure(error, known, raised if error is not raised else None)
    let_go(raised)
    return failed(error, None)
