"""The outlink topic model: what its predictor is asked, and how its answer reads.

Source: machinelearning-liftwing-inference-services, src/models/outlink_topic_model/model_server.
"""

from __future__ import annotations

import re
from typing import Any

from sinks.page_change import PageChange
from sinks.prediction import Prediction, results
from sinks.wikis import WIKIPEDIA, Wiki

# MediaWiki's words for what its replica does not know yet, or any more.
UNKNOWN_REVISION = re.compile(
    r"(?s).*MediaWiki API error '(nosuchrevid|nosuchpageid|missingtitle)'"
)
_DECIDED_ABOVE = 0.5


def request(change: PageChange, wiki: Wiki) -> dict[str, Any]:
    """Return the body of the predict request: all topics of this revision's links.

    The server takes `threshold` only if it has a fraction part, and knows the Wikipedias by
    `wiki_id` but others, such as testwiki, only by the first label of their host.
    """
    named = {"wiki_id": wiki.wiki_id} if wiki.group == WIKIPEDIA else {"lang": wiki.host_label}
    return {
        "page_id": change.page.page_id,
        **named,
        "revision_id": change.revision.rev_id,
        "threshold": 0.0,
    }


def prediction(answer: Any, change: PageChange, model: str) -> Prediction:
    """Return the topics above 0.5, and the scores of all. The answer has no model version.

    raises: WrongShape.
    """
    scores = results(answer, "topic")
    labels = tuple(topic for topic, score in scores.items() if score > _DECIDED_ABOVE)
    return Prediction(model, None, labels, scores)
