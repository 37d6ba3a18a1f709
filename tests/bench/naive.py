"""The app that one writes in an afternoon: Flask, the CloudEvents SDK, requests and jsonschema."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import requests
from cloudevents.http import CloudEvent, from_http, to_binary, to_structured
from flask import Flask, Response, request
from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from requests.adapters import HTTPAdapter

ROOT: Final = Path(__file__).parent.parent.parent
_ROLE: Final = os.environ["BENCH_ROLE"]
_UPSTREAM: Final = os.environ["BENCH_UPSTREAM"]
_SCHEMAS: Final = {
    "score": ROOT / "tests/data/schemas/mediawiki/page/change/1.2.0.json",
    "egress": ROOT / "sinks/schemas/mediawiki/revision/score/3.0.0.json",
}

app = Flask(__name__)
validator = Draft7Validator(json.loads(_SCHEMAS[_ROLE].read_text(encoding="utf-8")))
session = requests.Session()
session.mount("http://", HTTPAdapter(pool_maxsize=int(os.environ["BENCH_THREADS"])))


@app.get("/healthz")
def healthz() -> str:
    return "ok"


@app.post("/", defaults={"row": ""})
@app.post("/models/<row>")
def deliver(row: str) -> Response:
    try:
        event = from_http(dict(request.headers), request.get_data())
        document: dict[str, Any] = event.data
        validator.validate(document)
    except Exception as error:
        return Response(str(error)[:200], 400)
    try:
        return _relayed(document) if _ROLE == "egress" else _scored(document)
    except requests.RequestException as error:
        return Response(str(error)[:200], 502)


def _relayed(document: dict[str, Any]) -> Response:
    session.post(_UPSTREAM, json=document, timeout=30).raise_for_status()
    return Response(status=202)


def _scored(change: dict[str, Any]) -> Response:
    revision, page = change["revision"], change["page"]
    asked = session.post(_UPSTREAM, json={"rev_id": revision["rev_id"]}, timeout=30)
    asked.raise_for_status()
    wiki = asked.json()[change["wiki_id"]]
    score = wiki["scores"][str(revision["rev_id"])]["drafttopic"]["score"]
    document = {
        "$schema": "/mediawiki/revision/score/3.0.0",
        "meta": {**change["meta"], "stream": "mediawiki.revision_score_drafttopic"},
        "dt": change["dt"],
        "database": change["wiki_id"],
        "page_id": page["page_id"],
        "page_title": page["page_title"],
        "page_namespace": page["namespace_id"],
        "page_is_redirect": page["is_redirect"],
        "rev_id": revision["rev_id"],
        "rev_timestamp": revision["rev_dt"],
        "scores": {
            "drafttopic": {
                "model_name": "drafttopic",
                "model_version": wiki["models"]["drafttopic"]["version"],
                **score,
            }
        },
    }
    attributes = {
        "type": "org.wikimedia.mediawiki.revision.score.v3",
        "source": "/models/drafttopic",
        "datacontenttype": "application/json",
    }
    reply = CloudEvent(attributes, document)
    structured = "cloudevents" in (request.content_type or "")
    headers, body = to_structured(reply) if structured else to_binary(reply)
    return Response(body, 200, headers)
