"""What README and the guides tell one to type works, as it is printed.

Each block of commands (``sh``) has a mark before it, which readers do not see:

* ``<!-- commands: run -->``: each line is run here.  Of ``make`` only what it would do is
  asked for; ``antiphon serve`` gets a free port and is stopped once it listens.
* ``<!-- commands: not run, WHY -->``.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import wave
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.recordings import wav
from tests.server_process import ServerProcess

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
BLOCK = re.compile(
    r"(?:^<!-- commands: (.+?) -->\n)?^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE
)
COMMAND = re.compile(
    r"^\s*(make|antiphon|\.venv/bin/|uv|npm|npx|pip|python|sudo|cd|export|curl) ?\b"
)
TIMEOUT_S = 120
BIN = Path(sys.executable).parent


class Block(NamedTuple):
    page: str
    mark: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        lines = (line.partition(" #")[0].strip() for line in self.text.splitlines())
        return [line for line in lines if line and not line.startswith("#")]


SAYS = {
    "python examples/stock_openai.py": "Six times ten is sixty.\n",
    "python examples/stock_agents.py": "We are open from nine to five.\n",
}
"""Where it is known to the letter."""
BLOCKS = [
    Block(str(page.relative_to(ROOT)), *match.groups(""))
    for page in PAGES
    for match in BLOCK.finditer(page.read_text(encoding="utf-8"))
]
RUN = [block for block in BLOCKS if block.mark == "run"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Like a checkout after `make run`, with the recordings that the pages speak of."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(BIN)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for name in ("speech", "question"):
        (tmp_path / f"{name}.wav").write_bytes(wav("cmd_today"))
    return tmp_path


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.page)
def test_each_block_of_commands_says_whether_it_runs(block: Block) -> None:
    has_commands = any(COMMAND.match(line) for line in block.text.splitlines())
    if block.language == "sh":
        assert block.mark == "run" or re.match(r"not run, \w{2,}.* \w", block.mark), block.text
    else:
        assert not block.mark, block.text
        assert block.language or not has_commands, f"mark it as sh: {block.text}"


@pytest.mark.parametrize("block", RUN, ids=lambda block: f"{block.page}-{block.commands[0]}")
def test_the_commands_run_as_printed(
    block: Block, folder: Path, offline_server: ServerProcess
) -> None:
    if block.commands in _passed:
        return  # Another page says the same.
    # As in a shell: what one line exports, the next ones have.
    exported: list[str] = []
    for command in block.commands:
        if command.startswith("export "):
            exported.append(command)
        elif command.startswith("make "):
            dry = command.replace("make ", "make --dry-run NPM= ", 1)
            _run(dry, cwd=ROOT, server=offline_server)
        elif re.match(r"\S*antiphon serve\b", command):
            _serve(command, folder)
        else:
            lines = "\n".join([*exported, command])
            said = _run(lines, cwd=folder, server=offline_server)
            assert SAYS.get(command, said) == said
    if (reply := folder / "reply.wav").exists():
        with wave.open(str(reply)) as file:
            assert file.getnframes() / file.getframerate() > 1
    _passed.append(block.commands)


_passed: list[list[str]] = []


def test_commands_that_fail_are_found(folder: Path, offline_server: ServerProcess) -> None:
    with pytest.raises(AssertionError, match="unrecognized arguments: --txt"):
        _run("antiphon talk --txt hello", cwd=folder, server=offline_server)


def test_nobody_is_told_to_install_what_is_not_published() -> None:
    told = re.compile(
        r"(?:pip|npm|uv) (?:install|add|i) [^\n`]*?(?<![\w./-])@?antiphon(?![\w]*-client-\d)"
    )
    for page in [*PAGES, *ROOT.glob("web/packages/*/README.md"), *ROOT.glob("examples/**/*.md")]:
        if "node_modules" not in page.parts:
            found = told.search(page.read_text(encoding="utf-8"))
            assert found is None, f"{page}: {found and found.group()}"


def _environ(**more: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ANTIPHON_", "OPENAI_"))}
    clean["PATH"] = f"{BIN}{os.pathsep}{clean['PATH']}"
    return {**clean, "ANTIPHON_OFFLINE_STT_WORKERS": "1", **more}


def _run(command: str, *, cwd: Path, server: ServerProcess) -> str:
    """What it says.  The server that it speaks of is the one of the tests."""
    base = server.websocket_url if "stock_agents" in command else server.url
    done = subprocess.run(
        ["bash", "-euc", command.replace("http://127.0.0.1:8080", server.url)],
        cwd=cwd,
        env=_environ(ANTIPHON_URL=f"{base}/v1"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def _serve(command: str, cwd: Path) -> None:
    with subprocess.Popen(
        shlex.split(command),
        cwd=cwd,
        env=_environ(ANTIPHON_PORT="0", ANTIPHON_DRAIN_SECONDS="0"),
        executable=BIN / "antiphon",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            assert said.startswith("Antiphon listens on http"), said + process.stdout.read()
        finally:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0
