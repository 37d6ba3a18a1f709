"""An OIDC issuer: a process on loopback that shows its keys; tests sign tokens as it would."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from sinks.local.processes import Server, launched, listen

AUDIENCE: Final = "sinks.example.org/service/ml/score-sink"
SUBJECT: Final = "system:serviceaccount:events:changeprop"
_CURVES: Final = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


@dataclass(frozen=True)
class SigningKey:
    """One key pair; `kid` None: neither the key set nor a token names it."""

    kid: str | None
    algorithm: str
    private: Any

    def shown(self, **over: Any) -> dict[str, Any]:
        """The public half as a JSON Web Key; a value of None removes the member."""
        maker = get_default_algorithms()[self.algorithm]
        found = dict(maker.to_jwk(self.private.public_key(), as_dict=True))
        found.pop("key_ops", None)
        found |= {"use": "sig", "alg": self.algorithm, "kid": self.kid, **over}
        return {name: value for name, value in found.items() if value is not None}


@cache
def signing_key(kid: str | None, algorithm: str = "RS256", bits: int = 2048) -> SigningKey:
    """Return the key pair of this name, always the same."""
    private: Any
    if algorithm in _CURVES:
        private = ec.generate_private_key(_CURVES[algorithm]())
    elif algorithm == "EdDSA":
        make = ed448.Ed448PrivateKey if kid == "ed448" else ed25519.Ed25519PrivateKey
        private = make.generate()
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return SigningKey(kid, algorithm, private)


def claims(issuer: str, **over: Any) -> dict[str, Any]:
    """Return good claims for AUDIENCE and SUBJECT; a value of None removes the claim."""
    now = int(time.time())
    good = {"iss": issuer, "aud": [AUDIENCE], "sub": SUBJECT, "iat": now, "exp": now + 3600}
    return {name: value for name, value in (good | over).items() if value is not None}


def signed(key: SigningKey, said: dict[str, Any], algorithm: str = "", **header: Any) -> str:
    """Return a token with these claims; `header` overrides, e.g. `kid`."""
    head = {"kid": key.kid} if key.kid is not None else {}
    return jwt.encode(said, key.private, algorithm or key.algorithm, headers={**head, **header})


class IssuerProcess:
    """Runs from `start` to `stop`, as often as wanted, at one address.

    tls:    PEM file of key and certificate; None: plain HTTP.
    wants:  the bearer token without which it answers 401; empty: none.
    """

    def __init__(self, directory: Path, tls: Path | None = None, wants: str = "") -> None:
        self._directory = directory
        self._running = ExitStack()
        self._arguments = [str(tls or ""), wants]
        self._held = socket.socket()  # keeps the port while the process is down
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self._port = self._held.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._port}"
        (directory / "requests").touch()
        self.show(signing_key("first"))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._held.close()

    def start(self) -> None:
        """Answer from now on; who connects before the process is up waits for it."""
        command = [sys.executable, "-m", "tests.issuer", "{fd}", str(self._directory), self.url]
        server = Server("issuer", [*command, *self._arguments], {})
        self._running.enter_context(launched(server, listen(self._port), self._directory))

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._running.close()

    def show(self, *keys: SigningKey) -> None:
        """Show these keys from now on, and sign with the last one."""
        self.key = keys[-1]
        written = self._directory / "keys.new"
        written.write_text(json.dumps({"keys": [key.shown() for key in keys]}))
        written.rename(self._directory / "keys")

    def token(self, **over: Any) -> str:
        """Return a good token, but for these claims."""
        return signed(self.key, claims(self.url, **over))

    @property
    def requests(self) -> int:
        """How often the keys were asked for."""
        return (self._directory / "requests").read_text().count("GET /keys 200\n")


def _serve(listening: socket.socket, directory: Path, url: str, tls: str, wants: str) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            status, body = 200, b"{}"
            if wants and self.headers["Authorization"] != f"Bearer {wants}":
                status = 401
            elif self.path == "/.well-known/openid-configuration":
                body = json.dumps({"issuer": url, "jwks_uri": f"{url}/keys"}).encode()
            elif self.path == "/keys" and "jwk-set+json" not in self.headers.get(
                "Accept", "jwk-set+json"
            ):
                status = 406  # as Kubernetes' API server
            elif self.path == "/keys":
                body = (directory / "keys").read_bytes()
            else:
                status = 404
            with (directory / "requests").open("a") as log:
                log.write(f"GET {self.path} {status}\n")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(listening, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    fd, folder, *rest = sys.argv[1:]
    _serve(socket.socket(fileno=int(fd)), Path(folder), *rest)
