"""`antiphon models`, with a server of its own."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon.cli import main
from antiphon.cli.models import Bar
from antiphon.downloads.index import RemoteFile
from tests.downloads.fickle_server import CONTENT, FickleServer, fickle_server, sha256, whole


@pytest.fixture
def server() -> Iterator[FickleServer]:
    """On a loop of its own: the command has one too."""
    ready, loop, done = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    found: list[FickleServer] = []

    async def serve() -> None:
        async with fickle_server() as server:
            server.answers = [whole()]
            found.append(server)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(done.set)
    thread.join()
    loop.close()


@pytest.fixture
def index(server: FickleServer, tmp_path: Path) -> Path:
    path = tmp_path / "index.toml"
    path.write_text(
        f"""
[[model]]
name = "known"
about = "a voice"
licence = "MIT"
files = [{{ url = "{server.url}", path = "a.onnx", sha256 = "{sha256()}" }}]
[[model]]
name = "unknown"
about = "ears"
licence = "MIT"
files = [{{ url = "{server.url}", path = "b.onnx" }}]
"""
    )
    return path


def run(index: Path, *arguments: str) -> int:
    folder = str(index.parent / "models")
    return main(["models", "--dir", folder, "--index", str(index), *arguments])


def test_one_is_pulled_and_then_here(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(index, "pull", "known") == 0
    out, err = capsys.readouterr()
    assert f"{sha256()}  a.onnx" in out
    assert "1.0 MB of 1.0 MB" in err
    assert (index.parent / "models" / "known" / "a.onnx").read_bytes() == CONTENT
    assert run(index, "pull", "known", "--offline") == 0
    assert run(index, "list") == 0
    known, _, _, unknown, *_ = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert "here" in known
    assert "–" in unknown


def test_offline_nothing_is_asked_for(
    server: FickleServer, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(index, "pull", "known", "--offline") == 1
    assert "'known' is not here, and nothing may be downloaded" in capsys.readouterr().err
    (tmp_path / "antiphon.toml").write_text("[downloads]\noffline = true\n")
    assert run(index, "--config", str(tmp_path / "antiphon.toml"), "pull", "known") == 1
    assert server.requests == []


def test_without_a_checksum_the_remedies_are_named(
    index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(index, "pull", "unknown") == 1
    assert "--trust-first" in capsys.readouterr().err
    assert run(index, "pull", "unknown", "--sha256", "zz") == 1
    assert "has 64 hexadecimal digits" in capsys.readouterr().err
    assert run(index, "pull", "unknown", "--sha256", f"c.onnx={sha256()}") == 1
    assert "the files are b.onnx" in capsys.readouterr().err
    assert run(index, "pull", "unknown", "--sha256", sha256().upper()) == 0


def test_who_trusts_is_told_what_came(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(index, "pull", "unknown", "--trust-first") == 0
    assert f"{sha256()}  b.onnx" in capsys.readouterr().out


def test_another_name(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(index, "pull", "kwown") == 1
    assert "there is no model 'kwown'. There are: known, unknown." in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_it_is() -> None:
    out = Terminal()
    bar = Bar(RemoteFile(url="https://example.com/m", path="m.onnx"), out)
    bar(0, 10_000_000)
    assert out.getvalue().startswith("\rm.onnx")
    assert "░" * Bar.WIDTH in out.getvalue()
    bar(10_000_000, 10_000_000)
    assert out.getvalue().endswith("█" * Bar.WIDTH + " 10.0 MB of 10.0 MB\n")
    assert Bar(RemoteFile(url="https://e.com/m", path="m"), out).line(5, None).endswith("0.0 MB")
