from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from antiphon.talk.served import served_by


class Told(Struct):
    engine: str
    voice: str


class Shown(Struct):
    antiphon: Any


@pytest.mark.parametrize("told", [Told("offline", "gb"), {"engine": "offline", "voice": "gb"}])
def test_a_server_may_say_what_really_answers(told: object) -> None:
    assert served_by(Shown(told)) == ("offline", "gb")


@pytest.mark.parametrize("told", [None, "offline", {"engine": 7}, {}])
def test_others_do_not(told: object) -> None:
    assert served_by(Shown(told)) == ("", "")


def test_a_session_without_the_extension_tells_nothing() -> None:
    assert served_by(Told("an engine", "a voice")) == ("", "")
