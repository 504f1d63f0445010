"""Minting over HTTP, by hand and by openai-python."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openai import AsyncOpenAI, BadRequestError

from antiphon.core.settings import update_session
from antiphon.engines.scripted import ScriptedEngine
from antiphon.protocol.session import PcmuFormat, Session
from antiphon.runtime.hub import Hub, SessionRules
from antiphon.server.api_errors import errors_as_json
from antiphon.server.auth import Gate
from antiphon.server.client_secrets import ClientSecrets
from antiphon.server.conversations import check_sees, forked_from
from antiphon.server.secret import Secret
from antiphon.server.secret_store import MemorySecretStore, SecretRefused

NOW_S = 1_795_000_000.0
KEY = "server-key"

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def store() -> MemorySecretStore:
    return MemorySecretStore(now_s=lambda: NOW_S, max_secrets=20)


@pytest.fixture
async def client(store: MemorySecretStore) -> AsyncIterator[Client]:
    app = web.Application(middlewares=[errors_as_json])
    make = partial(
        ClientSecrets,
        store,
        gate=Gate([Secret(KEY)]),
        rules=SessionRules(),
        fork=partial(forked_from, Hub(lambda _: ScriptedEngine())),
        check_sees=partial(check_sees, Hub(lambda _: ScriptedEngine())),
    )
    handlers, strict = make(), make(strict=True)
    app.add_routes(handlers.routes())
    app.add_routes(strict.routes("/strict"))
    headers = {"Authorization": f"Bearer {KEY}"}
    async with TestClient(TestServer(app), headers=headers) as client:
        yield client


async def post(
    client: Client, body: Any = None, path: str = "/v1/realtime/client_secrets", **headers: str
) -> tuple[int, Any]:
    data = body if isinstance(body, str | None) else json.dumps(body)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post(path, data=data, headers=names) as response:
        return response.status, await response.json()


async def mint(client: Client, body: Any = None, **options: str) -> dict[str, Any]:
    status, answer = await post(client, body, **options)
    assert status == 200, answer
    return dict(answer)


async def refusal(client: Client, body: Any, **options: str) -> dict[str, Any]:
    status, answer = await post(client, body, **options)
    assert status == 400, answer
    error = answer["error"]
    assert error.keys() == {"message", "type", "code", "param"}
    assert error["type"] == "invalid_request_error"
    return dict(error)


# --- GA ----------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, "", " \n", "{}", '{"session":null}'])
async def test_nothing_need_be_asked_for(
    client: Client, store: MemorySecretStore, body: str | None
) -> None:
    answer = await mint(client, body)
    assert answer["value"].startswith("ek_")
    assert answer["expires_at"] == NOW_S + 600
    session = answer["session"]
    assert session["type"] == "realtime"
    assert session["object"] == "realtime.session"
    assert session["id"].startswith("sess_")
    assert session["model"] == "gpt-realtime"
    assert (session["truncation"], session["expires_at"]) == ("auto", 0)
    assert [session[key] for key in ("prompt", "tracing", "include")] == [None] * 3
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    grant = await store.check(answer["value"])
    assert (grant.kind, grant.model, grant.dialect) == ("realtime", "gpt-realtime", "ga")


async def test_a_secret_is_bound_to_its_session(client: Client, store: MemorySecretStore) -> None:
    asked = {
        "type": "realtime",
        "model": "gpt-realtime-2",
        "instructions": "Be brief.",
        "audio": {"output": {"voice": "ash"}, "input": {"format": {"type": "audio/pcmu"}}},
        "tools": [{"type": "function", "name": "f"}],
    }
    body = {"session": asked, "expires_after": {"anchor": "created_at", "seconds": 10}}
    answer = await mint(client, body)
    assert answer["expires_at"] == NOW_S + 10
    assert answer["session"]["instructions"] == "Be brief."
    assert answer["session"]["model"] == "gpt-realtime-2"
    grant = await store.check(answer["value"])
    assert grant.model == "gpt-realtime-2"
    fresh = Session(id="s", model=grant.model, expires_at=1)
    opened = update_session(fresh, grant.patch, voice_locked=False)
    assert isinstance(opened, Session)
    assert opened.instructions == "Be brief."
    assert opened.audio.input.format == PcmuFormat()
    assert (opened.audio.output.voice, opened.tools[0].name) == ("ash", "f")  # type: ignore[union-attr]


async def test_a_transcription_session_can_be_bound(
    client: Client, store: MemorySecretStore
) -> None:
    answer = await mint(client, {"session": {"type": "transcription"}})
    assert answer["session"]["object"] == "realtime.transcription_session"
    assert (await store.check(answer["value"])).kind == "transcription"


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"session": {}}, "missing_required_parameter", "session.type"),
        ({"session": {"model": "m"}}, "missing_required_parameter", "session.type"),
        ({"session": {"type": "song"}}, "invalid_value", "session.type"),
        ({"session": 5}, "invalid_type", "session"),
        (
            {"session": {"type": "realtime", "audio": {"input": {"format": "pcm16"}}}},
            "invalid_type",
            "session.audio.input.format",
        ),
        (
            {"session": {"type": "realtime", "output_modalities": []}},
            "invalid_value",
            "session.output_modalities",
        ),
        ({"expires_after": {"seconds": 9}}, "invalid_value", "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "invalid_value", "expires_after.seconds"),
        ({"expires_after": {"seconds": "60"}}, "invalid_type", "expires_after.seconds"),
        ({"expires_after": {"anchor": "now"}}, "invalid_value", "expires_after.anchor"),
        ({"antiphon": {"max_sessions": 0}}, "invalid_value", "antiphon.max_sessions"),
        ({"antiphon": {"max_session": 1}}, "unknown_parameter", "antiphon.max_session"),
        ({"antiphon": {"allowed_origins": []}}, "invalid_value", "antiphon.allowed_origins"),
        (
            {"antiphon": {"allowed_origins": ["https://a.example/app"]}},
            "invalid_value",
            "antiphon.allowed_origins[0]",
        ),
        (
            {"antiphon": {"allowed_origins": ["http://[", "*"]}},
            "invalid_value",
            "antiphon.allowed_origins[0]",
        ),
        (
            {"antiphon": {"client_events": ["response.create", "session.close"]}},
            "invalid_value",
            "antiphon.client_events[1]",
        ),
    ],
)
async def test_what_does_not_fit_is_explained(
    client: Client, store: MemorySecretStore, body: Any, code: str, param: str
) -> None:
    error = await refusal(client, body)
    assert (error["code"], error["param"]) == (code, param)
    assert len(store) == 0


async def test_the_messages_are_those_of_the_api(client: Client) -> None:
    error = await refusal(client, {"session": {"model": "m"}})
    assert error["message"] == "Missing required parameter: 'session.type'."
    bad_format = {"type": "realtime", "audio": {"input": {"format": "pcm16"}}}
    error = await refusal(client, {"session": bad_format})
    assert error["message"] == (
        "Invalid type for 'session.audio.input.format': "
        "expected an object, but got a string instead."
    )


@pytest.mark.parametrize("body", ["{", "[]", "5", "\udcff".encode(errors="surrogateescape")])
async def test_a_body_that_is_no_object_is_refused(client: Client, body: str | bytes) -> None:
    async with client.post("/v1/realtime/client_secrets", data=body) as response:
        assert response.status == 400
        assert "JSON" in (await response.json())["error"]["message"]


async def test_strict_refuses_unknown_settings(client: Client) -> None:
    body = {"session": {"type": "realtime", "voice": "ash"}}
    minted = await mint(client, body)
    assert minted["session"]["audio"]["output"]["voice"] == "ash"
    error = await refusal(client, body, path="/strict/realtime/client_secrets")
    assert (error["code"], error["param"]) == ("unknown_parameter", "session.voice")


# --- Who may -----------------------------------------------------------------


async def test_only_a_server_key_mints_and_revokes(client: Client) -> None:
    answer = await mint(client)
    for key in ("", "Bearer wrong", f"Bearer {answer['value']}"):
        status, body = await post(client, {}, Authorization=key)
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")
        path = f"/v1/realtime/client_secrets/{answer['antiphon']['id']}"
        async with client.delete(path, headers={"Authorization": key}) as response:
            assert response.status == 401


async def test_a_secret_can_be_revoked_by_its_id(client: Client, store: MemorySecretStore) -> None:
    answer = await mint(client)
    path = f"/v1/realtime/client_secrets/{answer['antiphon']['id']}"
    async with client.delete(path) as response:
        assert (await response.json())["deleted"] is True
    with pytest.raises(SecretRefused, match="revoked"):
        await store.check(answer["value"])
    async with client.delete(path) as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "client_secret_not_found"


async def test_limits_are_bound(client: Client, store: MemorySecretStore) -> None:
    limits = {
        "max_sessions": 1,
        "allowed_origins": ["https://App.example:8443"],
        "client_events": ["response.create", "transcription_session.update"],
        "end_user_id": "user-7",
    }
    value = (await mint(client, {"antiphon": limits}))["value"]
    grant = await store.redeem(value, origin="https://app.example:8443")
    assert grant.client_events == frozenset({"response.create", "session.update"})
    assert grant.end_user_id == "user-7"
    with pytest.raises(SecretRefused, match="1 sessions"):
        await store.redeem(value, origin="https://app.example:8443")


async def test_the_end_user_may_come_as_a_header(client: Client, store: MemorySecretStore) -> None:
    answer = await mint(client, OpenAI_Safety_Identifier="hash-9")
    assert (await store.check(answer["value"])).end_user_id == "hash-9"
    body = {"antiphon": {"end_user_id": "mine"}}
    answer = await mint(client, body, OpenAI_Safety_Identifier="hash-9")
    assert (await store.check(answer["value"])).end_user_id == "mine"


async def test_a_full_store_says_when_to_try_again(client: Client) -> None:
    for _ in range(20):
        await mint(client)
    async with client.post("/v1/realtime/client_secrets") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "60")
        assert (await response.json())["error"]["code"] == "server_overloaded"


async def test_no_secret_reaches_a_log_or_a_cache(
    client: Client, store: MemorySecretStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with client.post("/v1/realtime/client_secrets") as response:
        assert response.headers["Cache-Control"] == "no-store"
        answer = await response.json()
    beta = await mint(client, {}, path="/v1/realtime/sessions")
    await client.delete(f"/v1/realtime/client_secrets/{answer['antiphon']['id']}")
    with pytest.raises(SecretRefused):
        await store.redeem(answer["value"])
    assert answer["antiphon"]["id"] in caplog.text
    for value in (answer["value"], beta["client_secret"]["value"], KEY):
        assert value not in caplog.text


# --- Beta --------------------------------------------------------------------


async def test_a_beta_session_is_flat_and_lives_a_minute(
    client: Client, store: MemorySecretStore
) -> None:
    body = {"model": "gpt-4o-realtime-preview", "voice": "ash", "modalities": ["text"]}
    answer = await mint(client, body | {"temperature": 0.7}, path="/v1/realtime/sessions")
    secret = answer["client_secret"]
    assert secret["expires_at"] == NOW_S + 60
    assert answer["object"] == "realtime.session"
    assert (answer["voice"], answer["modalities"]) == ("ash", ["text"])
    assert (answer["temperature"], answer["model"]) == (0.7, "gpt-4o-realtime-preview")
    grant = await store.check(secret["value"])
    assert (grant.dialect, grant.dialect_extras) == ("beta", {"temperature": 0.7})


async def test_a_beta_transcription_session(client: Client, store: MemorySecretStore) -> None:
    body = {"input_audio_format": "g711_ulaw", "input_audio_transcription": {"model": "m"}}
    answer = await mint(client, body, path="/v1/realtime/transcription_sessions")
    assert answer["object"] == "realtime.transcription_session"
    assert answer["input_audio_format"] == "g711_ulaw"
    grant = await store.check(answer["client_secret"]["value"])
    assert (grant.kind, grant.dialect) == ("transcription", "beta")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input_audio_format": "mp3"}, "input_audio_format"),
        ({"turn_detection": {"threshold": 7}}, "turn_detection.threshold"),
        ({"modalities": []}, "modalities"),
        ({"tools": 5}, "tools"),
        ({"temperature": 5}, "temperature"),
        ({"client_secret": 5}, "client_secret"),
        ({"client_secret": {"expires_after": 5}}, "client_secret.expires_after"),
        ({"client_secret": {"expires_at": {"seconds": 1}}}, "client_secret.expires_after.seconds"),
        ({"antiphon": {"x": 1}}, "antiphon.x"),
    ],
)
async def test_beta_mistakes_are_named_as_they_were_sent(
    client: Client, body: Any, param: str
) -> None:
    error = await refusal(client, body, path="/v1/realtime/sessions")
    assert error["param"] == param
    assert "session." not in error["message"]


# --- The SDK -----------------------------------------------------------------


@pytest.fixture
async def sdk(client: Client) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key=KEY, base_url=str(client.make_url("/v1"))) as sdk:
        yield sdk


async def test_openai_python_mints(sdk: AsyncOpenAI, store: MemorySecretStore) -> None:
    bare = await sdk.realtime.client_secrets.create()
    assert (await store.check(bare.value)).model == "gpt-realtime"
    bound = await sdk.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 7200},
        session={"type": "realtime", "instructions": "Be brief."},
        extra_body={"antiphon": {"max_sessions": 1}},
    )
    assert bound.expires_at == NOW_S + 7200
    assert bound.session.type == "realtime"
    assert (await store.check(bound.value)).max_sessions == 1
    with pytest.raises(BadRequestError, match=r"session\.type") as error:
        await sdk.realtime.client_secrets.create(session={})  # type: ignore[arg-type]
    assert error.value.code == "missing_required_parameter"


async def test_openai_python_mints_in_beta(sdk: AsyncOpenAI, store: MemorySecretStore) -> None:
    session = await sdk.beta.realtime.sessions.create(
        voice="ash", client_secret={"expires_after": {"anchor": "created_at", "seconds": 90}}
    )
    assert session.client_secret.expires_at == NOW_S + 90
    assert (await store.check(session.client_secret.value)).dialect == "beta"
    listening = await sdk.beta.realtime.transcription_sessions.create(
        client_secret={"expires_at": {"anchor": "created_at", "seconds": 80}}
    )
    assert listening.client_secret.expires_at == NOW_S + 80
