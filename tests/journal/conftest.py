from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journal.postgres import Postgres, programs, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    # pytest's folders are for one user's eyes, and the server runs as another than root.
    with (
        tempfile.TemporaryDirectory(prefix="antiphon-postgres-") as folder,
        running(Path(folder)) as server,
    ):
        yield server
