"""Sounds while the assistant is heard: who interrupts, who only listens, what is noise."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.causes import TurnJudged, Word
from antiphon.core.effects import (
    ClearPlayout,
    DuckPlayout,
    Generate,
    InputDropped,
    StopGenerating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.core.items import SpokenPart
from antiphon.core.overlap import (
    CLEAR,
    CLICK_MS,
    HOLDS_MS,
    LOOKED_MS,
    SETTLED_MS,
    Evidence,
    Verdict,
    has_asked,
    holds,
    judge,
)
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.protocol.items import Message
from tests.core.stories import hands_free, of_kind, respond, update_input
from tests.core.witness import LawfulCall

INTERRUPTS = Verdict.INTERRUPTION
POLICY = wire.Overlap(interruption_ms=600, wait_ms=1_200)
STARTED = "input_audio_buffer.speech_started"
OVERLAP = "antiphon.overlap"


# --- The policy --------------------------------------------------------------


def verdict(**known: Any) -> Verdict:
    return judge(Evidence(**{"voice_ms": 300, "quiet_ms": 0, "clarity": 0.95} | known), POLICY)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        # A clear voice whose words are late: nobody has looked at its end yet
        ({"quiet_ms": LOOKED_MS, "words": ""}, Verdict.OPEN),
        ({"quiet_ms": 1_200, "words": ""}, Verdict.INTERRUPTION),
        ({"quiet_ms": LOOKED_MS, "words": "", "words_are_all": True}, Verdict.NOISE),
        # While it goes on
        ({}, Verdict.OPEN),
        ({"voice_ms": 599}, Verdict.OPEN),
        ({"voice_ms": 600}, Verdict.INTERRUPTION),
        ({"voice_ms": 600, "clarity": 0.6}, Verdict.OPEN),
        ({"voice_ms": 1_800, "clarity": 0.6}, Verdict.INTERRUPTION),
        ({"voice_ms": 9_000, "clarity": 0.6, "words": ""}, Verdict.OPEN),
        ({"voice_ms": 1_100, "words": "Okay."}, Verdict.OPEN),
        ({"voice_ms": 1_200, "words": "Okay."}, Verdict.INTERRUPTION),
        ({"words": "Wait."}, Verdict.INTERRUPTION),
        ({"words": "Mm-hmm."}, Verdict.OPEN),
        ({"words": "Yes.", "asked": True}, Verdict.INTERRUPTION),
        ({"words": "Oh.", "asked": True}, Verdict.OPEN),
        # Who began as one who listens may have said more of the same
        ({"words": "Yeah, you"}, Verdict.OPEN),
        ({"voice_ms": 600, "words": "Yeah, you"}, Verdict.INTERRUPTION),
        ({"quiet_ms": 300, "words": "Yeah, you", "words_are_all": True}, Verdict.INTERRUPTION),
        # The answer has hardly begun
        ({"voice_ms": CLICK_MS, "goes_on": True}, Verdict.INTERRUPTION),
        ({"voice_ms": CLICK_MS - 1, "goes_on": True}, Verdict.OPEN),
        ({"clarity": CLEAR - 0.01, "goes_on": True}, Verdict.OPEN),
        # Once it is over
        ({"quiet_ms": 400}, Verdict.OPEN),
        ({"quiet_ms": 400, "words": "Okay."}, Verdict.OPEN),
        ({"quiet_ms": 400, "words": "Okay.", "words_are_all": True}, Verdict.BACKCHANNEL),
        ({"quiet_ms": 600, "words": "Okay."}, Verdict.BACKCHANNEL),
        ({"quiet_ms": 100, "words": "Okay.", "words_are_all": True}, Verdict.OPEN),
        ({"quiet_ms": 400, "words": "Stop.", "words_are_all": True}, Verdict.INTERRUPTION),
        ({"quiet_ms": 400, "words": "", "words_are_all": True}, Verdict.NOISE),
        ({"quiet_ms": 1_200}, Verdict.INTERRUPTION),
        ({"quiet_ms": 1_200, "voice_ms": 96}, Verdict.NOISE),
        ({"quiet_ms": 1_200, "clarity": 0.6}, Verdict.NOISE),
        ({"quiet_ms": 400, "words": "", "words_are_all": True, "asked": True}, INTERRUPTS),
        ({"quiet_ms": 400, "voice_ms": 900}, Verdict.OPEN),
    ],
)
def test_the_policy(known: dict[str, Any], expected: Verdict) -> None:
    assert verdict(**known) is expected


EVIDENCE = st.builds(
    Evidence,
    voice_ms=st.integers(64, 5_000),
    quiet_ms=st.integers(0, 5_000),
    clarity=st.floats(0.5, 1),
    words=st.sampled_from([None, "", "Mm-hmm.", "Yes.", "Stop it."]),
    words_are_all=st.booleans(),
    asked=st.booleans(),
)


@given(EVIDENCE)
def test_nothing_stays_open_for_ever_once_it_is_quiet(evidence: Evidence) -> None:
    if evidence.quiet_ms >= POLICY.wait_ms:
        assert judge(evidence, POLICY) is not Verdict.OPEN


@given(EVIDENCE)
def test_words_that_want_the_floor_always_get_it(evidence: Evidence) -> None:
    if evidence.words == "Stop it.":
        assert judge(evidence, POLICY) is Verdict.INTERRUPTION


@given(EVIDENCE)
def test_the_voice_waits_for_who_speaks_on_and_not_for_who_listens(evidence: Evidence) -> None:
    waits = holds(evidence)
    assert not (waits and evidence.voice_ms < HOLDS_MS)
    assert not (waits and evidence.words in ("Mm-hmm.", "Yes."))
    if evidence.voice_ms >= POLICY.interruption_ms and evidence.clarity >= CLEAR:
        assert waits or evidence.words in ("Mm-hmm.", "Yes.")


@given(EVIDENCE)
def test_what_is_harmless_is_proven_to_be(evidence: Evidence) -> None:
    if judge(evidence, POLICY) in (Verdict.BACKCHANNEL, Verdict.NOISE):
        settled_ms = SETTLED_MS if evidence.words_are_all else LOOKED_MS
        heard_out = evidence.words is not None and evidence.quiet_ms >= settled_ms
        assert heard_out or evidence.voice_ms < CLICK_MS or evidence.clarity < CLEAR


# --- Whether it was asked ----------------------------------------------------


@pytest.mark.parametrize(
    ("text", "heard", "asked"),
    [
        ("Do you want tea?", "Do you want", True),
        ("I am here. Do you want tea?", "I am", False),
        ("I am here. Do you want tea?", "I am here. Do", True),
        ("Do you want tea? There is", "Do you want tea? There", True),
        ("How are you? I am fine. So is he.", "How are you? I am fine. So is", False),
        ("Il est “prêt ?” Bon.", "Il est “prêt ?”", True),
        ("", "", False),
    ],
)
def test_a_question_is_one_while_it_and_the_next_sentence_are_heard(
    text: str, heard: str, asked: bool
) -> None:
    words = [Word(i, 1_000 * i) for i in range(1, len(text) + 1) if text[i - 1] != " "]
    part = SpokenPart(transcript=text, samples=1_000 * len(text), words=words)
    assert has_asked(part, 1_000 * len(heard)) is asked
    part = SpokenPart(transcript=text, samples=1_000 * len(text))
    assert has_asked(part, 1_000 * len(heard)) is asked, "no word times, so by length"


# --- Stories -----------------------------------------------------------------


def talking(
    playout: Literal["client", "server"] = "server",
    text: str = "One two three.",
    ms: int = 10_000,
    overlap: wire.Overlap | None = POLICY,
) -> LawfulCall:
    """The assistant has just begun to say something long."""
    on = {} if overlap is None else {"overlap": overlap}
    call = hands_free(wire.ServerVad(**on), playout=playout)  # type: ignore[arg-type]
    call.client(respond()).engine_speaks(ms, text)
    call.user_is_quiet(1_000).take()
    return call


def understand(call: LawfulCall, words: str, *, late: bool = False) -> None:
    call.give(TurnJudged(call.witness.turn or "", 0.5, words, words_are_late=late))


def says(call: LawfulCall, ms: int, words: str) -> LawfulCall:
    """A sound of that length, its words known as soon as a recogniser can have them."""
    call.user_speaks(ms).user_is_quiet(300)
    understand(call, words)
    call.user_is_quiet(100)
    return call


def states(events: list[server.ServerEvent]) -> list[str]:
    return [event.state for event in of_kind(events, server.OverlapChanged)]


def test_a_backchannel_ends_nothing_and_is_not_answered() -> None:
    call = talking()
    says(call, 400, "Mm-hmm.")
    effects = call.take()
    assert not any(isinstance(e, ClearPlayout | StopGenerating | Generate) for e in effects)
    assert [e.on for e in effects if isinstance(e, DuckPlayout)] == [True, False]
    call.engine_finishes().user_is_quiet(12_000)
    assert not any(isinstance(e, Generate) for e in call.take())


def ducking(call: LawfulCall) -> list[tuple[bool, bool]]:
    return [(e.on, e.holds) for e in call.take() if isinstance(e, DuckPlayout)]


def test_who_speaks_on_is_waited_for_in_silence_until_it_is_known_what_it_is() -> None:
    call = talking()
    call.user_speaks(HOLDS_MS - 50)
    assert ducking(call) == [(True, False)]
    call.user_speaks(100)
    assert ducking(call) == [(True, True)]
    call.user_is_quiet(300)
    understand(call, "Oh, I see.")
    call.user_is_quiet(100)
    assert ducking(call) == [(False, False)]


def test_who_is_known_to_listen_is_not_waited_for() -> None:
    call = talking()
    call.user_speaks(HOLDS_MS - 100)
    understand(call, "Yeah")
    call.user_speaks(200)
    assert ducking(call) == [(True, False)]


def test_a_look_at_its_beginning_that_comes_late_is_not_the_end_of_it() -> None:
    """On a busy machine nothing may be understood until long after the sound is over."""
    call = talking()
    call.user_speaks(400).user_is_quiet(300)
    understand(call, "", late=True)
    call.user_is_quiet(100)
    assert states(call.events()) == ["open"]
    understand(call, "Book a room.")
    call.user_is_quiet(100)
    assert states(call.events())[-1] == "interruption"


def test_it_is_an_item_all_the_same_where_what_was_said_is_kept() -> None:
    call = talking()
    says(call, 400, "Mm-hmm.").engine_heard("Mm-hmm.")
    said = call.conversation.items[-1]
    assert isinstance(said, Message)
    assert said.role == "user"
    assert call.types() == [
        OVERLAP,
        STARTED,
        OVERLAP,
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]


def test_a_client_that_plays_is_not_told_that_somebody_speaks_before_it_is_true() -> None:
    call = talking("client")
    says(call, 400, "Mm-hmm.")
    assert call.types() == [
        OVERLAP,
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    call.user_speaks(700)
    assert call.types()[:2] == [OVERLAP, STARTED]


@pytest.mark.parametrize("playout", ["client", "server"])
def test_noise_leaves_nothing_behind(playout: Literal["client", "server"]) -> None:
    call = talking(playout)
    before = call.conversation.items
    says(call, 300, "")
    effects = call.take()
    assert any(isinstance(e, InputDropped) for e in effects)
    assert not any(isinstance(e, TurnCommitted | StopGenerating | ClearPlayout) for e in effects)
    assert states([e for e in effects if isinstance(e, server.ServerEvent)]) == ["open", "noise"]
    assert call.conversation.items == before
    says(call, 300, "")
    assert states(call.events()) == ["open", "noise"], "the next one is watched like the first"


@pytest.mark.parametrize("playout", ["client", "server"])
def test_who_speaks_on_interrupts(playout: Literal["client", "server"]) -> None:
    call = talking(playout)
    call.user_speaks(560)
    assert "response.done" not in call.types()
    call.user_speaks(100)
    done = call.one(server.ResponseDone)
    assert done.response.status == "cancelled"
    call.user_speaks(500).user_is_quiet(600)
    assert call.one(Generate)


def test_nothing_of_an_interruption_is_lost() -> None:
    call = talking("client")
    call.user_speaks(2_000)
    started = call.one(server.SpeechStarted)
    assert started.audio_start_ms == 992 - 300, "the window that the voice began in"
    call.user_is_quiet(600)
    assert len(call.one(TurnCommitted).pcm) == 2 * 24 * (300 + 1_984 + 500)


@pytest.mark.parametrize("playout", ["client", "server"])
def test_one_word_that_wants_the_floor_gets_it(playout: Literal["client", "server"]) -> None:
    call = talking(playout)
    says(call, 350, "Stop.")
    assert "response.done" in call.types()
    call.user_is_quiet(300)
    assert call.one(Generate)


def test_what_interrupts_is_silenced_before_anything_is_told() -> None:
    call = talking()
    call.user_speaks(400)
    understand(call, "Wait a")
    call.take()
    call.user_speaks(40)
    kinds = [type(e) for e in call.take()]
    order = [server.OverlapChanged, ClearPlayout, StopGenerating, server.ResponseDone, DuckPlayout]
    assert [kind for kind in kinds if kind in order] == order


def test_the_cut_is_where_the_voice_was_when_it_was_cut() -> None:
    call = talking()
    call.user_speaks(700)
    assert 1_580 < call.one(server.ConversationItemTruncated).audio_end_ms < 1_660


@pytest.mark.parametrize("words", ["Yes.", "Okay.", "Mm-hmm."])
def test_after_a_question_a_yes_is_its_answer(words: str) -> None:
    call = talking(text="Do you want some tea?")
    says(call, 350, words).user_is_quiet(300)
    types = [type(e) for e in call.take()]
    assert ClearPlayout in types
    assert Generate in types


def test_a_sound_whose_words_never_come_is_believed() -> None:
    call = talking()
    call.user_speaks(400).user_is_quiet(1_100)
    assert states(call.events()) == ["open"]
    call.user_is_quiet(200)
    assert states(events := call.events()) == ["interruption"]
    assert of_kind(events, server.InputAudioBufferCommitted)


def test_words_of_its_beginning_are_not_taken_for_all_of_it() -> None:
    call = talking()
    call.user_speaks(500).user_is_quiet(100)
    understand(call, "Okay.")
    call.user_is_quiet(300)
    assert states(call.events()) == ["open"], "they were looked for while it went on"
    understand(call, "Okay, stop.")
    call.user_is_quiet(40)
    assert states(call.events()) == ["interruption"]


def test_a_pause_ends_no_sound_that_is_not_known() -> None:
    call = talking()
    call.user_speaks(300).user_is_quiet(600).user_speaks(200)
    assert states(call.events()) == ["open"]
    call.user_speaks(200)
    assert states(call.events()) == ["interruption"]


def test_more_words_after_okay_are_an_interruption() -> None:
    call = talking()
    call.user_speaks(400).user_is_quiet(200)
    call.user_speaks(200)
    understand(call, "Okay, but")
    call.user_speaks(40)
    assert states(call.events()) == ["open", "interruption"]


def test_who_speaks_while_nothing_is_heard_is_answered_as_ever() -> None:
    quiet = hands_free(wire.ServerVad(overlap=POLICY))
    plain = hands_free()
    for call in (quiet, plain):
        call.user_speaks(300).user_is_quiet(600)
    assert quiet.types() == plain.types()


def test_an_answer_that_nobody_has_heard_yet_is_stopped_at_once() -> None:
    call = hands_free(wire.ServerVad(overlap=POLICY), playout="server")
    call.user_speaks(400).user_is_quiet(600).take()
    call.user_speaks(100)
    assert "response.done" in call.types()


def test_where_the_client_plays_its_sound_is_over_when_it_must_have_been_heard() -> None:
    call = talking("client", ms=1_500)
    call.user_is_quiet(700).take()
    call.user_speaks(100)
    assert states(events := call.events()) == ["open"], "the way takes some time"
    assert of_kind(events, server.SpeechStarted) == []
    call = talking("client", ms=1_500)
    call.user_is_quiet(1_000).user_speaks(100)
    assert STARTED in call.types()


def test_where_the_client_has_stopped_it_nothing_is_heard() -> None:
    call = talking("client")
    item_id = str(call.conversation.items[0].id)
    truncate = client.ConversationItemTruncate(item_id=item_id, content_index=0, audio_end_ms=900)
    call.client(truncate).user_speaks(100)
    assert STARTED in call.types()


@pytest.mark.parametrize("playout", ["client", "server"])
def test_without_the_setting_all_is_as_in_the_api(playout: Literal["client", "server"]) -> None:
    call = talking(playout, overlap=None)
    call.user_speaks(100)
    types = call.types()
    assert types[0] == STARTED
    assert "response.done" in types
    assert OVERLAP not in types


def test_it_can_be_switched_off_in_the_middle() -> None:
    call = talking()
    call.user_speaks(200).take()
    call.client(update_input(turn_detection=None))
    effects = call.take()
    assert [e.on for e in effects if isinstance(e, DuckPlayout)] == [False]
    assert states([e for e in effects if isinstance(e, server.ServerEvent)]) == ["dropped"]


@pytest.mark.parametrize("event", [client.InputAudioBufferCommit(), client.InputAudioBufferClear()])
def test_a_client_may_commit_or_clear_what_is_not_known_yet(event: client.ClientEvent) -> None:
    call = talking()
    call.user_speaks(200).client(event)
    effects = call.take()
    assert [e.on for e in effects if isinstance(e, DuckPlayout)] == [True, False]
    call.user_speaks(100)
    assert [e.overlaps for e in call.take() if isinstance(e, TurnBegan)] == [True]


def test_a_microphone_that_goes_silent_in_an_overlap_is_believed() -> None:
    call = talking(ms=20_000)
    call.user_speaks(300)
    call.wait(4_100)
    assert states(call.events()) == ["open", "interruption"]


def test_the_user_is_not_said_to_speak_before_that_is_known() -> None:
    call = talking()
    call.user_speaks(300)
    assert not call.conversation.user_speaks
    call.user_speaks(400)
    assert call.conversation.user_speaks


def test_settings_merge_and_null_switches_off() -> None:
    call = hands_free(wire.ServerVad())
    patch = wire.TurnDetectionPatch(overlap=wire.OverlapPatch(wait_ms=500))
    call.client(update_input(turn_detection=patch))
    patch = wire.TurnDetectionPatch(overlap=wire.OverlapPatch(interruption_ms=900))
    call.client(update_input(turn_detection=patch))
    detection = call.conversation.session.audio.input.turn_detection
    assert detection == wire.ServerVad(overlap=wire.Overlap(900, 500))
    call.client(update_input(turn_detection=wire.TurnDetectionPatch(overlap=None)))
    assert call.conversation.session.audio.input.turn_detection == wire.ServerVad()
