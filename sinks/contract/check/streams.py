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

_CLASSIFICATION = "mediawiki/page/prediction_classification_change"
_TAGS = "mediawiki/cirrussearch/page_weighted_tags_change"

KNOWN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mediawiki.page_change.v1": page_change.TITLE,
        PRIVATE_STREAM: page_change.TITLE,
        "mediawiki.revision-create": revision_create.TITLE,
        **{row.stream: revision_score.TITLE for row in ROWS},
        **{row.test_stream: revision_score.TITLE for row in ROWS},
        "mediawiki.revision-score": revision_score.TITLE,
        "mediawiki.page_outlink_topic_prediction_change.v1": _CLASSIFICATION,
        "mediawiki.article_country_prediction_change.v1": _CLASSIFICATION,
        "mediawiki.page_revert_risk_prediction_change.v1": _CLASSIFICATION,
        "mediawiki.page_revert_risk_multilingual_prediction_change.v1": _CLASSIFICATION,
        "mediawiki.page_revert_risk_wikidata_prediction_change.v1": _CLASSIFICATION,
        "mediawiki.page_prediction_change.rc0": _CLASSIFICATION,
        "mediawiki.cirrussearch.page_weighted_tags_change.v1": _TAGS,
        "eventgate-main.test.event": "test/event",
    }
)


def streams_of(title: str) -> list[str]:
    """Return the names of the streams that are for this schema."""
    return [stream for stream, known in KNOWN.items() if known == title]
