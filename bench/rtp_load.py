"""`rtp_load.c`, compiled when it is needed: the media of many callers in one thread."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pylibsrtp import _binding

ARRIVAL = np.dtype(
    [
        ("at_ns", "<i8"),
        ("call", "<u4"),
        ("timestamp", "<u4"),
        ("sequence", "<u2"),
        ("payload_bytes", "<u2"),
        ("unused", "<u4"),
    ]
)
SLOT_MS = 20
_SOURCE = Path(__file__).with_suffix(".c")
_PIPE_BYTES = 4 * 1024 * 1024


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "the benchmark of calls needs a C compiler (apt-get install gcc)"
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "rtp_load.so"
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(built), str(_SOURCE)]
        subprocess.run(command, check=True)
        loaded = ctypes.CDLL(str(built))
    pointer, number = ctypes.c_void_p, ctypes.c_int
    u32, i32, i64 = ctypes.c_uint32, ctypes.c_int32, ctypes.c_int64
    for name, result, arguments in (
        ("load_new", pointer, [pointer] * 5 + [i32, i32, i64, number]),
        ("load_free", None, [pointer]),
        (
            "load_add",
            number,
            [pointer, number, ctypes.c_char_p, number, pointer, u32, number, u32, i32],
        ),
        ("load_run", None, [pointer]),
        ("load_stop", None, [pointer]),
        ("load_forget_counts", None, [pointer]),
        ("load_arrivals", pointer, [pointer, ctypes.POINTER(i64)]),
        ("load_counts", None, [pointer, ctypes.POINTER(i64)]),
        ("load_first_slot_ns", i64, [pointer, number]),
    ):
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def _address(cdata: Any) -> int:
    return int(_binding.ffi.cast("uintptr_t", cdata))


class RtpLoad:
    """Runs from `start` to `close`.

    Args:
        slots: the payload of each 20 ms of a round; an empty one is not sent.
        on_datagram: is given what is no media: the call's index and the datagram.
    """

    def __init__(
        self,
        slots: Sequence[bytes],
        *,
        calls: int,
        seconds: float,
        on_datagram: Callable[[int, bytes], None],
    ) -> None:
        self._library = _library()
        self._on_datagram = on_datagram
        sizes = np.array([len(payload) for payload in slots], np.int32)
        # The arrays must live as long as the load does.
        self._tables = (
            np.frombuffer(b"".join(slots) or b"\0", np.uint8),
            np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int32),
            sizes,
        )
        self.pipe, self._end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.pipe, self._end):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIPE_BYTES)
        self._load = self._library.load_new(
            _address(_binding.ffi.addressof(_binding.lib, "srtp_protect")),
            _address(_binding.ffi.addressof(_binding.lib, "srtp_protect_rtcp")),
            *(table.ctypes.data for table in self._tables),
            len(slots),
            calls,
            int(calls * seconds * 60),
            self._end.fileno(),
        )
        self._thread = threading.Thread(target=self._library.load_run, args=(self._load,))
        self._kept: list[Any] = []
        self._from = 0

    def start(self) -> None:
        self._thread.start()

    def add(
        self,
        fileno: int,
        address: tuple[str, int],
        srtp: Any,
        *,
        ssrc: int,
        payload_type: int,
        clock_hz: int,
        slot: int,
    ) -> int:
        """Returns the call's index.  ``srtp`` is a `pylibsrtp.Session`, from now on ours."""
        self._kept.append(srtp)
        index: int = self._library.load_add(
            self._load,
            fileno,
            address[0].encode(),
            address[1],
            _address(srtp._srtp[0]),
            ssrc,
            payload_type,
            clock_hz * SLOT_MS // 1000,
            slot,
        )
        assert index >= 0, f"a call could not be added: errno {os.strerror(ctypes.get_errno())}"
        return index

    def read_datagrams(self) -> None:
        """When `pipe` can be read."""
        for _ in range(64):
            try:
                data = self.pipe.recv(4096)
            except BlockingIOError:
                return
            self._on_datagram(int.from_bytes(data[:4], "little"), data[4:])

    def forget(self) -> None:
        """What came, and was counted, so far."""
        self._library.load_forget_counts(self._load)
        self._from += len(self.arrivals)

    @property
    def arrivals(self) -> NDArray[Any]:
        count = ctypes.c_int64()
        at = self._library.load_arrivals(self._load, ctypes.byref(count))
        size = ARRIVAL.itemsize * (count.value - self._from)
        raw = ctypes.string_at(at + ARRIVAL.itemsize * self._from, size)
        return np.frombuffer(raw, ARRIVAL)

    def counts(self) -> tuple[int, float, float]:
        """Packets sent, our own worst lag in ms, the share of rounds more than 2 ms late."""
        out = (ctypes.c_int64 * 3)()
        self._library.load_counts(self._load, out)
        return out[0], out[1] / 1e6, out[2] / 1e6

    def first_slot_ns(self, index: int) -> int:
        """When the call's first slot was, by `time.time_ns`; the others follow by 20 ms."""
        return int(self._library.load_first_slot_ns(self._load, index))

    def close(self) -> None:
        self._library.load_stop(self._load)
        self._thread.join()
        self._library.load_free(self._load)
        self.pipe.close()
        self._end.close()
