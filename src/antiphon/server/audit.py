"""Who did what: keys, secrets, sessions and conversations; never a key, never what was said.

One JSON object a line, in a file of bounded size (docs/guides/security.md).
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from antiphon.identity.principal import Principal
from antiphon.server.background import in_background

log = logging.getLogger(__name__)

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""Then it becomes the older one, in place of the one before: twice this is kept."""
MAX_REMEMBERED: Final = 1000
MAX_UNWRITTEN: Final = 10_000


class Deed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the log."""

    at: float
    """Unix time."""
    what: str
    """As `key.created`; docs/guides/security.md lists them."""
    tenant: str | None = None
    """Of the one who did it; None: nobody knows."""
    key_id: str | None = None
    key: str | None = None
    user: str | None = None
    address: str | None = None
    about: dict[str, Any] = {}
    """What it was done to, by ids."""


class Audit:
    """Args:
    path: The file; None: what is remembered is all there is.
    now_s: Unix time.

    Overflow policy: while the file cannot be written, the newest deeds are not kept in it, and a
    line tells how many.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        max_file_bytes: int = MAX_FILE_BYTES,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._max_file_bytes = max_file_bytes
        self.now_s = now_s
        self._last: deque[Deed] = deque(maxlen=MAX_REMEMBERED)
        self._unwritten: deque[Deed] = deque()
        self._lost = 0
        self._came = asyncio.Event()
        self._in_trouble = False

    def note(
        self, what: str, principal: Principal | None, address: str | None, **about: object
    ) -> None:
        """It was done; ``about`` holds ids and names, those that are not None."""
        deed = Deed(
            at=round(self.now_s(), 3),
            what=what,
            tenant=None if principal is None else principal.tenant,
            key_id=None if principal is None else principal.key_id,
            key=None if principal is None else principal.key_name,
            user=None if principal is None else principal.user,
            address=address,
            about={name: value for name, value in about.items() if value is not None},
        )
        self._last.append(deed)
        if self._path is None:
            return
        if len(self._unwritten) >= MAX_UNWRITTEN:
            self._lost += 1
            return
        self._unwritten.append(deed)
        self._came.set()

    def last(
        self, principal: Principal, *, limit: int, before_s: float | None = None
    ) -> Sequence[Deed]:
        """The newest that the principal may see, newest first."""
        found: list[Deed] = []
        for deed in reversed(self._last):
            if len(found) == limit:
                break
            # What nobody is known to have done (a wrong key) is the operator's to see.
            if principal.sees(deed.tenant or "", deed.user) and (
                before_s is None or deed.at < before_s
            ):
                found.append(deed)
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Written down, in the body; all of it, once it ends."""
        if self._path is None:
            yield
            return
        remembered = await asyncio.to_thread(_tail, self._path)
        room = MAX_REMEMBERED - len(self._last)
        self._last.extendleft(reversed(remembered[len(remembered) - min(room, len(remembered)) :]))
        try:
            async with in_background(audit=self._write_on()):
                yield
        finally:
            await self._write()

    async def _write_on(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            # A deed that is being written when the server stops is written twice rather than never.
            await self._write()
            if self._unwritten:
                await asyncio.sleep(1)
                self._came.set()

    async def _write(self) -> None:
        count, lost = len(self._unwritten), self._lost
        deeds = list(self._unwritten)
        if lost:
            deeds.append(Deed(at=self.now_s(), what="audit.lost", about={"count": lost}))
        if not deeds:
            return
        lines = b"".join(msgspec.json.encode(deed) + b"\n" for deed in deeds)
        try:
            await asyncio.to_thread(self._append, lines)
        except OSError as error:
            if not self._in_trouble:
                log.warning("the audit log %s cannot be written: %s", self._path, error)
            self._in_trouble = True
            return
        self._in_trouble = False
        self._lost -= lost
        for _ in range(count):
            self._unwritten.popleft()

    def _append(self, lines: bytes) -> None:
        assert self._path is not None, "there is something to write to"
        path = self._path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.is_file() and path.stat().st_size + len(lines) > self._max_file_bytes:
            path.replace(_older(path))
        opened = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        with os.fdopen(opened, "ab") as file:
            file.write(lines)


class NoAudit(Audit):
    """Nothing is noted."""

    def note(
        self, what: str, principal: Principal | None, address: str | None, **about: object
    ) -> None:
        pass


NO_AUDIT: Final = NoAudit()


def _older(path: Path) -> Path:
    return path.with_suffix(".1" + path.suffix)


def _tail(path: Path) -> list[Deed]:
    """What was written last, before this server began; lines that are none are passed over."""
    lines: deque[bytes] = deque(maxlen=MAX_REMEMBERED)
    for file in (_older(path), path):
        try:
            with file.open("rb") as opened:
                lines.extend(opened)
        except OSError:
            continue
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Deed))
        except msgspec.MsgspecError:
            continue
    return found
