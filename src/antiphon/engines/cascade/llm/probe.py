"""Does a language model answer?  Asked by `antiphon check`."""

from __future__ import annotations

import time
from contextlib import aclosing

from msgspec import Struct

from antiphon.core.effects import Generate
from antiphon.engines.cascade.parts import Brain
from antiphon.errors import EngineUnavailable
from antiphon.protocol.items import InputText, Message
from antiphon.protocol.session import FunctionTool

_QUESTION = Message(role="user", content=(InputText("Say one word."),))
_TOOL = FunctionTool(name="get_time", description="The time of day.")


class Probe(Struct, frozen=True, kw_only=True):
    """What a model answered."""

    first_token_s: float = 0.0
    problem: str | None = None
    """Why it does not answer; None: it does."""
    calls_problem: str | None = None
    """Why it takes no functions; None: it does."""


async def probe(brain: Brain) -> Probe:
    """Ask once without and once with a function.  The brain is started and closed again."""
    await brain.start()
    try:
        first_token_s = await _first_token_s(brain, Generate(response_id="", items=(_QUESTION,)))
        problem = None
        try:
            await _first_token_s(
                brain, Generate(response_id="", items=(_QUESTION,), tools=(_TOOL,))
            )
        except EngineUnavailable as error:
            problem = str(error)
        return Probe(first_token_s=first_token_s, calls_problem=problem)
    except EngineUnavailable as error:
        return Probe(problem=str(error))
    finally:
        await brain.aclose()


async def _first_token_s(brain: Brain, request: Generate) -> float:
    began = time.monotonic()
    async with aclosing(brain.open("check").think(request)) as thoughts:
        async for _ in thoughts:
            break
    return time.monotonic() - began
