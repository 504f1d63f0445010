"""Somebody pauses, an answer begins, they go on: pieces of one utterance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from antiphon.core.causes import TurnJudged, Word
from antiphon.core.effects import (
    ClearPlayout,
    Effect,
    Generate,
    Speculate,
    StopGenerating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.core.overlap import HARDLY_HEARD_MS
from antiphon.core.turns import GOES_ON_MS, PATIENCE_MS
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.protocol.items import Message, OutputAudio
from antiphon.testing import VirtualCall
from tests.core.stories import hands_free, text
from tests.core.witness import LawfulCall

K = TypeVar("K")
WORDS = (Word(4, 2_400), Word(10, 12_000))


def of_kind(effects: Iterable[Effect], kind: type[K]) -> list[K]:
    return [effect for effect in effects if isinstance(effect, kind)]


def watched(**terms: Any) -> LawfulCall:
    detection = wire.SemanticVad(overlap=wire.Overlap())
    return hands_free(detection, **{"playout": "server", **terms})


def says(call: LawfulCall, words: str = "It was late.", *, pause_ms: int = 600) -> LawfulCall:
    """So long a pause ends the turn, by such words."""
    call.user_speaks(400).user_is_quiet(200)
    assert call.witness.turn is not None
    call.give(TurnJudged(call.witness.turn, 0.63, words))
    call.user_is_quiet(pause_ms - 200)
    return call


def answers(call: LawfulCall, ms: int = 3_000) -> LawfulCall:
    call.engine_heard("It was late.")
    call.engine_speaks(ms, "Very well, I say.", words=WORDS)
    return call


def texts(call: LawfulCall) -> list[str | None]:
    return [
        part.transcript if isinstance(part, OutputAudio) else None
        for item in call.conversation.items
        if isinstance(item, Message)
        for part in item.content
    ]


def silence_to_end(call: LawfulCall) -> int:
    """How long a silence ends the turn that is open, in steps of 20 ms."""
    call.take()
    for step in range(1, 300):
        if of_kind(call.user_is_quiet(20).take(), TurnCommitted):
            return 20 * step
    raise AssertionError


def test_who_goes_on_as_the_answer_begins_takes_it_back_at_once() -> None:
    call = answers(says(watched()))
    call.engine_finishes()
    call.user_is_quiet(200).take()
    call.user_speaks(200)
    effects = call.take()
    assert of_kind(effects, ClearPlayout)
    [cut] = of_kind(effects, server.ConversationItemTruncated)
    assert cut.audio_end_ms == 0
    assert texts(call) == [None, ""], "what was begun is as if it had never been said"
    call.user_speaks(400).user_is_quiet(1_400)
    assert len(of_kind(call.take(), Generate)) == 1, "and all of it is answered"


def test_an_answer_that_is_still_made_is_stopped() -> None:
    call = answers(says(watched()))
    call.user_is_quiet(200).take()
    effects = call.user_speaks(200).take()
    assert of_kind(effects, StopGenerating)
    [done] = of_kind(effects, server.ResponseDone)
    assert done.response.status == "cancelled"
    assert texts(call) == [None, ""]


def test_who_speaks_later_is_judged_by_what_they_say() -> None:
    call = answers(says(watched()))
    call.user_is_quiet(HARDLY_HEARD_MS + 200).take()
    effects = call.user_speaks(200).take()
    assert not of_kind(effects, ClearPlayout)
    assert call.witness.overlap is not None


def test_one_who_was_silent_for_long_does_not_go_on() -> None:
    call = says(watched())
    call.user_is_quiet(GOES_ON_MS)
    answers(call).user_is_quiet(200).take()
    assert not of_kind(call.user_speaks(200).take(), ClearPlayout)


def test_a_greeting_is_no_answer() -> None:
    call = watched()
    call.client(client.ResponseCreate())
    call.engine_speaks(3_000, "Hello there, all.", words=WORDS)
    call.user_is_quiet(200).take()
    assert not of_kind(call.user_speaks(200).take(), ClearPlayout)


def test_a_click_takes_nothing_back() -> None:
    call = answers(says(watched()))
    call.user_is_quiet(200).take()
    assert not of_kind(call.user_speaks(100).user_is_quiet(200).take(), ClearPlayout)


def test_without_a_watch_what_was_heard_stays_as_in_the_api() -> None:
    call = answers(says(hands_free(wire.SemanticVad(), playout="server")))
    call.user_is_quiet(300).take()
    [cut] = of_kind(call.user_speaks(200).take(), server.ConversationItemTruncated)
    assert cut.audio_end_ms > 0


def test_whoever_has_paused_may_pause_as_long_again() -> None:
    call = watched()
    says(call)
    call.user_speaks(400)
    plain = watched()
    plain.user_speaks(400)
    for one in (call, plain):
        assert one.witness.turn is not None
        one.give(TurnJudged(one.witness.turn, 0.63, "It was cold."))
    patient, usual = silence_to_end(call), silence_to_end(plain)
    assert patient >= 600 + PATIENCE_MS > usual


def test_a_turn_after_a_heard_answer_waits_no_longer_than_the_first() -> None:
    call = says(watched())
    usual = hands_free(wire.SemanticVad(overlap=wire.Overlap()), playout="server")
    answers(call, 500).engine_finishes()
    call.user_is_quiet(700)
    for one in (call, usual):
        one.user_speaks(400)
        assert one.witness.turn is not None
        one.give(TurnJudged(one.witness.turn, 0.63, "It was cold."))
    assert silence_to_end(call) == silence_to_end(usual)


# --- One item ----------------------------------------------------------------


def goes_on(
    call: VirtualCall, words: str = "It was late, it was cold.", *, quiet_ms: int = 2_400
) -> list[Effect]:
    """Says the rest, and is quiet.  Returns what followed."""
    call.take()
    call.user_speaks(600).user_is_quiet(200)
    assert isinstance(call, LawfulCall)
    assert call.witness.turn is not None
    call.give(TurnJudged(call.witness.turn, 0.63, words))
    return call.user_is_quiet(quiet_ms).take()


def ids(call: VirtualCall) -> list[str]:
    return [str(item.id) for item in call.conversation.items]


def test_the_pieces_become_one_item_with_the_sound_of_both() -> None:
    call = answers(says(watched()))
    first, answer = ids(call)
    piece = call.witness.heard_samples
    call.engine_finishes()
    effects = goes_on(call.user_is_quiet(200))
    gone = [event.item_id for event in of_kind(effects, server.ConversationItemDeleted)]
    assert gone == [answer, first]
    [committed] = of_kind(effects, server.InputAudioBufferCommitted)
    assert ids(call) == [committed.item_id]
    assert committed.previous_item_id is None
    [turn] = of_kind(effects, TurnCommitted)
    assert len(turn.pcm) // 2 > piece, "from where the first piece began"
    [_, began] = of_kind(effects, TurnBegan)
    assert (began.item_id, began.from_sample) == (committed.item_id, 0)
    assert turn.pcm.startswith(began.pcm)


def test_a_piece_that_nobody_had_begun_to_answer_is_joined_too_where_the_client_plays() -> None:
    call = says(watched(playout="client"))
    [first] = ids(call)
    effects = goes_on(call.user_is_quiet(200))
    [gone] = of_kind(effects, server.ConversationItemDeleted)
    assert gone.item_id == first
    assert len(ids(call)) == 1
    assert len(of_kind(effects, Generate)) == 1


def test_three_pieces_become_one() -> None:
    call = answers(says(watched()))
    call.engine_finishes()
    goes_on(call.user_is_quiet(200), quiet_ms=1_200)
    call.engine_heard("It was late, it was cold.")
    call.engine_speaks(3_000, "Very well, I say.", words=WORDS)
    call.engine_finishes()
    goes_on(call.user_is_quiet(200), "It was late, it was cold, and nobody was there.")
    assert len(ids(call)) == 1


def test_nothing_is_lost_where_the_rest_comes_to_nothing() -> None:
    call = answers(says(watched()))
    first, answer = ids(call)
    call.engine_finishes()
    call.user_is_quiet(200).user_speaks(400)
    effects = call.client(client.InputAudioBufferClear()).take()
    assert not of_kind(effects, server.ConversationItemDeleted)
    assert ids(call) == [first, answer]


def test_what_else_was_said_or_done_keeps_them_apart() -> None:
    call = answers(says(watched()))
    call.engine_finishes()
    call.client(text("Beside.", "item_beside"))
    assert not of_kind(goes_on(call.user_is_quiet(200)), server.ConversationItemDeleted)
    assert len(ids(call)) == 4


def test_a_client_that_knows_of_no_overlaps_keeps_its_items() -> None:
    call = says(hands_free(wire.SemanticVad(), playout="server"))
    assert not of_kind(goes_on(call.user_is_quiet(200)), server.ConversationItemDeleted)
    assert len(ids(call)) == 2


def test_a_long_piece_stays_an_item_of_its_own() -> None:
    call = watched()
    call.user_speaks(31_000)
    call.user_is_quiet(1_400)
    assert not of_kind(goes_on(call.user_is_quiet(100)), server.ConversationItemDeleted)
    assert len(ids(call)) == 2


def test_what_was_deleted_meanwhile_is_not_deleted_again() -> None:
    call = answers(says(watched()))
    first, answer = ids(call)
    call.engine_finishes()
    call.user_is_quiet(200).user_speaks(400)
    call.client(client.ConversationItemDelete(item_id=first))
    gone = of_kind(goes_on(call), server.ConversationItemDeleted)
    assert [event.item_id for event in gone] == [answer]


def test_what_is_answered_ahead_is_asked_without_the_pieces() -> None:
    call = answers(says(watched(engine_speculates=True)))
    call.engine_finishes()
    effects = goes_on(call.user_is_quiet(200))
    [ahead], [generate] = of_kind(effects, Speculate), of_kind(effects, Generate)
    assert [item.id for item in ahead.request.items] == [item.id for item in generate.items]
    assert len(generate.items) == 1
