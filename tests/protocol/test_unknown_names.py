from __future__ import annotations

import logging

import pytest

from antiphon.protocol.unknown_names import MAX_REMEMBERED, UnknownNames


def test_each_name_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    names = UnknownNames(logging.getLogger("x"), "no '%s': '%s' instead")
    for name in ("nova", "nova", "n" * 1_000):
        names.tell(name, "marin")
    assert caplog.messages == ["no 'nova': 'marin' instead", f"no '{'n' * 100}': 'marin' instead"]


def test_names_without_end_are_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    names = UnknownNames(logging.getLogger("x"), "%s%s")
    for number in range(2 * MAX_REMEMBERED):
        names.tell(str(number), "")
    assert len(caplog.messages) == MAX_REMEMBERED
