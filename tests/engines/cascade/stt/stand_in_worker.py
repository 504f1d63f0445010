"""A worker that understands "hello" in every turn, and says how much of it was lost.

For each piece of sound it adds numbers up to its argument, in one call that holds Python's lock;
with the argument "stops" it stands still in the midst of its answer.
"""

from __future__ import annotations

import os
import signal
import sys

from antiphon.engines.cascade.stt.wire import Audio, Cancel, Finish, Heard, Trouble
from antiphon.engines.cascade.worker_wire import WorkerEnd


def main(numbers: int, *, stops: bool) -> None:
    wire: WorkerEnd[Audio | Finish | Cancel] = WorkerEnd(Audio | Finish | Cancel)
    wire.ready()
    while True:
        arrived = wire.receive()
        assert arrived
        job, command = arrived
        if isinstance(command, Audio):
            sum(range(numbers))
        if isinstance(command, Finish):
            wire.send(job, Trouble("too slow", 1.5))
            if stops:
                os.kill(os.getpid(), signal.SIGSTOP)
            wire.send(job, Heard("hello", True))


if __name__ == "__main__":
    argument = sys.argv[1] if sys.argv[1:] else "0"
    main(int(argument) if argument.isdecimal() else 0, stops=argument == "stops")
