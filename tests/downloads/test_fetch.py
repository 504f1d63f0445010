from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from antiphon.downloads.fetch import DownloadFailed, Progress, fetch
from antiphon.downloads.index import RemoteFile
from tests.downloads.fickle_server import (
    CONTENT,
    FickleServer,
    another_part,
    chunked,
    cut,
    elsewhere,
    fickle_server,
    refuse,
    sha256,
    whole,
    without_ranges,
)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FickleServer]:
    async with fickle_server() as server:
        yield server


async def bring(
    file: RemoteFile, folder: Path, on_progress: Progress = lambda _here, _all: None
) -> str:
    async with ClientSession() as http:
        return await fetch(
            file, folder / "model.bin", http, on_progress=on_progress, pauses_s=(0, 0, 0)
        )


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


async def test_a_file_comes_whole(server: FickleServer, tmp_path: Path) -> None:
    server.answers = [whole()]
    told: list[tuple[int, int | None]] = []
    checksum = await bring(server.file(), tmp_path, lambda here, all_: told.append((here, all_)))
    assert checksum == sha256()
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert files(tmp_path) == {"model.bin": len(CONTENT)}
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))


async def test_a_transfer_that_is_cut_goes_on_where_it_was(
    server: FickleServer, tmp_path: Path
) -> None:
    server.answers = [cut(300_000), cut(300_000), whole()]
    await bring(server.file(), tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=600000-"]


async def test_so_does_a_later_run(server: FickleServer, tmp_path: Path) -> None:
    server.answers = [cut(1_000), refuse(503)]
    with pytest.raises(DownloadFailed, match=r"answers 503\. 1,000 bytes of it are kept"):
        await bring(server.file(), tmp_path)
    server.answers = [*[refuse(503)] * len(server.requests), whole()]
    await bring(server.file(), tmp_path)
    assert server.ranges[-1] == "bytes=1000-"
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


async def test_a_server_without_ranges_sends_all_again(
    server: FickleServer, tmp_path: Path
) -> None:
    server.answers = [cut(1_000, etag=""), without_ranges()]
    await bring(server.file(), tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


async def test_of_a_file_that_changed_meanwhile_no_part_is_kept(
    server: FickleServer, tmp_path: Path
) -> None:
    changed = CONTENT[::-1]
    server.answers = [cut(1_000), whole(changed, etag='"two"')]
    await bring(server.file(sha256(changed)), tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == changed


async def test_parts_of_two_files_are_found_out_by_the_checksum(
    server: FickleServer, tmp_path: Path
) -> None:
    (tmp_path / "model.bin.part").write_bytes(b"of another file")
    server.answers = [whole(etag="")]
    await bring(server.file(), tmp_path)
    assert server.ranges == ["bytes=15-", None]
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


async def test_without_checksum_and_version_nothing_is_joined(
    server: FickleServer, tmp_path: Path
) -> None:
    server.answers = [cut(1_000, etag=""), whole(etag="")]
    assert await bring(server.file(None), tmp_path) == sha256()
    assert server.ranges == [None, None]


async def test_another_file_is_not_kept(server: FickleServer, tmp_path: Path) -> None:
    server.answers = [whole(CONTENT[::-1])]
    with pytest.raises(DownloadFailed, match="is not the file it should be: its SHA-256"):
        await bring(server.file(), tmp_path)
    assert files(tmp_path) == {}


async def test_one_of_another_size_is_not_even_brought(
    server: FickleServer, tmp_path: Path
) -> None:
    server.answers = [whole()]
    with pytest.raises(DownloadFailed, match="has 1,024,000 bytes there, and should have 7"):
        await bring(server.file(size_bytes=7), tmp_path)
    assert files(tmp_path) == {}


async def test_one_that_does_not_end_is_given_up(server: FickleServer, tmp_path: Path) -> None:
    server.answers = [chunked()]
    with pytest.raises(DownloadFailed, match="sends more than 1,000 bytes"):
        await bring(server.file(size_bytes=1_000), tmp_path)
    assert files(tmp_path) == {}


async def test_a_length_need_not_be_told(server: FickleServer, tmp_path: Path) -> None:
    server.answers = [chunked()]
    assert await bring(server.file(), tmp_path) == sha256()


async def test_less_than_promised_is_an_error_in_the_end(
    server: FickleServer, tmp_path: Path
) -> None:
    server.answers = [cut(1_000), cut(0)]
    with pytest.raises(DownloadFailed, match="cannot be had"):
        await bring(server.file(), tmp_path)
    assert len(server.requests) == 4, "one that brought something, and three after it"


async def test_another_part_than_was_asked_for_is_not_taken(
    server: FickleServer, tmp_path: Path
) -> None:
    server.answers = [cut(1_000), another_part(), whole()]
    await bring(server.file(), tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("here", [len(CONTENT), len(CONTENT) + 5])
async def test_what_is_whole_already_is_not_asked_for_twice(
    here: int, server: FickleServer, tmp_path: Path
) -> None:
    (tmp_path / "model.bin.part").write_bytes((CONTENT + b"more!")[:here])
    server.answers = [whole()]
    await bring(server.file(), tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert len(server.requests) == (1 if here == len(CONTENT) else 2)


async def test_who_is_not_there_is_asked_once(server: FickleServer, tmp_path: Path) -> None:
    server.answers = [refuse(404)]
    with pytest.raises(DownloadFailed, match="answers 404 Not Found"):
        await bring(server.file(), tmp_path)
    assert len(server.requests) == 1


async def test_nobody_listens(tmp_path: Path, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/model.bin"
    with pytest.raises(DownloadFailed, match="cannot be had: Cannot connect"):
        await bring(RemoteFile(url=url, path="model.bin", sha256=sha256()), tmp_path)


async def test_a_way_that_others_can_change_is_not_followed(
    server: FickleServer, tmp_path: Path
) -> None:
    server.answers = [elsewhere(server.url.replace("127.0.0.1", "127.0.0.2")), whole()]
    with pytest.raises(DownloadFailed, match=r"leads to http://127\.0\.0\.2:\d+/.* not https"):
        await bring(server.file(), tmp_path)


async def test_a_full_or_missing_folder_is_named(server: FickleServer, tmp_path: Path) -> None:
    server.answers = [whole()]
    with pytest.raises(DownloadFailed, match="No such file or directory"):
        await bring(server.file(), tmp_path / "none")
