"""etcd and kube-apiserver on the node, and how to speak to them."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.certificates import Authority, key_pem
from tests.e2e.api import Api
from tests.e2e.places import API_SERVICE, NODE, SERVICES
from tests.e2e.processes import Processes, Program
from tests.e2e.programs import Programs
from tests.e2e.waiting import until

_ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
_URL: Final = f"https://{NODE}:6443"
_STORE: Final = "http://127.0.0.1:2379"
_STORE_PEERS: Final = "http://127.0.0.1:2380"
_NAMES: Final = (
    *("kubernetes", "kubernetes.default", "kubernetes.default.svc"),
    *("kubernetes.default.svc.cluster.local", NODE, API_SERVICE),
)
_START_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """What clients of the API server need.

    api:         of the administrator.
    kubeconfig:  the same for kubectl.
    ca:          file with the certificate that the API server's is signed by.
    """

    api: Api
    kubeconfig: Path
    ca: Path


def start(programs: Programs, processes: Processes, state: Path) -> ControlPlane:
    """Start both, with credentials that are made now, and return once the API is ready."""
    authority = Authority.made(state / "ca.crt")
    certificate = authority.issue(state / "api.pem", *_NAMES)
    signing_key = state / "service-accounts.key"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signing_key.write_bytes(key_pem(key))
    token = secrets.token_urlsafe(32)
    tokens = state / "tokens.csv"
    tokens.write_text(f'{token},admin,admin,"system:masters"\n')
    processes.start(Program("etcd", [programs.path("server"), *_store_options(state)]))
    processes.start(
        Program(
            "kube-apiserver",
            [
                programs.path("kube-apiserver"),
                f"--etcd-servers={_STORE}",
                "--secure-port=6443",
                f"--advertise-address={NODE}",
                f"--tls-cert-file={certificate}",
                f"--tls-private-key-file={certificate}",
                f"--cert-dir={state}",
                f"--service-cluster-ip-range={SERVICES}",
                f"--service-account-issuer={_ISSUER}",
                f"--service-account-key-file={signing_key}",
                f"--service-account-signing-key-file={signing_key}",
                f"--token-auth-file={tokens}",
                "--authorization-mode=RBAC",
                "--allow-privileged=true",
            ],
        )
    )
    api = Api(_URL, token, authority.ca)

    def is_ready() -> bool:
        processes.check()
        return bool(api.request("GET", "/readyz")["text"] == "ok")

    until(is_ready, _START_SECONDS, "the API server to be ready")
    kubeconfig = write_kubeconfig(state / "kubeconfig", token, authority.ca)
    return ControlPlane(api, kubeconfig, authority.ca)


def write_kubeconfig(path: Path, token: str, ca: Path) -> Path:
    """Write what a client needs to be the owner of the token, and return the path."""
    name = "e2e"
    cluster = {"server": _URL, "certificate-authority": str(ca)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    path.write_text(json.dumps(config))
    return path


def _store_options(state: Path) -> list[str]:
    return [
        f"--data-dir={state / 'etcd'}",
        f"--listen-client-urls={_STORE}",
        f"--advertise-client-urls={_STORE}",
        f"--listen-peer-urls={_STORE_PEERS}",
        f"--initial-advertise-peer-urls={_STORE_PEERS}",
        f"--initial-cluster=default={_STORE_PEERS}",
        "--log-level=warn",
        "--unsafe-no-fsync",  # nobody starts again from this data
    ]
