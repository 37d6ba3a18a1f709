"""Who may call, by tokens that an OIDC issuer has signed for our audience; only here is `jwt`.

Source: RFC 7519 and RFC 8725; Knative's tokens are those of Kubernetes service accounts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt

from sinks.bearer import unauthenticated
from sinks.deadline import Deadline
from sinks.errors import Forbidden
from sinks.issuer import Issuer, issuer_unavailable
from sinks.issuer_keys import IssuerKeys

# For discovery and keys together; the caller waits meanwhile.
ASK_SECONDS: Final = 5.0
LEEWAY_SECONDS: Final = 30.0
MAX_NAME_CHARS: Final = 128
# By type and curve of a key: nothing symmetric, and no algorithm for a key of another type.
_ALGORITHMS: Final = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("OKP", "Ed448"): ("EdDSA",),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of the issuer, and what it may be used with."""

    kid: str | None
    algorithms: tuple[str, ...]
    key: Any


class Oidc:
    """Judges tokens.

    issuer:    OIDC_ISSUER; a slash at the end makes no difference.
    audience:  one that a token has to be for.
    subjects:  who may call; a trailing * is a prefix. Empty: every subject.
    """

    def __init__(
        self, keys: IssuerKeys[PublicKey], issuer: str, audience: str, subjects: frozenset[str]
    ) -> None:
        self._keys = keys
        bare = issuer.removesuffix("/")
        self._issuers = (bare, f"{bare}/")
        self._audience = audience
        self._exact = frozenset(each for each in subjects if not each.endswith("*"))
        self._prefixes = tuple(each[:-1] for each in subjects - self._exact)

    def client(self, token: str) -> str:
        """Return the name of the token's subject: at most 128 printable ASCII characters.

        raises: Unauthenticated, Forbidden: neither gives a hint; Unavailable(issuer_unavailable).
        """
        try:
            subject = str(self._claims(token)["sub"])
        except jwt.PyJWTError as error:
            raise unauthenticated(type(error).__name__) from None
        name = "".join(c if " " <= c <= "~" else "?" for c in subject[:MAX_NAME_CHARS]).strip()
        if not name:
            raise unauthenticated("an empty subject")
        if (self._exact or self._prefixes) and not self._is_named(subject):
            forbidden = Forbidden("forbidden", "this caller may not call here")
            forbidden.upstream_text = f"not in OIDC_SUBJECTS: {name}"
            raise forbidden
        return name

    def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        key = self._keys.key(header.get("kid"))
        if key is None:
            raise jwt.InvalidKeyError
        return jwt.decode(
            token,
            key.key,
            algorithms=key.algorithms,
            audience=self._audience,
            issuer=self._issuers,
            leeway=LEEWAY_SECONDS,
            options={
                "require": ["exp", "iss", "aud", "sub"],
                "enforce_minimum_key_length": True,
            },
        )

    def _is_named(self, subject: str) -> bool:
        return subject in self._exact or subject.startswith(self._prefixes)


def keys_of(issuer: Issuer, clock: Callable[[], float] = time.monotonic) -> IssuerKeys[PublicKey]:
    """Return the keys of an issuer that is not asked before the first token comes."""

    def ask() -> list[PublicKey]:
        shown = issuer.keys(Deadline.after(ASK_SECONDS))
        if usable := [key for key in map(public_key, shown) if key is not None]:
            return usable
        raise issuer_unavailable("its jwks_uri shows no key that a signature can be checked with")

    return IssuerKeys(ask, clock)


def public_key(shown: dict[str, Any]) -> PublicKey | None:
    """Return a JSON Web Key; None for one of another use or type, as an issuer may show beside."""
    kind, curve, kid = shown.get("kty"), shown.get("crv"), shown.get("kid")
    algorithms = _ALGORITHMS.get((str(kind), None if curve is None else str(curve)), ())
    if shown.get("alg") is not None:
        algorithms = tuple(name for name in algorithms if name == shown["alg"])
    if not algorithms or shown.get("use", "sig") != "sig" or not isinstance(kid, str | None):
        return None
    try:
        return PublicKey(kid, algorithms, jwt.PyJWK(shown, algorithms[0]).key)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
