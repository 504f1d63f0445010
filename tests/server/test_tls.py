"""Certificates: made for development, read at start, and what is said when one is wrong."""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientConnectorCertificateError, ClientSession, ServerDisconnectedError
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from antiphon.errors import ConfigurationError
from antiphon.server.config import load
from antiphon.server.self_signed import LOCAL_NAMES, Files, own_names, write_self_signed
from antiphon.server.tls import Identity, read_identity
from tests.server_process import ServerProcess


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_self_signed(tmp_path / "tls", [*LOCAL_NAMES, "voice.lan"])


def refusal(files: Files) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read_identity(files.certificate, files.key)
    return str(refused.value)


# --- Making one --------------------------------------------------------------


def test_the_key_is_for_its_owner_alone(files: Files) -> None:
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert b"PRIVATE" not in files.certificate.read_bytes()


def test_it_is_good_for_the_names_of_this_machine_for_ninety_days(files: Files) -> None:
    identity = read_identity(files.certificate, files.key)
    assert identity.names == ("localhost", "127.0.0.1", "::1", "voice.lan")
    assert own_names()[: len(LOCAL_NAMES)] == LOCAL_NAMES
    left = identity.expires_at - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)


def test_it_vouches_for_no_other_certificate(files: Files) -> None:
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert not constraints.value.ca


def test_what_is_there_is_replaced_on_demand_only(files: Files) -> None:
    before = files.key.read_bytes()
    with pytest.raises(ConfigurationError, match=r"key\.pem is there already; .* --force"):
        write_self_signed(files.key.parent, ["localhost"])
    assert files.key.read_bytes() == before
    write_self_signed(files.key.parent, ["localhost"], force=True)
    assert files.key.read_bytes() != before
    assert read_identity(*files).names == ("localhost",)


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="Cannot write"):
        write_self_signed(tmp_path / "file" / "tls", ["localhost"])


def test_a_name_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'straße' is neither an address nor a host name"):
        write_self_signed(tmp_path, ["straße"])
    assert not list(tmp_path.iterdir())


# --- Reading one -------------------------------------------------------------


def test_a_file_that_is_absent_is_named(files: Files, tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"
    assert refusal(files._replace(certificate=absent)) == (
        f"tls_cert: cannot read {absent}: No such file or directory."
    )
    assert refusal(files._replace(key=absent)) == (
        f"tls_key: cannot read {absent}: No such file or directory."
    )


def test_a_key_of_another_certificate_is_refused(files: Files, tmp_path: Path) -> None:
    other = write_self_signed(tmp_path / "other", ["localhost"])
    assert refusal(files._replace(key=other.key)) == (
        f"tls_key: {other.key} is not the key of {files.certificate}."
    )


@pytest.mark.parametrize("text", ["", "garbage", "-----BEGIN CERTIFICATE-----\nAA\n"])
def test_what_is_no_pem_is_refused(files: Files, tmp_path: Path, text: str) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text(text)
    assert "holds no certificate in PEM" in refusal(files._replace(certificate=garbage))
    assert "holds no private key in PEM" in refusal(files._replace(key=garbage))


def test_the_files_exchanged_are_refused(files: Files) -> None:
    assert "holds no certificate in PEM" in refusal(Files(files.key, files.certificate))


def test_a_locked_key_is_refused_and_asks_nobody(files: Files, tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"sesame"),
        )
    )
    assert "is locked with a password" in refusal(files._replace(key=locked))


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (NOON - timedelta(seconds=1), "is not valid before 2026-06-01 12:00 UTC."),
        (NOON, None),
        (NOON + timedelta(days=22), None),
        (NOON + timedelta(days=23), "expires at 2026-07-01 12:00 UTC; renew it and reload."),
        (NOON + timedelta(days=30), "expired at 2026-07-01 12:00 UTC: clients will refuse it."),
    ],
)
def test_a_certificate_out_of_its_time_is_a_warning(now: datetime, says: str | None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    warning = Identity(context, (), NOON, NOON + timedelta(days=30)).warning(now)
    assert (warning and warning.removeprefix("The TLS certificate ")) == says


@pytest.mark.parametrize(
    ("variable", "lacks"), [("ANTIPHON_TLS_CERT", "tls_key"), ("ANTIPHON_TLS_KEY", "tls_cert")]
)
def test_one_file_alone_is_refused(variable: str, lacks: str, files: Files) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable}: .*too: {lacks} in"):
        load(environ={variable: str(files.certificate)})


def test_a_path_without_a_file_is_named_with_where_it_stands(files: Files) -> None:
    paths = {"ANTIPHON_TLS_CERT": str(files.certificate), "ANTIPHON_TLS_KEY": "nowhere.pem"}
    with pytest.raises(ConfigurationError, match=r"^ANTIPHON_TLS_KEY: .* no file 'nowhere\.pem'"):
        load(environ=paths)


# --- Serving with one --------------------------------------------------------


async def test_only_who_trusts_the_certificate_connects(
    tls_server: ServerProcess, certificate: Files
) -> None:
    url = f"{tls_server.url}/healthz"
    assert url.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=certificate.certificate)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT  # As Python does from 3.13 on.
    async with ClientSession() as client:
        async with client.get(url, ssl=trusting) as response:
            assert (await response.json())["status"] == "ok"
        with pytest.raises(ClientConnectorCertificateError):
            await client.get(url)


async def test_plain_http_gets_no_answer_and_leaves_the_server_as_it_was(
    tls_server: ServerProcess, certificate: Files
) -> None:
    plain = tls_server.url.replace("https", "http", 1)
    trusting = ssl.create_default_context(cafile=certificate.certificate)
    async with ClientSession() as client:
        with pytest.raises((ServerDisconnectedError, ConnectionError)):
            await client.get(f"{plain}/healthz")
        async with client.get(f"{tls_server.url}/healthz", ssl=trusting) as response:
            assert response.status == 200
