"""A venv for each peer, made once and kept outside the repository."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "antiphon" / "bench-peers"
INSTALL_TIMEOUT_S = 600
REASON_CHARACTERS = 200


class NotInstalled(Exception):
    """With the reason."""


def python_of(venv: str, uv: str) -> str:
    """Its interpreter; the first time it is installed, which takes minutes without a cache.

    Raises:
        NotInstalled: uv could not.
    """
    place = KEPT / f"{venv}-{_fingerprint(venv)}"
    python, is_done = place / "bin" / "python", place / "is-installed"
    if is_done.exists():
        return str(python)
    uv = str(Path(uv).resolve()) if os.sep in uv else uv
    pip = [uv, "pip", "install", "--quiet", "--python", str(python)]
    commands = [
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(place)],
        [*pip, "--no-deps", *_files(venv)],
    ]
    problem = ""
    for extra in _environments():
        problem = next(filter(None, (_run(command, extra) for command in commands)), "")
        if not problem:
            is_done.touch()
            return str(python)
    raise NotInstalled(problem)


def _files(venv: str) -> list[str]:
    """What is pinned there is complete, but for what a peer declares and does not need here."""
    return [part for path in _paths(venv) for part in ("--requirements", str(path))]


def _paths(venv: str) -> list[Path]:
    return [REQUIREMENTS / f"{venv}.txt"]


def _fingerprint(venv: str) -> str:
    what = b"".join(path.read_bytes() for path in _paths(venv)) + sys.version.encode()
    return hashlib.sha256(what).hexdigest()[:12]


def _environments() -> list[dict[str, str]]:
    """torch without CUDA, from its own index, saves 3 GB; a mirror may have it too."""
    both = [{"UV_TORCH_BACKEND": "cpu"}, {}]
    return both[::-1] if "UV_FIND_LINKS" in os.environ else both


def _run(command: list[str], extra: dict[str, str]) -> str:
    try:
        KEPT.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            command,
            cwd=KEPT,  # In the repository, uv leaves out what Antiphon has no need of.
            capture_output=True,
            text=True,
            env=os.environ | extra,
            timeout=INSTALL_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"not installed: {error}"[:REASON_CHARACTERS]
    if not done.returncode:
        return ""
    said = " ".join(line.strip() for line in done.stderr.splitlines() if line.strip())
    return f"not installed: {said or 'uv failed'}"[:REASON_CHARACTERS]
