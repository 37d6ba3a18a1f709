"""Who may call: clients with a token in a file, subjects of an OIDC issuer, or everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from sinks.bearer import shown_in, unauthenticated
from sinks.issuer import Issuer
from sinks.settings import SinkSettings
from sinks.telemetry import OTHERS, Telemetry
from sinks.tokens import Tokens
from sinks.upstreams import http_client

if TYPE_CHECKING:
    from sinks.oidc import Oidc

_MOST_SUBJECTS: Final = 1000


class Client(NamedTuple):
    """Who calls: `name` in log lines, `label` in metrics."""

    name: str
    label: str


# Gets the Authorization header and returns who calls, or raises.
Caller = Callable[[str | None], Client]


class Callers:
    """Knows clients by what they show.

    oidc:             judges tokens that are not in the file; None: there are no others.
    allow_anonymous:  whether a call without Authorization is welcome.
    """

    def __init__(
        self, tokens: Tokens, oidc: Oidc | None = None, *, allow_anonymous: bool = False
    ) -> None:
        self._tokens = tokens
        self._oidc = oidc
        self._allow_anonymous = allow_anonymous
        self._subjects: set[str] = set()

    def client(self, authorization: str | None) -> Client:
        """Return the client, `anonymous` without Authorization.

        raises: Unauthenticated, Forbidden: neither gives a hint; Unavailable(issuer_unavailable).
        """
        if authorization is None and self._allow_anonymous:
            return Client("anonymous", "anonymous")
        token = shown_in(authorization)
        # The file comes first: its tokens count whatever the issuer is doing.
        if name := self._tokens.client(token):
            return Client(name, name)
        if self._oidc is not None and token.count(".") == 2:
            subject = self._oidc.client(token)
            return Client(subject, self._label(subject))
        raise unauthenticated()

    def _label(self, subject: str) -> str:
        """Any subject of a cluster may be let in, they are many, and each series costs memory."""
        if subject not in self._subjects:
            if len(self._subjects) >= _MOST_SUBJECTS:
                return OTHERS
            self._subjects.add(subject)
        return subject


def callers_of(
    settings: SinkSettings, telemetry: Telemetry, tokens: Tokens | None = None
) -> Callers:
    """Return who may call a sink that is reached from outside.

    tokens: what TOKENS_FILE has, if it has been read already.
    raises: InvalidTokens.
    """
    known = tokens or Tokens(settings.tokens_file)
    oidc = _oidc(settings, telemetry) if settings.oidc_audience else None
    return Callers(known, oidc, allow_anonymous=settings.allow_anonymous)


def cluster_caller_of(settings: SinkSettings, telemetry: Telemetry) -> Caller | None:
    """Return who may call a sink inside the cluster: subjects of the OIDC issuer, and nobody with
    a token in a file; None without OIDC: everybody that the NetworkPolicy lets through."""
    if not settings.oidc_audience:
        return None
    return Callers(Tokens(None), _oidc(settings, telemetry)).client


def _oidc(settings: SinkSettings, telemetry: Telemetry) -> Oidc:
    # Here, because cryptography is slow to load, and most sinks start from zero without OIDC.
    from sinks.oidc import Oidc, keys_of

    http = http_client("issuer", settings, telemetry, ca_file=settings.oidc_issuer_ca_file)
    issuer = Issuer(http, settings.oidc_issuer, settings.oidc_issuer_token_file)
    return Oidc(
        keys_of(issuer), settings.oidc_issuer, settings.oidc_audience, settings.oidc_subjects
    )
