"""The local predictor: a KServe model server with a sample of every revscoring InferenceService.

Serves the production isvcs of `sinks/deployed.tsv` on loopback only. Scores follow from isvc and
rev_id alone; KServe itself makes every error body.

| rev_id                  | answer                                                                |
|-------------------------|-----------------------------------------------------------------------|
| 1000-1999               | 400 `error` "The MW API does not have any info related to the rev-id" |
| 2000-2999               | 400 `error` "Missing resource for rev-id", as for hidden text         |
| 3000-3999               | 400 `error` "Unexpected content type for rev-id"                      |
| 4000-4999               | 400 `error` "Generic error while extracting features for rev-id"      |
| 5000-5999               | 500 `error`, free text: the MediaWiki API failed                      |
| 6000-6999               | 500 `error` "LookupError : ...", as for any unplanned exception       |
| 7000-7999               | 422 `detail`, an HTTPException                                        |
| 8000-8999               | the score after (rev_id - 8000) / 10 seconds: 8025 takes 2.5 s        |
| 9000-9999               | 200 of a wrong shape: `{"predictions": []}`                           |
| 10000-10999             | 200, the score with null probabilities                                |
| 11000-11999             | 503 `error` "Model with name ... is not ready."                       |
| absent, not an integer  | 400 `error` 'Expected "rev_id" ...'                                   |
| any other               | 200, the score                                                        |

source: machinelearning-liftwing-inference-services revscoring_model; kserve 0.21 kserve/errors.py.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from typing import Any

import click
import kserve  # type: ignore[import-untyped]
from fastapi import HTTPException
from kserve.errors import InferenceError, InvalidInput, ModelNotReady  # type: ignore[import-untyped]
from kserve.protocol.rest.server import RESTServer  # type: ignore[import-untyped]

UNKNOWN_REVISION = range(1000, 2000)
MISSING_RESOURCE = range(2000, 3000)
UNEXPECTED_CONTENT_TYPE = range(3000, 4000)
GENERIC_ERROR = range(4000, 5000)
MEDIAWIKI_FAILURE = range(5000, 6000)
UNPLANNED_EXCEPTION = range(6000, 7000)
HTTP_EXCEPTION = range(7000, 8000)
SLOW = range(8000, 9000)
WRONG_SHAPE = range(9000, 10000)
NULL_PROBABILITY = range(10000, 11000)
NOT_READY = range(11000, 12000)
ERRORS: dict[range, tuple[Callable[[str], Exception], str]] = {
    UNKNOWN_REVISION: (InvalidInput, "The MW API does not have any info related to the rev-id {}"),
    MISSING_RESOURCE: (InvalidInput, "Missing resource for rev-id {}: sample of hidden text"),
    UNEXPECTED_CONTENT_TYPE: (InvalidInput, "Unexpected content type for rev-id {}: sample"),
    GENERIC_ERROR: (InvalidInput, "Generic error while extracting features for rev-id {}: sample"),
    MEDIAWIKI_FAILURE: (InferenceError, "Sample of a MediaWiki API time-out, revision {}"),
    UNPLANNED_EXCEPTION: (LookupError, "sample, revision {}"),
    HTTP_EXCEPTION: (lambda text: HTTPException(422, text), "Sample of an unscorable revision, {}"),
    NOT_READY: (ModelNotReady, "{isvc}"),
}

VERSION = "sample-1"
GRACE_SECONDS = 2  # a slow answer must not hold up the end of a test
TOPICS = tuple(  # a part of wikimedia/drafttopic's labels
    "Culture.Biography.Biography*|Culture.Biography.Women|Culture.Food and drink|Culture.Literature"
    "|Culture.Media.Films|Culture.Media.Media*|Culture.Philosophy and religion|Culture.Sports"
    "|Geography.Geographical|Geography.Regions.Africa.Africa*|Geography.Regions.Asia.Asia*"
    "|Geography.Regions.Europe.Europe*|Geography.Regions.Europe.Northern Europe"
    "|Geography.Regions.Oceania|History and Society.History|History and Society.Society"
    "|STEM.Libraries & Information|STEM.Medicine & Health|STEM.Space|STEM.STEM*".split("|")
)
LABELS: dict[str, tuple[str, ...]] = {
    "articlequality": ("Stub", "Start", "C", "B", "GA", "FA"),
    "ruwiki-articlequality": ("IV", "III", "II", "I", "ХС", "ДС", "ИС"),
    "itemquality": ("A", "B", "C", "D", "E"),
    "draftquality": ("OK", "spam", "vandalism", "attack"),
    **dict.fromkeys(("articletopic", "drafttopic", "itemtopic"), TOPICS),
    **dict.fromkeys(("damaging", "goodfaith", "reverted"), ("false", "true")),
}


def sample_score(isvc: str, rev_id: int) -> dict[str, Any]:
    """Return the `prediction` and `probability` that stand for one isvc's view of one revision.

    returns: prediction bool, str, or list[str] (may be empty) as the model does; probability of
             every label, 0..1, with sum 1 unless the prediction is a list.
    raises:  KeyError for a model outside the revscoring family.
    """
    labels = LABELS.get(isvc) or LABELS[isvc.rpartition("-")[2]]
    strength = {}
    for label in labels:
        digest = hashlib.sha256(f"{isvc} {rev_id} {label}".encode()).digest()
        # The power makes strong labels rare: a revision gets none to some three topics.
        strength[label] = ((int.from_bytes(digest[:4]) + 1) / 2**32) ** 16
    if labels is TOPICS:
        return {"prediction": [t for t in labels if strength[t] > 0.5], "probability": strength}
    total = sum(strength.values())
    best = max(labels, key=strength.__getitem__)
    return {
        "prediction": best == "true" if "true" in labels else best,
        "probability": {label: strength[label] / total for label in labels},
    }


class SampleModel(kserve.Model):  # type: ignore[misc]
    """One InferenceService that answers as Lift Wing's does; its name is `<wiki>-<model>`."""

    async def predict(self, payload: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Return the score of `payload["rev_id"]`, or what the module's table says instead."""
        if isinstance(payload, bytes):  # Content-Type was not exactly application/json
            with suppress(ValueError):
                payload = json.loads(payload)
        rev_id = payload.get("rev_id") if isinstance(payload, dict) else None
        if type(rev_id) is not int:  # isinstance would take true for 1
            raise InvalidInput('Expected "rev_id" to be an integer')
        for rev_ids, (error, text) in ERRORS.items():
            if rev_id in rev_ids:
                raise error(text.format(rev_id, isvc=self.name))
        if rev_id in WRONG_SHAPE:
            return {"predictions": []}
        if rev_id in SLOW:
            await asyncio.sleep((rev_id - SLOW.start) / 10)
        score = sample_score(self.name, rev_id)
        if rev_id in NULL_PROBABILITY:
            score["probability"] = dict.fromkeys(score["probability"])
        wiki, _, model = self.name.rpartition("-")
        scores = {str(rev_id): {model: {"score": score}}}
        return {wiki: {"models": {model: {"version": VERSION}}, "scores": scores}}


def open_listener(port: int, fd: int | None) -> socket.socket:
    """Return the inherited socket `fd`, or one bound to 127.0.0.1:`port`.

    raises: OSError (port taken, `fd` no socket); ValueError (`fd` bound elsewhere).
    """
    if fd is None:
        return socket.create_server(("127.0.0.1", port))
    listener = socket.socket(fileno=fd)
    if listener.getsockname()[:1] != ("127.0.0.1",):
        raise ValueError(f"descriptor {fd} is not bound to 127.0.0.1")
    return listener


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8084, help="0: any free one.")
@click.option("--fd", type=int, help="An inherited, bound socket; used instead of --port.")
def main(port: int, fd: int | None) -> None:
    """Serve the sample predictors on loopback until SIGTERM; print the base URL first."""
    # uvicorn raises SIGTERM anew after it has shut down, which would be exit status -15.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        listener = open_listener(port, fd)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    port = listener.getsockname()[1]
    server = kserve.ModelServer(enable_grpc=False)
    # kserve logs a traceback for each InvalidInput, an ordinary answer here; an unplanned
    # exception still shows, through uvicorn.error.
    for name in ("kserve", "kserve.trace", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel("CRITICAL" if name == "kserve" else "WARNING")
    table = files("sinks").joinpath("deployed.tsv").read_text("utf-8").splitlines()
    for environment, _, isvc in (line.split("\t") for line in table if line[0] != "#"):
        if environment == "production":
            model = SampleModel(isvc)
            model.load()
            server.register_model(model)
    click.echo(f"http://127.0.0.1:{port}")
    # ModelServer.start would bind 0.0.0.0 and open a gRPC port; RESTServer.run takes our socket.
    app, extension = "kserve.model_server:app", server.model_repository_extension
    RESTServer(app, server.dataplane, extension, port, grace_period=GRACE_SECONDS).run([listener])


if __name__ == "__main__":
    main()
