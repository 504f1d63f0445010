"""What the server shows of itself: its certificate, for https and wss.

It is read at start, and again at each reload.
"""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec import Struct

from antiphon.errors import ConfigurationError

EXPIRES_SOON = timedelta(days=7)


class Identity(Struct, frozen=True):
    """A certificate that can be served."""

    context: ssl.SSLContext
    names: tuple[str, ...]
    """Of hosts and addresses that it is good for."""
    begins_at: datetime
    expires_at: datetime

    @property
    def summary(self) -> str:
        return f"{', '.join(self.names) or 'no name'}; until {self.expires_at:%Y-%m-%d %H:%M} UTC"

    def warning(self, now: datetime) -> str | None:
        """What clients will not like about it, or soon."""
        if now < self.begins_at:
            return f"The TLS certificate is not valid before {self.begins_at:%Y-%m-%d %H:%M} UTC."
        if now >= self.expires_at:
            return (
                f"The TLS certificate expired at {self.expires_at:%Y-%m-%d %H:%M} UTC: "
                "clients will refuse it."
            )
        if now >= self.expires_at - EXPIRES_SOON:
            return (
                f"The TLS certificate expires at {self.expires_at:%Y-%m-%d %H:%M} UTC; "
                "renew it and reload."
            )
        return None


class Shown:
    """What new connections are shown; those that are there already keep what they were shown."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.context = identity.context
        # Asked by every connection, also by one that names no server.  A certificate that is
        # loaded into a context beside another, of another kind of key, would not replace it.
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = self.identity.context


def read_identity(certificate: Path, key: Path) -> Identity:
    """Read a certificate (with the chain that it comes with) and its key, both in PEM.

    Raises:
        ConfigurationError: which of the files is wrong, and how.
    """
    shown = _read_certificate(certificate)
    return Identity(
        context=_make_context(certificate, key),
        names=tuple(_names(shown)),
        begins_at=shown.not_valid_before_utc,
        expires_at=shown.not_valid_after_utc,
    )


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except OSError as error:
        raise ConfigurationError(f"tls_cert: cannot read {path}: {error.strerror}.") from None
    except ValueError:
        raise ConfigurationError(
            f"tls_cert: {path} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)."
        ) from None


def _make_context(certificate: Path, key: Path) -> ssl.SSLContext:
    def no_password() -> str:
        # Without this, OpenSSL would ask for it at the terminal.
        raise ConfigurationError(
            f"tls_key: {key} is locked with a password; give a key without one, "
            "which its owner alone can read."
        )

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        key.open("rb").close()
        context.load_cert_chain(certificate, key, password=no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigurationError(f"tls_key: {key} is not the key of {certificate}.") from None
        raise ConfigurationError(
            f"tls_key: {key} holds no private key in PEM that goes with {certificate} "
            f"({error.reason or 'not PEM'})."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"tls_key: cannot read {key}: {error.strerror}.") from None
    return context


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        subject = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(name.value) for name in subject]
    return [str(name.value) for name in extension.value]
