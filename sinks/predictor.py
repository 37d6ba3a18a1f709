"""KServe's V1 protocol as a client: one predict request, and what each answer means.

Source: kserve/kserve, python/kserve/kserve/protocol/rest/v1_endpoints.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sinks import jsondata
from sinks.deadline import Deadline
from sinks.deployed import InferenceService
from sinks.errors import BadAnswer, BodyTooLarge, MalformedEvent, Rejected, SinkError, Unavailable
from sinks.http_client import HttpClient, blame
from sinks.http_message import HttpResponse

_MISCONFIGURED_FOR_GOOD = (405, 411, 415, 431)
_MISCONFIGURED_FOR_NOW = (401, 403, 404)


class UnknownRevision(Rejected):
    """The predictor's MediaWiki does not know the revision; perhaps not yet."""


class Predictor:
    """Calls InferenceServices.

    url:   base URL of the predictors; may contain `{isvc}` and `{namespace}`.
    host:  template of the Host header, for gateways that route by it; empty: the URL's own.
    """

    def __init__(self, http: HttpClient, url: str, host: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._host = host

    def predict(
        self,
        service: InferenceService,
        body: Mapping[str, Any],
        unknown_revision: re.Pattern[str] | None,
        headers: Mapping[str, str],
        deadline: Deadline,
    ) -> Any:
        """Return the JSON object that the predictor answers.

        unknown_revision:  matches its error text when it does not know the revision.
        headers:           more headers; never `ce-` ones, KServe would take it for an event.
        raises:            UnknownRevision, Rejected, BodyTooLarge; Unavailable, BadAnswer,
                           DeadlineExceeded.
        """
        names = {"isvc": service.name, "namespace": service.namespace}
        sent = {"Content-Type": "application/json", **headers}
        if self._host:
            sent["Host"] = _filled(self._host, names)
        url = f"{_filled(self._url, names)}{service.predict_path}"
        response = self._http.post(url, jsondata.dumps(body), sent, deadline)
        if response.status == 200:
            return _object(response)
        raise _failure(response, service, unknown_revision)


def _filled(template: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def _object(response: HttpResponse) -> Any:
    try:
        answer = jsondata.loads(response.body)
    except MalformedEvent:
        answer = None
    if not isinstance(answer, dict):
        raise BadAnswer(
            "upstream_bad_answer", "the predictor's 200 is not a JSON object", stage="predictor"
        )
    return answer


def _failure(
    response: HttpResponse, service: InferenceService, unknown_revision: re.Pattern[str] | None
) -> SinkError:
    status, text = response.status, error_text(response.body)
    said = f"{service.name} answered {status}"
    error: SinkError
    if status in _MISCONFIGURED_FOR_GOOD:
        error = Rejected("predictor_misconfigured", f"{said}: check the URL in front of it")
    elif status == 413:
        error = BodyTooLarge("body_too_large", f"{said}: the request is too large for it")
    elif status == 422 or (status == 400 and not _is_temporary(text)):
        if unknown_revision and unknown_revision.match(text):
            error = UnknownRevision("unscorable_revision", f"{said}: it does not know the revision")
        else:
            error = Rejected("unscorable_revision", f"{said}: it cannot score this revision")
    elif status in _MISCONFIGURED_FOR_NOW:
        error = Unavailable(
            "predictor_misconfigured", f"{said}: check PREDICTOR_URL, PREDICTOR_HOST and access"
        )
    elif status < 400:
        error = BadAnswer("upstream_bad_answer", f"{said}: only 200 is a prediction")
    else:
        error = Unavailable("predictor_failed", f"{said}: repeat later")
    return blame("predictor", error, response, text)


def _is_temporary(text: str) -> bool:
    return text.startswith("Generic error") or "not ready" in text


def error_text(body: bytes) -> str:
    """Return the `error` or `detail` text of a KServe error body, or nothing."""
    try:
        answer = jsondata.loads(body)
    except MalformedEvent:
        return ""
    if not isinstance(answer, dict):
        return ""
    text = answer.get("error", answer.get("detail"))
    return text if isinstance(text, str) else ""
