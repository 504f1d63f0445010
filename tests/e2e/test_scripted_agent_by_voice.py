"""A person books a room with a scripted agent: recordings in, speech out, over a real server."""

from __future__ import annotations

import json
from pathlib import Path

from tests.clients.judged import judged
from tests.server_process import ServerProcess

SCRIPT = Path(__file__).parents[2] / "examples" / "agents" / "room_booking.toml"
BOOK_ROOM = {
    "type": "function",
    "name": "book_room",
    "parameters": {
        "type": "object",
        "properties": {
            "room": {"type": "string"},
            "date": {"type": "string"},
            "time": {"type": "string"},
            "minutes": {"type": "integer"},
            "people": {"type": "integer"},
        },
        "required": ["room", "date", "time", "minutes", "people"],
    },
}
CALL = [
    ("cmd_book_a_room", "book a room", "Which room would you like"),
    ("cmd_mountain_view", "mountain view", "For which day?"),
    ("cmd_today", "today", "And at what time?"),
    ("cmd_two_thirty_pm", "two thirty pm", "For how long?"),
    ("cmd_half_an_hour", "half an hour", "How many people will come?"),
    (
        "cmd_two_people",
        "two people",
        "So mountain view, today at two thirty p.m., for half an hour, with two people.",
    ),
]


async def test_a_room_is_booked_by_voice(offline_server: ServerProcess) -> None:
    script = f"#!antiphon-script\n{SCRIPT.read_text(encoding='utf-8')}"
    async with judged(offline_server) as session:
        await session.configure(
            instructions=script,
            tools=[BOOK_ROOM],
            audio={"input": {"transcription": {"model": "whisper-1"}}},
        )
        await session.connection.response.create()
        assert (await session.reply()).transcript.startswith("Hello, this is the room desk.")
        for clip, heard, answer in CALL:
            await session.speak(clip)
            reply = await session.reply()
            transcribed = session.seen("conversation.item.input_audio_transcription.completed")
            assert transcribed[-1].transcript == heard
            assert reply.transcript.startswith(answer)

        await session.speak("laptop_yes")
        [call] = (await session.reply()).response.output
        booked = json.loads(call.arguments)
        assert booked.pop("date")  # Today's.
        assert booked == {"room": "mountain_view", "time": "14:30", "minutes": 30, "people": 2}

        await session.connection.conversation.item.create(
            item={
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": "It is number seventeen.",
            }
        )
        await session.connection.response.create()
        assert (await session.reply()).transcript.startswith(
            "It is booked. It is number seventeen."
        )


async def test_what_the_script_does_not_expect_is_not_taken_for_it(
    offline_server: ServerProcess,
) -> None:
    script = f"#!antiphon-script\n{SCRIPT.read_text(encoding='utf-8')}"
    async with judged(offline_server) as session:
        await session.configure(instructions=script)
        await session.connection.response.create()
        await session.reply()
        await session.speak("harvard_s2_4")
        assert "Which room" not in (await session.reply()).transcript
        await session.speak("cmd_book_a_room")
        assert "Which room" in (await session.reply()).transcript
