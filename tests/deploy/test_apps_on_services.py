"""The escape room and the clinic before the services of compose.yaml: JWT, budgets, metrics."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession

from antiphon.server.serve import listening
from examples.clinic_assistant.accounts import Accounts
from examples.clinic_assistant.app import make_app as make_clinic
from examples.escape_room.app import make_app as make_escape_room
from examples.serving import VoiceServer
from tests.deploy.services import Place, metric, missing, new_key, running
from tests.examples.backend import needs_client

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=f"not installed: {', '.join(missing())}"),
    needs_client,
]


@asynccontextmanager
async def operator(place: Place) -> AsyncIterator[ClientSession]:
    key = await asyncio.to_thread(new_key, place.environ, "operator")
    async with ClientSession(headers={"Authorization": f"Bearer {key}"}) as http:
        yield http


async def get(http: ClientSession, url: str) -> Any:
    async with http.get(url) as told:
        assert told.status == 200, await told.text()
        return await told.json()


async def app_key(place: Place, name: str, *options: str) -> VoiceServer:
    scopes = [word for scope in ("mint", "call", "sideband", "read") for word in ("--scope", scope)]
    return VoiceServer(
        place.url, await asyncio.to_thread(new_key, place.environ, name, *scopes, *options)
    )


async def play(room: str, http: ClientSession) -> None:
    """One answer of the puzzle master, by the secret that its page gets."""
    async with http.post(f"{room}/games") as begun:
        game = await begun.json()
    async with http.post(f"{room}/games/{game['id']}/secret") as minted:
        secret = (await minted.json())["value"]
    headers = {"Authorization": f"Bearer {secret}", "Origin": room}
    url = game["url"].replace("http", "ws", 1) + "/realtime"
    async with http.ws_connect(url, headers=headers) as ws:
        assert (await ws.receive_json())["type"] == "session.created"
        await ws.send_json({"type": "response.create"})
        while (event := await ws.receive_json(timeout=60))["type"] != "response.done":
            pass
        assert event["response"]["status"] == "completed"


async def call(place: Place, http: ClientSession, token: str) -> str:
    """One answer for somebody with a token of the identity provider, or the refusal."""
    url = place.url.replace("http", "ws", 1) + "/realtime?model=gpt-realtime"
    async with http.ws_connect(url, headers={"Authorization": f"Bearer {token}"}) as ws:
        event = await ws.receive_json(timeout=60)
        if event["type"] == "error":
            code: str = event["error"]["code"]
            return code
        await ws.send_json({"type": "response.create"})
        while (event := await ws.receive_json(timeout=60))["type"] != "response.done":
            pass
        status: str = event["response"]["status"]
        return status


async def visit(clinic: str, http: ClientSession) -> None:
    login = {"login": "maria", "password": "anemone"}
    async with http.post(f"{clinic}/login", json=login) as told:
        token = (await told.json())["token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(f"{clinic}/conversation", json={"text": "Hello"}, headers=headers) as told:
        assert told.status == 200, await told.text()


def turn_realm(port: int) -> str:
    """What coturn says to one who asks it for a relay without a password (RFC 8656, 7.2)."""
    allocate = struct.pack("!HHI12sHHB3x", 3, 8, 0x2112A442, b"a-request-id", 0x19, 4, 17)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(60)
        asking.sendto(allocate, ("127.0.0.1", port))
        told = asking.recv(2048)
    at = 20
    while at < len(told):
        kind, length = struct.unpack_from("!HH", told, at)
        if kind == 0x14:
            return told[at + 4 : at + 4 + length].decode()
        at += 4 + -(-length // 4) * 4
    raise AssertionError(told)


async def test_both_are_served_billed_and_measured() -> None:
    with running() as place:
        async with operator(place) as ops, ClientSession() as people:
            games = await app_key(place, "games", "--budget", "game")
            clinics = await app_key(place, "clinic", "--tenant", "clinic")
            accounts = Accounts(b"k" * 32)
            accounts.add("maria", "anemone", "Maria Weber")
            db = sqlite3.connect(":memory:", isolation_level=None)
            async with (
                listening(make_escape_room(games, tool="server")) as room,
                listening(make_clinic(accounts, db, clinics)) as clinic,
            ):
                await play(room, people)
                await visit(clinic, people)
            issuer = place.issuer
            assert await call(place, people, issuer.token("call", user="anna")) == "completed"
            elsewhere = issuer.token("call", user="anna", audience="another-app")
            assert await call(place, people, elsewhere) == "invalid_api_key"
            usage = await get(ops, f"{place.url}/antiphon/usage?by=tenant,key")
            spent = {row["key"]: row["nano_usd"] for row in usage["data"]}
            assert spent.keys() == {"games", "clinic", None}
            [by_token] = (await get(ops, f"{place.url}/antiphon/usage?by=user&user=anna"))["data"]
            assert by_token["nano_usd"] == spent[None]
            assert min(spent.values()) > 0
            assert not any(row["unpriced_lines"] for row in usage["data"])
            told = await get(ops, f"{place.url}/antiphon/usage/budgets")
            pots = {(p["scope"], p["key"] or p["tenant"]): p for p in told["data"]}
            for of, dollars, key in (
                (("key", "games"), 5, "games"),
                (("tenant", "clinic"), 20, "clinic"),
            ):
                pot = pots[of]
                assert pot["limit_nano_usd"] == dollars * 10**9
                assert pot["spent_nano_usd"] == spent[key]
            until = time.monotonic() + 30
            while metric(place, "antiphon_sessions_opened_total") < 3:
                assert time.monotonic() < until, "Prometheus has seen nothing"
                await asyncio.sleep(0.5)
        assert turn_realm(place.turn_port) == "localhost"
