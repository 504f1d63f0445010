"""The assistant's own voice, come back through the microphone, in virtual time."""

from __future__ import annotations

import asyncio
import base64
import json

import numpy as np
import pytest

from antiphon.core.formats import decoder
from antiphon.engines.vad.silero import SileroDetector
from antiphon.protocol.client import InputAudioBufferAppend
from antiphon.protocol.codec import decode_client_event
from antiphon.protocol.session import AudioFormat, PcmFormat, PcmuFormat
from antiphon.runtime.hub import Hub
from antiphon.testing import MemoryConnection, run_in_virtual_time
from antiphon.transports.rtp.playback import PacedPlayback
from tests.recordings import at_24khz
from tests.transports.rtp.test_playback import Plain
from tests.transports.webrtc.client import SayingEngine

FRAME_BYTES = 960
DELAY_FRAMES = 8
CODECS: dict[str, AudioFormat] = {"audio/pcm": PcmFormat(), "audio/pcmu": PcmuFormat()}


async def interrupted(*, echo_db: float, person: bytes = b"") -> bool:
    """Whether a reply is cut, with such an echo, and a person who speaks a second into it."""
    playback = PacedPlayback(Plain(), lambda: None)
    hub = Hub(lambda _: SayingEngine(3 * at_24khz("harvard_s1_1")), detector=SileroDetector())
    session = hub.open(kind="realtime", model="m", playback=playback)
    connection = MemoryConnection("page")
    session.attach(connection)
    session.receive(connection, decode_client_event('{"type": "response.create"}'))
    room = np.random.default_rng(1)
    played: list[np.ndarray] = []
    for frame in range(250):
        await asyncio.sleep(0.02)
        outgoing = playback.next_frame()
        sound = outgoing.payload if outgoing and outgoing.payload != Plain.silence else b""
        played.append(np.frombuffer(sound.ljust(FRAME_BYTES, b"\0"), "<i2"))
        playback.encode_ahead()
        heard = room.normal(0, 6, 480)
        if frame >= DELAY_FRAMES:
            heard += 10 ** (echo_db / 20) * played[frame - DELAY_FRAMES]
        said = person[(frame - 50) * FRAME_BYTES :][:FRAME_BYTES] if frame >= 50 else b""
        heard += np.frombuffer(said.ljust(FRAME_BYTES, b"\0"), "<i2")
        session.hear(heard.astype("<i2").tobytes())
    kinds = {json.loads(message)["type"] for message in iter(connection.take, None)}
    await hub.aclose()
    return "input_audio_buffer.speech_started" in kinds


@pytest.mark.parametrize("echo_db", [-26, -20, -14])
def test_the_assistants_own_voice_does_not_interrupt_it(echo_db: float) -> None:
    async def main() -> None:
        assert not await interrupted(echo_db=echo_db)

    run_in_virtual_time(main())


@pytest.mark.parametrize("echo_db", [-90, -26, -20, -14])
def test_a_person_does_through_the_echo(echo_db: float) -> None:
    async def main() -> None:
        assert await interrupted(echo_db=echo_db, person=at_24khz("harvard_s2_4"))

    run_in_virtual_time(main())


def test_without_the_comparison_the_echo_would(monkeypatch: pytest.MonkeyPatch) -> None:
    from antiphon.audio.echo import Echo

    monkeypatch.setattr(Echo, "is_of", lambda *_: False)

    async def main() -> None:
        assert await interrupted(echo_db=-14)

    run_in_virtual_time(main())


async def interrupted_by_websocket(
    *, echo_db: float, codec: str = "audio/pcm", person: bytes = b"", buffer_ms: int = 200
) -> bool:
    """The same where the client plays: as it comes, out of a buffer, into a room."""
    hub = Hub(lambda _: SayingEngine(3 * at_24khz("harvard_s1_1")), detector=SileroDetector())
    session = hub.open(kind="realtime", model="m")
    connection = MemoryConnection("page")
    session.attach(connection)
    output = {"audio": {"output": {"format": {"type": codec}}}}
    update = {"type": "session.update", "session": {"type": "realtime", **output}}
    session.receive(connection, decode_client_event(json.dumps(update)))
    session.receive(connection, decode_client_event('{"type": "response.create"}'))
    room = np.random.default_rng(1)
    playing = decoder(CODECS[codec])
    sound, kinds = bytearray(buffer_ms * 48), set()
    for frame in range(250):
        await asyncio.sleep(0.02)
        for message in iter(connection.take, None):
            event = json.loads(message)
            kinds.add(event["type"])
            if event["type"] == "response.output_audio.delta":
                sound += playing.decode(base64.b64decode(event["delta"]))
        played = np.frombuffer(bytes(sound[:FRAME_BYTES]).ljust(FRAME_BYTES, b"\0"), "<i2")
        del sound[:FRAME_BYTES]
        heard = room.normal(0, 6, 480) + 10 ** (echo_db / 20) * played
        said = person[(frame - 50) * FRAME_BYTES :][:FRAME_BYTES] if frame >= 50 else b""
        heard += np.frombuffer(said.ljust(FRAME_BYTES, b"\0"), "<i2")
        append = InputAudioBufferAppend(audio=heard.astype("<i2").tobytes())
        session.receive(connection, append)
    await hub.aclose()
    return "input_audio_buffer.speech_started" in kinds


@pytest.mark.parametrize("echo_db", [-30, -20, -12])
@pytest.mark.parametrize("codec", ["audio/pcm", "audio/pcmu"])
def test_nor_does_it_where_the_client_plays(echo_db: float, codec: str) -> None:
    async def main() -> None:
        assert not await interrupted_by_websocket(echo_db=echo_db, codec=codec)

    run_in_virtual_time(main())


@pytest.mark.parametrize("echo_db", [-90, -20])
def test_a_person_does_where_the_client_plays(echo_db: float) -> None:
    async def main() -> None:
        person = at_24khz("harvard_s2_4")
        assert await interrupted_by_websocket(echo_db=echo_db, person=person)

    run_in_virtual_time(main())
