"""The article-country model: what its predictor is asked, and how its answer reads.

Source: machinelearning-liftwing-inference-services, src/models/article_country/model_server.
"""

from __future__ import annotations

from typing import Any

from sinks.page_change import PageChange
from sinks.prediction import Prediction, results, version_of
from sinks.wikis import Wiki


def request(change: PageChange, wiki: Wiki) -> dict[str, Any]:
    """Return the body of the predict request, which is about the page as it is now.

    The server makes a host name of `lang`, so it is the domain's label and not the language.
    """
    return {"lang": wiki.host_label, "title": change.page.page_title}


def prediction(answer: Any, change: PageChange, model: str) -> Prediction:
    """Return the countries in the answer's order; there may be none.

    raises: WrongShape, also for a score a little over 1: no search tag could carry it.
    """
    scores = results(answer, "country", rounding=0)
    return Prediction(model, version_of(answer, model), tuple(scores), scores)
