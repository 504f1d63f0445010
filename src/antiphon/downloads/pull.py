"""A whole model: all of its files, checked, or nothing."""

from __future__ import annotations

import fcntl
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import msgspec
from aiohttp import ClientSession

from antiphon.downloads.fetch import (
    PAUSES_S,
    SIZE_MAX_BYTES,
    DownloadFailed,
    Progress,
    fetch,
    sha256_of,
)
from antiphon.downloads.index import KnownModel, RemoteFile
from antiphon.downloads.place import Place, Pulled

_CHUNK_BYTES = 2**20


async def pull(
    model: KnownModel,
    place: Place,
    *,
    sha256: Mapping[str, str] | None = None,
    trust_first: bool = False,
    on_progress: Callable[[RemoteFile], Progress] | None = None,
    pauses_s: Sequence[float] = PAUSES_S,
) -> Pulled:
    """Bring ``model`` to ``place``, unless it is there.

    Args:
        model: What to bring.
        place: Where to.
        sha256: Checksums that the caller knows, by path; they overrule what is known here.
        trust_first: Where no checksum is known, take what the server sends now; it is
            recorded, and later pulls must bring the same.
        on_progress: Asked for each file for what wants to be told of it.
        pauses_s: Before each further try of a file.

    Raises:
        DownloadFailed: a file cannot be had, is not what it should be, or nobody knows
            what it should be.
    """
    record = place.record(model.name)
    if place.has(model.name) and record is not None:
        return record
    known = (record.sha256 if record else {}) | dict(sha256 or {})
    files = [_with_checksum(file, known, trust_first=trust_first) for file in model.files]
    place.folder.mkdir(parents=True, exist_ok=True)
    _check_room(model, place.folder)
    unfinished = place.folder / f"{model.name}.part"
    found: dict[str, str] = {}
    with _alone(place.folder / f".{model.name}.lock", model.name):
        unfinished.mkdir(exist_ok=True)
        async with ClientSession(trust_env=True) as http:
            for file in files:
                target = unfinished / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                progress = on_progress(file) if on_progress else _tell_nobody
                found[file.path] = _have(target, file.sha256) or await fetch(
                    file, target, http, on_progress=progress, pauses_s=pauses_s
                )
        for file in files:
            if file.unpack:
                _unpack(unfinished / file.path, file, unfinished)
        pulled = Pulled(
            name=model.name,
            licence=model.licence,
            sha256=found,
            urls={file.path: file.url for file in files},
        )
        place.write_record(pulled)
        if place.has(model.name):  # Without a record: somebody else's, or an old one.
            shutil.rmtree(place.of(model.name))
        unfinished.replace(place.of(model.name))
    return pulled


def _tell_nobody(_here: int, _all: int | None) -> None:
    pass


def _with_checksum(file: RemoteFile, known: Mapping[str, str], *, trust_first: bool) -> RemoteFile:
    checksum = known.get(file.path, file.sha256)
    if checksum is None and not trust_first:
        raise DownloadFailed(
            f"no checksum of {file.path} is known. Give it (--sha256 {file.path}=…), as its author "
            "publishes it; or take what the server sends now, and have it recorded (--trust-first)."
        )
    return msgspec.structs.replace(file, sha256=checksum)


def _check_room(model: KnownModel, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if model.size_bytes is not None and model.size_bytes > free:
        raise DownloadFailed(
            f"'{model.name}' has {model.size_bytes:,} bytes, and {folder} has room for {free:,}."
        )


def _have(target: Path, checksum: str | None) -> str | None:
    """The checksum of what an earlier pull left at ``target``; None: nothing of use."""
    if not target.exists():
        return None
    found = sha256_of(target)
    if checksum in (None, found):
        return found
    target.unlink()
    return None


@contextmanager
def _alone(path: Path, name: str) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DownloadFailed(f"'{name}' is being pulled by another process.") from None
        yield


def _unpack(archive: Path, file: RemoteFile, folder: Path) -> None:
    """Take the members that are wanted, and delete the archive.

    Members lose their folders, and links are left out: an archive cannot write anywhere else.
    """
    room = SIZE_MAX_BYTES
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if not (member.isfile() and any(fnmatchcase(member.name, p) for p in file.unpack)):
                    continue
                room -= member.size
                source = tar.extractfile(member)
                if room < 0 or source is None:
                    raise DownloadFailed(f"{file.url} unpacks to more than a model has.")
                with (folder / PurePosixPath(member.name).name).open("wb") as target:
                    shutil.copyfileobj(source, target, _CHUNK_BYTES)
        if room == SIZE_MAX_BYTES:
            raise DownloadFailed(f"{file.url} holds nothing of {', '.join(file.unpack)}.")
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DownloadFailed(f"{file.url} is no archive that can be read: {error}.") from None
    finally:
        archive.unlink()
