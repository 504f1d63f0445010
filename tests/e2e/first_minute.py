"""The first minute with the offline engine, by voice, over a real server.

python -m tests.e2e.first_minute    write what was said into docs/guides/first-minute.md
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import random
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import ClientWebSocketResponse

from antiphon.engines.cascade.llm.offline.brain import OfflineBrain
from antiphon.engines.cascade.offline import offline_engine, whisper_if_found
from antiphon.engines.cascade.stt.ears import find_ears
from antiphon.testing import serving
from tests.recordings import at_24khz

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "first-minute.md"
PATIENCE_S = 120
BYTES_PER_S = 48_000
APPEND_BYTES = 9_600
NOW = dt.datetime(2026, 5, 6, 14, 30, tzinfo=dt.UTC)


VISIT = (
    "marcelo",
    "synthetic_hear_me",
    "synthetic_what_can_you_do",
    "weather_like",
    "brooklyn_padded",
    "synthetic_entertain",
    "synthetic_feet_in_a_mile",
    "synthetic_spell_lighthouse",
    "synthetic_what_time",
    "synthetic_thank_you",
)
"""Recordings, by their names."""


class Line(NamedTuple):
    speaker: str
    text: str
    seconds: float
    """Of speech, where it is the server's."""


async def first_minute() -> list[Line]:
    """The conversation, as the server's events tell it."""
    brain = OfflineBrain(clock=lambda: NOW, new_random=lambda: random.Random(2))
    engine = offline_engine(brain, ears=whisper_if_found(find_ears()), stt_workers=1)
    async with (
        asyncio.timeout(PATIENCE_S),
        serving(engine) as server,
        server.client() as http,
        http.ws_connect("/v1/realtime?model=antiphon-offline") as ws,
    ):
        lines = []
        await ws.send_json({"type": "session.update", "session": _SESSION})
        await ws.send_json({"type": "response.create"})
        lines.append(await _reply(ws))
        for recording in VISIT:
            await _speak(ws, at_24khz(recording))
            events: list[dict[str, Any]] = []
            reply = await _reply(ws, events)
            heard = [e["transcript"] for e in events if e["type"].endswith("ription.completed")]
            lines += [Line("You", " ".join(heard), 0), reply]
        return lines


_SESSION = {
    "type": "realtime",
    "audio": {
        "input": {
            "transcription": {"model": "whisper-1"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 700},
        }
    },
}


async def _speak(ws: ClientWebSocketResponse, pcm: bytes) -> None:
    """Somebody speaks, and then is silent; faster than real time."""
    pcm = bytes(BYTES_PER_S // 4) + pcm + bytes(BYTES_PER_S)
    for at in range(0, len(pcm), APPEND_BYTES):
        audio = base64.b64encode(pcm[at : at + APPEND_BYTES]).decode()
        await ws.send_json({"type": "input_audio_buffer.append", "audio": audio})


async def _reply(ws: ClientWebSocketResponse, events: list[dict[str, Any]] | None = None) -> Line:
    """The answer that comes next; what came until then goes into ``events``."""
    events = [] if events is None else events
    while not events or events[-1]["type"] != "response.done":
        events.append(await ws.receive_json())
        assert events[-1]["type"] != "error", events[-1]
    said = [e["transcript"] for e in events if e["type"] == "response.output_audio_transcript.done"]
    audio = [e["delta"] for e in events if e["type"] == "response.output_audio.delta"]
    seconds = sum(len(base64.b64decode(delta)) for delta in audio) / BYTES_PER_S
    return Line("Antiphon", " ".join(said), seconds)


def page(lines: list[Line]) -> str:
    """The transcript as a page of the guides."""
    said = "\n>\n".join(f"> **{line.speaker}**: {line.text}" for line in lines)
    return f"""# The first minute

What a server says after `make run`, where it has neither a language model nor a script. A test has
this conversation by voice, over a real server, and this is its transcript: what was understood, and
what was answered. Three questions are recordings of people; a synthesiser asks the others.

{said}

What it says stands in [host.toml](../../src/antiphon/engines/cascade/llm/offline/host.toml), a file
like those that you can [write yourself](scripted-agents.md). `python -m tests.e2e.first_minute`
writes this page again.
"""


if __name__ == "__main__":
    PAGE.write_text(page(asyncio.run(first_minute())), encoding="utf-8")
