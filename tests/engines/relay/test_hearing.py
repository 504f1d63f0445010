"""Turns by their names on both sides, where something crosses something."""

from __future__ import annotations

from antiphon.core.causes import TranscriptGrew, TurnEnded, TurnFound
from antiphon.core.effects import Configure, Hear, TurnBegan, TurnCommitted
from antiphon.engines.relay.interpreter import Interpreter
from antiphon.engines.relay.wishes import TurnFinding
from antiphon.protocol import server
from antiphon.protocol.client import ConversationItemCreate, InputAudioBufferCommit
from antiphon.protocol.items import InputAudio, Message
from antiphon.protocol.session import Audio, AudioInput, Session, Transcription

SECOND = bytes(48_000)
SESSION = Session(
    id="sess",
    model="m",
    expires_at=0,
    audio=Audio(input=AudioInput(transcription=Transcription(model="whisper-1"))),
)


def plugged(finding: TurnFinding) -> Interpreter:
    relay = Interpreter("sess", finding, lambda: 0.0)
    relay.command(Configure(SESSION))
    relay.plug()
    relay.to_upstream.clear()
    return relay


def test_a_turn_that_was_cut_short_by_a_loss_is_told_to_the_next_one_however_late() -> None:
    relay = plugged("theirs")
    relay.command(Hear(SECOND, 0))
    started = server.SpeechStarted(event_id="e", audio_start_ms=0, item_id="theirs")
    relay.event(started)
    assert relay.take_news() == TurnFound(0)
    relay.command(TurnBegan("ours", 0, SECOND))
    relay.unplug()
    relay.plug()
    relay.to_upstream.clear()
    assert relay.take_news() == TurnEnded()
    relay.command(TurnCommitted("ours", SECOND))
    [created] = relay.to_upstream
    assert isinstance(created, ConversationItemCreate)
    assert isinstance(created.item, Message)
    assert created.item.content == (InputAudio(None, SECOND),)


def test_late_words_of_an_older_turn_are_not_those_of_the_one_being_spoken() -> None:
    relay = plugged("ours")
    for n in range(20):  # More than are waited for.
        relay.command(TurnBegan(f"ours_{n}", 0))
        relay.command(TurnCommitted(f"ours_{n}", SECOND))
        committed = server.InputAudioBufferCommitted(
            event_id="e", previous_item_id=None, item_id=f"theirs_{n}"
        )
        relay.event(committed)
    assert any(isinstance(event, InputAudioBufferCommit) for event in relay.to_upstream)
    relay.command(TurnBegan("open", 0))
    relay.news.clear()
    delta = server.TranscriptionDelta(event_id="e", item_id="theirs_0", delta="old")
    relay.event(delta)
    assert not relay.news
    relay.event(server.TranscriptionDelta(event_id="e", item_id="new", delta="fresh"))
    assert list(relay.news) == [TranscriptGrew("open", "fresh")]
    relay.event(server.TranscriptionDelta(event_id="e", item_id="other", delta="what?"))
    assert len(relay.news) == 1
