"""Which streaming network a folder holds, as sherpa-onnx publishes them."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Literal

from msgspec import Struct

from antiphon.errors import ConfigurationError

Kind = Literal["transducer", "nemo_ctc", "zipformer2_ctc"]
TRANSDUCER = ("encoder", "decoder", "joiner")
_SIGNS: dict[bytes, Kind] = {
    b"cache_last_channel_dim1": "nemo_ctc",
    b"zipformer2": "zipformer2_ctc",
}
"""What a network of the kind says of itself."""


class SherpaFiles(Struct, frozen=True):
    kind: Kind
    tokens: Path
    networks: tuple[Path, ...]
    """Of a transducer: encoder, decoder, joiner."""


def find_sherpa_ears(folder: Path) -> SherpaFiles:
    """The network in ``folder``; of one in two sizes, the 8-bit one.

    Raises:
        ConfigurationError: there is none, or none that is known here.
    """
    tokens = folder / "tokens.txt"
    if not tokens.is_file():
        raise ConfigurationError(f"The recogniser 'sherpa' wants tokens.txt; {folder} has none.")
    parts = [_smallest(folder, f"*{part}*.onnx") for part in TRANSDUCER]
    networks = tuple(part for part in parts if part is not None)
    if len(networks) == len(TRANSDUCER):
        return SherpaFiles("transducer", tokens, networks)
    network = _smallest(folder, "*.onnx")
    kind = None if network is None else _kind(network)
    if network is None or kind is None:
        raise ConfigurationError(
            f"The recogniser 'sherpa' wants a streaming network; {folder} has none: encoder, "
            "decoder and joiner of a transducer, or one CTC network of NeMo or Zipformer."
        )
    return SherpaFiles(kind, tokens, (network,))


def _smallest(folder: Path, pattern: str) -> Path | None:
    found = sorted(folder.glob(pattern), key=lambda path: (".int8." not in path.name, path.name))
    return found[0] if found else None


def _kind(network: Path) -> Kind | None:
    with network.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return next((kind for sign, kind in _SIGNS.items() if data.find(sign) >= 0), None)
