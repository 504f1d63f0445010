"""SRTP by libsrtp, straight through pylibsrtp's binding to it.

What pylibsrtp's own `Session` makes for each packet (a length, its address, a checked call) costs
more than the cipher does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pylibsrtp import Session, _binding

MAX_DATAGRAM_BYTES: Final = 1500
"""No larger one crosses the internet whole."""
_TRAILER_BYTES: Final = 256
"""More than libsrtp ever adds."""

_ffi: Final[Any] = _binding.ffi
_library: Final[Any] = _binding.lib

# One packet at a time is worked on, in place, on the event loop: they all share these.
_packet: Final = _ffi.new("char[]", MAX_DATAGRAM_BYTES + _TRAILER_BYTES)
_bytes: Final = _ffi.buffer(_packet)
_length: Final = _ffi.new("int *")

Step = Callable[[bytes], bytes | None]


class SrtpKeys:
    """One direction of one peer: what libsrtp does to RTP and to RTCP in it."""

    def __init__(self, session: Session, *, inbound: bool) -> None:
        inside: Any = session
        self.session = session
        """Owns the context below; must live as long."""
        context = inside._srtp[0]
        library = _library
        self.rtp: Step = _step(context, library.srtp_unprotect if inbound else library.srtp_protect)
        self.rtcp: Step = _step(
            context, library.srtp_unprotect_rtcp if inbound else library.srtp_protect_rtcp
        )


def _step(context: Any, function: Callable[[Any, Any, Any], int]) -> Step:
    def run(packet: bytes) -> bytes | None:
        """None: the library refused it, or it is too long."""
        size = len(packet)
        if size > MAX_DATAGRAM_BYTES:
            return None
        _bytes[:size] = packet
        _length[0] = size
        if function(context, _packet, _length):
            return None
        done: bytes = _bytes[: _length[0]]
        return done

    return run
