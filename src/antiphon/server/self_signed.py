"""A certificate for development: signed by itself, for this machine's names.

It can vouch for nothing but itself, so that a client which trusts it trusts no more than
this server, whoever gets hold of the key.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from antiphon.errors import ConfigurationError

VALID_DAYS = 90
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
CLOCKS_DIFFER = timedelta(hours=1)
MAX_COMMON_NAME = 64


class Files(NamedTuple):
    certificate: Path
    key: Path


def own_names() -> tuple[str, ...]:
    """The names by which this machine is reached, its loopback first."""
    host = socket.gethostname()
    # A certificate holds no other characters.
    return tuple(dict.fromkeys((*LOCAL_NAMES, *([host] if host and host.isascii() else []))))


def write_self_signed(
    folder: Path, names: Sequence[str], *, days: int = VALID_DAYS, force: bool = False
) -> Files:
    """Make a key (readable by its owner alone) and a certificate for ``names`` in ``folder``.

    Args:
        folder: Where; it is made if it is not there.
        names: Host names and addresses; the first is the certificate's subject.
        days: How long it is valid.
        force: Replace files that are there.

    Raises:
        ConfigurationError: a file is there already or cannot be written, or a name is none.
    """
    files = Files(folder / "certificate.pem", folder / "key.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(key, names, days)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if force:
            for path in files:
                path.unlink(missing_ok=True)
        _write(files.key, _pem_of(key), mode=0o600)
        _write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{error.filename} is there already; replace it with --force, or name another folder."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"Cannot write {error.filename}: {error.strerror}.") from None
    return files


def _signed(key: ec.EllipticCurvePrivateKey, names: Sequence[str], days: int) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:MAX_COMMON_NAME])])
    now = datetime.now(UTC)
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise ConfigurationError(
            f"'{name}' is neither an address nor a host name in ASCII."
        ) from None


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes, *, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
