from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.downloads.index import is_safe, load_index
from antiphon.errors import ConfigurationError


def test_what_we_know_is_in_order() -> None:
    index = load_index()
    assert "kokoro" in index
    for model in index.values():
        assert model.licence
        paths = [file.path for file in model.files]
        assert len(paths) == len(set(paths))
        # Who says "tried" has seen the files.
        assert not model.tried or all(file.sha256 and file.size_bytes for file in model.files)


GOOD = """
[[model]]
name = "m"
about = "a voice"
licence = "MIT"
files = [{ url = "https://example.com/m", path = "m.onnx" }]
"""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"m.onnx"', '"../m.onnx"', "is not within its folder"),
        ('"m.onnx"', '"/etc/m.onnx"', "is not within its folder"),
        ('"m.onnx"', '""', "is not within its folder"),
        ("https:", "http:", "is not https"),
        ('"m"\n', '"../m"\n', "a name has small letters"),
        ("path =", "sha256 = 'ab', path =", "must have 64 hexadecimal digits"),
        ("path", "pfad", "pfad"),
        ("[[model]]", "[[model", "index.toml"),
    ],
)
def test_a_wrong_index_is_refused(old: str, new: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "index.toml"
    path.write_text(GOOD)
    assert list(load_index(path)) == ["m"]
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigurationError, match=problem):
        load_index(path)


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: No such file"):
        load_index(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://example.com/a", True),
        ("http://127.0.0.1:8/a", True),
        ("http://[::1]:8/a", True),
        ("http://127.0.0.1.example.com/a", False),
        ("http://user@example.com/a", False),
        ("file:///etc/passwd", False),
    ],
)
def test_which_ways_are_safe(url: str, safe: bool) -> None:
    assert is_safe(url) is safe
