"""What calls may leave behind in this process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import stat
from collections import Counter
from collections.abc import Iterator

from aiortc import RTCPeerConnection

from antiphon.transports.webrtc.call import Call
from antiphon.transports.webrtc.peer import Peer

KINDS = (Call, Peer, RTCPeerConnection)


def leave_out_what_is_there() -> Counter[str]:
    """`leftovers` finds new objects alone from now on; gives those to compare later ones with.

    Each look collects the garbage of the whole process: among the thousand modules of all tests
    that takes a good part of a second, among a few calls none.
    """
    gc.collect()
    gc.freeze()  # To the end of the process: what is there then was going to stay.
    return leftovers()


def leftovers() -> Counter[str]:
    """Tasks by their coroutines, open UDP sockets, and objects of a call that nothing freed."""
    gc.collect()
    found = Counter(str(task.get_coro()).partition(" at ")[0] for task in asyncio.all_tasks())
    found["UDP sockets"] = sum(one.type == socket.SOCK_DGRAM for one in _sockets())
    found.update(type(one).__name__ for one in gc.get_objects() if type(one) in KINDS)
    return found


def _sockets() -> Iterator[socket.socket]:
    for fd in map(int, os.listdir("/dev/fd")):
        with contextlib.suppress(OSError):  # That of the folder itself is closed again.
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                with socket.socket(fileno=os.dup(fd)) as one:
                    yield one
