"""An explanation as one JSON document, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sinks.explain.brokers import Explained
from sinks.explain_settings import ExplainSettings
from sinks.explaining import words
from sinks.explaining.entry import Entry
from sinks.explaining.explanation import Step, Verdict
from sinks.filters import Judged

Json = dict[str, Any]


def as_document(
    name: str, entry: Entry, brokers: Sequence[Explained], settings: ExplainSettings
) -> Json:
    """Return all that is known.

    name: of the event, as it was given.
    """
    return {
        "event": {
            "name": name,
            "attributes": None if entry.event is None else dict(entry.event.attributes),
            "as_it_is": entry.as_it_is,
            "changed": {
                attribute: {"given": given, "typed": typed}
                for attribute, (given, typed) in entry.changed.items()
            },
            "outcome": entry.outcome,
            "reason": entry.reason,
            "detail": entry.detail,
        },
        "environment": settings.environment,
        "stream_names": settings.stream_names,
        "egress_streams": sorted(settings.egress_streams),
        "brokers": [_broker(each) for each in brokers],
    }


def _broker(explained: Explained) -> Json:
    return {
        "broker": explained.broker,
        "scored": explained.scored,
        "wrong": explained.wrong,
        "triggers": [_verdict(verdict) for verdict in explained.verdicts],
        "refused": [{"trigger": name, "problem": problem} for name, problem in explained.refused],
        "unready": [{"trigger": name, "problem": problem} for name, problem in explained.unready],
        "findings": [finding.as_dict() for finding in explained.findings],
    }


def _verdict(verdict: Verdict) -> Json:
    return {
        "trigger": verdict.trigger.name,
        "namespace": verdict.trigger.namespace,
        "subscriber": verdict.trigger.subscriber,
        "passes": verdict.judged.passed,
        "why_not": [*words.why_failed(verdict.judged)],
        "filter": _judged(verdict.judged),
        "step": None if verdict.step is None else _step(verdict.step),
    }


def _judged(judged: Judged) -> Json:
    told: Json = {"dialect": judged.filter.dialect, "passes": judged.passed}
    if judged.filter.attribute:
        one = {"attribute": judged.filter.attribute, "wanted": judged.filter.text}
        return {**told, **one, "value": judged.value}
    return {**told, "parts": [_judged(part) for part in judged.parts]}


def _step(step: Step) -> Json:
    asked = step.asked
    return {
        "trigger": step.trigger,
        "outcome": step.outcome,
        "reason": step.reason,
        "detail": step.detail,
        "foreign": step.foreign,
        "stream": step.event.get("stream"),
        "asked": None
        if asked is None
        else {
            "isvc": asked.service.name,
            "namespace": asked.service.namespace,
            "path": asked.service.predict_path,
            "body": asked.body,
        },
        "reply": None if step.reply is None else dict(step.reply.attributes),
        "followed": [_step(each) for each in step.followed],
    }
