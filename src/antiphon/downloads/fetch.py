"""One file over HTTP: resumed where it was cut, believed only if its checksum is right."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from antiphon.downloads.index import RemoteFile, is_safe
from antiphon.errors import AntiphonError

SIZE_MAX_BYTES = 16 * 2**30
"""Of a file whose size nobody knows; more is no model."""
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each further try; a try that brought something makes them begin anew."""
TIMEOUT = ClientTimeout(total=None, sock_connect=15, sock_read=30)
_CHUNK_BYTES = 2**18
_PASSES = (408, 425, 429)
"""Refusals that may pass, beside 5xx."""

Progress = Callable[[int, int | None], None]
"""How many bytes are here, and of how many."""


class DownloadFailed(AntiphonError):
    """A file could not be had; the message says why, and what to do."""


class _CutShort(Exception):
    """The transfer ended early; what came is kept."""


async def fetch(
    file: RemoteFile,
    target: Path,
    http: ClientSession,
    *,
    on_progress: Progress = lambda _here, _all: None,
    pauses_s: Sequence[float] = PAUSES_S,
) -> str:
    """Bring ``file`` to ``target``; gives its SHA-256.

    What came of it before, now or in an earlier process, is not asked for again.

    Raises:
        DownloadFailed: it cannot be had, or is not what it should be.
    """
    transfer = _Transfer(file, target, http, on_progress)
    resumed = transfer.here > 0
    while True:
        await _bring(transfer, pauses_s)
        found = await asyncio.to_thread(sha256_of, transfer.part)
        if file.sha256 in (None, found):
            transfer.keep()
            return found
        transfer.forget()
        if not resumed:
            raise DownloadFailed(
                f"{file.url} is not the file it should be: its SHA-256 is {found}, not "
                f"{file.sha256}. It was deleted; the server has changed it, or somebody else has."
            )
        resumed = False  # Its beginning may have been of another file: once more, from there.


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _bring(transfer: _Transfer, pauses_s: Sequence[float]) -> None:
    """Try until all is here."""
    pauses = iter(pauses_s)
    while True:
        before = transfer.here
        try:
            await transfer.attempt()
        except (_CutShort, ClientError, TimeoutError) as error:
            if transfer.here > before:
                pauses = iter(pauses_s)
            pause_s = next(pauses, None)
            if pause_s is None:
                raise DownloadFailed(
                    f"{transfer.url} cannot be had: {str(error) or type(error).__name__}. "
                    f"{transfer.here:,} bytes of it are kept; run the command again to go on."
                ) from None
            await asyncio.sleep(pause_s)
        except OSError as error:
            raise DownloadFailed(f"{transfer.part}: {error.strerror or error}.") from None
        else:
            return


class _Transfer:
    """What is here of a file, and one try after the other to bring the rest."""

    def __init__(
        self, file: RemoteFile, target: Path, http: ClientSession, on_progress: Progress
    ) -> None:
        self.url = file.url
        self.part = target.with_name(target.name + ".part")
        self._file = file
        self._target = target
        self._version = target.with_name(target.name + ".version")
        """Holds the server's name (ETag) for what it sent."""
        self._http = http
        self._on_progress = on_progress

    @property
    def here(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def keep(self) -> None:
        self.part.replace(self._target)
        self._version.unlink(missing_ok=True)

    def forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)

    async def attempt(self) -> None:
        """Bring what is missing.

        Raises:
            _CutShort, ClientError, TimeoutError: something may be missing still.
            DownloadFailed: another try is of no use.
        """
        if self.here and self.here == self._file.size_bytes:
            return
        async with self._http.get(self.url, headers=self._headers(), timeout=TIMEOUT) as answer:
            if is_safe(self.url) and not is_safe(str(answer.url)):
                raise DownloadFailed(f"{self.url} leads to {answer.url}, which is not https.")
            if answer.status == 416:
                # No such range: all is here, or what is here is of something else.
                if _total(answer) != self.here:
                    self.forget()
                    raise _CutShort("what was here of it is of another file")
                return
            self._check(answer)
            if answer.status == 200:
                self.forget()  # From the beginning, though we may have asked for less.
            elif _first(answer) != self.here:
                self.forget()
                raise _CutShort("the server sent another part than was asked for")
            if version := answer.headers.get("ETag"):
                self._version.write_text(version)
            await self._take(answer, _total(answer))

    def _headers(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        if not self.here:
            return headers
        version = self._version.read_text() if self._version.exists() else ""
        if version and not version.startswith("W/"):
            headers["If-Range"] = version
        elif self._file.sha256 is None:
            # Nothing would show that the two parts are of one file.
            self.forget()
            return headers
        headers["Range"] = f"bytes={self.here}-"
        return headers

    def _check(self, answer: ClientResponse) -> None:
        if answer.status in _PASSES or answer.status >= 500:
            raise _CutShort(f"the server answers {answer.status}")
        if answer.status not in (200, 206):
            raise DownloadFailed(f"{self.url}: the server answers {answer.status} {answer.reason}.")
        total, expected = _total(answer), self._file.size_bytes
        if total is not None and expected is not None and total != expected:
            raise DownloadFailed(
                f"{self.url} has {total:,} bytes there, and should have {expected:,}: the server "
                "has changed it, or has something else in its place."
            )

    async def _take(self, answer: ClientResponse, total: int | None) -> None:
        limit = self._file.size_bytes or total or SIZE_MAX_BYTES
        here = self.here
        self._on_progress(here, self._file.size_bytes or total)
        with self.part.open("ab") as part:
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                here += len(chunk)
                if here > limit:
                    part.close()
                    self.forget()
                    raise DownloadFailed(f"{self.url}: the server sends more than {limit:,} bytes.")
                part.write(chunk)
                self._on_progress(here, self._file.size_bytes or total)
        wanted = self._file.size_bytes or total
        if wanted is not None and here < wanted:
            raise _CutShort(f"{here:,} of {wanted:,} bytes came")


def _total(answer: ClientResponse) -> int | None:
    """How large the whole file is, as the server says."""
    if answer.status == 200:
        return answer.content_length
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isascii() and total.isdigit() else None


def _first(answer: ClientResponse) -> int | None:
    """Where the part that comes begins."""
    first = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isascii() and first.isdigit() else None
