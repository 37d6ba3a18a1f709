"""Sample predictors: one KServe model for every family, and what each family answers.

A family is a function of isvc name and request; its module's table says which revision ids (or
titles) give which error. KServe itself makes every error body.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import kserve

from sinks.local.samples import (
    article_country,
    outlink,
    ranges,
    revertrisk,
    revise_tone,
    revscoring,
)
from sinks.model_row import Family

Answer = Callable[[str, Mapping[str, Any]], dict[str, Any]]

FAMILIES: Final[Mapping[Family, Answer]] = {
    "revscoring": revscoring.answer,
    "outlink": outlink.answer,
    "revertrisk": revertrisk.answer,
    "article-country": article_country.answer,
    "revise-tone": revise_tone.answer,
}


class SampleModel(kserve.Model):  # type: ignore[misc]
    """One InferenceService that answers as Lift Wing's of the same family do."""

    def __init__(self, isvc: str, answer: Answer) -> None:
        super().__init__(isvc)
        self._answer = answer

    async def predict(self, payload: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Return the family's answer, in time or late; raises what the family raises."""
        request = members(payload)
        answer = self._answer(self.name, request)
        await asyncio.sleep(delay_seconds(request))
        return answer


def members(payload: Any) -> Mapping[str, Any]:
    """Return the request's members; none if it is no JSON object."""
    if isinstance(payload, bytes):  # Content-Type was not exactly application/json
        with suppress(ValueError):
            payload = json.loads(payload)
    return payload if isinstance(payload, dict) else {}


def delay_seconds(request: Mapping[str, Any]) -> float:
    """Return how long the answer takes, by whichever member the family goes by."""
    rev_id = request.get("rev_id", request.get("revision_id"))
    return ranges.delay_seconds(rev_id) or article_country.delay_seconds(request.get("title"))
