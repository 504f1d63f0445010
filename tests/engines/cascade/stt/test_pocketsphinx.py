from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from antiphon.engines.cascade.parts import Grammar, Transcript
from antiphon.engines.cascade.stt.pocketsphinx import PocketSphinxRecognizer
from tests.engines.cascade.stt.command_clips import (
    COMMANDS,
    GRAMMARS,
    Command,
    as_turn,
    command_turn,
    load,
)
from tests.recordings import at_24khz

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIPS = Path(__file__).parents[3] / "data" / "speech"
COMMAND = {command.name: command for command in COMMANDS}
RIGHT = [
    # At least one of each grammar; all are understood by it beside whisper (test_whisper.py).
    COMMAND[name]
    for name in (
        "cmd_mountain_view",
        "cmd_two_thirty_pm",
        "laptop_yes",
        "count_123_en",
        "green_one",
    )
]


async def _pronounce(words: Sequence[str]) -> dict[str, str]:
    known = {"zorple": "Z AO R P AH L", "badphones": "Q Q Q"}
    return {word: known[word] for word in words if word in known}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recognizer() -> AsyncIterator[PocketSphinxRecognizer]:
    recognizer = PocketSphinxRecognizer(workers=1, pronounce=_pronounce)
    await recognizer.start()
    yield recognizer
    await recognizer.aclose()


class Turn:
    def __init__(
        self,
        recognizer: PocketSphinxRecognizer,
        grammar: Grammar | None = None,
        language: str | None = "en",
    ) -> None:
        self.heard: list[Transcript] = []
        self._new = asyncio.Event()
        self.recognition = recognizer.begin(self._report, grammar=grammar, language=language)

    def _report(self, transcript: Transcript) -> None:
        assert not self.heard or not self.heard[-1].final, "nothing after the final one"
        self.heard.append(transcript)
        self._new.set()

    def feed(self, pcm: bytes) -> Turn:
        for at in range(0, len(pcm), 960):
            self.recognition.feed(pcm[at : at + 960])
        return self

    async def next(self) -> Transcript:
        self._new.clear()
        async with asyncio.timeout(60):
            await self._new.wait()
        return self.heard[-1]

    async def finish(self) -> Transcript:
        self.recognition.finish()
        while not self.heard or not self.heard[-1].final:
            await self.next()
        return self.heard[-1]


@pytest.mark.parametrize("command", RIGHT, ids=lambda c: c.name)
async def test_what_people_say_is_found_in_the_grammar(
    recognizer: PocketSphinxRecognizer, command: Command
) -> None:
    turn = Turn(recognizer, GRAMMARS[command.grammar]).feed(command_turn(CLIPS, command))
    final = await turn.finish()
    assert final == Transcript(
        command.text, True, len(command.text), in_grammar=True, complete=True
    )


@pytest.mark.parametrize(
    ("clip", "grammar"),
    [("harvard_s2_4", "booking"), ("harvard_birch", "digits"), ("cough", "support")],
)
async def test_what_is_not_in_the_grammar_is_not_taken_for_it(
    recognizer: PocketSphinxRecognizer, clip: str, grammar: str
) -> None:
    pcm = as_turn(load(CLIPS, clip), load(CLIPS, "noise_room"))
    final = await Turn(recognizer, GRAMMARS[grammar]).feed(pcm).finish()
    assert not final.in_grammar
    assert not final.complete


async def test_what_was_said_is_compared_as_it_was_pronounced(
    recognizer: PocketSphinxRecognizer,
) -> None:
    # In digital silence the open search hears this one as "to(3) do a(2)": nearly the phones
    # of "today", though the words' first pronunciations are far from them.
    pcm = bytes(300 * 48) + at_24khz("cmd_today") + bytes(500 * 48)
    final = await Turn(recognizer, GRAMMARS["booking"]).feed(pcm).finish()
    assert (final.text, final.in_grammar) == ("today", True)


async def test_without_a_grammar_anything_may_be_said(recognizer: PocketSphinxRecognizer) -> None:
    final = await Turn(recognizer).feed(command_turn(CLIPS, COMMAND["cmd_two_people"])).finish()
    assert final == Transcript("two people", True, len("two people"))


async def test_a_sentence_is_complete_before_the_turn_is_over(
    recognizer: PocketSphinxRecognizer,
) -> None:
    pcm = command_turn(CLIPS, COMMAND["cmd_half_an_hour"])
    turn = Turn(recognizer, GRAMMARS["booking"]).feed(pcm)
    while not (partial := await turn.next()).complete:
        pass
    assert partial.text == "half an hour"
    assert partial.stable_chars == 0, "the end of the turn may still reject it"
    turn.recognition.cancel()


async def test_what_is_stable_never_changes(recognizer: PocketSphinxRecognizer) -> None:
    samples = load(CLIPS, "harvard_birch")
    turn = Turn(recognizer).feed(as_turn(samples, load(CLIPS, "noise_room")) * 2)
    await turn.finish()
    promised = ""
    for heard in turn.heard:
        assert heard.text.startswith(promised)
        promised = heard.text[: heard.stable_chars]
    assert len(turn.heard) > 5
    assert any(0 < t.stable_chars < len(t.text) for t in turn.heard)


async def test_a_cancelled_turn_says_nothing_more(recognizer: PocketSphinxRecognizer) -> None:
    pcm = command_turn(CLIPS, COMMAND["cmd_today"])
    cancelled = Turn(recognizer, GRAMMARS["booking"]).feed(pcm)
    cancelled.recognition.finish()
    cancelled.recognition.cancel()
    again = Turn(recognizer, GRAMMARS["booking"]).feed(pcm)
    assert (await again.finish()).text == "today"
    assert cancelled.heard == []


async def test_more_turns_than_decoders_wait_for_them(recognizer: PocketSphinxRecognizer) -> None:
    commands = [COMMAND["cmd_today"], COMMAND["laptop_yes"], COMMAND["cmd_two_people"]]
    turns = [Turn(recognizer, GRAMMARS[c.grammar]).feed(command_turn(CLIPS, c)) for c in commands]
    finals = await asyncio.gather(*(turn.finish() for turn in turns))
    assert [f.text for f in finals] == [c.text for c in commands]


async def test_a_turn_that_never_gets_decoders_ends_empty(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recognizer = PocketSphinxRecognizer(workers=1, turns_per_worker=1, wait_s=0.1)
    await recognizer.start()
    talker = Turn(recognizer)
    waiting = Turn(recognizer).feed(bytes(48_000))
    with caplog.at_level(logging.WARNING):
        assert await waiting.finish() == Transcript("", final=True)
    assert "waited for free decoders" in caplog.text
    talker.recognition.cancel()
    await recognizer.aclose()


async def test_an_empty_turn_has_no_words(recognizer: PocketSphinxRecognizer) -> None:
    assert await Turn(recognizer, GRAMMARS["booking"]).finish() == Transcript("", final=True)
    assert await Turn(recognizer).feed(bytes(480)).finish() == Transcript("", final=True)


async def test_another_language_is_not_understood_and_said_so_once(
    recognizer: PocketSphinxRecognizer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            turn = Turn(recognizer, language="fr-CA").feed(bytes(4800))
            assert await turn.finish() == Transcript("", final=True)
    assert caplog.text.count("understands English only") == 1


async def test_words_that_the_dictionary_lacks_do_not_break_a_grammar(
    recognizer: PocketSphinxRecognizer, caplog: pytest.LogCaptureFixture
) -> None:
    booking = GRAMMARS["booking"]
    jsgf = booking.jsgf.replace("| help", "| zorple | qqxyzzy | badphones | mygivenword")
    grammar = Grammar("with-new-words", jsgf, {"mygivenword": "M AY W ER D"})
    pcm = command_turn(CLIPS, COMMAND["cmd_mountain_view"])
    with caplog.at_level(logging.WARNING):
        final = await Turn(recognizer, grammar).feed(pcm).finish()
    assert (final.text, final.in_grammar) == ("mountain view", True)
    assert "2 words of the grammar cannot be pronounced" in caplog.text
    assert "qqxyzzy" not in caplog.text


async def test_what_is_no_grammar_leaves_free_speech(
    recognizer: PocketSphinxRecognizer, caplog: pytest.LogCaptureFixture
) -> None:
    pcm = command_turn(CLIPS, COMMAND["cmd_two_people"])
    with caplog.at_level(logging.WARNING):
        final = await Turn(recognizer, Grammar("broken", "yes | no")).feed(pcm).finish()
    assert final == Transcript("two people", True, len("two people"))
    assert "no JSGF" in caplog.text


async def test_many_grammars_take_turns_in_the_cache(recognizer: PocketSphinxRecognizer) -> None:
    pcm = command_turn(CLIPS, COMMAND["cmd_today"])
    for n in range(35):  # More than it keeps.
        grammar = msgspec.structs.replace(GRAMMARS["booking"], key=f"state {n}")
        turn = Turn(recognizer, grammar).feed(pcm[:4800])
        await turn.finish()
    final = await Turn(recognizer, GRAMMARS["booking"]).feed(pcm).finish()
    assert final.text == "today"


async def test_a_turn_whose_worker_dies_ends_empty_and_the_next_is_heard() -> None:
    recognizer = PocketSphinxRecognizer(workers=1)
    await recognizer.start()
    pcm = command_turn(CLIPS, COMMAND["cmd_today"])
    turn = Turn(recognizer, GRAMMARS["booking"]).feed(pcm)
    pid = recognizer.pids[0]
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while recognizer.pids in ([], [pid]):  # noqa: ASYNC110 - No restart is announced.
            await asyncio.sleep(0.005)
    lost = "the recogniser pocketsphinx was lost in this turn"
    assert await turn.finish() == Transcript("", final=True, problem=lost)
    final = await Turn(recognizer, GRAMMARS["booking"]).feed(pcm).finish()
    assert final.text == "today"
    await recognizer.aclose()


async def test_before_the_start_nothing_is_understood() -> None:
    turn = Turn(PocketSphinxRecognizer(workers=1)).feed(bytes(960))
    missing = "the recogniser pocketsphinx is not available"
    assert await turn.finish() == Transcript("", final=True, problem=missing)


async def test_with_grammars_alone_who_has_ended_waits_for_nobody_who_speaks() -> None:
    recognizer = PocketSphinxRecognizer(workers=1, turns_per_worker=2, grammars_only=True)
    await recognizer.start()
    try:
        grammar, pcm = GRAMMARS["booking"], command_turn(CLIPS, COMMAND["cmd_today"])
        speaking = [Turn(recognizer, grammar).feed(pcm) for _ in range(4)]
        for turn in [Turn(recognizer, grammar).feed(pcm) for _ in range(3)]:
            heard = await asyncio.wait_for(turn.finish(), 20)
            assert (heard.text, heard.in_grammar) == ("today", True)
        for turn in speaking:
            turn.recognition.cancel()
    finally:
        await recognizer.aclose()


async def test_with_grammars_alone_nothing_else_is_understood() -> None:
    recognizer = PocketSphinxRecognizer(workers=1, grammars_only=True)
    await recognizer.start()
    try:
        assert (await Turn(recognizer).feed(at_24khz("laptop_yes")).finish()).text == ""
    finally:
        await recognizer.aclose()
