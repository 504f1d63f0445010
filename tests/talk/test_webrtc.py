"""`antiphon talk --webrtc` with a real server: recordings in, speech out."""

from __future__ import annotations

import asyncio
import json
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import desk
from tests.recordings import FOLDER
from tests.server_process import ServerProcess

TIMEOUT_S = 180


async def talk(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, what was shown, and the complaint."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "antiphon.cli", "talk", "--webrtc", "--json", "--timeout", "60"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaint = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode is not None
    shown = [json.loads(line) for line in out.splitlines()]
    return process.returncode, shown, complaint.decode()


def of(shown: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in shown if line["event"] == kind]


@pytest.mark.parametrize("codec", ["opus", "pcmu", "pcma"])
async def test_a_recording_is_heard_and_its_answer_saved(
    offline_server: ServerProcess, tmp_path: Path, codec: str
) -> None:
    saved = tmp_path / "reply.wav"
    code, shown, complaint = await talk(
        *("--url", offline_server.url, "--codec", codec, "--save", str(saved)),
        *("--instructions", desk.INSTRUCTIONS),
        *("--file", str(FOLDER / "cmd_two_people.wav")),
    )
    assert (code, complaint) == (0, ""), shown
    assert [said["text"] for said in of(shown, "user")] == ["two people"]
    [answer] = of(shown, "agent")
    assert answer["text"] == desk.BOOKING
    assert "cut" not in answer
    with wave.open(str(saved)) as file:
        assert file.getframerate() == 24_000
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    loud_ms = 20 * sum(
        np.abs(sound[at : at + 480]).max() > 500 for at in range(0, len(sound) - 479, 480)
    )
    assert loud_ms > 40 * len(answer["text"]), "as long as it takes to say"
    [summary] = of(shown, "summary")
    assert summary["connection"].startswith(("good", "fair", "poor"))


async def test_speech_cuts_the_answer_and_only_what_was_heard_stays(
    offline_server: ServerProcess,
) -> None:
    code, shown, _ = await talk(
        # Any voice cuts.  With what `talk` asks for otherwise it hangs on the words, and what a
        # busy machine makes of the sound may be noise (tests/talk/test_conversation.py has both).
        *("--url", offline_server.url, "--keep-session"),
        *("--text", "Tell me a story.", "--barge-in", "2"),
        *("--file", str(FOLDER / "cmd_book_a_room.wav")),
    )
    assert code == 0, shown
    story = of(shown, "agent")[0]
    assert story["text"].startswith("Once")
    assert len(story["cut"]) > len(story["text"]), "there was a minute of it"


async def test_a_turn_may_be_ended_by_hand(offline_server: ServerProcess) -> None:
    code, shown, _ = await talk(
        *("--url", offline_server.url, "--turns", "manual", "--instructions", desk.INSTRUCTIONS),
        *("--file", str(FOLDER / "cmd_two_people.wav")),
    )
    assert code == 0, shown
    assert of(shown, "agent")[0]["text"] == desk.BOOKING


async def test_an_ephemeral_secret_will_do(offline_server: ServerProcess) -> None:
    from aiohttp import ClientSession

    body = {"session": {"type": "realtime", "instructions": "Say exactly: I know you."}}
    async with (
        ClientSession() as client,
        client.post(f"{offline_server.url}/v1/realtime/client_secrets", json=body) as answer,
    ):
        secret = (await answer.json())["value"]
    code, shown, _ = await talk(
        *("--url", offline_server.url, "--key", secret, "--text", "Hello."),
    )
    assert code == 0, shown
    assert of(shown, "agent")[0]["text"] == "I know you."


async def test_a_server_that_is_not_there_or_does_not_know_the_key(
    offline_server: ServerProcess,
) -> None:
    code, _, complaint = await talk("--url", "http://127.0.0.1:9", "--text", "Hello.")
    assert code == 3
    assert "nobody listens at 127.0.0.1:9" in complaint
    code, _, complaint = await talk(
        *("--url", offline_server.url, "--key", "ek_forged", "--text", "Hello.")
    )
    assert code == 4
    assert "answers no call" in complaint
    assert "ek_forged" not in complaint
