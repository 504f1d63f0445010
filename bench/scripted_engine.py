"""What the scripted engine itself costs, so that it can be taken off other figures.

python bench/scripted_engine.py [sessions] [delta_ms]
"""

from __future__ import annotations

import asyncio
import sys
import time

from antiphon.core.causes import EngineFinished, EngineSpoke
from antiphon.core.effects import Generate
from antiphon.engines.scripted import Script, ScriptedEngine, Speak

SECONDS = 5


async def paced(sessions: int, delta_ms: int) -> None:
    reply = (Speak(ms=SECONDS * 1000, delta_ms=delta_ms, paced=True),)
    engine = ScriptedEngine(Script(replies=(reply,)))
    await engine.start()

    async def listen(i: int) -> int:
        session, pieces = engine.open(str(i)), 0
        session.send(Generate(response_id=f"r{i}", items=()))
        async for news in session:
            pieces += isinstance(news, EngineSpoke)
            if isinstance(news, EngineFinished):
                await session.aclose()
        return pieces

    wall, cpu = time.perf_counter(), time.process_time()
    pieces = sum(await asyncio.gather(*(listen(i) for i in range(sessions))))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{sessions} sessions, {delta_ms} ms deltas: {wall:.2f} s for {SECONDS} s of speech, "
        f"{100 * cpu / wall:.1f} % of a core, {1e6 * cpu / pieces:.1f} µs a delta"
    )


def main() -> None:
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    delta_ms = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    asyncio.run(paced(sessions, delta_ms))


if __name__ == "__main__":
    main()
