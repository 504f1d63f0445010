"""What a person hears in Chromium, over WebRTC: how soon the assistant falls silent when it is
interrupted, and how soon it answers.

python bench/browser.py [ROUNDS]

Stands on the pages of tests/browser: needs Chromium, and recordings in ../shared.  All times are
of the page's own clock; sound is measured behind the browser's jitter buffer, in blocks of 10 ms.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import conditions, percentile, write

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests import desk
from tests.browser.site import Site
from tests.browser.visitor import Visitor, visiting
from tests.server_process import KEY, ServerProcess

ROUNDS = 20

ROUND = """
async () => {
  const seen = (type) => app.seen(type).length;
  const until = async (isTrue) => {
    while (!isTrue()) await new Promise((again) => setTimeout(again, 5));
  };
  const before = { cleared: seen('output_audio_buffer.cleared'),
                   stopped: seen('output_audio_buffer.stopped') };
  const begun_ms = performance.now();
  const content = [{ type: 'input_text', text: 'Tell me a story.' }];
  app.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content } });
  app.send({ type: 'response.create' });
  await until(() => app.ear.loudSince_ms(begun_ms) > 700);
  const spoke_ms = performance.now();
  await window.microphone.say(window.recording);
  await until(() => seen('output_audio_buffer.cleared') > before.cleared);
  await until(() => seen('output_audio_buffer.stopped') > before.stopped);
  const after = (type) => app.seen(type).find(({ at_ms }) => at_ms > spoke_ms).at_ms;
  const started_ms = after('input_audio_buffer.speech_started');
  const stopped_ms = after('input_audio_buffer.speech_stopped');
  const answer_ms = after('output_audio_buffer.started');
  const loud = app.ear.loud_ms;
  return {
    noticed: started_ms - spoke_ms,
    silent: loud.filter((at_ms) => at_ms < answer_ms).at(-1) - started_ms,
    answered: loud.find((at_ms) => at_ms >= answer_ms) - stopped_ms,
  };
}
"""


async def measure(visitor: Visitor, rounds: int) -> list[dict[str, float]]:
    await visitor.run("() => app.connectInGa()")
    await visitor.until("() => app.seen('session.created').length")
    await visitor.until("() => window.microphone.isOpen")
    return [await visitor.run(ROUND) for _ in range(rounds)]


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with ServerProcess(Path(tempfile.mkdtemp()), ANTIPHON_API_KEYS=KEY) as server:
        async with Site(server).open() as site:
            site.mints = {"session": desk.SESSION}
            async with visiting(f"{site.url}/bare.html") as visitor:
                await visitor.keep("recording", "cmd_today")
                results = await measure(visitor, rounds)
    rows: dict[str, Any] = {}
    for name, what in (
        ("noticed", "recording begins → speech_started"),
        ("silent", "speech_started → last sound of the assistant"),
        ("answered", "speech_stopped → first sound of the answer"),
    ):
        values = [result[name] for result in results]
        rows[name] = {"p50": percentile(values, 50), "p99": percentile(values, 99)}
        print(f"{what:46} p50 {rows[name]['p50']:7.1f} ms   p99 {rows[name]['p99']:7.1f} ms")
    write("browser", {"rounds": rounds, "ms": rows, "each": results, **conditions()})


if __name__ == "__main__":
    asyncio.run(main())
