from __future__ import annotations

import runpy
from enum import Enum
from pathlib import Path

import pytest

from antiphon.core.causes import (
    Attached,
    Detached,
    EngineFailed,
    EngineFinished,
    ShuttingDown,
    TranscriptFailed,
)
from antiphon.core.conversation import Conversation
from antiphon.core.lifecycle import Lifecycle
from antiphon.core.response import RESPONSE, Move, Phase
from antiphon.core.terms import Terms
from antiphon.protocol import client
from antiphon.protocol import session as wire
from antiphon.protocol.items import InputAudio, Message
from antiphon.testing.virtual_call import CLIENT, SEED, session
from tests.core.stories import append, by_hand, hands_free, respond

SCRIPT = Path(__file__).parents[2] / "scripts" / "draw_lifecycles.py"
COMMIT = client.InputAudioBufferCommit()
CLEAR = client.InputAudioBufferClear()
QUIETLY = wire.ServerVad(create_response=False)


def test_a_move_that_is_not_in_the_table_is_our_bug() -> None:
    with pytest.raises(AssertionError, match="response: no move SPEAK from COMPLETED"):
        RESPONSE.next(Phase.COMPLETED, Move.SPEAK)
    assert RESPONSE.allows(Phase.WAITING, Move.SPEAK)
    assert not RESPONSE.allows(Phase.SPEAKING, Move.SPEAK)


# --- Stories that walk every row ---------------------------------------------


def walk_turns() -> None:
    call = hands_free(QUIETLY)
    call.user_speaks(40).user_is_quiet(100)  # one window: an onset, and no more
    call.user_speaks(300).user_is_quiet(100).user_speaks(100).user_is_quiet(700)
    call.client(CLEAR)
    call.user_speaks(40).client(CLEAR)
    call.user_speaks(300).client(CLEAR)
    call.user_speaks(300).user_is_quiet(100).client(CLEAR)


def walk_transcripts() -> None:
    call = by_hand()
    call.client(append(300), CLEAR)
    call.client(append(300), COMMIT).engine_heard("Hello.")
    call.client(append(300), COMMIT)
    call.give(TranscriptFailed(call.turn_id, "no", "no"))
    call.client(append(300), COMMIT, client.ConversationItemDelete(item_id=call.turn_id))
    call.client(append(300), COMMIT)
    call.client(client.ConversationItemDelete(item_id=call.turn_id))
    audio = Message(role="user", content=(InputAudio(audio=bytes(96)),))
    call.client(client.ConversationItemCreate(item=audio)).engine_heard("Yes.")


def walk_responses() -> None:
    call = by_hand()
    call.client(respond()).engine_speaks(100, "Hi.").engine_writes("Note.")
    call.engine_calls("look", "{}").engine_finishes()
    call.client(respond(), client.ResponseCancel())
    call.client(respond()).give(EngineFailed(call.response_id, "no"))
    call.client(respond()).give(EngineFinished(call.response_id, "content_filter"))


def walk_hearing() -> None:
    call = by_hand(playout="server")
    call.client(respond()).engine_speaks(100).engine_speaks(100).engine_finishes().wait(300)
    call.client(respond()).engine_speaks(100).client(client.OutputAudioBufferClear())


def walk_sessions() -> None:
    gone, back = Detached(CLIENT), Attached(CLIENT)
    by_hand().give(gone)
    call = by_hand(linger_ms=1_000)
    call.give(gone)
    call.give(back)
    call.give(gone)
    call.wait(1_000)
    call = by_hand(linger_ms=1_000)
    call.give(gone)
    call.give(ShuttingDown())
    call = by_hand()
    call.client(respond())
    call.give(ShuttingDown())
    call.give(gone)
    Conversation(Terms(session=session(), seed=SEED)).handle(ShuttingDown(), 0)


def test_every_row_of_every_table_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: set[tuple[str, Enum, Enum]] = set()

    def observe(name: str, phase: Enum, move: Enum) -> None:
        walked.add((name, phase, move))

    monkeypatch.setattr(Lifecycle, "observer", staticmethod(observe))
    for story in (walk_turns, walk_transcripts, walk_responses, walk_hearing, walk_sessions):
        story()
    tables = runpy.run_path(str(SCRIPT))["tables"]()
    rows = {(name, *row) for name, table in tables.items() for row in table.moves}
    assert len(tables) == 5
    missed = sorted(f"{name}: {move.name} from {phase.name}" for name, phase, move in rows - walked)
    assert missed == [], "a row that cannot be walked does not belong in its table"


def test_the_drawings_are_up_to_date() -> None:
    script = runpy.run_path(str(SCRIPT))
    text = script["PAGE"].read_text()
    assert script["with_drawings"](text) == text, "run: python scripts/draw_lifecycles.py"
