"""The offline engine, whole: the promises of an engine, each on fresh worker processes."""

from __future__ import annotations

import pytest

from antiphon.engines.cascade.engine import CascadeEngine
from antiphon.engines.cascade.llm.offline.brain import OfflineBrain
from antiphon.engines.cascade.offline import offline_engine
from antiphon.testing.check_engine import CHECKS, check_promise
from tests.recordings import at_24khz


def make_engine() -> CascadeEngine:
    return offline_engine(OfflineBrain(), stt_workers=1)


@pytest.mark.parametrize("promise", CHECKS)
async def test_the_offline_engine_keeps_its_promises(promise: str) -> None:
    await check_promise(promise, make_engine, speech=at_24khz("cmd_book_a_room"), patience_s=20)
