from __future__ import annotations

from collections.abc import Sequence

import pytest

from antiphon.audio import g711
from antiphon.core.causes import Heard, VoiceScored
from antiphon.core.effects import (
    DetectVoice,
    Hear,
    InputDropped,
    ScoreVoice,
    TurnBegan,
    TurnCommitted,
)
from antiphon.core.listening import AUDIO_AWAY_MS
from antiphon.core.microphone import MAX_APPEND_BYTES, UNSCORED_SAMPLES
from antiphon.core.turns import WINDOW_SAMPLES
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.testing.virtual_call import SEED
from tests.core.stories import (
    append,
    by_hand,
    call_with,
    hands_free,
    ids,
    of_kind,
    refusal,
    text,
    update_input,
)
from tests.core.witness import LawfulCall

COMMIT = client.InputAudioBufferCommit()
CLEAR = client.InputAudioBufferClear()
QUIETLY = wire.ServerVad(create_response=False)


# --- Turns that are found ----------------------------------------------------


def test_a_spoken_turn_becomes_an_item_and_asks_for_an_answer() -> None:
    call = hands_free()
    call.user_is_quiet(1_000).take()
    call.user_speaks(400).user_is_quiet(640)
    assert call.types() == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]


def test_started_stopped_and_committed_name_the_same_item_and_the_place_before_it() -> None:
    call = hands_free(QUIETLY)
    call.client(text("Hello.", "mine"))
    call.user_is_quiet(1_000).user_speaks(400).user_is_quiet(700)
    events = call.events()
    [started] = of_kind(events, server.SpeechStarted)
    [stopped] = of_kind(events, server.SpeechStopped)
    [committed] = of_kind(events, server.InputAudioBufferCommitted)
    added = of_kind(events, server.ConversationItemAdded)[1]
    assert started.item_id == stopped.item_id == committed.item_id == added.item.id
    assert committed.previous_item_id == added.previous_item_id == "mine"
    assert 1_000 - 300 - 32 <= started.audio_start_ms <= 1_000 - 300 + 32
    assert stopped.audio_end_ms - started.audio_start_ms >= 300 + 400 + 500 - 64


def test_the_turns_audio_is_what_lies_between_its_times() -> None:
    call = hands_free(QUIETLY)
    call.user_is_quiet(2_000).user_speaks(400).user_is_quiet(700)
    effects = call.take()
    [began] = [e for e in effects if isinstance(e, TurnBegan)]
    [turn] = [e for e in effects if isinstance(e, TurnCommitted)]
    [stopped] = [e for e in effects if isinstance(e, server.SpeechStopped)]
    assert began.item_id == turn.item_id
    assert len(turn.pcm) // 2 == stopped.audio_end_ms * 24 - began.from_sample


def _score(call: LawfulCall, probabilities: Sequence[float], *, first: int = 0) -> None:
    for i, probability in enumerate(probabilities, start=first + 1):
        call.give(VoiceScored(i * WINDOW_SAMPLES, probability))


def test_a_recording_appended_at_once_loses_no_speech() -> None:
    """Its scores come when all of it has long been appended."""
    call = hands_free(QUIETLY)
    call.client(append(10_000)).take()
    _score(call, [0.0] * 20 + [0.9] * 30 + [0.0] * 30)
    turn = call.one(TurnCommitted)
    assert len(turn.pcm) == 2 * (30 * WINDOW_SAMPLES + 24 * (300 + 500))


def test_silence_that_was_scored_is_forgotten() -> None:
    call = hands_free()
    call.user_is_quiet(60_000)
    assert call.conversation.held_audio_bytes <= 2 * 24 * 2_000


def test_both_switches_off_finds_turns_and_never_answers() -> None:
    call = hands_free(wire.ServerVad(create_response=False, interrupt_response=False))
    call.user_speaks(300).user_is_quiet(700)
    assert call.types()[-1] == "conversation.item.done"


def test_noise_of_one_window_is_no_turn() -> None:
    call = hands_free()
    call.client(append(1_000))
    _score(call, [0.0] * 5 + [0.9] + [0.0] * 20)
    assert call.types() == []


def test_a_media_transports_audio_is_heard_the_same_way() -> None:
    call = hands_free(QUIETLY, playout="server")
    call.user_is_quiet(500).user_speaks(300).user_is_quiet(700)
    assert "input_audio_buffer.committed" in call.types()


# --- Turns by hand -----------------------------------------------------------


def test_a_turn_by_hand_is_committed_without_speech_events_and_not_answered() -> None:
    call = by_hand()
    call.client(append(300), append(300))
    assert call.one(TurnBegan).from_sample == 0
    call.client(COMMIT)
    effects = call.take()
    assert [str(e.__struct_config__.tag) for e in effects] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "turn_committed",
    ]
    assert effects[3].pcm == bytes(2 * 600 * 24)  # type: ignore[union-attr]


def test_the_next_turn_begins_where_the_last_one_ended() -> None:
    call = by_hand()
    call.client(append(300), COMMIT, append(200))
    began = [e for e in call.take() if isinstance(e, TurnBegan)]
    assert [b.from_sample for b in began] == [0, 7_200]


@pytest.mark.parametrize("ms", [0, 1, 99.9])
def test_less_than_a_tenth_of_a_second_is_no_turn(ms: float) -> None:
    call = by_hand()
    call.client(append(ms), client.InputAudioBufferCommit(event_id="c"))
    assert refusal(call) == ("input_audio_buffer_commit_empty", None)
    call.client(append(100), COMMIT)
    assert "input_audio_buffer.committed" in call.types()


def test_the_message_says_how_much_there_is() -> None:
    call = by_hand()
    call.client(append(20), COMMIT)
    message = call.one(server.Error).error.message
    assert message.endswith("at least 100ms of audio, but buffer only has 20.00ms of audio.")


def test_clearing_drops_the_turn_and_its_engine_knows() -> None:
    call = by_hand()
    call.client(append(300)).take()
    call.client(CLEAR)
    assert [str(e.__struct_config__.tag) for e in call.take()] == [
        "input_dropped",
        "input_audio_buffer.cleared",
    ]
    call.client(COMMIT)
    assert refusal(call)[0] == "input_audio_buffer_commit_empty"


def test_clearing_nothing_is_acknowledged() -> None:
    call = by_hand()
    call.client(CLEAR)
    assert call.types() == ["input_audio_buffer.cleared"]


def test_push_to_talk_over_an_open_microphone() -> None:
    """WebRTC: the buffer fills all the time; press clears, release commits."""
    call = by_hand(playout="server")
    call.give(Heard(bytes(48_000)))
    assert call.take() == [], "an open microphone alone is no turn"
    call.client(CLEAR)
    call.give(Heard(bytes(2 * 24 * 500)))
    call.client(COMMIT)
    assert len(call.one(TurnCommitted).pcm) == 2 * 24 * 500


# --- Both --------------------------------------------------------------------


def test_a_commit_in_mid_speech_commits_the_turn_that_was_begun() -> None:
    call = hands_free()
    call.user_speaks(400)
    started = call.one(server.SpeechStarted)
    call.client(COMMIT)
    effects = call.take()
    assert isinstance(effects[0], server.InputAudioBufferCommitted)
    assert isinstance(effects[-1], DetectVoice), "detection begins afresh"
    assert ids(call) == [started.item_id]
    call.user_speaks(200)
    assert call.one(server.SpeechStarted).item_id != started.item_id


def test_a_commit_without_speech_is_legal_under_detection() -> None:
    call = hands_free()
    call.client(append(500), COMMIT)
    assert call.types() == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]


def test_a_commit_just_after_our_own_finds_nothing_but_silence() -> None:
    """Clients with a button commit when it is released; voice detection was quicker."""
    call = hands_free(QUIETLY)
    call.user_speaks(400).user_is_quiet(1_000).take()
    call.client(COMMIT)
    assert refusal(call) == ("input_audio_buffer_commit_empty", None)


def test_but_what_was_not_scored_yet_may_hold_a_word() -> None:
    call = hands_free(QUIETLY)
    call.user_speaks(400).user_is_quiet(1_000).take()
    call.client(append(300), COMMIT)
    assert "input_audio_buffer.committed" in call.types()


def test_and_so_may_what_was_just_scored_as_a_voice() -> None:
    call = hands_free(QUIETLY)
    call.user_speaks(400).user_is_quiet(1_000).user_speaks(40).take()
    call.client(COMMIT)
    assert "input_audio_buffer.committed" in call.types()


def test_clearing_in_mid_speech_forgets_the_turn() -> None:
    call = hands_free()
    call.user_speaks(400).take()
    call.client(CLEAR)
    assert InputDropped() in call.take()
    call.user_is_quiet(2_000)
    assert call.types() == []


def test_detection_switched_off_in_mid_speech_leaves_the_turn_to_the_client() -> None:
    call = hands_free()
    call.user_speaks(400)
    started = call.one(server.SpeechStarted)
    call.client(update_input(turn_detection=None))
    assert DetectVoice(on=False) in call.take()
    call.user_is_quiet(2_000)
    assert call.types() == []
    call.client(COMMIT)
    assert call.one(server.InputAudioBufferCommitted).item_id == started.item_id


def test_detection_switched_on_drops_the_turn_that_appending_began() -> None:
    call = by_hand()
    call.client(append(400)).take()
    call.client(update_input(turn_detection=wire.TurnDetectionPatch()))
    effects = call.take()
    assert InputDropped() in effects
    assert effects[-1] == DetectVoice(on=True)
    call.user_speaks(300).user_is_quiet(700)
    assert len(of_kind(call.events(), server.InputAudioBufferCommitted)) == 1


def test_settings_changed_in_mid_speech_count_for_the_turn() -> None:
    call = hands_free(wire.ServerVad(silence_duration_ms=5_000, create_response=False))
    call.user_speaks(400).take()
    call.client(update_input(turn_detection=wire.TurnDetectionPatch(silence_duration_ms=200)))
    call.user_is_quiet(300)
    assert "input_audio_buffer.speech_stopped" in call.types()


def test_an_engine_that_finds_turns_itself_is_lent_no_detector() -> None:
    call = hands_free(engine_finds_turns=True)
    assert not any(isinstance(e, DetectVoice) for e in call.opening)
    call.client(append(500))
    assert [type(e) for e in call.effects] == [Hear]
    call.take()
    call.client(COMMIT)  # Its turns come from the engine (test_floor.py); a client may be quicker.
    assert call.one(TurnCommitted)


def test_nobody_can_take_the_id_of_the_turn_that_is_being_spoken() -> None:
    """`speech_started` tells the id before there is an item."""
    call = hands_free()
    call.user_speaks(400)
    started = call.one(server.SpeechStarted)
    call.client(text("Mine!", started.item_id))
    assert refusal(call) == ("item_create_duplicate_item_id", "item.id")
    call.user_is_quiet(700)
    assert ids(call) == [started.item_id]


def test_the_id_of_a_turn_that_was_dropped_is_free() -> None:
    call = hands_free()
    call.user_speaks(400)
    started = call.one(server.SpeechStarted)
    call.client(CLEAR, text("Mine.", started.item_id))
    assert ids(call) == [started.item_id]


def test_a_guessed_id_stands_in_nobodys_way() -> None:
    call = by_hand()
    call.client(*(text("Guess.", f"item_{SEED}{n:08d}") for n in range(300, 340)))
    for _ in range(80):
        call.client(append(100), COMMIT)
    assert len(set(ids(call))) == 40 + 80
    assert int(ids(call)[-1][-8:]) > 340, "the guesses were in the way"


# --- Formats -----------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[1, 1, 1, 1], [3, 1], [4], [0, 3, 0, 1]])
def test_samples_may_be_cut_anywhere(sizes: list[int]) -> None:
    call, whole = by_hand(), bytes([1, 2, 3, 4])
    at = 0
    for size in sizes:
        call.client(client.InputAudioBufferAppend(audio=whole[at : at + size]))
        at += size
    heard = b"".join(e.pcm for e in call.effects if isinstance(e, Hear))
    assert heard == whole


def test_half_a_sample_is_cleared_with_the_rest() -> None:
    call = by_hand()
    call.client(client.InputAudioBufferAppend(audio=b"\x01"), CLEAR)
    call.client(client.InputAudioBufferAppend(audio=b"\x02\x03"))
    assert [e.pcm for e in call.effects if isinstance(e, Hear)] == [b"\x02\x03"]


@pytest.mark.parametrize(
    ("audio_format", "encode"),
    [(wire.PcmuFormat(), g711.encode_ulaw), (wire.PcmaFormat(), g711.encode_alaw)],
)
def test_g711_is_heard_at_24_khz_to_the_last_sample(audio_format: object, encode: object) -> None:
    call = call_with(format=audio_format, turn_detection=None)
    call.client(client.InputAudioBufferAppend(audio=encode(bytes(1_600))))  # type: ignore[operator]
    call.client(COMMIT)
    assert len(call.one(TurnCommitted).pcm) == 2 * 2_400, "100 ms are enough for a turn"


def test_a_format_that_changes_counts_from_the_next_append() -> None:
    call = by_hand()
    call.client(append(100), update_input(format=wire.PcmuFormat()))
    call.client(client.InputAudioBufferAppend(audio=b"\xff" * 800), COMMIT)
    assert len(call.one(TurnCommitted).pcm) == 2 * 4_800


def test_too_much_at_once_is_refused() -> None:
    call = by_hand()
    call.client(client.InputAudioBufferAppend(audio=bytes(MAX_APPEND_BYTES + 1)))
    assert refusal(call) == ("invalid_value", "audio")
    call.client(client.InputAudioBufferAppend(audio=bytes(MAX_APPEND_BYTES)))
    assert call.types() == []


def test_noise_reduction_can_be_switched_on_changed_and_off() -> None:
    call = by_hand()
    reduce = wire.NoiseReductionPatch(type="near_field")
    call.client(append(200), update_input(noise_reduction=reduce), append(200))
    call.client(update_input(noise_reduction=wire.NoiseReductionPatch(strength=0.5)), append(200))
    call.client(update_input(noise_reduction=None), append(200), COMMIT)
    held = len(call.one(TurnCommitted).pcm)
    assert 2 * 24 * 700 <= held <= 2 * 24 * 800, "a reducer may keep a little to itself"


# --- Audio that comes as it pleases --------------------------------------------


def words(call: LawfulCall) -> dict[str, bytes]:
    """What the engine was given of each turn."""
    given: dict[str, bytes] = {}
    turn = ""
    for effect in call.everything:
        if isinstance(effect, TurnBegan):
            turn = effect.item_id
            given[turn] = effect.pcm
        elif isinstance(effect, Hear):
            given[turn] += effect.pcm
    return given


def score(call: LawfulCall, spoken: Sequence[bool]) -> None:
    """Score windows of 32 ms, from the first one on."""
    for number, is_voice in enumerate(spoken, start=1):
        call.give(VoiceScored(number * WINDOW_SAMPLES, 0.9 if is_voice else 0.01))


def test_an_engine_hears_no_more_of_a_turn_than_the_turn_however_fast_it_came() -> None:
    spoken = [*[False] * 5, *[True] * 10, *[False] * 40, *[True] * 10, *[False] * 40]
    numbered = b"".join(bytes([n, 0]) * WINDOW_SAMPLES for n in range(len(spoken)))
    call = hands_free(QUIETLY)
    call.client(client.InputAudioBufferAppend(audio=numbered))
    score(call, spoken)
    first, second = words(call).values()
    assert set(first[::2]) == set(range(5 + 10 + 16)), "500 ms of silence end a turn"
    assert set(second[::2]) == set(range(55 - 10, 65 + 16)), "300 ms before it belong to it"


def test_a_detector_has_never_much_more_before_it_than_it_has_scored() -> None:
    call = hands_free(QUIETLY)
    call.client(append(55_000))
    given = [e for e in call.effects if isinstance(e, ScoreVoice)]
    assert [len(e.pcm) for e in given] == [2 * UNSCORED_SAMPLES]
    score(call, [False] * (55_000 // 32))
    given = [e for e in call.effects if isinstance(e, ScoreVoice)]
    assert sum(len(e.pcm) for e in given) == len(append(55_000).audio), "and all of it in the end"


def test_more_than_can_be_listened_to_is_refused() -> None:
    call = hands_free(QUIETLY)
    for _ in range(2):
        call.client(append(299_000))
    assert call.types() == []
    call.client(append(3_000))
    assert refusal(call) == ("input_audio_buffer_full", "audio")
    score(call, [False] * 100)
    call.client(append(3_000))
    assert call.types() == []


@pytest.mark.parametrize("audio_format", [wire.PcmuFormat(), wire.PcmaFormat()])
def test_so_is_an_append_that_is_longer_than_the_buffer(audio_format: object) -> None:
    call = call_with(format=audio_format, turn_detection=None)
    call.client(client.InputAudioBufferAppend(audio=bytes(8 * 601_000)))
    assert refusal(call) == ("input_audio_buffer_full", "audio")


def test_that_older_audio_is_lost_is_told_once_until_the_buffer_is_emptied() -> None:
    call = by_hand()
    for _ in range(2):
        for _ in range(3):
            call.client(append(300_000))
        assert call.types() == ["error"]
        call.client(CLEAR).take()


# --- Audio that stays away -----------------------------------------------------


def test_a_microphone_that_falls_silent_in_mid_word_ends_the_turn() -> None:
    call = hands_free()
    call.user_speaks(400).take()
    call.wait(AUDIO_AWAY_MS - 1)
    assert call.types() == []
    call.wait(1)
    stopped, committed, *_ = effects = call.events()
    assert isinstance(stopped, server.SpeechStopped)
    assert stopped.audio_end_ms == 400, "media time stood still"
    assert isinstance(committed, server.InputAudioBufferCommitted)
    assert of_kind(effects, server.ResponseCreated)


def test_and_the_user_is_awaited_as_ever() -> None:
    call = hands_free(wire.ServerVad(idle_timeout_ms=5_000))
    call.user_speaks(400).wait(AUDIO_AWAY_MS).engine_writes("Are you there?").engine_finishes()
    call.take()
    call.wait(5_000)
    assert "input_audio_buffer.timeout_triggered" in call.types()


def test_when_it_comes_back_a_new_turn_is_found() -> None:
    call = hands_free(QUIETLY)
    call.user_speaks(400).wait(AUDIO_AWAY_MS)
    call.user_speaks(400).user_is_quiet(600)
    assert len(of_kind(call.events(), server.InputAudioBufferCommitted)) == 2


def test_a_network_that_stalls_cuts_no_turn_in_two() -> None:
    call = hands_free(QUIETLY)
    call.user_speaks(400)
    call.wait(3_000).user_speaks(400)
    call.wait(3_000).user_speaks(400).user_is_quiet(600)
    assert len(of_kind(call.events(), server.InputAudioBufferCommitted)) == 1


def test_a_detector_that_still_scores_is_waited_for() -> None:
    call = hands_free(QUIETLY)
    call.client(append(20_000))
    for number in range(1, 600):
        call.wait(20)
        call.give(VoiceScored(number * WINDOW_SAMPLES, 0.9))
    assert call.types() == ["input_audio_buffer.speech_started"]


def test_a_longer_silence_that_the_session_wants_is_kept() -> None:
    call = hands_free(wire.ServerVad(silence_duration_ms=6_000, create_response=False))
    call.user_speaks(400).take()
    call.wait(5_900)
    assert call.types() == []
    call.wait(100)
    assert "input_audio_buffer.speech_stopped" in call.types()


def test_a_turn_that_the_client_commits_is_its_own_to_end() -> None:
    call = by_hand()
    call.client(append(400)).wait(60_000)
    assert call.types() == []
