"""How near texts are in meaning: static embeddings of words, one mean for each text.

The extra `paraphrases` brings WordLlama's table: 32,000 tokens of 256 numbers.  Its own
loader wants a tokenizer library with a download client, so both files are read as they are.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from antiphon.engines.cascade.llm.offline.situation import Similarity
from antiphon.engines.cascade.llm.offline.words import words_of

log = logging.getLogger(__name__)

_MAX_WORDS = 40
_MAX_CHARS = 30
"""Of one word: the time for its tokens grows with the square."""
_HEADER_BYTES = 8
"""Of a safetensors file: the length of the JSON that describes what follows."""


def load_similarity(package: str = "wordllama") -> Similarity | None:
    """By the table of an installed ``package``; None where there is none."""
    found = importlib.util.find_spec(package)
    places = list(found.submodule_search_locations or ()) if found else []
    if not places:
        log.info("only listed phrases are understood: the extra 'paraphrases' is not installed")
        return None
    folder = Path(places[0])
    try:
        return Embeddings(
            folder / "tokenizers" / "l2_supercat_tokenizer_config.json",
            folder / "weights" / "l2_supercat_256.safetensors",
        )
    except (OSError, ValueError, KeyError) as error:
        log.warning("only listed phrases are understood: %s", error)
        return None


class Embeddings:
    """A table of token vectors, asked for the cosine between the means of two texts."""

    def __init__(self, tokenizer: Path, weights: Path) -> None:
        self._ids: dict[str, int] = msgspec.json.decode(tokenizer.read_bytes())["model"]["vocab"]
        self._table = _tensor(weights)
        self._of_word = lru_cache(maxsize=4096)(self._tokens)
        self._of_example = lru_cache(maxsize=4096)(self._vector)

    def __call__(self, text: str, others: tuple[str, ...]) -> list[float]:
        said = self._vector(text)
        return [float(self._of_example(other) @ said) for other in others]

    def _vector(self, text: str) -> NDArray[np.float32]:
        """A unit vector; zeros for a text without words."""
        ids = [i for word in words_of(text)[:_MAX_WORDS] for i in self._of_word(word.text)]
        mean = self._table[ids].astype(np.float32).sum(axis=0)
        unit: NDArray[np.float32] = mean / (np.linalg.norm(mean) or 1)
        return unit

    def _tokens(self, word: str) -> list[int]:
        """Byte pair encoding: of all neighbours, those join first that make the commonest token.

        Tokens are numbered by that, and a word begins with "▁".  What has no token is left out.
        """
        parts = list(f"▁{word[:_MAX_CHARS]}")
        while True:
            joined = [self._ids.get(a + b) for a, b in pairwise(parts)]
            known = [(rank, at) for at, rank in enumerate(joined) if rank is not None]
            if not known:
                return [self._ids[part] for part in parts if part in self._ids]
            at = min(known)[1]
            parts[at : at + 2] = [parts[at] + parts[at + 1]]


def _tensor(path: Path) -> NDArray[np.float16]:
    """The one tensor of a safetensors file, read as it is needed."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEADER_BYTES), "little")
        header: dict[str, Any] = msgspec.json.decode(file.read(length))
    (tensor,) = (entry for name, entry in header.items() if name != "__metadata__")
    if tensor["dtype"] != "F16":
        raise ValueError(f"{path}: numbers of type {tensor['dtype']}, not F16")
    start = _HEADER_BYTES + length + tensor["data_offsets"][0]
    return np.memmap(path, np.float16, "r", start, tuple(tensor["shape"]))
