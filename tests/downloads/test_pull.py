from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from antiphon.downloads.fetch import DownloadFailed
from antiphon.downloads.index import KnownModel
from antiphon.downloads.place import Place
from antiphon.downloads.pull import pull
from antiphon.errors import ConfigurationError
from tests.downloads.fickle_server import (
    CONTENT,
    FickleServer,
    cut,
    fickle_server,
    refuse,
    sha256,
    whole,
)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FickleServer]:
    async with fickle_server() as server:
        yield server


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "models")


def model(server: FickleServer, checksum: str | None = sha256()) -> KnownModel:
    return KnownModel(name="m", about="", licence="MIT", files=(server.file(checksum),))


def contents(place: Place) -> set[str]:
    found = (path.relative_to(place.folder) for path in place.folder.rglob("*"))
    return {str(path) for path in found if path.suffix != ".lock"}


async def test_a_model_is_there_with_all_its_files(server: FickleServer, place: Place) -> None:
    server.answers = [whole()]
    second = msgspec.structs.replace(server.file(), path="more/config.json")
    both = msgspec.structs.replace(model(server), files=(server.file(), second))
    pulled = await pull(both, place)
    assert pulled.sha256 == {"model.bin": sha256(), "more/config.json": sha256()}
    assert contents(place) == {"m", "m/model.bin", "m/more", "m/more/config.json", "m.json"}
    assert place.record("m") == pulled
    assert place.find("m") == place.folder / "m"


async def test_or_not_at_all(server: FickleServer, place: Place) -> None:
    server.answers = [whole(), refuse(404)]
    second = msgspec.structs.replace(server.file(), path="config.json")
    both = msgspec.structs.replace(model(server), files=(server.file(), second))
    with pytest.raises(DownloadFailed, match="404"):
        await pull(both, place)
    assert not place.has("m")
    with pytest.raises(ConfigurationError, match="antiphon models pull m"):
        place.find("m")
    # What came is not asked for again.
    server.answers = [refuse(500), refuse(500), whole()]
    await pull(both, place)
    assert len(server.requests) == 3
    assert place.has("m")


async def test_what_is_there_is_not_brought_again(server: FickleServer, place: Place) -> None:
    server.answers = [whole()]
    assert await pull(model(server), place) == await pull(model(server), place)
    assert len(server.requests) == 1


async def test_without_a_checksum_one_must_be_given_or_trust(
    server: FickleServer, place: Place
) -> None:
    server.answers = [whole()]
    unknown = model(server, None)
    with pytest.raises(DownloadFailed, match=r"no checksum of model\.bin is known"):
        await pull(unknown, place)
    assert server.requests == []
    with pytest.raises(DownloadFailed, match="is not the file it should be"):
        await pull(unknown, place, sha256={"model.bin": "0" * 64})
    await pull(unknown, place, sha256={"model.bin": sha256()})
    assert place.has("m")


async def test_who_trusted_once_gets_the_same_for_ever(server: FickleServer, place: Place) -> None:
    server.answers = [whole(), whole(CONTENT[::-1])]
    unknown = model(server, None)
    await pull(unknown, place, trust_first=True)
    (place.of("m") / "model.bin").unlink()
    place.of("m").rmdir()
    with pytest.raises(DownloadFailed, match="is not the file it should be"):
        await pull(unknown, place, trust_first=True)


async def test_an_interrupted_pull_goes_on(server: FickleServer, place: Place) -> None:
    server.answers = [cut(1_000), refuse(503)]
    with pytest.raises(DownloadFailed):
        await pull(model(server), place, pauses_s=(0,))
    server.answers = [whole()]
    await pull(model(server), place)
    assert server.ranges[-1] == "bytes=1000-"


async def test_two_at_the_same_time_do_not_mix(server: FickleServer, place: Place) -> None:
    server.answers = [whole()]
    results = await asyncio.gather(
        pull(model(server), place), pull(model(server), place), return_exceptions=True
    )
    [refused] = [result for result in results if isinstance(result, Exception)]
    assert "being pulled by another process" in str(refused)
    assert (place.find("m") / "model.bin").read_bytes() == CONTENT


def archive(*members: tuple[str, bytes | None]) -> bytes:
    """Names and contents; None: a link to /etc/passwd."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:bz2") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            info.size = len(content or b"")
            tar.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


def packed(server: FickleServer, content: bytes) -> KnownModel:
    server.answers = [whole(content)]
    file = msgspec.structs.replace(server.file(sha256(content)), unpack=("*/*.onnx", "*tokens.txt"))
    return KnownModel(name="m", about="", licence="MIT", files=(file,))


async def test_of_an_archive_what_is_wanted_is_kept(server: FickleServer, place: Place) -> None:
    content = archive(
        ("top/a.onnx", b"net"),
        ("../../tokens.txt", b"words"),
        ("top/evil.onnx", None),
        ("top/README.md", b"no"),
    )
    await pull(packed(server, content), place)
    assert contents(place) == {"m", "m/a.onnx", "m/tokens.txt", "m.json"}
    assert (place.of("m") / "tokens.txt").read_bytes() == b"words"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<html>", "is no archive that can be read"),
        (archive(("top/README.md", b"")), "holds nothing of"),
        (archive(("top/a.onnx", CONTENT))[:-90], "is no archive that can be read"),
    ],
)
async def test_another_archive_is_refused(
    content: bytes, problem: str, server: FickleServer, place: Place
) -> None:
    with pytest.raises(DownloadFailed, match=problem):
        await pull(packed(server, content), place)
    assert not place.has("m")


async def test_a_spoilt_record_is_named(server: FickleServer, place: Place) -> None:
    place.folder.mkdir()
    (place.folder / "m.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"m\.json: .*Delete it, and pull again"):
        await pull(model(server), place)


async def test_there_must_be_room(server: FickleServer, place: Place) -> None:
    large = msgspec.structs.replace(model(server), files=(server.file(size_bytes=2**60),))
    with pytest.raises(DownloadFailed, match="has room for"):
        await pull(large, place)
