"""Tokens of an OIDC issuer: which count, for whom, and that nothing else ever does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sinks.errors import Forbidden, Unauthenticated
from sinks.issuer_keys import IssuerKeys
from sinks.oidc import MAX_NAME_CHARS, Oidc, public_key
from tests.issuer import AUDIENCE, SUBJECT, SigningKey, claims, signed, signing_key

ISSUER = "https://issuer.example.org"
RSA, EC = signing_key("rsa"), signing_key("ec", "ES256")
# When the table of wrong tokens is made; it is tried later, but not a day later.
NOW, DAY = int(time.time()), 86400


def judge(*shown: dict[str, Any], subjects: frozenset[str] = frozenset(), at: str = ISSUER) -> Oidc:
    """Judge by these JSON Web Keys; by RSA and EC without any."""
    found = [public_key(each) for each in shown or (RSA.shown(), EC.shown())]
    usable = [key for key in found if key is not None]
    return Oidc(IssuerKeys(lambda: usable), at, AUDIENCE, subjects)


def said(**over: Any) -> dict[str, Any]:
    """Good claims, but for these."""
    return claims(ISSUER, **over)


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def with_hmac(secret: bytes, algorithm: str = "HS256", **header: Any) -> str:
    """Sign with HMAC by hand, because the library refuses a public key as a secret."""
    head = f"{segment({'alg': algorithm, 'kid': 'rsa', **header})}.{segment(said())}"
    digest = hashlib.new(f"sha{algorithm[2:]}").name
    return f"{head}.{segment(hmac.new(secret, head.encode(), digest).digest())}"


def pem(key: SigningKey, form: Encoding = Encoding.PEM) -> bytes:
    found: bytes = key.private.public_key().public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
    return found


# --- good ones ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "algorithm", "named"),
    [
        *((RSA, name, False) for name in "RS256 RS384 RS512 PS256 PS384 PS512".split()),
        *((signing_key(name, name), name, True) for name in "RS256 ES256 ES384 ES512".split()),
        (signing_key("ed25519", "EdDSA"), "EdDSA", True),
        (signing_key("ed448", "EdDSA"), "EdDSA", True),
    ],
    ids=lambda value: str(getattr(value, "kid", value)),
)
def test_token_signed_with_an_asymmetric_algorithm_is_its_subject(
    key: SigningKey, algorithm: str, named: bool
) -> None:
    """A key counts with its own algorithm, or with all of its type if it names none."""
    shown = key.shown() if named else key.shown(alg=None)

    assert judge(shown).client(signed(key, said(), algorithm)) == SUBJECT


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"aud": AUDIENCE}, id="audience that is no list"),
        pytest.param({"aud": ["other", AUDIENCE]}, id="several audiences"),
        pytest.param({"iss": f"{ISSUER}/"}, id="slash after the issuer"),
        pytest.param({"exp": -10}, id="expired within the leeway"),
        pytest.param({"nbf": 20}, id="from soon on, within the leeway"),
        pytest.param({"iat": None}, id="without the time of issue"),
        pytest.param({"kubernetes.io": {"namespace": "events"}}, id="more claims"),
    ],
)
def test_token_with_other_good_claims_is_its_subject(over: dict[str, Any]) -> None:
    """What the specification leaves to the issuer is left to it; times are from now on."""
    now = int(time.time())
    moved = {name: now + value if isinstance(value, int) else value for name, value in over.items()}

    assert judge().client(signed(RSA, said(**moved))) == SUBJECT


def test_token_of_an_issuer_with_a_slash_in_the_setting_is_its_subject() -> None:
    """A slash at the end of OIDC_ISSUER makes no difference either."""
    assert judge(at=f"{ISSUER}/").client(signed(RSA, said())) == SUBJECT


def test_token_without_a_key_id_is_its_subject_where_there_is_one_key() -> None:
    """An issuer with one key need not name it."""
    key = signing_key(None, "ES256")

    assert judge(key.shown()).client(signed(key, said())) == SUBJECT


# --- wrong ones --------------------------------------------------------------------------------

WRONG = {
    "alg none": f"{segment({'alg': 'none', 'kid': 'rsa'})}.{segment(said())}.",
    "alg None": f"{segment({'alg': 'None', 'kid': 'rsa'})}.{segment(said())}.",
    "alg none with a signature": signed(RSA, said()).replace(
        signed(RSA, said()).split(".")[0], segment({"alg": "none", "kid": "rsa"})
    ),
    "no alg": f"{segment({'kid': 'rsa'})}.{segment(said())}.{segment(b'x')}",
    "alg that is a list": f"{segment({'alg': ['RS256'], 'kid': 'rsa'})}.{segment(said())}.AAAA",
    "HS256 with the public key, PEM": with_hmac(pem(RSA)),
    "HS256 with the public key, DER": with_hmac(pem(RSA, Encoding.DER)),
    "HS256 with the public key, JWK": with_hmac(json.dumps(RSA.shown()).encode()),
    "HS512 with the modulus": with_hmac(RSA.shown()["n"].encode(), "HS512"),
    "HS256 with nothing": with_hmac(b""),
    "signed by another with our key id": signed(signing_key("foe"), said(), kid="rsa"),
    "signature cut off": signed(RSA, said())[:-5],
    "no signature": signed(RSA, said()).rpartition(".")[0] + ".",
    "another algorithm than the key's": signed(RSA, said(), "RS512"),
    "PSS with a key for PKCS 1": signed(RSA, said(), "PS256"),
    "key of another type": signed(EC, said(), kid="rsa"),
    "key that came with the token": signed(
        signing_key("foe"), said(), kid="foe", jwk=signing_key("foe").shown()
    ),
    "key where the token says": signed(
        signing_key("foe"), said(), kid="foe", jku="http://127.0.0.1:1/keys"
    ),
    "unknown key id": signed(RSA, said(), kid="other"),
    "key id that is a path": signed(RSA, said(), kid="../../dev/null"),
    "no key id among several keys": signed(signing_key(None), said()),
    "critical header that nobody knows": signed(RSA, said(), crit=["x"], x=1),
    "expired": signed(RSA, said(exp=NOW - 120)),
    "no end": signed(RSA, said(exp=None)),
    "end that is no number": signed(RSA, said(exp="soon")),
    "end at infinity": signed(RSA, said(exp=float("inf"))),
    "not yet": signed(RSA, said(nbf=NOW + DAY)),
    "issued in the future": signed(RSA, said(iat=NOW + DAY)),
    "another issuer": signed(RSA, said() | {"iss": "https://other.example.org"}),
    "issuer with more": signed(RSA, said() | {"iss": f"{ISSUER}//"}),
    "issuer cut short": signed(RSA, said() | {"iss": ISSUER[:-1]}),
    "no issuer": signed(RSA, said(iss=None)),
    "another audience": signed(RSA, said(aud="other")),
    "audience with more": signed(RSA, said(aud=f"{AUDIENCE}x")),
    "no audience": signed(RSA, said(aud=None)),
    "empty audience": signed(RSA, said(aud=[])),
    "audience of numbers": signed(RSA, said(aud=[1])),
    "no subject": signed(RSA, said(sub=None)),
    "empty subject": signed(RSA, said(sub="")),
    "blank subject": signed(RSA, said(sub="  ")),
    "subject that is no text": signed(RSA, said(sub=7)),
    "claims that are a list": jwt.PyJWS().encode(b"[]", RSA.private, "RS256", {"kid": "rsa"}),
    "claims that are no JSON": jwt.PyJWS().encode(b"\xff", RSA.private, "RS256", {"kid": "rsa"}),
    "deep claims": jwt.PyJWS().encode(b"[" * 9999, RSA.private, "RS256", {"kid": "rsa"}),
    "deep header": f"{segment(b'[' * 5000)}.{segment(said())}.AAAA",
    "header that is no JSON": f"{segment(b'x')}.{segment(said())}.AAAA",
    "dots only": "..",
    "non-ASCII": "é.é.é",
}


@pytest.mark.parametrize("token", WRONG.values(), ids=WRONG)
def test_token_that_is_wrong_is_refused_without_a_hint(token: str) -> None:
    """One answer for all of them; the log gets the kind of mistake and no part of the token."""
    with pytest.raises(Unauthenticated) as refused:
        judge().client(token)

    assert str(refused.value) == "unauthenticated: a known bearer token is required"
    assert refused.value.upstream_text
    assert all(part not in refused.value.upstream_text for part in token.split(".") if part)


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(RSA.shown(use="enc"), id="for encryption"),
        pytest.param(RSA.shown(alg="HS256"), id="for a symmetric algorithm"),
        pytest.param(RSA.shown(alg="RSA-OAEP"), id="for an algorithm of encryption"),
        pytest.param({"kty": "oct", "k": segment(b"s" * 32), "kid": "oct"}, id="symmetric"),
        pytest.param(RSA.shown(n=None), id="without modulus"),
        pytest.param(RSA.shown(n=7), id="modulus that is a number"),
        pytest.param(EC.shown(x=segment(b"1" * 32)), id="point that is not on the curve"),
        pytest.param(EC.shown(crv="P-384"), id="of another curve"),
        pytest.param(EC.shown(crv="secp256k1"), id="of a curve nobody asked for"),
        pytest.param(RSA.shown(kid=7), id="id that is a number"),
        pytest.param({}, id="empty"),
    ],
)
def test_key_of_another_use_or_type_is_passed_over(shown: dict[str, Any]) -> None:
    """An issuer may show keys that are not for us; none of them is an error."""
    assert public_key(shown) is None


def test_token_signed_with_a_short_key_is_refused() -> None:
    """What can be broken proves nothing."""
    weak = signing_key("weak", bits=1024)
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = signed(weak, said())

    with pytest.raises(Unauthenticated):
        judge(weak.shown(), EC.shown()).client(token)


def test_token_that_was_changed_anywhere_is_refused() -> None:
    """No single changed character is let through, and none is an error nobody foresaw."""
    token, oidc = signed(EC, said()), judge()
    chance = random.Random(8)  # noqa: S311
    for _ in range(2000):
        at = chance.randrange(len(token) - 1)  # the last one has bits that mean nothing
        changed = chance.choice("".join(set("AZaz09-_.=+/ \0é") - {token[at]}))
        with pytest.raises(Unauthenticated):
            oidc.client(token[:at] + changed + token[at + 1 :])


# --- who may -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subjects", "welcome"),
    [
        ((), True),
        ((SUBJECT,), True),
        (("other", SUBJECT), True),
        (("system:serviceaccount:events:*",), True),
        (("*",), True),
        ((f"{SUBJECT}*",), True),
        (("other",), False),
        ((SUBJECT[:-1],), False),
        ((f"{SUBJECT}x",), False),
        ((SUBJECT.upper(),), False),
        (("system:serviceaccount:event:*",), False),
        (("other", "system:serviceaccount:events2:*"), False),
    ],
)
def test_subject_is_welcome_if_it_is_named(subjects: tuple[str, ...], welcome: bool) -> None:
    """OIDC_SUBJECTS are exact names, or prefixes with a * at the end."""
    oidc, token = judge(subjects=frozenset(subjects)), signed(RSA, said())

    if welcome:
        assert oidc.client(token) == SUBJECT
    else:
        with pytest.raises(Forbidden, match="^forbidden: this caller may not call here$"):
            oidc.client(token)


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("a" * 500, "a" * MAX_NAME_CHARS),
        ("café\n\x00\U0001f600x", "caf????x"),
        ('with "quotes" and space', 'with "quotes" and space'),
    ],
)
def test_name_of_a_subject_is_short_and_printable(subject: str, name: str) -> None:
    """It becomes a label and a log field."""
    assert judge().client(signed(RSA, said(sub=subject))) == name


def test_subject_that_only_looks_like_a_named_one_is_forbidden() -> None:
    """The whole subject is compared, not the name that is made of it."""
    named = "a" * MAX_NAME_CHARS

    with pytest.raises(Forbidden):
        judge(subjects=frozenset({named})).client(signed(RSA, said(sub=f"{named}b")))
