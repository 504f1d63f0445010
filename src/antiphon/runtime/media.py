"""What a transport that owns playout (WebRTC, SIP) lends a session beside its connection."""

from __future__ import annotations

from typing import Final, Protocol


class Playback(Protocol):
    """The assistant's voice on its way to the user's ear.  Nothing here ever waits.

    All audio is 16-bit mono at 24 kHz (`MEDIA_RATE_HZ`).  When the last sample that was
    given has left, the transport calls `SessionDoor.drained` once.
    """

    @property
    def played_samples(self) -> int:
        """How many of the samples given to ``play`` have left, since the session began."""
        ...

    def recently_played(self) -> bytes:
        """The last second or so until now, as it was given; empty where all of it was silence."""
        ...

    def played_by(self, rtp_timestamp: int) -> int:
        """`played_samples` once the packet with that timestamp had left.  Where that is long ago
        it is what is remembered; where none had it, as it was another call's, nothing was played.
        """
        ...

    def play(self, pcm: bytes) -> None:
        """Queue speech behind what is queued; it leaves in real time."""
        ...

    def duck(self, on: bool, *, holds: bool = False) -> None:
        """Within two frames, play more softly than what is given, or as it is given again.

        ``holds``: nothing leaves meanwhile; then it goes on where it was.
        """
        ...

    def clear(self) -> None:
        """Be silent within two frames: drop what has not left."""
        ...


class _NoPlayback:
    """Where the client plays: nothing has left us, and nobody tells us to play."""

    played_samples = 0

    def recently_played(self) -> bytes:
        return b""

    def played_by(self, rtp_timestamp: int) -> int:
        raise AssertionError(f"nothing was played by packet {rtp_timestamp}")

    def play(self, pcm: bytes) -> None:
        raise AssertionError(f"only a session with a playback is told to play ({len(pcm)} bytes)")

    def duck(self, on: bool, *, holds: bool = False) -> None:
        del holds
        raise AssertionError(f"only a session with a playback is told to play softly ({on})")

    def clear(self) -> None:
        raise AssertionError("only a session with a playback is told to be silent")


NO_PLAYBACK: Final[Playback] = _NoPlayback()
