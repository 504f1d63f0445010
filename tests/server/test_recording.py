"""What is kept of a session is what was asked for: nothing, words, or sound too."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiohttp import ClientWebSocketResponse

from antiphon.cli import main
from antiphon.engines.scripted import Script, ScriptedEngine, Speak
from antiphon.journal.entries import Sounded
from antiphon.journal.memory import MemoryJournal
from antiphon.journal.sqlite import SqliteJournal
from antiphon.server.settings import Config, JournalSettings
from antiphon.testing import serving
from tests.journal.test_journals import traces
from tests.server.place import CONFIG, EVENT_TIMEOUT_S, KEY, Place, Told, places, until
from tests.server.test_conversations import PATH, gone, says

RATE_HZ = 24_000
BY_HAND = {
    "type": "realtime",
    "audio": {"input": {"turn_detection": None}, "output": {"voice": "cedar"}},
}
CHUNK_MS = 100


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
async def place(journal: MemoryJournal) -> AsyncIterator[Place]:
    async with places(journal=journal) as found:
        yield found


def tone(hz: int, ms: int) -> bytes:
    at = np.arange(ms * RATE_HZ // 1000) / RATE_HZ
    return (np.sin(2 * np.pi * hz * at) * 9_000).astype("<i2").tobytes()


async def hear(ws: ClientWebSocketResponse, pcm: bytes) -> None:
    """In real time, as a microphone."""
    size = CHUNK_MS * RATE_HZ // 500
    for at in range(0, len(pcm), size):
        audio = base64.b64encode(pcm[at : at + size]).decode()
        await ws.send_json({"type": "input_audio_buffer.append", "audio": audio})
        await asyncio.sleep(CHUNK_MS / 1000)


async def spoken_session(place: Place, query: str) -> tuple[dict[str, Any], str]:
    """What `session.created` showed, and the conversation's id."""
    ws = await place.join(query)
    created = (await until(ws, "session.created"))["session"]
    await ws.send_json({"type": "session.update", "session": BY_HAND})
    await hear(ws, tone(440, 600))
    await ws.send_json({"type": "input_audio_buffer.commit"})
    response = await says(ws, "Hello.")
    await ws.close()
    await gone(place)
    return created, response["conversation_id"]


def loudness(ogg: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Of the user's side and the agent's, in pieces of 20 ms."""
    with av.open(io.BytesIO(ogg), "r") as file:
        frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
    sides = np.concatenate(frames, axis=1)
    whole = sides[:, : sides.shape[1] // 960 * 960].reshape(2, -1, 960)
    user, agent = np.abs(whole).max(axis=2)
    return user, agent


async def recording(place: Place, conversation_id: str) -> bytes:
    """Its end is encoded while the session goes."""
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while True:
            told = await place.ask("GET", f"{PATH}/{conversation_id}/recording")
            if told.status == 200 and len(told.body) > 2_000:
                break
            await asyncio.sleep(0.05)
    assert told.headers["Content-Type"] == "audio/ogg"
    body: bytes = told.body
    return body


async def refused(place: Place, query: str, key: str = KEY) -> Told:
    """Before there is a WebSocket."""
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    return await place.ask("GET", f"/v1/realtime?{query}", key=key, headers=upgrade)


async def test_a_session_that_asks_for_it_is_recorded_and_its_client_told(place: Place) -> None:
    created, conversation_id = await spoken_session(place, "model=test&retention=items%2Baudio")
    assert created["antiphon"]["recording"] is True
    user, agent = loudness(await recording(place, conversation_id))
    assert 25 <= (user > 0.1).sum() <= 35, "600 ms of the user"
    assert not (agent > 0.1).any()


async def test_without_being_asked_for_there_is_no_sound(
    place: Place, journal: MemoryJournal
) -> None:
    created, conversation_id = await spoken_session(place, "model=test")
    assert "recording" not in created["antiphon"]
    told = await place.ask("GET", f"{PATH}/{conversation_id}/recording")
    assert (told.status, told.code) == (404, "recording_not_found")
    assert await journal.read_apart(conversation_id, Sounded) == []


async def test_a_session_may_ask_that_nothing_is_kept(place: Place, journal: MemoryJournal) -> None:
    _, conversation_id = await spoken_session(place, "model=test&retention=none")
    assert await journal.read(conversation_id) == []
    told = await place.ask("GET", f"{PATH}/{conversation_id}")
    assert told.status == 404


async def test_a_secret_decides_and_its_bearer_may_ask_for_less(
    place: Place, journal: MemoryJournal
) -> None:
    silent = (await place.mint(retention="none"))["value"]
    ws = await place.join("model=test", key=silent)
    name = (await says(ws, "Hello."))["conversation_id"]
    await ws.close()
    await gone(place)
    assert await journal.read(name) == []

    plain = (await place.mint())["value"]
    error = await refused(place, "model=test&retention=items%2Baudio", key=plain)
    assert (error.status, error.code) == (403, "retention_not_allowed")
    ws = await place.join("model=test&retention=none", key=plain)
    name = (await says(ws, "Hello."))["conversation_id"]
    await ws.close()
    await gone(place)
    assert await journal.read(name) == []

    loud = (await place.mint(retention="items+audio"))["value"]
    ws = await place.join("model=test", key=loud)
    assert (await until(ws, "session.created"))["session"]["antiphon"]["recording"] is True
    await ws.close()


async def test_what_is_unknown_is_refused(place: Place) -> None:
    error = await refused(place, "model=test&retention=everything")
    assert (error.status, error.code) == (400, "invalid_value")
    assert "'items+audio'" in error.body["error"]["message"]


async def test_a_server_that_keeps_nothing_records_nothing() -> None:
    async with places() as place:
        error = await refused(place, "model=test&retention=items%2Baudio")
        assert (error.status, error.code) == (501, "journal_off")
        ws = await place.join("model=test&retention=none")
        await ws.close()


async def test_the_agent_is_recorded_as_far_as_it_was_heard(tmp_path: Path) -> None:
    """And all of it goes with the conversation."""
    path = tmp_path / "conversations.sqlite3"
    config = Config(
        server=CONFIG.server,
        models=CONFIG.models,
        offline=CONFIG.offline,
        webrtc=CONFIG.webrtc,
        journal=JournalSettings(path=str(path), retention="items+audio"),
    )
    engine = ScriptedEngine(Script(replies=((Speak(text="A long answer.", ms=3_000),),)))
    async with serving(engine, config=config, in_memory=False) as server, server.client() as client:
        ws = await client.ws_connect("/v1/realtime?model=test")
        await ws.send_json({"type": "response.create"})
        response = (await until(ws, "response.done"))["response"]
        item = response["output"][0]["id"]
        await asyncio.sleep(0.5)
        cut = {"type": "conversation.item.truncate", "item_id": item, "content_index": 0}
        await ws.send_json({**cut, "audio_end_ms": 400})
        await until(ws, "conversation.item.truncated")
        await asyncio.sleep(0.3)
        await ws.close()
    journal = SqliteJournal(path)
    await journal.start()
    name = response["conversation_id"]
    sound = b"".join(piece.data for piece in await journal.read_apart(name, Sounded))
    _, agent = loudness(sound)
    assert 17 <= (agent > 0.01).sum() <= 23, "400 ms of it were heard"
    assert await journal.erase(name)
    await journal.aclose()
    assert traces(tmp_path, b"OggS", name.encode()) == []


async def test_it_is_told_of_which_sessions_there_is_sound(place: Place) -> None:
    created, conversation_id = await spoken_session(place, "model=test&retention=items%2Baudio")
    sound = await recording(place, conversation_id)
    told = await place.ask("GET", f"{PATH}/{conversation_id}/recordings")
    [found] = told.body["data"]
    assert found["session_id"] == created["id"]
    assert found["size_bytes"] >= len(sound)
    _, silent = await spoken_session(place, "model=test")
    told = await place.ask("GET", f"{PATH}/{silent}/recordings")
    assert (told.status, told.body["data"]) == (200, [])


# --- Tapes -------------------------------------------------------------------


async def test_a_tape_is_kept_where_sound_is_and_replays_from_the_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kept.sqlite3"
    kept = JournalSettings(path=str(path), tapes=True)
    async with places(journal_settings=kept, journal=SqliteJournal(path)) as place:
        _, with_sound = await spoken_session(place, "model=test&retention=items%2Baudio")
        _, without = await spoken_session(place, "model=test")
    assert await asyncio.to_thread(main, ["replay", with_sound, "--path", str(path)]) == 0
    out = capsys.readouterr().out
    assert "all as recorded" in out
    assert await asyncio.to_thread(main, ["replay", without, "--path", str(path)]) == 2
    assert "no tape of it is kept" in capsys.readouterr().err
