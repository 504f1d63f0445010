"""Makes the tapes beside this file: ``python -m tests.data.tapes.make``.

Make them again only when a change of behaviour is meant: that they replay is the test.
"""

from __future__ import annotations

from pathlib import Path

from antiphon.core.causes import EngineSaid, TranscriptGrew, Word
from antiphon.core.conversation import Conversation
from antiphon.journal.tape import TapeWriter
from antiphon.protocol import client
from antiphon.protocol.items import FunctionCallOutput, InputText, Message
from antiphon.protocol.session import (
    AudioInputPatch,
    AudioPatch,
    FunctionTool,
    PcmuFormat,
    SessionPatch,
    TranscriptionPatch,
    TurnDetectionPatch,
)
from antiphon.testing import VirtualCall

HERE = Path(__file__).parent


def websocket() -> VirtualCall:
    """Settings, a text turn, a function call, a mistake; the client plays."""
    call = VirtualCall()
    tool = FunctionTool("get_time", parameters={"type": "object"})
    call.client(client.SessionUpdate(event_id="u1", session=SessionPatch(instructions="Be kind.")))
    call.client(client.SessionUpdate(session=SessionPatch(tools=(tool,))))
    hello = Message(role="user", content=(InputText("What time is it?"),))
    call.wait(40).client(client.ConversationItemCreate(item=hello), client.ResponseCreate())
    call.wait(60).engine_calls("get_time", '{"zone":"CET"}').engine_finishes()
    answer = FunctionCallOutput(call_id="call_1", output="noon")
    call.client(client.ConversationItemCreate(item=answer), client.ResponseCreate())
    call.wait(80).engine_speaks(100, "It is noon.", words=[Word(11, 2_000)]).engine_finishes()
    call.client(client.ResponseCancel(event_id="late"))
    item = call.conversation.items[-1]
    call.client(client.ConversationItemTruncate(item_id=str(item.id), audio_end_ms=40))
    call.client(client.ConversationItemRetrieve(item_id=str(item.id)))
    return call


def interrupted() -> VirtualCall:
    """Two spoken turns; the second one cuts the answer to the first; the server plays."""
    call = VirtualCall(playout="server")
    transcription = TranscriptionPatch(model="antiphon-live")
    detection = TurnDetectionPatch(silence_duration_ms=200)
    settings = AudioInputPatch(
        format=PcmuFormat(), transcription=transcription, turn_detection=detection
    )
    call.client(client.SessionUpdate(session=SessionPatch(audio=AudioPatch(input=settings))))
    call.user_speaks(100)
    call.user_is_quiet(300).give(TranscriptGrew(call.turn_id, "Hello"))
    call.engine_heard("Hello.")
    call.give(EngineSaid(call.response_id, "Hello to you."))
    call.engine_speaks(600, words=[Word(5, 4_800), Word(13, 14_000)])
    call.wait(240).user_speaks(100).user_is_quiet(300).engine_heard("Wait.")
    call.engine_speaks(100, "Yes?", words=[Word(4, 2_000)]).engine_finishes().wait(500)
    return call


def write(call: VirtualCall, path: Path) -> None:
    writer = TapeWriter(path, call.terms)
    conversation = Conversation(call.terms)
    for now_ms, cause in call.tape:
        writer.saw(now_ms, cause, conversation.handle(cause, now_ms))
    writer.close()


if __name__ == "__main__":
    write(websocket(), HERE / "websocket.tape")
    write(interrupted(), HERE / "interrupted.tape")
