from __future__ import annotations

import pytest

from antiphon.core.causes import Detached, EngineFinished, EngineSpoke, Word
from antiphon.core.effects import ClearPlayout, PlayAudio
from antiphon.core.playout import Cleared, Playout
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.protocol.items import Message, OutputAudio
from antiphon.testing.virtual_call import CLIENT
from tests.core.stories import by_hand, hands_free, ids, of_kind, refusal, respond
from tests.core.witness import LawfulCall

CLEAR = client.OutputAudioBufferClear()
STOPPED = "output_audio_buffer.stopped"
CLEARED = "output_audio_buffer.cleared"


# --- The machine -------------------------------------------------------------


def test_a_response_starts_once_and_stops_once_it_is_generated_and_played() -> None:
    playout = Playout()
    assert playout.queue("r", "a", 100)
    assert not playout.queue("r", "a", 100)
    playout.played(200)
    assert playout.stopped() == [], "more may come"
    assert playout.generated("r") == ["r"]
    assert playout.stopped() == []
    assert not playout.is_sounding


def test_positions_never_go_back() -> None:
    playout = Playout()
    playout.queue("r", "a", 100)
    playout.played(80)
    playout.played(20)
    assert playout.heard_samples("a") == 80


def test_each_item_has_its_own_stretches() -> None:
    playout = Playout()
    for item, samples in [("a", 100), ("b", 50), ("a", 30)]:
        playout.queue("r", item, samples)
    playout.played(160)
    assert (playout.heard_samples("a"), playout.heard_samples("b")) == (110, 50)
    assert playout.clear() == Cleared(("r",), (("a", 110),))


def test_after_a_clear_the_next_sound_begins_where_playing_is() -> None:
    playout = Playout()
    playout.queue("r", "a", 1_000)
    playout.played(300)
    playout.clear()
    playout.generated("r")
    assert playout.queue("s", "b", 100)
    playout.played(350)
    assert playout.heard_samples("b") == 50


def test_two_responses_stop_one_after_the_other() -> None:
    playout = Playout()
    playout.queue("r", "a", 100)
    playout.generated("r")
    playout.queue("s", "b", 100)
    playout.played(100)
    assert playout.stopped() == ["r"]
    playout.played(200)
    assert playout.stopped() == []
    assert playout.generated("s") == ["s"]


def test_a_cleared_response_takes_nothing_more_until_it_is_over() -> None:
    playout = Playout()
    playout.queue("r", "a", 100)
    playout.clear()
    assert not playout.takes("r")
    assert playout.takes("s")
    playout.generated("r")
    assert playout.takes("r")


def test_clearing_silence_clears_nothing() -> None:
    assert Playout().clear() == Cleared()


# --- In a call ---------------------------------------------------------------


def sounding(ms: int = 3_000, **detection: object) -> LawfulCall:
    call = hands_free(wire.ServerVad(**detection), playout="server")  # type: ignore[arg-type]
    call.client(respond())
    words = [Word(3, 12_000), Word(7, 36_000), Word(14, 24 * ms)]
    return speak(call, ms, words)


def speak(call: LawfulCall, ms: int, words: list[Word]) -> LawfulCall:
    call.engine_speaks(ms, "One two three.", words=words)
    return call


def heard(call: LawfulCall) -> str | None:
    item = call.conversation.items[0]
    assert isinstance(item, Message)
    assert isinstance(item.content[0], OutputAudio)
    return item.content[0].transcript


def test_sound_goes_to_the_playout_and_no_audio_to_the_client() -> None:
    call = sounding(500)
    call.engine_finishes()
    types = call.types()
    assert types[types.index("output_audio_buffer.started") - 1] in (
        "response.output_audio_transcript.delta",
        "response.content_part.added",
    )
    assert "response.output_audio.delta" not in types
    assert "response.output_audio.done" in types
    assert STOPPED not in types
    call.wait(499)
    assert call.types() == []
    call.wait(1)
    assert call.types() == [STOPPED]


def test_an_underrun_is_no_end() -> None:
    call = sounding(200)
    call.wait(1_000).take()
    call.engine_speaks(200).engine_finishes()
    assert "output_audio_buffer.started" not in call.types()
    call.wait(200)
    assert call.types() == [STOPPED]


def test_sound_that_ends_before_its_response_stops_with_it() -> None:
    call = sounding(200)
    call.wait(1_000).take()
    call.engine_finishes()
    assert call.types()[-1] == STOPPED


def test_speaking_over_the_assistant_cuts_it_at_what_was_heard() -> None:
    call = sounding(3_000)
    call.wait(1_000).take()
    call.user_speaks(80)
    effects = call.take()
    names = [str(e.__struct_config__.tag) for e in effects]
    assert names == [
        "turn_began",
        "input_audio_buffer.speech_started",
        "clear_playout",
        "stop_generating",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
        CLEARED,
        "conversation.item.truncated",
    ]
    truncated = effects[-1]
    assert isinstance(truncated, server.ConversationItemTruncated)
    assert 1_040 <= truncated.audio_end_ms <= 1_080
    assert heard(call) == "One"
    call.wait(3_000)
    assert call.types() == []


def test_speaking_over_an_answer_that_is_generated_cuts_it_all_the_same() -> None:
    call = sounding(3_000)
    call.engine_finishes().wait(2_000).take()
    call.user_speaks(80)
    types = call.types()
    assert types == [
        "input_audio_buffer.speech_started",
        CLEARED,
        "conversation.item.truncated",
    ]
    assert heard(call) == "One two"


def test_what_one_who_hangs_up_did_not_hear_is_not_kept() -> None:
    call = sounding(3_000)
    call.engine_finishes().wait(2_000).take()
    call.give(Detached(CLIENT, for_good=True, played_samples=48_000))
    assert call.types() == [CLEARED, "conversation.item.truncated"]
    assert heard(call) == "One two"


@pytest.mark.parametrize("is_generated", [True, False])
def test_what_was_not_heard_when_the_time_is_up_is_not_kept(is_generated: bool) -> None:
    call = hands_free(playout="server", session_max_ms=2_000)
    call.client(respond())
    speak(call, 3_000, [Word(3, 12_000), Word(7, 36_000), Word(14, 72_000)])
    if is_generated:
        call.engine_finishes()
    call.wait(1_900).take()
    call.wait(100)
    types = call.types()
    assert CLEARED in types
    assert "conversation.item.truncated" in types
    assert types[-1] == "error"
    assert heard(call) == "One two"


def test_an_answer_that_may_not_be_interrupted_sounds_on() -> None:
    call = sounding(3_000, interrupt_response=False)
    call.wait(1_000).take()
    call.user_speaks(300)
    assert ClearPlayout() not in call.take()


def test_a_client_clears_what_is_left() -> None:
    call = sounding(3_000)
    call.engine_finishes().wait(600).take()
    call.client(CLEAR)
    effects = call.take()
    assert [str(e.__struct_config__.tag) for e in effects] == [
        "clear_playout",
        CLEARED,
        "conversation.item.truncated",
    ]
    call.client(CLEAR)
    assert call.take() == [], "nothing is left, and that is no mistake"


def test_after_a_clear_the_rest_of_the_response_is_not_heard_and_not_kept() -> None:
    call = sounding(1_000)
    call.wait(600).client(CLEAR).take()
    call.engine_speaks(1_000, " Four.").engine_finishes()
    effects = call.take()
    assert not any(isinstance(e, PlayAudio) for e in effects)
    assert not of_kind(effects, server.OutputAudioBufferStarted)  # type: ignore[arg-type]
    assert heard(call) == "One"


def test_what_was_played_out_so_far_is_not_cut_by_a_clear_and_ends_there() -> None:
    call = sounding(1_000)
    call.wait(2_000).take()
    call.client(CLEAR)
    assert call.types() == [CLEARED]
    speak(call, 500, []).engine_finishes()
    assert not any(isinstance(e, PlayAudio) for e in call.take())
    assert heard(call) == "One two three."


def test_cancelling_and_clearing_as_agents_do() -> None:
    call = sounding(3_000)
    call.wait(600).take()
    call.client(client.ResponseCancel(), CLEAR)
    types = call.types()
    assert types[-3:] == ["rate_limits.updated", CLEARED, "conversation.item.truncated"]


def test_cancelling_alone_lets_what_was_given_be_heard() -> None:
    call = sounding(500)
    call.client(client.ResponseCancel()).take()
    call.wait(500)
    assert call.types() == [STOPPED]


def test_an_out_of_band_answer_stops_too() -> None:
    call = by_hand(playout="server")
    call.client(respond(conversation="none")).engine_speaks(300, "Psst.").engine_finishes().take()
    call.wait(300)
    assert call.types() == [STOPPED]


def test_two_answers_in_the_queue_and_speech_over_the_second() -> None:
    call = sounding(500)
    call.engine_finishes()
    first = call.response_id
    call.client(respond()).engine_speaks(500, "More.", words=[Word(5, 12_000)])
    second = call.response_id
    call.take()
    call.wait(499)
    assert call.types() == []
    call.wait(21)
    assert [e.response_id for e in of_kind(call.events(), server.OutputAudioBufferStopped)] == [
        first
    ]
    call.wait(180)
    call.user_speaks(80)
    events = call.events()
    assert of_kind(events, server.OutputAudioBufferStopped) == []
    assert [e.response_id for e in of_kind(events, server.OutputAudioBufferCleared)] == [second]
    [truncated] = of_kind(events, server.ConversationItemTruncated)
    assert truncated.item_id == ids(call)[1]
    assert heard(call) == "One two three."


def test_two_at_once_share_one_track() -> None:
    call = by_hand(playout="server")
    call.client(respond())
    main = call.response_id
    call.client(respond(conversation="none"))
    beside = call.response_id
    for response in (main, beside, main):
        call.give(EngineSpoke(response, bytes(4_800)))
    call.give(EngineFinished(beside))
    call.give(EngineFinished(main))
    call.take()
    call.wait(300)
    stopped = of_kind(call.events(), server.OutputAudioBufferStopped)
    assert {e.response_id for e in stopped} == {main, beside}


def test_on_websocket_the_client_owns_playback() -> None:
    call = by_hand()
    call.client(CLEAR)
    assert refusal(call) == ("invalid_request_error", "type")
