"""The offline engine, whole: the promises of an engine, with its worker processes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from antiphon.engines.cascade.engine import CascadeEngine
from antiphon.engines.cascade.llm.offline.brain import OfflineBrain
from antiphon.engines.cascade.offline import offline_engine, whisper_if_found
from antiphon.engines.cascade.stt.ears import POCKETSPHINX, Ears, find_ears
from antiphon.testing.check_engine import CHECKS, check_promise
from tests.engines.lent import LEAVES_NOTHING, lending
from tests.recordings import at_24khz

EARS = list(dict.fromkeys([find_ears(), POCKETSPHINX]))
"""Those that are installed, the best first."""
SPEECH = at_24khz("cmd_book_a_room")


def make_engine(ears: Ears) -> CascadeEngine:
    return offline_engine(OfflineBrain(), ears=whisper_if_found(ears, threads=1), stt_workers=1)


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=EARS, ids=lambda ears: ears.hearing
)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[CascadeEngine]:
    async with lending(make_engine(request.param)) as engine:
        yield engine


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("promise", [name for name in CHECKS if name != LEAVES_NOTHING])
async def test_the_offline_engine_keeps_its_promises(promise: str, engine: CascadeEngine) -> None:
    await check_promise(promise, lambda: engine, speech=SPEECH, patience_s=60)


@pytest.mark.parametrize("ears", EARS, ids=lambda ears: ears.hearing)
async def test_nothing_is_left_behind(ears: Ears) -> None:
    await check_promise(LEAVES_NOTHING, lambda: make_engine(ears), speech=SPEECH, patience_s=60)
