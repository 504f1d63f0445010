from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from antiphon.engines.cascade.completeness import (
    COMPLETE,
    NOTHING_YET,
    SOUNDS_FINISHED,
    SOUNDS_UNFINISHED,
    UNDECIDED,
    UNFINISHED,
    completeness,
)
from antiphon.engines.cascade.end_of_turn.judged import JudgedRecognizer
from antiphon.engines.cascade.parts import Transcript
from antiphon.errors import EngineUnavailable
from antiphon.testing.parts import KnowingRecognizer
from antiphon.testing.virtual_loop import run_in_virtual_time


class KnowingHint:
    """Says what a test says."""

    def __init__(self, *, starts: bool = True) -> None:
        self.starts = starts
        self.report: Callable[[float], None] = lambda _: None
        self.pcm = b""
        self.closed = 0

    async def start(self) -> None:
        if not self.starts:
            raise EngineUnavailable("hint", "its weights are missing")

    def open(self, report: Callable[[float], None]) -> KnowingHint:
        self.report = report
        return self

    def feed(self, pcm: bytes) -> None:
        self.pcm += pcm

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None: ...


def run(hint: KnowingHint, *, cancelled: bool = False) -> list[Transcript]:
    async def main() -> list[Transcript]:
        told: list[Transcript] = []
        ears = KnowingRecognizer("book a table")
        recognizer = JudgedRecognizer(ears, hint)
        await recognizer.start()
        turn = recognizer.begin(told.append, grammar=None, language=None)
        turn.feed(b"1234")
        hint.report(0.1)
        ears.begun[0].partial("book a")
        hint.report(0.9)
        turn.cancel() if cancelled else turn.finish()
        turn.feed(b"5678")
        hint.report(0.5)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await recognizer.aclose()
        assert ears.begun[0].pcm[:4] == b"1234"
        return told

    return run_in_virtual_time(main())


def test_melody_and_words_are_told_together_as_either_comes() -> None:
    hint = KnowingHint()
    told = run(hint)
    assert [(t.text, t.melody, t.looked_for_words) for t in told] == [
        ("", 0.1, False),
        ("book a", 0.1, True),
        ("book a", 0.9, False),
        ("book a table", None, True),
    ]
    assert told[-1].final
    assert (hint.pcm, hint.closed) == (b"1234", 1)


def test_nothing_is_told_of_a_turn_that_was_cancelled() -> None:
    hint = KnowingHint()
    assert len(run(hint, cancelled=True)) == 3
    assert hint.closed == 1


def test_a_hint_that_does_not_start_leaves_the_words_alone() -> None:
    hint = KnowingHint(starts=False)
    assert [t.melody for t in run(hint)] == [None, None]
    assert hint.pcm == b""


@pytest.mark.parametrize(
    ("text", "melody", "judged"),
    [
        ("I would like a table", None, UNDECIDED),
        ("I would like a table", 0.9, SOUNDS_FINISHED),
        ("I would like a table", 0.1, SOUNDS_UNFINISHED),
        ("I would like a", 0.99, UNFINISHED),
        ("", 0.9, UNDECIDED),
        ("", 0.1, SOUNDS_UNFINISHED),
        ("", None, NOTHING_YET),
    ],
)
def test_the_melody_moves_what_the_words_leave_open(
    text: str, melody: float | None, judged: float
) -> None:
    assert completeness(Transcript(text, final=False, melody=melody)) == judged


def test_a_sentence_that_was_expected_is_whole_however_it_is_said() -> None:
    said = Transcript("two people", final=False, complete=True, melody=0.0)
    assert completeness(said) == COMPLETE
