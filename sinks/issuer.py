"""Asking an OIDC issuer for the keys that it signs with: discovery, then its key set.

Source: OpenID Connect Discovery 1.0, section 4; RFC 7517, section 5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sinks import jsondata
from sinks.bearer import UnreadableToken, authorization_of
from sinks.deadline import Deadline
from sinks.errors import SinkError, Unavailable
from sinks.http_client import HttpClient
from sinks.setting_values import NotValid
from sinks.url_values import absolute_url

_DISCOVERY: Final = "/.well-known/openid-configuration"
# Kubernetes' API server answers 406 to who does not name the one of its keys.
_ACCEPT: Final = "application/json, application/jwk-set+json"


class Issuer:
    """Speaks to the issuer that OIDC_ISSUER names.

    token_file: what the issuer wants to see, read anew each time; None: nothing.
    """

    def __init__(self, http: HttpClient, url: str, token_file: Path | None = None) -> None:
        self._http = http
        self._url = url.removesuffix("/")
        self._token_file = token_file

    def keys(self, deadline: Deadline) -> list[dict[str, Any]]:
        """Return the issuer's JSON Web Keys as it shows them, at least one.

        raises: Unavailable(issuer_unavailable).
        """
        found = self._document(self._url + _DISCOVERY, deadline)
        if str(found.get("issuer")).removesuffix("/") != self._url:
            raise issuer_unavailable("its discovery document is another issuer's")
        shown = self._document(self._keys_url(found.get("jwks_uri")), deadline).get("keys")
        keys = [key for key in shown if isinstance(key, dict)] if isinstance(shown, list) else []
        if not keys:
            raise issuer_unavailable("its jwks_uri shows no keys")
        return keys

    def _keys_url(self, jwks_uri: object) -> str:
        try:
            url = absolute_url(str(jwks_uri))
        except NotValid:
            raise issuer_unavailable("its discovery document has no jwks_uri") from None
        if self._url.startswith("https:") and not url.startswith("https:"):
            raise issuer_unavailable("its jwks_uri is not https, as OIDC_ISSUER is")
        return url

    def _document(self, url: str, deadline: Deadline) -> dict[str, Any]:
        try:
            shown = {"Accept": _ACCEPT, **authorization_of(self._token_file)}
            response = self._http.get(url, shown, deadline)
            document = jsondata.loads(response.body) if response.status == 200 else None
        except UnreadableToken as error:
            raise issuer_unavailable(f"OIDC_ISSUER_TOKEN_FILE {error}") from None
        except SinkError as error:
            raise issuer_unavailable(f"{url}: {error.detail}") from error
        if response.status != 200:
            raise issuer_unavailable(f"{url} answered {response.status}")
        if not isinstance(document, dict):
            raise issuer_unavailable(f"{url} answered no JSON object")
        return document


def issuer_unavailable(problem: str) -> Unavailable:
    """Return what a caller gets whose token cannot be judged; `problem` goes into the log only."""
    error = Unavailable(
        "issuer_unavailable", "callers cannot be checked now: send it again later", stage="issuer"
    )
    error.upstream_text = problem
    return error
