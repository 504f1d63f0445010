"""Do the ears and the voice answer?  Asked by `antiphon check`."""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from contextlib import aclosing

from msgspec import Struct

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.cascade.parts import EndOfTurnHint, Recognizer, Synthesizer, Transcript
from antiphon.errors import EngineUnavailable

SENTENCE = "One, two, three."
LONGEST_S = 20.0
"""A part that needs longer does not answer."""
_HUM = array("h", (int(3_000 * math.sin(n / 20)) for n in range(MEDIA_RATE_HZ))).tobytes()
"""For ears, where no voice has said anything: nobody speaks in it."""


class Answered(Struct, frozen=True, kw_only=True):
    """What a part answered."""

    after_s: float = 0.0
    pcm: bytes = b""
    """What a voice said."""
    text: str = ""
    """What ears understood."""
    problem: str | None = None
    """Why it does not answer; None: it does."""


async def probe_voice(synthesizer: Synthesizer) -> Answered:
    """Have a sentence said; ``after_s`` is until its first sound.  It is started and closed."""
    pieces: list[bytes] = []
    after_s = 0.0
    try:
        async with asyncio.timeout(LONGEST_S):
            await synthesizer.start()
            began = time.monotonic()
            speech = synthesizer.speak(SENTENCE, voice=synthesizer.voices[0], speed=1.0)
            async with aclosing(speech) as coming:
                async for piece in coming:
                    after_s = after_s or time.monotonic() - began
                    pieces.append(piece.pcm)
    except EngineUnavailable as error:
        return Answered(problem=str(error))
    except TimeoutError:
        return Answered(problem=f"nothing came within {LONGEST_S:g} s")
    finally:
        await synthesizer.aclose()
    return Answered(after_s=after_s, pcm=b"".join(pieces))


async def probe_hint(hint: EndOfTurnHint) -> Answered:
    """Have it get ready; ``after_s`` is how long that took.  It is started and closed."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(LONGEST_S):
            await hint.start()
    except EngineUnavailable as error:
        return Answered(problem=str(error))
    except TimeoutError:
        return Answered(problem=f"it is not ready within {LONGEST_S:g} s")
    finally:
        await hint.aclose()
    return Answered(after_s=time.monotonic() - began)


async def probe_ears(recognizer: Recognizer, pcm: bytes = b"") -> Answered:
    """Have a turn recognised; ``after_s`` is from its end.  They are started and closed.

    ``pcm``: what is said in it; nothing: a hum.
    """
    final: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()

    def report(transcript: Transcript) -> None:
        if transcript.final and not final.done():
            final.set_result(transcript)

    try:
        async with asyncio.timeout(LONGEST_S):
            await recognizer.start()
            turn = recognizer.begin(report, grammar=None, language="en")
            turn.feed(pcm or _HUM)
            began = time.monotonic()
            turn.finish()
            transcript = await final
    except EngineUnavailable as error:
        return Answered(problem=str(error))
    except TimeoutError:
        return Answered(problem=f"nothing came within {LONGEST_S:g} s")
    finally:
        await recognizer.aclose()
    return Answered(
        after_s=time.monotonic() - began,
        text=transcript.text,
        problem=transcript.problem or None,
    )
