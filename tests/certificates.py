"""Certificates of a day for tests that need TLS on loopback or in a cluster."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

_PEM = serialization.Encoding.PEM


def self_signed(path: Path) -> Path:
    """Write key and certificate for 127.0.0.1 to `path`, PEM, and return it."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed("sink", key, "sink", key, ["127.0.0.1"], is_authority=True)
    path.write_bytes(key_pem(key) + certificate)
    return path


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates; `ca` is the file that those who trust it need."""

    ca: Path
    _key: ec.EllipticCurvePrivateKey

    @classmethod
    def made(cls, ca: Path) -> Authority:
        """Make an authority and write its certificate to `ca`."""
        key = ec.generate_private_key(ec.SECP256R1())
        ca.write_bytes(_signed("authority", key, "authority", key, [], is_authority=True))
        return cls(ca, key)

    def issue(self, path: Path, *names: str) -> Path:
        """Write key and certificate for DNS names or addresses to `path`, PEM, and return it."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed("server", key, "authority", self._key, names, is_authority=False)
        path.write_bytes(key_pem(key) + certificate)
        return path


def key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """Return a private key as PEM."""
    form, nobody = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(_PEM, form, nobody)


def _signed(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    names: list[str] | tuple[str, ...],
    *,
    is_authority: bool,
) -> bytes:
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([_general(each) for each in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(_PEM)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _general(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
