"""The smallest valid thing of each kind, with keyword overrides."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
PAGE_CHANGE_TYPE = "org.wikimedia.mediawiki.page.change.v1"
SCORE_TYPE = "org.wikimedia.mediawiki.revision.score.v3"
PREDICTION_TYPE = "org.wikimedia.mediawiki.page.prediction_classification_change.v1"
TAGS_TYPE = "org.wikimedia.mediawiki.cirrussearch.page_weighted_tags_change.v1"


def page_change(**over: Any) -> dict[str, Any]:
    """A /mediawiki/page/change/1.2.0 edit on enwiki; a value of None removes the member."""
    document = {
        "$schema": "/mediawiki/page/change/1.2.0",
        "meta": {
            "stream": "mediawiki.page_change.v1",
            "id": "b0a9f5b2-6a1f-4b43-9a63-1f0b3b3c7d11",
            "domain": "en.wikipedia.org",
        },
        "changelog_kind": "update",
        "page_change_kind": "edit",
        "dt": "2026-09-23T10:00:00Z",
        "wiki_id": "enwiki",
        "page": {
            "page_id": 123,
            "page_title": "Example",
            "namespace_id": 0,
            "is_redirect": False,
        },
        "revision": {"rev_id": 1300200300, "rev_dt": "2026-09-23T10:00:00Z"},
    }
    return merged(document, over)


def revision_create(**over: Any) -> dict[str, Any]:
    """A /mediawiki/revision/create/2.0.0 document on enwiki."""
    document = {
        "$schema": "/mediawiki/revision/create/2.0.0",
        "meta": {"stream": "mediawiki.revision-create", "id": "create-1"},
        "dt": "2026-09-23T10:00:00Z",
        "database": "enwiki",
        "page_id": 123,
        "page_title": "Example",
        "page_namespace": 0,
        "page_is_redirect": False,
        "rev_id": 1300200300,
        "rev_timestamp": "2026-09-23T10:00:00Z",
    }
    return merged(document, over)


def revision_score(**over: Any) -> dict[str, Any]:
    """A /mediawiki/revision/score/3.0.0 document of drafttopic."""
    document = {
        "$schema": "/mediawiki/revision/score/3.0.0",
        "meta": {
            "stream": "mediawiki.revision_score_drafttopic",
            "id": "5b3c1d2e-7f60-5a11-9c8d-001122334455",
        },
        "dt": "2026-09-23T10:00:00Z",
        "database": "enwiki",
        "page_id": 123,
        "page_title": "Example",
        "rev_id": 1300200300,
        "scores": {
            "drafttopic": {
                "model_name": "drafttopic",
                "model_version": "1.3.0",
                "prediction": ["STEM.STEM*"],
                "probability": {"STEM.STEM*": 0.9, "Culture.Sports": 0.1},
            }
        },
    }
    return merged(document, over)


def prediction_classification(**over: Any) -> dict[str, Any]:
    """A /mediawiki/page/prediction_classification_change/1.3.0 document of article-country."""
    document = page_change(
        **{"$schema": "/mediawiki/page/prediction_classification_change/1.3.0"},
        meta={
            "stream": "mediawiki.article_country_prediction_change.v1",
            "id": "8d0f2a14-94be-5c1b-8a37-44a1c0de9b02",
        },
        predicted_classification={
            "model_name": "article-country",
            "model_version": "1",
            "predictions": ["Kenya", "Mali"],
            "probabilities": {"Kenya": 0.75, "Mali": 0.5},
        },
    )
    return merged(document, over)


def weighted_tags(**over: Any) -> dict[str, Any]:
    """A /mediawiki/cirrussearch/page_weighted_tags_change/1.0.0 document with one tag."""
    document = {
        "$schema": "/mediawiki/cirrussearch/page_weighted_tags_change/1.0.0",
        "meta": {
            "stream": "mediawiki.cirrussearch.page_weighted_tags_change.v1",
            "id": "f1a6c7d3-20b4-5e2f-b6a9-7c1d5e8f9a01",
        },
        "dt": "2026-09-23T10:00:00Z",
        "wiki_id": "enwiki",
        "page": {"page_id": 123, "page_title": "Example", "namespace_id": 0},
        "weighted_tags": {
            "set": {"classification.prediction.articlecountry": [{"tag": "Kenya", "score": 0.75}]}
        },
    }
    return merged(document, over)


def drafttopic_answer(rev_id: int = 1300200300, wiki: str = "enwiki") -> dict[str, Any]:
    """What a drafttopic predictor answers."""
    probability = {"STEM.STEM*": 0.9, "Culture.Sports": 0.1}
    score = {"prediction": ["STEM.STEM*"], "probability": probability}
    return {
        wiki: {
            "models": {"drafttopic": {"version": "1.3.0"}},
            "scores": {str(rev_id): {"drafttopic": {"score": score}}},
        }
    }


def outlink_answer(*results: tuple[str, float], page_id: int = 123) -> dict[str, Any]:
    """What the outlink predictor answers with these topics and scores; without any: two."""
    found = results or (("STEM.STEM*", 0.9), ("Culture.Sports", 0.1))
    return {
        "prediction": {
            "article": f"https://en.wikipedia.org/wiki?curid={page_id}",
            "results": [{"topic": topic, "score": score} for topic, score in found],
        }
    }


def article_country_answer(*results: tuple[str, float]) -> dict[str, Any]:
    """What the article-country predictor answers with these countries and scores."""
    return {
        "model_name": "article-country",
        "model_version": "1",
        "prediction": {
            "article": "https://en.wikipedia.org/wiki/Example",
            "wikidata_item": None,
            "results": [{"country": name, "score": score, "source": {}} for name, score in results],
        },
    }


def revertrisk_answer(model: str, **over: Any) -> dict[str, Any]:
    """What a revert-risk predictor answers about the factories' revision."""
    answer = {
        "model_name": model,
        "model_version": "3",
        "wiki_db": "enwiki",
        "revision_id": 1300200300,
        "output": {"prediction": False, "probabilities": {"true": 0.25, "false": 0.75}},
    }
    return merged(answer, over)


def revise_tone_answer(*scores: float, **over: Any) -> dict[str, Any]:
    """What the revise-tone predictor answers, a paragraph for each score."""
    answer = {
        "page_id": 123,
        "page_title": "Example",
        "wiki_id": "enwiki",
        "revision_id": 1300200300,
        "lang": "en",
        "predictions": [
            {"paragraph_index": index, "section_name": "Career", "text": "Best.", "score": score}
            for index, score in enumerate(scores)
        ],
    }
    return merged(answer, over)


def binary(data: Any, **attributes: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of a binary-mode CloudEvent."""
    known = {"id": "event-1", "source": "/mediawiki/enwiki", "type": PAGE_CHANGE_TYPE}
    named = {"specversion": "1.0", **known, **attributes}
    headers = {f"ce-{name}": value for name, value in named.items()}
    return {**headers, "Content-Type": "application/json"}, json.dumps(data).encode()


def structured(data: Any, **attributes: Any) -> tuple[dict[str, str], bytes]:
    """Headers and body of a structured-mode CloudEvent."""
    known = {"id": "event-1", "source": "/mediawiki/enwiki", "type": PAGE_CHANGE_TYPE}
    envelope = {"specversion": "1.0", **known, **attributes, "data": data}
    return {"Content-Type": "application/cloudevents+json"}, json.dumps(envelope).encode()


def merged(document: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return the document with members replaced, merged (objects) or removed (None)."""
    result = copy.deepcopy(document)
    for name, value in over.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        else:
            result[name] = value
    return result
