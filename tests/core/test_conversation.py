from __future__ import annotations

from typing import Any

import pytest

from antiphon.core.causes import (
    Attached,
    ClientSent,
    Detached,
    EngineFinished,
    MessageRefused,
    ShuttingDown,
    Tick,
)
from antiphon.core.effects import Close, Configure, DetectVoice, SendTo
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.protocol.server import ErrorDetail
from antiphon.testing.virtual_call import CLIENT, session
from tests.core.stories import (
    append,
    by_hand,
    hands_free,
    of_kind,
    refusal,
    respond,
    text,
    update,
    update_input,
)
from tests.core.witness import LawfulCall

IDLE = wire.ServerVad(idle_timeout_ms=5_000)
TIMED_OUT = "input_audio_buffer.timeout_triggered"


# --- Connections -------------------------------------------------------------


def test_the_first_words_are_the_whole_session() -> None:
    call = hands_free()
    created, configure, detect = call.opening
    assert isinstance(created, SendTo)
    assert isinstance(created.event, server.SessionCreated)
    assert created.event.session == call.conversation.session
    assert configure == Configure(call.conversation.session)
    assert detect == DetectVoice(on=True)


def test_a_sideband_is_told_the_session_as_it_is_now_and_alone() -> None:
    call = by_hand()
    call.client(update(instructions="Sing.")).take()
    call.give(Attached("sideband"))
    [sent] = call.take()
    assert isinstance(sent, SendTo)
    assert sent.connection == "sideband"
    assert isinstance(sent.event, server.SessionCreated)
    assert sent.event.session.instructions == "Sing."  # type: ignore[union-attr]


def test_what_a_sideband_does_everybody_sees_but_its_mistakes() -> None:
    call = by_hand()
    call.give(Attached("sideband"))
    call.take()
    call.client(respond(), connection="sideband")
    assert isinstance(call.take()[0], server.ResponseCreated)
    call.client(respond(), connection="sideband")
    [sent] = call.take()
    assert isinstance(sent, SendTo)
    assert sent.connection == "sideband"
    call.give(Detached("sideband"))
    assert call.take() == []


def test_a_message_that_is_no_event_is_answered_with_what_is_wrong() -> None:
    call = by_hand()
    detail = ErrorDetail(code="invalid_event", message="No JSON.", event_id=None)
    call.give(MessageRefused(CLIENT, detail))
    [sent] = call.take()
    assert isinstance(sent, SendTo)
    assert isinstance(sent.event, server.Error)
    assert (sent.connection, sent.event.error) == (CLIENT, detail)


# --- The user is idle --------------------------------------------------------


@pytest.mark.parametrize("playout", ["client", "server"])
def test_a_user_who_says_nothing_is_asked_after_the_answer_was_heard(playout: str) -> None:
    call = hands_free(IDLE, playout=playout)
    call.wait(20_000)
    assert call.types() == [], "not before the first answer"
    call.client(respond()).engine_speaks(2_000, "Are you there?").engine_finishes()
    call.user_is_quiet(6_980).take()
    call.user_is_quiet(40)
    types = call.types()
    assert types == [
        TIMED_OUT,
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]


@pytest.mark.parametrize("playout", ["client", "server"])
def test_a_silent_answer_starts_the_timer_too(playout: str) -> None:
    call = hands_free(IDLE, playout=playout)
    call.client(respond()).engine_calls("look", "{}").engine_finishes().take()
    call.wait(4_999)
    assert call.types() == []
    call.wait(1)
    assert call.types()[0] == TIMED_OUT


def test_it_comes_again_after_each_answer() -> None:
    call = hands_free(IDLE)
    call.client(respond()).engine_finishes()
    for _ in range(3):
        call.take()
        call.wait(5_000)
        assert call.types()[0] == TIMED_OUT
        call.engine_finishes()


def test_a_silence_is_not_answered_where_no_turn_is() -> None:
    call = hands_free(wire.ServerVad(idle_timeout_ms=5_000, create_response=False))
    call.client(respond()).engine_finishes().take()
    call.wait(5_000)
    assert call.types()[:2] == [TIMED_OUT, "input_audio_buffer.committed"]
    assert "response.created" not in call.types()


def test_speech_and_a_new_answer_stop_the_timer() -> None:
    call = hands_free(IDLE)
    call.client(respond()).engine_finishes()
    call.wait(4_000).user_speaks(300)
    call.wait(20_000)
    assert TIMED_OUT not in call.types()
    other = hands_free(IDLE)
    other.client(respond()).engine_finishes().wait(4_000).client(respond()).wait(20_000)
    assert TIMED_OUT not in other.types()


def test_clearing_what_sounds_starts_the_timer() -> None:
    call = hands_free(IDLE, playout="server")
    call.client(respond()).engine_speaks(3_000, "Hello.").engine_finishes().wait(500)
    call.client(client.OutputAudioBufferClear()).take()
    call.wait(5_000)
    assert call.types()[0] == TIMED_OUT


@pytest.mark.parametrize("patch", [None, wire.TurnDetectionPatch(idle_timeout_ms=None)])
def test_switching_it_off_stops_the_timer(patch: wire.TurnDetectionPatch | None) -> None:
    call = hands_free(IDLE)
    call.client(respond()).engine_finishes().client(update_input(turn_detection=patch)).take()
    call.wait(20_000)
    assert call.types() == []


# --- Ends --------------------------------------------------------------------


def test_a_session_expires_and_ends_its_responses_first() -> None:
    call = by_hand(session_max_ms=60_000)
    call.client(respond(), respond(conversation="none")).engine_speaks(100, "Hel").take()
    assert call.conversation.deadline_ms == 60_000
    call.wait(60_000)
    effects = call.take()
    done = of_kind(effects, server.ResponseDone)  # type: ignore[arg-type]
    assert [d.response.status_details.error.code for d in done] == ["session_expired"] * 2
    error, close = effects[-2:]
    assert isinstance(error, server.Error)
    assert error.error.code == "session_expired"
    assert error.error.message == "Your session hit the maximum duration of 1 minutes."
    assert close == Close(1001, error.error.message)


def test_nothing_happens_after_the_close() -> None:
    call = by_hand(session_max_ms=1_000)
    call.wait(1_000).take()
    assert call.conversation.deadline_ms is None
    for cause in (Attached("late"), ClientSent(CLIENT, respond()), Tick(), ShuttingDown()):
        assert call.give(cause) == []


def test_a_shutdown_waits_for_the_running_answers() -> None:
    call = hands_free()
    call.client(respond())
    main = call.response_id
    call.client(respond(conversation="none"))
    beside = call.response_id
    call.take()
    call.give(ShuttingDown())
    assert call.take() == []
    call.client(text("Wait!"), client.ResponseCreate(event_id="more", response=None))
    assert call.types()[-1] == "error"
    call.give(EngineFinished(main))
    assert not any(isinstance(e, Close) for e in call.take())
    call.give(EngineFinished(beside))
    close = call.take()[-1]
    assert isinstance(close, Close)
    assert close.code == 1012


def test_a_shutdown_begins_nothing_new() -> None:
    call = hands_free()
    call.client(respond()).take()
    call.give(ShuttingDown())
    call.client(respond(conversation="none"))
    assert refusal(call)[0] == "server_shutting_down"
    call.user_speaks(200)
    effects = call.take()
    assert isinstance(effects[-1], Close), "the interrupted answer was the last"


def test_a_shutdown_of_a_quiet_session_is_at_once() -> None:
    call = by_hand()
    call.give(ShuttingDown())
    assert [type(e) for e in call.take()] == [Close]


def test_a_mistake_changes_nothing_even_on_a_busy_call() -> None:
    call = hands_free()
    call.client(append(50), text("Hello.", "mine"), respond()).engine_speaks(100, "Hel")
    before = (call.conversation.session, call.conversation.items, call.conversation.deadline_ms)
    call.take()
    mistakes: list[client.ClientEvent] = [
        respond(),
        client.ConversationItemDelete(item_id="none"),
        client.InputAudioBufferCommit(),
        client.OutputAudioBufferClear(),
        update(output_modalities=()),
    ]
    for n, event in enumerate(mistakes):
        call.give(ClientSent(CLIENT, event))
        assert len(call.take()) == 1, n
    after = (call.conversation.session, call.conversation.items, call.conversation.deadline_ms)
    assert after == before


# --- Who really answers --------------------------------------------------------

ENGINE: dict[str, Any] = {"engine_name": "offline", "engine_voices": ("alloy", "marin")}


def voice(name: str) -> wire.AudioPatch:
    return wire.AudioPatch(output=wire.AudioOutputPatch(voice=name))


def test_a_session_tells_who_really_answers() -> None:
    call = LawfulCall(session(), **ENGINE)
    [created] = [e.event for e in call.opening if isinstance(e, SendTo)]
    assert isinstance(created, server.SessionCreated)
    assert created.session.antiphon == wire.Answering("offline", "marin")
    call.client(update(audio=voice("eve")))
    shown = call.one(server.SessionUpdated).session
    assert isinstance(shown, wire.Session)
    assert shown.audio.output.voice == "eve", "the name that was asked for is kept"
    assert shown.antiphon == wire.Answering("offline", "alloy")


def test_where_the_operator_is_strict_a_voice_that_is_not_there_is_refused() -> None:
    call = LawfulCall(session(), strict=True, **ENGINE)
    call.take()
    call.client(update(instructions="Be brief.", audio=voice("somebody")))
    assert refusal(call) == ("invalid_value", "session.audio.output.voice")
    asked = client.ResponseAudio(client.ResponseAudioOutput(voice="somebody"))
    call.client(respond(audio=asked))
    assert refusal(call) == ("invalid_value", "response.audio.output.voice")
    call.client(update(audio=voice("alloy")))
    assert call.types() == ["session.updated"]
