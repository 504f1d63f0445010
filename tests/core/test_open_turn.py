"""A turn while it is being spoken, without those who find it."""

from __future__ import annotations

from antiphon.core.effects import Effect, Hear, InputDropped, TurnBegan, TurnCommitted
from antiphon.core.input_buffer import InputBuffer
from antiphon.core.items import ms_to_samples
from antiphon.core.open_turn import OpenTurn
from antiphon.core.pieces import Piece
from antiphon.core.stage import Stage
from antiphon.protocol import server
from antiphon.testing.virtual_call import VirtualCall


class Turn:
    """Of a second of sound, from its 100th millisecond on."""

    def __init__(self) -> None:
        self.stage = Stage.set_for(VirtualCall().terms)
        self.buffer = InputBuffer()
        self.buffer.append(bytes(range(256)) * 187 + bytes(128))
        self.turn = OpenTurn(self.stage, self.buffer, ms_to_samples(100))
        self.out: list[Effect] = []

    def take(self) -> list[Effect]:
        taken, self.out[:] = list(self.out), []
        return taken


def test_the_engine_hears_each_sample_once_and_all_of_them_by_the_commit() -> None:
    it = Turn()
    whole = it.buffer.peek(ms_to_samples(100), ms_to_samples(900))
    it.turn.begin(ms_to_samples(200), it.out)
    for ms in (300, 250, 300, 700):
        it.turn.tell_engine(ms_to_samples(ms), it.out)
    assert it.turn.commit(ms_to_samples(900), it.out) == whole
    told = it.take()
    [began] = [each for each in told if isinstance(each, TurnBegan)]
    heard = b"".join(each.pcm for each in told if isinstance(each, Hear))
    assert began.pcm + heard == whole
    [committed] = [each for each in told if isinstance(each, TurnCommitted)]
    assert (committed.item_id, committed.pcm) == (it.turn.item_id, whole)
    assert it.stage.history.last_id == it.turn.item_id


def test_clients_that_were_not_told_that_somebody_speaks_are_not_told_that_they_stopped() -> None:
    it = Turn()
    it.turn.tell_stopped(ms_to_samples(900), it.out)
    assert it.take() == []
    for _ in range(2):
        it.turn.announce(it.out)
    it.turn.tell_stopped(ms_to_samples(900), it.out)
    started, stopped = it.take()
    assert isinstance(started, server.SpeechStarted)
    assert isinstance(stopped, server.SpeechStopped)
    assert (started.audio_start_ms, stopped.audio_end_ms) == (100, 900)


def test_its_id_is_nobody_elses_until_it_comes_to_nothing() -> None:
    it = Turn()
    assert it.stage.history.is_reserved(it.turn.item_id)
    it.turn.drop(it.out)
    assert [type(effect) for effect in it.take()] == [InputDropped]
    assert not it.stage.history.is_reserved(it.turn.item_id)


def test_one_that_goes_on_with_the_turn_before_takes_its_place() -> None:
    it = Turn()
    it.turn.begin(ms_to_samples(200), it.out)
    before = OpenTurn(it.stage, it.buffer, 0)
    first = before.commit(ms_to_samples(50), it.out)
    it.take()
    piece = Piece(before.item_id, 0, first)
    it.turn.join(piece, (before.item_id,), it.out)
    dropped, began = it.take()
    assert isinstance(dropped, InputDropped)
    assert isinstance(began, TurnBegan)
    assert began.pcm.startswith(first)
    whole = it.turn.commit(ms_to_samples(900), it.out)
    assert whole.startswith(first)
    assert [entry.id for entry in it.stage.history] == [it.turn.item_id]
