"""Rows about the call that changeprop makes of the shim, as it makes it of model servers today.

source: wikimedia/operations-deployment-charts, charts/changeprop; change propagation's lib/rule.js.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from sinks.contract.rows.row import DOCUMENT, SHIM, Demand, Expected, Row, rejected
from sinks.contract.rows.sample import Make, Sample, canary, edited
from sinks.contract.rows.script import Edit, Hear, Script, Send, body, header, target

_CALL: Final = "change propagation: the request of its rules for model servers"
# One that is not of a single wiki, so that it is there in every environment.
_ISVC: Final = "outlink-topic-model"
_HOST: Final = f"{_ISVC}.articletopic-outlink.wikimedia.org"


def _call(*edits: Edit, segment: str = f"{_ISVC}:predict", hops: int = 1) -> Make:
    """The call of one rule, about a canary, so that nothing comes of it.

    hops:  the first call has one; each repetition adds its own.
    """

    def make(sample: Sample) -> Script:
        data = canary(sample.data)
        meta = data["meta"]
        causes = f",{meta['stream']}:{meta.get('uri', '')}" * hops
        request = edited(
            sample,
            "plain",
            target(lambda path: f"{_before(path)}/v1/models/{segment}"),
            header("User-Agent", "ChangePropagation/WMF"),
            header("x-request-id", meta.get("request_id")),
            header("x-triggered-by", f"req:{meta.get('request_id')}{causes}"),
            body(json.dumps({"event": data}).encode()),
            *edits,
        )
        return (Send(replace(request, host=_HOST).raw()), Hear())

    return make


def _before(path: str) -> str:
    """What a gateway may have put before the shim's own paths."""
    return path.partition("?")[0].removesuffix("/").removesuffix("/events")


ROWS: Final[tuple[Row, ...]] = (
    *Demand(
        SHIM,
        _CALL,
        "moving changeprop over means one URL and one header",
        "answer POST /v1/models/<isvc>:predict with 200 and JSON",
    ).rows({"changeprop": _call(), "changeprop_repeated": _call(hops=2)}, DOCUMENT),
    *Demand(SHIM, _CALL, "it would repeat what stays wrong", "answer 422 and say why").rows(
        {"changeprop_without_event": _call(body(b'{"rev_id": 1352207418}'))},
        rejected(422, "no_event"),
    ),
    *Demand(SHIM, _CALL, "it would repeat what stays wrong", "answer 422 and say why").rows(
        {"changeprop_unknown_isvc": _call(segment="no-such-model:predict")},
        rejected(422, "unknown_isvc"),
    ),
    *Demand(
        SHIM, _CALL, "it repeats 502 and 503 alone, and does not even log 404", "answer 503"
    ).rows(
        {
            "changeprop_other_verb": _call(segment=f"{_ISVC}:explain"),
            "changeprop_other_path": _call(segment=f"{_ISVC}/versions/1:predict"),
        },
        Expected("repeated", 503, "no_such_path"),
    ),
)
