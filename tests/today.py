"""What a model server of today publishes about a change: its own emission, with its defects.

Written from descriptions of that code and of its outputs, never from ours, so that both can be held
against each other. The ids are those of the list of known defects.
Source: wikimedia/machinelearning-liftwing-inference-services, python/events.py,
python/preprocess_utils.py and the model servers under src/models and revscoring_model.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

_USER: Final = (
    "edit_count groups is_bot is_system is_temp registration_dt user_central_id user_id user_text"
    " wiki_id"
).split()
_PAGE: Final = "page_id page_title is_redirect namespace_id namespace_is_content".split()
_REVISION: Final = (
    "rev_id rev_dt comment is_comment_visible is_content_visible is_editor_visible is_minor_edit"
    " rev_parent_id rev_sha1 rev_size"
).split()
_TAGS_STREAM: Final = "mediawiki.cirrussearch.page_weighted_tags_change.v1"
_SCORES: Final = ("drafttopic", "goodfaith")
_PREDICTION_STREAMS: Final = {
    "outlink-topic-model": "mediawiki.page_outlink_topic_prediction_change.v1",
    "article-country": "mediawiki.article_country_prediction_change.v1",
    "revertrisk-language-agnostic": "mediawiki.page_revert_risk_prediction_change.v1",
    "revertrisk-multilingual": "mediawiki.page_revert_risk_multilingual_prediction_change.v1",
    "revertrisk-wikidata": "mediawiki.page_revert_risk_wikidata_prediction_change.v1",
}
# Database names without their `wiki`, which are no language of revert risk; of these only `als` is
# the label of a host. D1
_NO_LANGUAGE: Final = (
    "als bat_smg be_x_old cbk_zam fiu_vro map_bms nds_nl roa_rup roa_tara zh_classical zh_min_nan"
    " zh_yue"
).split()
_TONE_LANGUAGES: Final = "en es fr ar pt ru ja nl zh de test".split()


@dataclass(frozen=True)
class Served:
    """How the server answers changeprop, and what EventGate has got from it by then."""

    status: int
    published: list[Json]


class Refused(Exception):
    """The server answers 400 or 422."""


def serve(model: str, event: Mapping[str, Any], answer: Any, staging: bool = False) -> Served:
    """Return what the server of a model does with changeprop's request.

    answer:   what the same server answers to a plain request about the revision.
    staging:  whether it is staging's.
    """
    published: list[Json] = []
    try:
        _serve(model, event, answer, staging, published.append)
    except Refused:
        return Served(400, published)
    except (KeyError, RuntimeError, AttributeError):  # 500: nobody repeats that
        return Served(500, published)
    return Served(200, published)


def _serve(
    model: str,
    event: Mapping[str, Any],
    answer: Any,
    staging: bool,
    publish: Callable[[Json], None],
) -> None:
    if event["revision"].get("is_content_visible") is False and model != "article-country":
        raise Refused("the revision cannot be read")  # it is asked for all the same, D8
    if model in _SCORES:
        score = answer[event["wiki_id"]]["scores"][str(event["revision"]["rev_id"])][model]["score"]
        version = answer[event["wiki_id"]]["models"][model]["version"]
        publish(_score(model, event, score, version, staging))
        return
    language = _language(event) if model != "revertrisk-wikidata" else ""
    if model == "revise-tone-task-generator":
        if language not in _TONE_LANGUAGES:
            raise Refused("Unsupported lang.")
        publish(_tags("recommendation.tone", event, _tone(answer)))
        return
    if model.startswith("revertrisk"):
        if language in _NO_LANGUAGE:
            raise Refused("no such language")
        if not event["revision"].get("rev_parent_id"):
            raise Refused("parent_revision_missing")  # D6
    elif language in _NO_LANGUAGE and language != "als":
        raise RuntimeError("there is no such host")
    predicted = _predicted(model, answer)
    if predicted is None:
        return  # A7
    publish(_prediction(model, event, predicted, staging))
    if model == "article-country":
        tags = [{"tag": name, "score": s} for name, s in predicted["probabilities"].items()]
        publish(_tags("classification.prediction.articlecountry", event, tags))


def _language(event: Mapping[str, Any]) -> str:
    """D1: derived from the name of the database; D4: whatever has the word in it is a Wikipedia."""
    if "wikipedia" not in event["meta"]["domain"]:
        raise Refused("not a Wikipedia")
    match = re.search(r"(\w+)wiki", event["wiki_id"])
    return match.group(1)  # type: ignore[union-attr]  # D2: it crashes without a match


def _predicted(model: str, answer: Any) -> Json | None:
    """The member predicted_classification."""
    if model == "outlink-topic-model":
        results = answer["prediction"]["results"]
        return {
            "model_name": model,
            "model_version": "alloutlinks_202209",
            "predictions": [each["topic"] for each in results if each["score"] > 0.5],
            "probabilities": {each["topic"]: each["score"] for each in results},
        }
    named = {"model_name": answer["model_name"], "model_version": answer["model_version"]}
    if model == "article-country":
        results = answer["prediction"]["results"]
        scores = {each["country"]: each["score"] for each in results}
        return {**named, "predictions": list(scores), "probabilities": scores} if results else None
    output = answer["output"]
    said = "true" if output["prediction"] else "false"
    return {**named, "predictions": [said], "probabilities": output["probabilities"]}


def _tone(answer: Any) -> list[Json]:
    scores = [each["score"] for each in answer["predictions"]]
    return [{"tag": "exists", "score": max(scores)}] if scores else []


def _meta(event: Mapping[str, Any], stream: str) -> Json:
    """A6: the id is another one at each attempt."""
    kept = {name: event["meta"][name] for name in ("request_id", "domain", "uri")}
    return {"stream": stream, "id": str(uuid.uuid4()), **kept}


def _score(model: str, event: Mapping[str, Any], score: Any, version: str, staging: bool) -> Json:
    page, revision = event["page"], event["revision"]
    if not {"namespace_id", "is_redirect"} <= page.keys():
        raise RuntimeError("the event lacks what the score needs")  # B6
    # A3: no rev_parent_id. A4: three members of performer. B2, B3: they have to be there.
    performer = {
        "user_text": event["performer"]["user_text"],
        "user_groups": event["performer"]["groups"],
        "user_is_bot": event["performer"]["is_bot"],
    }
    decided = score["prediction"]
    label = str(decided).lower() if isinstance(decided, bool) else decided
    stream = f"mediawiki.revision_score_{model}"
    return {
        "$schema": "/mediawiki/revision/score/3.0.0",
        "meta": _meta(event, "mediawiki.revision-score-test" if staging else stream),
        "dt": event["dt"],
        "database": event["wiki_id"],
        "page_id": page["page_id"],
        "page_title": page["page_title"],
        "page_namespace": page["namespace_id"],
        "page_is_redirect": page["is_redirect"],
        "rev_id": revision["rev_id"],
        "rev_timestamp": revision["rev_dt"],
        "performer": performer,
        "scores": {
            model: {
                "model_name": model,
                "model_version": version,
                "prediction": label if isinstance(label, list) else [label],
                "probability": score["probability"],
            }
        },
    }


def _prediction(model: str, event: Mapping[str, Any], predicted: Json, staging: bool) -> Json:
    stream = "mediawiki.page_prediction_change.rc0" if staging else _PREDICTION_STREAMS[model]
    made = {
        "$schema": "/mediawiki/page/prediction_classification_change/1.3.0",
        "meta": _meta(event, stream),
        **_of(event, ("changelog_kind", "page_change_kind", "dt", "wiki_id", "comment")),
        "page": _page(event["page"]),
        "revision": _revision(event["revision"]),
        "predicted_classification": predicted,
    }
    if "performer" in event:
        made["performer"] = _of(event["performer"], _USER)
    if "prior_state" in event:
        made["prior_state"] = _prior(event["prior_state"])
    if "created_redirect_page" in event:
        made["created_redirect_page"] = _page(event["created_redirect_page"])
    return made


def _prior(prior: Mapping[str, Any]) -> Json:
    made: Json = {}
    if "page" in prior:
        # B1: both are indexed, and only what has changed is there.
        needed = {name: prior["page"][name] for name in ("page_id", "page_title")}
        made["page"] = {**_page(prior["page"]), **needed}
    if "revision" in prior:
        needed = {name: prior["revision"][name] for name in ("rev_id", "rev_dt")}  # B4
        made["revision"] = {**_revision(prior["revision"]), **needed}
    return made


def _tags(prefix: str, event: Mapping[str, Any], tags: list[Json]) -> Json:
    """D9: the stream is production's, in staging too. B7: the namespace has to be there."""
    page = {name: event["page"][name] for name in ("page_id", "page_title", "namespace_id")}
    return {
        "$schema": "/mediawiki/cirrussearch/page_weighted_tags_change/1.0.0",
        "meta": _meta(event, _TAGS_STREAM),
        "dt": event["dt"],
        "wiki_id": event["wiki_id"],
        "page": page,
        "rev_based": True,
        "weighted_tags": {"set": {prefix: tags}} if tags else {"clear": [prefix]},
    }


def _page(page: Mapping[str, Any]) -> Json:
    return _of(page, _PAGE)


def _revision(revision: Mapping[str, Any]) -> Json:
    made = _of(revision, _REVISION)
    if "editor" in revision:
        made["editor"] = _of(revision["editor"], _USER)
    return made


def _of(members: Mapping[str, Any], names: tuple[str, ...] | list[str]) -> Json:
    return {name: members[name] for name in names if name in members}
