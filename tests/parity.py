"""The same change at a model server of today and at our sinks, by the request of a rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sinks.compare.comparison import Comparison, compare
from sinks.compare.published import read
from tests import today
from tests.changeprop import PRODUCTION, STAGING, Rule
from tests.factories import DATA, merged
from tests.standalone import Standalone, predicting

Json = dict[str, Any]
TAGS: Final = "article-country-tags"
RISKS: Final = tuple(name for name in PRODUCTION if name.startswith("revertrisk"))


def sample(name: str, **over: Any) -> Json:
    """One of the sample page changes."""
    path = DATA / "events" / f"page_change_{name}.json"
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    return merged(document, over)


def on(wiki_id: str, domain: str, name: str = "edit", **over: Any) -> Json:
    """A sample change on another wiki."""
    return sample(name, wiki_id=wiki_id, meta={"domain": domain}, **over)


def for_rule(rule: Rule, kind: str) -> Json:
    """A change of this kind that has all members, on a wiki of the rule."""
    if rule.model == "revertrisk-wikidata":
        return on("wikidatawiki", "www.wikidata.org", kind)
    return sample(kind)


def answer_of(rule: Rule, event: Mapping[str, Any], empty: bool = False) -> Json:
    """What the rule's predictor answers about the revision, as its servers document it."""
    rev_id, named = event["revision"]["rev_id"], {"model_name": rule.model, "model_version": "3"}
    if rule.per_wiki:
        boolean = {"prediction": True, "probability": {"false": 0.0412, "true": 0.9588}}
        listed = {
            "prediction": ["STEM.STEM*", "Culture.Media.Music"],
            "probability": {
                "STEM.STEM*": 0.84117,
                "Culture.Media.Music": 0.512,
                "Culture/x~": 0.01,
            },
        }
        score = {"score": boolean if rule.model == "goodfaith" else listed}
        return {
            event["wiki_id"]: {
                "models": {rule.model: {"version": "1.3.0"}},
                "scores": {str(rev_id): {rule.model: score}},
            }
        }
    if rule.model == "outlink-topic-model":
        scores = {"Culture.Media.Music": 0.9731, "STEM.Physics": 0.5, "STEM.Space": 0.00013}
        results = [{"topic": topic, "score": score} for topic, score in scores.items()]
        return {"prediction": {"article": "x", "results": results}}
    if rule.model == "article-country":
        countries = {} if empty else {"Estonia": 1.0, "Latvia": 0.25}
        found = [
            {"country": name, "score": score, "source": {}} for name, score in countries.items()
        ]
        return {**named, "prediction": {"article": "x", "wikidata_item": None, "results": found}}
    if rule.model.startswith("revertrisk"):
        output = {"prediction": False, "probabilities": {"true": 0.2184, "false": 0.7816}}
        return {**named, "revision_id": rev_id, "output": output}
    paragraphs = [] if empty else [{"text": "x", "score": 0.7}, {"text": "y", "score": 0.9312}]
    return {"revision_id": rev_id, "predictions": paragraphs}


def rows_of(model: str) -> tuple[str, ...]:
    """The rows that publish about what the rule's model has predicted."""
    return (model, TAGS) if model == "article-country" else (model,)


def both(
    running: Standalone, rule: Rule, event: Json, empty: bool = False
) -> tuple[Comparison, list[Json], list[Json]]:
    """Send the rule's request; return what differs, what today's server publishes, what ours do."""
    assert rule.matches(event)
    predicted = answer_of(rule, event, empty)
    running.script(predicting({rule.isvc(event): predicted}))

    reply = rule.send(running.shim.port, event)

    assert reply.status == 200, reply.body
    served = today.serve(rule.model, event, predicted, staging=rule in STAGING.values())
    sides = [served.published, running.published]
    readings = [read([json.dumps(each).encode() for each in side]) for side in sides]
    assert [reading.others for reading in readings] == [0, 0]
    return compare(*readings), *sides
