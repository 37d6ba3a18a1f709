"""One JSON log line where something happened; standard library only, so the server can load it.

Levels: replied, relayed and ignored are DEBUG; rejected and deferred WARNING; what somebody has to
repair in the deployment, and our own bugs, ERROR. Never the body of an event.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

LOGGER: Final = logging.getLogger("sinks")
# Every field that a line may carry besides time, level, logger and message.
FIELDS: Final = frozenset(
    {
        "sink",
        "outcome",
        "reason",
        "stage",
        "detail",
        "status",
        "ce_id",
        "ce_type",
        "ce_source",
        "wiki_id",
        "rev_id",
        "model_name",
        "client",
        "trigger",
        "duration_seconds",
        "trace_id",
        "path",
        "upstream_text",
        "settings",
    }
)
_MAX_TEXT: Final = 256


def configure(level: str) -> None:
    """Let all lines go to standard error as JSON, unless somebody has said where they go.

    gunicorn.conf.py says so; granian says it of its own lines only.

    level:  of our own lines; those of libraries count from WARNING on, as in gunicorn.conf.py.
    """
    if LOGGER.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    # The root: a library that is the first to log would give it a handler of plain text, which
    # would write our lines again.
    logging.getLogger().addHandler(handler)
    LOGGER.setLevel(level)


def write(
    level: int, message: str, fields: Mapping[str, Any], bug: Exception | None = None
) -> None:
    """Write one line; `bug` adds the traceback of an exception.

    raises: ValueError for a field that is not declared.
    """
    if not LOGGER.isEnabledFor(level):
        return
    if undeclared := fields.keys() - FIELDS:
        raise ValueError(f"undeclared log fields: {', '.join(sorted(undeclared))}")
    LOGGER.log(level, message, extra={"fields": fields}, exc_info=bug)


class JsonFormatter(logging.Formatter):
    """Formats our own records and everybody else's as one JSON object a line, ASCII only."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in getattr(record, "fields", {}).items():
            if value not in (None, ""):
                line[name] = value[:_MAX_TEXT] if isinstance(value, str) else value
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
