"""What is loaded to start.  Each list is of what would be felt: a tenth of a second, or more."""

from __future__ import annotations

import subprocess
import sys

import pytest

WORKERS = (
    "antiphon.engines.cascade.tts.espeak_worker",
    "antiphon.engines.cascade.stt.pocketsphinx_worker",
    "antiphon.engines.cascade.stt.whisper_worker",
)
OF_A_WORKER = {"antiphon", "antiphon.audio", "antiphon.engines", "antiphon.errors"}
"""A worker needs its library and its wire: none of the server."""
OF_CALLS = {"aiortc", "aioice", "av", "dns", "OpenSSL", "pylibsrtp", "cffi"}
OF_OTHERS = {"opentelemetry", "jwt", "redis", "asyncpg", "onnxruntime"}
"""What only some configurations have."""
OF_THE_BRAIN = {"jsonschema", "referencing", "simpleeval", "rstr"}


def loaded_by(code: str) -> set[str]:
    """The names of all modules that are there after ``code``, in a process of its own."""
    told = f"{code}\nimport sys\nprint(*sys.modules, sep='\\n')"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_the_help_of_all_commands_loads_no_library_but_messages() -> None:
    loaded = loaded_by("import antiphon.cli; antiphon.cli.make_parser()")
    assert not loaded & {"aiohttp", "numpy", "importlib.metadata", "antiphon.server"}


def test_a_command_does_not_load_the_others() -> None:
    loaded = loaded_by("import antiphon.cli; antiphon.cli.make_parser('models')")
    of_the_cli = {name for name in loaded if name.startswith("antiphon.cli")}
    assert of_the_cli == {"antiphon.cli", "antiphon.cli.models"}


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_loads_nothing_of_the_server(worker: str) -> None:
    loaded = loaded_by(f"import {worker}")
    ours = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("antiphon")}
    assert ours <= OF_A_WORKER
    assert not loaded & {"aiohttp", "cryptography", "prometheus_client", "num2words"}


def test_a_server_is_wired_without_what_it_may_never_need() -> None:
    loaded = loaded_by("import antiphon.server.wiring")
    assert not loaded & (OF_CALLS | OF_OTHERS | OF_THE_BRAIN)


def test_the_configuration_is_read_without_a_server() -> None:
    loaded = loaded_by("import antiphon.server.config")
    assert not loaded & {"aiohttp", "numpy", "cryptography", "num2words", *OF_CALLS}
