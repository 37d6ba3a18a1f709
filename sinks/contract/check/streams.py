"""The streams that we know, and the schema that each is for.

Source: wikimedia/operations-mediawiki-config, wmf-config/ext-EventStreamConfig.php.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sinks import page_change, revision_create, revision_score
from sinks.inputs import PRIVATE_STREAM
from sinks.models import ROWS

KNOWN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mediawiki.page_change.v1": page_change.TITLE,
        PRIVATE_STREAM: page_change.TITLE,
        "mediawiki.revision-create": revision_create.TITLE,
        **{row.stream: row.output.title for row in ROWS},
        **{row.test_stream: row.output.title for row in ROWS},
        "mediawiki.revision-score": revision_score.OUTPUT.title,
        "eventgate-main.test.event": "test/event",
    }
)


def streams_of(title: str) -> list[str]:
    """Return the names of the streams that are for this schema."""
    return [stream for stream, known in KNOWN.items() if known == title]
