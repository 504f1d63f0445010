"""Who reads a conversation while something is being said reads what was heard until then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.scripted import Script, ScriptedEngine, Speak
from antiphon.identity.principal import Principal
from antiphon.journal.memory import MemoryJournal
from antiphon.journal.recall import Recalled
from antiphon.journal.redaction import Redact
from antiphon.runtime.hub import Hub
from antiphon.runtime.keeping import Keeping
from antiphon.runtime.media import NO_PLAYBACK, Playback
from antiphon.testing import run_in_virtual_time
from tests.runtime.test_outbox import BY_HAND, Client

TEXT = "one two three four five six seven eight"
"""Of which one is said each half second."""
SPOKEN_MS = 4_000


class Loudspeaker:
    """Plays what it is given, in virtual time."""

    def __init__(self) -> None:
        self._given = 0
        self._begins_s: float | None = None

    @property
    def played_samples(self) -> int:
        if self._begins_s is None:
            return 0
        passed_s = asyncio.get_running_loop().time() - self._begins_s
        return min(self._given, int(passed_s * MEDIA_RATE_HZ))

    def play(self, pcm: bytes) -> None:
        self._begins_s = self._begins_s or asyncio.get_running_loop().time()
        self._given += len(pcm) // 2

    def clear(self) -> None:
        self._given = self.played_samples

    def duck(self, on: bool, *, holds: bool = False) -> None: ...

    def recently_played(self) -> bytes:
        return b""

    def played_by(self, rtp_timestamp: int) -> int:
        return NO_PLAYBACK.played_by(rtp_timestamp)


class Call:
    """A session in which one answer is being said, and its log."""

    def __init__(
        self, playback: Playback | None, *, paced: bool = False, redact: Redact | None = None
    ) -> None:
        self.journal = MemoryJournal(delay_s=0.002)
        replies = ((Speak(ms=SPOKEN_MS, text=TEXT, paced=paced),),)
        engine = ScriptedEngine(Script(replies=replies))
        self.hub = Hub(lambda _: engine, keeping=Keeping(journal=self.journal, redact=redact))
        self.session = self.hub.open(
            kind="realtime", model="m", patch=BY_HAND, principal=Principal(user="u"),
            playback=playback,
        )  # fmt: skip
        self.name = self.session.about.conversation_id
        self.client = Client(self.session).join()
        self.client.says("Count.")
        self.client.say("response.create")

    async def read(self, name: str | None = None) -> list[Any]:
        name = name or self.name
        entries = self.hub.conversations.with_what_was_heard(name, await self.journal.read(name))
        return list(Recalled(entries).items)

    async def answer(self, name: str | None = None) -> str:
        item = (await self.read(name))[-1]
        assert item.role == "assistant"
        return str(item.content[0].transcript)


@pytest.mark.parametrize("playback", [Loudspeaker, None])
@pytest.mark.parametrize("paced", [False, True])
def test_an_answer_is_cut_at_what_was_heard_until_now(
    playback: Callable[[], Playback] | None, paced: bool
) -> None:
    async def main() -> None:
        call = Call(playback and playback(), paced=paced)
        delay_s = 0.0 if playback is not None else 0.3  # What a client plays is heard later.
        await asyncio.sleep(1.6 + delay_s)
        assert await call.answer() == "one two three"
        fork = await call.hub.conversations.fork(call.name)
        await asyncio.sleep(1)
        assert await call.answer() == "one two three four five"
        assert await call.answer(fork) == "one two three", "it is what was heard when it began"
        await asyncio.sleep(SPOKEN_MS / 1000)
        assert await call.answer() == TEXT
        call.session.close(1000, "")
        await asyncio.sleep(0.1)
        assert await call.answer() == TEXT

    run_in_virtual_time(main())


def test_what_is_read_does_not_change_what_follows() -> None:
    async def main() -> None:
        told = []
        for reads in (False, True):
            call = Call(Loudspeaker())
            for _ in range(20):
                await asyncio.sleep(0.15)
                if reads:
                    await call.read()
            call.client.say("output_audio_buffer.clear")
            await asyncio.sleep(0.1)
            told.append((call.client.types(), await call.answer()))
            call.session.close(1000, "")
        assert told[0] == told[1]
        assert told[0][1] == "one two three four five six"

    run_in_virtual_time(main())


def test_it_is_redacted_like_all_that_is_kept() -> None:
    async def main() -> None:
        call = Call(Loudspeaker(), redact=lambda text: text.replace("two", "[…]"))
        await asyncio.sleep(1.6)
        assert await call.answer() == "one […] three"
        call.session.close(1000, "")

    run_in_virtual_time(main())


def test_one_that_is_kept_by_nobody_shows_nothing() -> None:
    async def main() -> None:
        call = Call(Loudspeaker())
        await asyncio.sleep(1)
        assert call.hub.conversations.with_what_was_heard(call.name, []) == []
        call.session.close(1000, "")

    run_in_virtual_time(main())
