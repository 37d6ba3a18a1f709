"""The Kubernetes API as far as the tests need it: plain objects over REST.

https://kubernetes.io/docs/reference/using-api/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests

_SECONDS: Final = 40.0
_MANAGER: Final = "e2e"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"

Object = dict[str, Any]


class ApiError(Exception):
    """The API server refused; `message` is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message


class Answer(Object):
    """An object as the API server has it, and what it warned of."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Resource:
    path: str
    plural: str
    namespaced: bool


@dataclass(frozen=True, slots=True)
class Api:
    """Speaks to one API server with one token. Each thread has to have one of its own.

    All methods raise ApiError, and requests' exceptions if the server cannot be reached.
    """

    url: str
    token: str
    ca: Path
    _session: requests.Session = field(default_factory=requests.Session)
    _resources: dict[tuple[str, str], _Resource] = field(default_factory=dict)

    def another(self) -> Api:
        """Return the same for another thread."""
        return Api(self.url, self.token, self.ca)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """Return an object as it is now."""
        return self.request("GET", self.path(named(api_version, kind, name, namespace)))

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, labels: str = ""
    ) -> list[Object]:
        """Return the objects of a kind, of one namespace or of all; `labels` is a selector."""
        resource = self._resource(api_version, kind)
        within = f"/namespaces/{namespace}" if namespace else ""
        path = f"{resource.path}{within}/{resource.plural}"
        found = self.request("GET", path, labelSelector=labels)
        return [{"apiVersion": api_version, "kind": kind, **each} for each in found["items"]]

    def watch(self, api_version: str, kind: str) -> Iterator[tuple[str, Object]]:
        """Yield what happens to the objects of a kind: ADDED, MODIFIED or DELETED, and the object.

        First each present object is ADDED. Ends when the server ends it, after minutes.
        """
        resource = self._resource(api_version, kind)
        response = self._session.get(
            f"{self.url}{resource.path}/{resource.plural}",
            params={"watch": "true"},
            headers={"Authorization": f"Bearer {self.token}"},
            verify=str(self.ca),
            timeout=(_SECONDS, None),
            stream=True,
        )
        with response:
            response.raise_for_status()
            for line in response.iter_lines(chunk_size=None):
                event = json.loads(line)
                yield event["type"], event["object"]

    def create(self, obj: Object, validation: str = "Strict") -> Answer:
        """Create an object; fields that its kind does not have are refused."""
        path = self.path(obj).rpartition("/")[0]
        return self.request("POST", path, obj, fieldManager=_MANAGER, fieldValidation=validation)

    def apply(self, obj: Object, validation: str = "Strict") -> Answer:
        """Apply an object on the server's side, over whoever else has set its fields."""
        options = {"fieldManager": _MANAGER, "force": "true", "fieldValidation": validation}
        return self.request("PATCH", self.path(obj), obj, _APPLY, **options)

    def patch(self, obj: Object, body: Object, part: str = "") -> Answer:
        """Merge `body` into the object that `obj` names, or into a part of it such as `status`."""
        path = self.path(obj) + (f"/{part}" if part else "")
        return self.request("PATCH", path, body, _MERGE)

    def delete(
        self, api_version: str, kind: str, name: str, namespace: str | None = None
    ) -> Answer:
        """Delete an object, in the time that its kind takes for it."""
        return self.request("DELETE", self.path(named(api_version, kind, name, namespace)))

    def token_for(self, account: str, namespace: str, **spec: Any) -> str:
        """Return a token of a service account; `spec` is TokenRequest's, e.g. audiences."""
        path = self.path(named("v1", "ServiceAccount", account, namespace)) + "/token"
        kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        answer = self.request("POST", path, {**kind, "spec": spec})
        return str(answer["status"]["token"])

    def path(self, obj: Mapping[str, Any]) -> str:
        """Return the path of an object; without a namespace that of `default`."""
        resource = self._resource(obj["apiVersion"], obj["kind"])
        within = obj["metadata"].get("namespace", "default")
        middle = f"/namespaces/{within}" if resource.namespaced else ""
        return f"{resource.path}{middle}/{resource.plural}/{obj['metadata']['name']}"

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = "application/json",
        **query: str,
    ) -> Answer:
        """Send a request; what is no JSON is the answer's `text`."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        response = self._session.request(
            method,
            self.url + path,
            params=query,
            json=body,
            headers=headers,
            verify=str(self.ca),
            timeout=_SECONDS,
        )
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        content = response.json() if is_json else {"text": response.text}
        if not response.ok:
            said = str(content.get("message", content.get("text", "")))
            raise ApiError(response.status_code, said)
        answer = Answer(content)
        answer.warnings = tuple(_texts(response))
        return answer

    def _resource(self, api_version: str, kind: str) -> _Resource:
        known = self._resources
        if (api_version, kind) not in known:
            path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            for each in self.request("GET", path)["resources"]:
                if "/" not in each["name"]:  # else a part of one, such as its status
                    resource = _Resource(path, each["name"], each["namespaced"])
                    known[api_version, each["kind"]] = resource
        if (api_version, kind) not in known:
            raise ApiError(404, f"there is no kind {kind} in {api_version}")
        return known[api_version, kind]


def place(obj: Mapping[str, Any]) -> tuple[str, str]:
    """Return namespace and name of an object that has both."""
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def named(
    api_version: str, kind: str, name: str, namespace: str | None = None, **content: Any
) -> Object:
    """Return an object with this content, or what stands for one where its name is enough."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def _texts(response: requests.Response) -> list[str]:
    """Return the texts of Warning headers: `299 - "text"` each."""
    headers = response.raw.headers.getlist("Warning")
    return [each.partition('"')[2].removesuffix('"').replace('\\"', '"') for each in headers]
