"""Two recognisers as one, with what each hears told by the test."""

from __future__ import annotations

import asyncio
import logging

import pytest

from antiphon.engines.cascade.parts import Grammar, Report, Transcript
from antiphon.engines.cascade.stt.fallback import FallbackRecognizer
from antiphon.engines.cascade.stt.paired import PairedRecognizer
from antiphon.errors import EngineUnavailable
from antiphon.testing.parts import KnowingRecognizer

GRAMMAR = Grammar("booking", "#JSGF V1.0;\ngrammar g;\npublic <g> = book a room;\n")


class Told:
    """A `Recognizer` and its one `Recognition`: reports what the test says."""

    def __init__(self, *, starts: bool = True) -> None:
        self.report: Report | None = None
        self.live = False
        self.did: list[str] = []
        self._starts = starts

    async def start(self) -> None:
        if not self._starts:
            raise EngineUnavailable("told", "it is not here")
        self.did.append("started")

    async def aclose(self) -> None:
        self.did.append("closed")

    def begin(
        self, report: Report, *, grammar: Grammar | None, language: str | None, live: bool = False
    ) -> Told:
        self.report, self.live = report, live
        return self

    def feed(self, pcm: bytes) -> None:
        self.did.append(f"fed {len(pcm)}")

    def finish(self) -> None:
        self.did.append("finished")

    def cancel(self) -> None:
        self.did.append("cancelled")

    def say(self, text: str, *, final: bool = False, stable: int = 0, known: bool = False) -> None:
        assert self.report is not None
        self.report(
            Transcript(text, final=final, stable_chars=stable, in_grammar=known, complete=known)
        )


class Pair:
    def __init__(self, *, live: bool = False) -> None:
        self.free, self.grammars = Told(), Told()
        self.heard: list[Transcript] = []
        recognizer = PairedRecognizer(self.free, self.grammars)
        self.turn = recognizer.begin(self.heard.append, grammar=GRAMMAR, language="en", live=live)


def test_the_end_comes_when_both_have_ended() -> None:
    pair = Pair()
    pair.grammars.say("book a room", final=True, known=True)
    assert not pair.heard or not pair.heard[-1].final
    pair.free.say("Book a room.", final=True, stable=12)
    assert pair.heard[-1] == Transcript(
        "book a room", final=True, stable_chars=11, in_grammar=True, complete=True
    )


def test_a_sentence_is_complete_only_if_both_heard_it() -> None:
    pair = Pair()
    pair.grammars.say("book a room", known=True)
    assert not any(transcript.complete for transcript in pair.heard)
    pair.free.say("Book a room.")
    assert pair.heard[-1].complete
    pair.grammars.say("")
    assert not pair.heard[-1].complete


def test_where_the_one_that_understands_anything_fails_it_is_said() -> None:
    pair = Pair()
    assert pair.free.report is not None
    pair.free.report(Transcript("", final=True, problem="the server is away"))
    assert not pair.heard or not pair.heard[-1].problem
    pair.grammars.say("book a room", final=True, known=True)
    assert pair.heard[-1] == Transcript("", final=True, problem="the server is away")


def test_words_shown_early_keep_their_spelling() -> None:
    pair = Pair(live=True)
    pair.free.say("Book a", stable=4)
    assert pair.heard[-1] == Transcript("Book a", final=False, stable_chars=4)
    pair.grammars.say("book a room", final=True, known=True)
    pair.free.say("Book a room.", final=True, stable=12)
    assert pair.heard[-1].text == "Book a room."
    assert pair.heard[-1].in_grammar


def test_without_anybody_to_read_them_nothing_is_promised_before_the_end() -> None:
    pair = Pair()
    pair.free.say("Book a", stable=4)
    assert pair.heard[-1].stable_chars == 0


def test_both_hear_the_turn_and_its_end() -> None:
    pair = Pair()
    pair.turn.feed(bytes(4))
    pair.turn.finish()
    pair.turn.cancel()
    assert pair.free.did == pair.grammars.did == ["fed 4", "finished", "cancelled"]


async def test_a_turn_without_a_grammar_is_heard_by_one_alone() -> None:
    grammars = KnowingRecognizer("never")
    heard: list[Transcript] = []
    turn = PairedRecognizer(KnowingRecognizer("Anything."), grammars).begin(
        heard.append, grammar=None, language=None
    )
    turn.finish()
    await asyncio.sleep(0)
    assert [transcript.text for transcript in heard] == ["Anything."]
    assert grammars.begun == []


async def test_what_does_not_start_is_replaced_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    best, plain = Told(starts=False), Told()
    recognizer = FallbackRecognizer(best, plain)
    with caplog.at_level(logging.WARNING):
        await recognizer.start()
    assert caplog.text.count("it is not here; speech is recognised without it") == 1
    assert recognizer.begin(lambda _: None, grammar=None, language=None) is plain
    await recognizer.aclose()
    assert best.did == ["closed"]
    assert plain.did == ["started", "closed"]


async def test_what_starts_is_used() -> None:
    best, plain = Told(), Told()
    recognizer = FallbackRecognizer(best, plain)
    await recognizer.start()
    assert recognizer.begin(lambda _: None, grammar=None, language=None) is best
    await recognizer.aclose()
    assert plain.did == []


def test_what_was_not_listened_to_yet_is_not_nothing() -> None:
    pair = Pair()
    pair.grammars.say("book a room", known=True)
    assert pair.heard == []
    pair.free.say("")
    assert [heard.text for heard in pair.heard] == [""]
