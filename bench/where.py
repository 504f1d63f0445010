"""Sums up where a server's time goes, from a raw profile by py-spy (not a dependency of ours).

py-spy record --pid PID --native --rate 500 --duration 10 --format raw --output profile.raw
python bench/where.py profile.raw
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

PARTS = (
    # The first that is found in a stack has it.
    ("waiting", ("epoll_wait", "epoll_pwait", "uv__io_poll;wait")),
    ("garbage collection", ("gc_collect_main",)),
    ("the engine of the benchmark", ("zero_engine.py)",)),
    ("JSON and base64, in", ("decode_client_event",)),
    ("JSON and base64, out", ("encode_server_event",)),
    ("frames out, socket writes", ("FrameWriter.", "FrameWriter:")),
    ("voice detection: feeding", ("SileroStream.feed",)),
    ("core", ("Conversation.handle",)),
    ("session", ("SessionDoor._give", "SessionDoor._on_score", "SessionDoor._carry_out")),
    ("voice detection: scoring", ("SileroDetector.score_complete",)),
    ("session: its engine's task", ("SessionDoor._follow_engine",)),
    ("transport, in", ("WebSocketConnection._handle",)),
    ("aiohttp: receive", ("WebSocketResponse.receive", "WebSocketConnection._read")),
    ("aiohttp: socket data to messages", ("data_received", "reader_c.c")),
    ("sockets and event loop", ("",)),
)


def main() -> None:
    samples: Counter[str] = Counter()
    for line in Path(sys.argv[1]).read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        part = next(name for name, marks in PARTS if any(mark in stack for mark in marks))
        samples[part] += int(count)
    del samples["waiting"]
    total = sum(samples.values())
    for part, taken in samples.most_common():
        print(f"{taken / total:6.1%}  {part}")


if __name__ == "__main__":
    main()
