from __future__ import annotations

import logging
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from antiphon.engines.cascade.llm.offline.brain import OfflineBrain
from antiphon.engines.cascade.llm.offline.paraphrases import Embeddings, load_similarity

WORDS = ["c", "a", "t", "d", "o", "g", "▁c", "at", "▁cat", "▁d", "og", "▁dog"]


def table(folder: Path, kind: str = "F16") -> tuple[Path, Path]:
    """A tokenizer and a table: cats and dogs have little in common, letters nothing."""
    vectors = np.eye(len(WORDS), dtype=np.float16)
    vectors[WORDS.index("▁dog"), WORDS.index("▁cat")] = 0.5
    header = msgspec.json.encode(
        {"__metadata__": {}, "w": {"dtype": kind, "shape": vectors.shape, "data_offsets": [0, 0]}}
    )
    tokenizer, weights = folder / "tokenizer.json", folder / "weights.safetensors"
    vocab = {word: index for index, word in enumerate(WORDS)}
    tokenizer.write_bytes(msgspec.json.encode({"model": {"vocab": vocab}}))
    weights.write_bytes(len(header).to_bytes(8, "little") + header + vectors.tobytes())
    return tokenizer, weights


def test_a_text_is_as_near_as_its_words_are(tmp_path: Path) -> None:
    similarity = Embeddings(*table(tmp_path))
    same, other, neither = similarity("A cat!", ("a CAT", "dog", "zzz"))
    assert same == pytest.approx(1, abs=1e-3)
    assert 0.2 < other < 0.6
    assert neither == 0
    assert similarity("", ("cat",)) == [0]


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="F32, not F16"):
        Embeddings(*table(tmp_path, "F32"))


def test_without_the_extra_listed_phrases_are_understood() -> None:
    assert load_similarity("no_such_package") is None


def test_a_package_without_the_table_is_told_of_and_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "emptied_package").mkdir()
    (tmp_path / "emptied_package" / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with caplog.at_level(logging.WARNING):
        assert load_similarity("emptied_package") is None
    assert "only listed phrases are understood" in caplog.text


async def test_the_brain_starts_with_it_and_without() -> None:
    brain = OfflineBrain()
    await brain.start()
    assert brain.open("sess_1")
    await brain.aclose()
