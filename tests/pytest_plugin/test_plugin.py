"""The plugin in a suite of others: its options, and what it costs who does not use it."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "testing.md"
QUIET = "asyncio_default_fixture_loop_scope=function"
SUITE = """
from antiphon.testing import in_virtual_time

@in_virtual_time
async def test_it(antiphon_mock, antiphon_caller):
    async with antiphon_caller(antiphon_mock) as caller:
        await caller.types("Hello.")
        heard = await caller.answer()
        assert (heard.text, heard.error) == ("{text}", {error!r})
"""


def run_suite(folder: Path, suite: str, *options: str) -> str:
    """What pytest says of it, in this process: another one would load everything anew."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        ended = pytest.main(_arguments(folder, suite, "-o", QUIET, *options))
    assert ended in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), told.getvalue()
    return told.getvalue()


def run_alone(folder: Path, suite: str, *options: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *_arguments(folder, suite, *options)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode in (0, 1), ran.stderr
    return ran.stdout


def _arguments(folder: Path, suite: str, *options: str) -> list[str]:
    module = folder / f"{folder.name}.py"  # Of a name that no other has in this process.
    module.write_text(suite)
    return ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", *options, str(module)]


def test_a_script_from_a_file(tmp_path: Path) -> None:
    script = tmp_path / "desk.toml"
    script.write_text('[[replies]]\nsays = "Good evening."\n')
    suite = SUITE.format(text="Good evening.", error=None)
    assert "1 passed" in run_suite(tmp_path, suite, f"--antiphon-script={script}")


def test_a_script_that_is_none_is_told(tmp_path: Path) -> None:
    script = tmp_path / "desk.toml"
    script.write_text("[[replies]]\nsay = 1\n")
    out = run_suite(tmp_path, SUITE.format(text="", error=None), f"--antiphon-script={script}")
    assert "ConfigurationError" in out
    assert "`say`" in out


def test_faults_for_all_tests(tmp_path: Path) -> None:
    suite = SUITE.format(text="", error="rate_limit_exceeded")
    out = run_suite(tmp_path, suite, "--antiphon-fault=rate_limited")
    assert "1 passed" in out, out


def test_it_works_without_any_other_plugin(tmp_path: Path) -> None:
    suite = SUITE.format(text="Yes, I hear you.", error=None)
    out = run_alone(tmp_path, suite, "-p", "no:asyncio", "-p", "no:anyio", "-W", "error")
    assert "1 passed" in out, out


def test_the_guides_suite_passes(tmp_path: Path) -> None:
    found = re.search(r"```python\n(import pytest\n.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    assert "1 passed" in run_suite(tmp_path, found[1])


@pytest.mark.parametrize("module", ["antiphon.core", "antiphon.testing", "msgspec", "aiohttp"])
def test_who_does_not_use_it_loads_nothing_of_it(module: str) -> None:
    program = f"import sys, antiphon.pytest_plugin; sys.exit({module!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
