"""`/readyz`: whether new sessions should be sent here; and the drain that says they should not.

`/healthz` asks whether the process lives.  One that drains for hours lives, and is not ready.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, Literal

import msgspec
from aiohttp import web
from msgspec import Struct

from antiphon.errors import ProtocolError
from antiphon.protocol.codec import decode_object, from_json
from antiphon.runtime.hub import Hub
from antiphon.server.admission import Admission
from antiphon.server.api_errors import ApiError
from antiphon.server.audit import Audit
from antiphon.server.auth import Gate

log = logging.getLogger(__name__)

READY_PATH: Final = "/readyz"
DRAIN_PATH: Final = "/v1/antiphon/drain"
MIN_FREE_BYTES: Final = 256 * 1024 * 1024
"""Of the disk that the journal is on."""
MAX_WITHIN_S: Final = 7 * 24 * 3600

Verdict = Literal["ok", "failing"]


class Readiness:
    """Args:
    engine_names: Those that serve; one that is well is enough.
    journal_path: The file that the journal is in; None: there is none.
    max_sessions: With so many no more are opened.
    """

    def __init__(
        self,
        hub: Hub,
        admission: Admission,
        *,
        engine_names: Callable[[], list[str]],
        journal_path: Path | None,
        max_sessions: int,
    ) -> None:
        self._hub = hub
        self._admission = admission
        self._engine_names = engine_names
        self._journal_path = journal_path
        self._max_sessions = max_sessions

    def checks(self) -> dict[str, Verdict]:
        """Nothing in it tells a stranger more than that."""
        keeping = self._hub.keeping
        names = self._engine_names()
        found = {
            "drain": not self._admission.draining,
            "room": len(self._hub.sessions) < self._max_sessions,
            "engines": not names or any(self._hub.is_well(name) for name in names),
            "journal": keeping is None or keeping.journal.trouble is None,
            "disk": self._has_disk(),
        }
        return {name: "ok" if is_well else "failing" for name, is_well in found.items()}

    def _has_disk(self) -> bool:
        path = self._journal_path
        if path is None:
            return True
        try:
            return shutil.disk_usage(path.expanduser().parent).free >= MIN_FREE_BYTES
        except OSError:  # It is made with the first entry.
            return True

    async def show(self, _: web.Request) -> web.Response:
        checks = self.checks()
        is_ready = all(verdict == "ok" for verdict in checks.values())
        return _json({"ready": is_ready, "checks": checks}, status=200 if is_ready else 503)


class _Wish(Struct, frozen=True):
    within_seconds: float | None = None


class Drain:
    """No new sessions; those that are live go on, to their own end or for a while."""

    def __init__(self, hub: Hub, admission: Admission, *, gate: Gate, audit: Audit) -> None:
        self._hub = hub
        self._admission = admission
        self._gate = gate
        self._audit = audit
        self._ending: asyncio.Task[None] | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(DRAIN_PATH, self.show),
            web.post(DRAIN_PATH, self.post),
            web.delete(DRAIN_PATH, self.delete),
        ]

    def begin(self, within_s: float | None = None) -> None:
        """May be called again: the newer bound counts.

        Args:
            within_s: After that, sessions that are left are ended as the server goes away; None:
                they are waited for.
        """
        self._stop_waiting()
        self._admission.draining = True
        bound = "no bound" if within_s is None else f"{within_s:g} s"
        log.info("drains: %d sessions live, %s", len(self._hub.sessions), bound)
        if within_s is not None:
            self._ending = asyncio.get_running_loop().create_task(
                self._end_after(within_s), name="drain"
            )

    def end(self) -> None:
        """Take sessions again."""
        self._stop_waiting()
        self._admission.draining = False
        log.info("takes new sessions again")

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        yield
        self._stop_waiting()

    async def _end_after(self, within_s: float) -> None:
        await asyncio.sleep(within_s)
        await self._hub.drain(0)

    def _stop_waiting(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    async def show(self, request: web.Request) -> web.Response:
        await self._gate.require(request, "operate")
        return self._told()

    async def post(self, request: web.Request) -> web.Response:
        principal = await self._gate.require(request, "operate")
        within_s = await _within_s(request)
        self.begin(within_s)
        address = self._gate.address_of(request)
        self._audit.note("drain.begun", principal, address, within_seconds=within_s)
        return self._told()

    async def delete(self, request: web.Request) -> web.Response:
        principal = await self._gate.require(request, "operate")
        self.end()
        self._audit.note("drain.ended", principal, self._gate.address_of(request))
        return self._told()

    def _told(self) -> web.Response:
        return _json(
            {
                "object": "antiphon.drain",
                "draining": self._admission.draining,
                "sessions": len(self._hub.sessions),
            }
        )


async def _within_s(request: web.Request) -> float | None:
    text = await request.text()
    if not text.strip():
        return None
    try:
        wish: _Wish = from_json(decode_object(text), _Wish, strict=True)
    except ProtocolError as error:
        raise ApiError(400, error.code, error.message, param=error.param) from None
    within_s = wish.within_seconds
    if within_s is not None and not 0 <= within_s <= MAX_WITHIN_S:
        message = f"'within_seconds' must be from 0 to {MAX_WITHIN_S}."
        raise ApiError(400, "invalid_value", message, param="within_seconds")
    return within_s


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )
