"""The suites of the tested agent, as a team that copies them has them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "tested_agent"
WEB = ROOT / "web"
SDKS = ROOT / "tests" / "clients" / "node" / "node_modules"
PACKAGE = WEB / "packages" / "testing"
TIMEOUT_S = 300


def _run(*command: str, cwd: Path, **environ: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "PYTEST_"))}
    clean |= {"OPENAI_AGENTS_DISABLE_TRACING": "1", "NO_COLOR": "1"} | environ
    ran = subprocess.run(
        command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    there = tmp_path / "tested_agent"
    unwanted = shutil.ignore_patterns("__pycache__", "node_modules", "package-lock.json")
    shutil.copytree(EXAMPLE, there, ignore=unwanted)
    return there


def test_python(copied: Path) -> None:
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error")
    told = _run(sys.executable, "-m", "pytest", *options, "python", cwd=copied)
    assert re.search(r"\b5 passed", told), told


@pytest.mark.skipif(
    shutil.which("node") is None or not SDKS.is_dir() or not (WEB / "node_modules").is_dir(),
    reason="Node.js or what the suite needs is absent: make setup-test",
)
def test_typescript(copied: Path) -> None:
    folder = copied / "typescript"
    modules = _installed(folder / "node_modules")
    antiphon = str(Path(sys.executable).parent / "antiphon")
    _run(str(modules / ".bin" / "tsc"), cwd=folder)
    vitest = str(modules / ".bin" / "vitest")
    told = _run(vitest, "run", cwd=folder, ANTIPHON_COMMAND=antiphon)
    assert re.search(r"Tests\s+5 passed", told), told


def _installed(modules: Path) -> Path:
    """What `npm install` would have brought."""
    modules.mkdir()
    for source in (SDKS, WEB / "node_modules"):
        for one in source.iterdir():
            there = modules / one.name
            if one.name.startswith("@") and one.name != "@antiphon":
                there.mkdir(exist_ok=True)
                for scoped in one.iterdir():
                    if not (there / scoped.name).exists():
                        (there / scoped.name).symlink_to(scoped)
            elif one.name[0] not in ".@" and not there.exists():
                there.symlink_to(one)
    (modules / ".bin").symlink_to(WEB / "node_modules" / ".bin")
    package = modules / "@antiphon" / "testing"
    package.mkdir(parents=True)
    shutil.copy(PACKAGE / "package.json", package)
    if (PACKAGE / "dist").is_dir():  # By `make build-web`.
        (package / "dist").symlink_to(PACKAGE / "dist")
        return modules
    built = str(package / "dist")
    tools = WEB / "node_modules" / ".bin"
    _run(str(tools / "vite"), "build", "--outDir", built, cwd=PACKAGE)
    _run(str(tools / "tsc"), "-p", "tsconfig.build.json", "--outDir", built, cwd=PACKAGE)
    return modules
