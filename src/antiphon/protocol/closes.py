"""WebSocket close codes of the Realtime API (docs/reference/protocol.md, "Closes").

On a data channel, which has no close codes, only the reason arrives; inside, a close has its
code all the same.
"""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    NORMAL = 1000
    GOING_AWAY = 1001
    NOT_UTF8 = 1007
    NOT_SERVED = 1008
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    RESTART = 1012
    TRY_AGAIN_LATER = 1013
    UNAUTHORIZED = 3000
    TAKEN_OVER = 4001

    @property
    def meaning(self) -> str:
        """To the client that reads it."""
        return _MEANINGS[self]


_MEANINGS = {
    CloseCode.NORMAL: "the session has ended",
    CloseCode.GOING_AWAY: "the session's time is over, or the server is going away",
    CloseCode.NOT_UTF8: "a text message was not UTF-8",
    CloseCode.NOT_SERVED: "what was asked for is not served here",
    CloseCode.TOO_BIG: "a message was too long for the server",
    CloseCode.INTERNAL_ERROR: "the server had an internal error",
    CloseCode.RESTART: "the server is restarting",
    CloseCode.TRY_AGAIN_LATER: "the server is busy, or the client reads too slowly",
    CloseCode.UNAUTHORIZED: "the key was not accepted",
    CloseCode.TAKEN_OVER: "another connection goes on with the session, or its conversation",
}
