"""The page that compares us with OpenAI's description is what its script writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_as_its_script_writes_it() -> None:
    script = ROOT / "scripts" / "compatibility_matrix.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
