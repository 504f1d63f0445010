from __future__ import annotations

import hmac

import pytest
from aiohttp.test_utils import make_mocked_request
from msgspec.structs import replace

from antiphon.errors import ConfigurationError
from antiphon.identity.principal import ANYONE
from antiphon.server.api_errors import ApiError, Unauthorized
from antiphon.server.auth import Gate
from antiphon.server.bearers import KeyRing
from antiphon.server.secret import Secret
from tests.server.kept import kept

KEYS = [Secret("key-one"), Secret("key-two")]


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({"Authorization": "Bearer key-one"}, True),
        ({"Authorization": "bearer  key-two "}, True),
        ({"api-key": "key-two"}, True),
        ({"Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.key-one"}, True),
        ({"Sec-WebSocket-Protocol": "openai-insecure-api-key.key-one,realtime"}, True),
        ({}, False),
        ({"Authorization": "Bearer"}, False),
        ({"Authorization": "Bearer key-on"}, False),
        ({"Authorization": "Bearer key-one2"}, False),
        ({"Authorization": "Basic key-one"}, False),
        ({"Authorization": "key-one"}, False),
        ({"Sec-WebSocket-Protocol": "realtime, key-one"}, False),
        ({"Authorization": "Bearer wrong", "api-key": "key-one"}, False),
    ],
)
async def test_a_key_is_taken_from_three_places(headers: dict[str, str], admitted: bool) -> None:
    request = make_mocked_request("GET", "/", headers=headers)
    if admitted:
        shown = await Gate(KEYS).require(request, "operate")
        assert replace(shown, settings_key=None) == ANYONE
    else:
        with pytest.raises(Unauthorized):
            await Gate(KEYS).require(request, "operate")


async def test_without_keys_everyone_is_admitted() -> None:
    assert Gate().is_open
    assert await Gate().require(make_mocked_request("GET", "/"), "operate") == ANYONE


def test_keys_are_not_kept_as_they_are() -> None:
    assert "key-one" in list(kept(KEYS)), "one that is kept is found"
    assert "key-one" not in list(kept(KeyRing(KEYS)))


@pytest.mark.parametrize("key", ["key-one", "key-two", "wrong"])
def test_all_keys_are_compared_in_constant_time(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the first difference nor the first match ends it sooner."""
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def counting(known: bytes, shown: bytes) -> bool:
        compared.append((known, shown))
        return compare(known, shown)

    ring = KeyRing(KEYS)
    monkeypatch.setattr(hmac, "compare_digest", counting)
    assert (ring.find(key) is None) is (key == "wrong")
    assert len(compared) == len(KEYS)
    assert {len(digest) for pair in compared for digest in pair} == {32}


def test_a_key_of_strange_bytes_is_only_wrong() -> None:
    assert KeyRing(KEYS).find("schl\udcfcssel") is None


APP = "https://app.example.com"

# keys, allowed origins, Origin, Host: may the page connect?
PAGES = [
    (False, [], None, "127.0.0.1:8080", True),
    (False, [], None, "localhost", True),
    (False, [], None, "[::1]:8080", True),
    (False, [], "http://localhost:3000", "127.0.0.1:8080", True),
    (False, [], "http://app.localhost:3000", "127.0.0.1:8080", True),
    (False, [], "http://127.0.0.1:8080", "127.0.0.1:8080", True),
    (False, [], APP, "127.0.0.1:8080", False),
    (False, [], "null", "127.0.0.1:8080", False),
    (False, [], "http://localhost.evil.com", "127.0.0.1:8080", False),
    (False, [], "http://[bad", "127.0.0.1:8080", False),
    (False, [], "http://evil.com:8080", "evil.com:8080", False),  # DNS rebinding …
    (False, [], None, "evil.com:8080", False),  # … where the browser sends no Origin
    (False, [APP], APP, "127.0.0.1:8080", True),
    (False, [APP], "http://localhost:3000", "127.0.0.1:8080", True),
    (False, [APP], None, "app.example.com", True),
    (False, ["null"], "null", "127.0.0.1:8080", True),
    (False, ["*"], "https://any.example", "any.host", True),
    (True, [], APP, "voice.example.com", True),
    (True, [APP], APP, "voice.example.com", True),
    (True, [APP], "HTTPS://APP.example.com", "voice.example.com", True),
    (True, [APP], "https://other.example.com", "voice.example.com", False),
    (True, [APP], None, "voice.example.com", True),
]


@pytest.mark.parametrize(("keys", "allowed", "origin", "host", "may"), PAGES)
def test_which_pages_may_connect(
    keys: bool, allowed: list[str], origin: str | None, host: str, may: bool
) -> None:
    gate = Gate(KEYS if keys else (), allowed)
    headers = {"Host": host} | ({"Origin": origin} if origin else {})
    request = make_mocked_request("GET", "/v1/realtime", headers=headers)
    if may:
        gate.check_page(request)
    else:
        with pytest.raises(ApiError, match="ANTIPHON_ALLOWED_ORIGINS") as refused:
            gate.check_page(request)
        assert refused.value.status == 403


@pytest.mark.parametrize(
    ("keys", "allowed", "origin", "says"),
    [
        (False, [], "http://localhost:3000", "http://localhost:3000"),
        (False, [], APP, None),
        (False, ["*"], APP, "*"),
        (True, [], APP, "*"),
        (True, [APP], APP, APP),
        (True, [APP], "https://other.example.com", None),
    ],
)
def test_what_pages_may_read(keys: bool, allowed: list[str], origin: str, says: str | None) -> None:
    assert Gate(KEYS if keys else (), allowed).cors_origin(origin) == says


# --- Behind a proxy ------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("10.1.2.3", "203.0.113.7", "203.0.113.7"),
        ("10.1.2.3", "6.6.6.6, 203.0.113.7, 10.9.9.9", "203.0.113.7"),
        ("10.1.2.3", "6.6.6.6, nonsense", "nonsense"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("203.0.113.9", "6.6.6.6", "203.0.113.9"),
        ("::1", "203.0.113.7", "203.0.113.7"),
    ],
)
def test_a_clients_address_is_what_our_own_proxies_say(
    remote: str, forwarded: str, address: str
) -> None:
    gate = Gate(KEYS, trusted_proxies=["10.0.0.0/8", "::1"])
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=remote)
    assert gate.address_of(request) == address
    assert gate.visitor(request).address == address
    assert Gate(KEYS).address_of(request) == remote, "nobody else is believed"


def test_a_proxy_that_is_no_address_is_the_operators_mistake() -> None:
    with pytest.raises(ConfigurationError, match="'nginx' is no address"):
        Gate(KEYS, trusted_proxies=["nginx"])


def test_a_refused_key_is_told_with_its_reason_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate(KEYS)
    for headers in ({}, {"api-key": "wrong-key"}, {"Authorization": "Bearer ek_old"}):
        gate.note_refused(make_mocked_request("GET", "/", headers=headers).clone(remote="1.2.3.4"))
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert caplog.messages == [
        "refused: no key was shown, from 1.2.3.4 (1 so far)",
        "refused: an unknown key, from 1.2.3.4 (2 so far)",
        "refused: a client secret that does not do here, from 1.2.3.4 (3 so far)",
    ]
    assert gate.refused_keys == 3
