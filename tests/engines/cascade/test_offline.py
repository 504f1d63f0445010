"""The offline engine, whole: the promises of an engine, each on fresh worker processes."""

from __future__ import annotations

import pytest

from antiphon.engines.cascade.engine import CascadeEngine
from antiphon.engines.cascade.llm.offline.brain import OfflineBrain
from antiphon.engines.cascade.offline import offline_engine, whisper_if_found
from antiphon.engines.cascade.stt.ears import POCKETSPHINX, Ears, find_ears
from antiphon.testing.check_engine import CHECKS, check_promise
from tests.recordings import at_24khz

EARS = list(dict.fromkeys([find_ears(), POCKETSPHINX]))
"""Those that are installed, the best first."""


@pytest.mark.parametrize("ears", EARS, ids=lambda ears: ears.hearing)
@pytest.mark.parametrize("promise", CHECKS)
async def test_the_offline_engine_keeps_its_promises(promise: str, ears: Ears) -> None:
    def make_engine() -> CascadeEngine:
        return offline_engine(OfflineBrain(), ears=whisper_if_found(ears, threads=1), stt_workers=1)

    await check_promise(promise, make_engine, speech=at_24khz("cmd_book_a_room"), patience_s=20)
