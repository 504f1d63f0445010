"""Who is live."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from antiphon.protocol.session import SessionPatch
from antiphon.runtime.session import LiveSession

SessionKind = Literal["realtime", "transcription"]


class Hub:
    """Opens sessions, finds them by id and ends them all."""

    @property
    def sessions(self) -> Collection[LiveSession]:
        """Those that have not ended."""
        return ()

    def open(self, *, kind: SessionKind, model: str, patch: SessionPatch | None) -> LiveSession:
        """Begin a session; it ends when its connections are gone.

        Raises:
            EngineUnavailable: the model's engine cannot serve now.
        """
        raise NotImplementedError

    def get(self, session_id: str) -> LiveSession | None:
        return next((s for s in self.sessions if s.id == session_id), None)

    async def drain(self, grace_s: float) -> None:
        """Tell all sessions that the server goes away (close code 1012).

        Returns when they are gone, or after ``grace_s`` seconds.
        """

    async def aclose(self) -> None:
        """End all sessions at once."""
