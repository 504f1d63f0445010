from __future__ import annotations

import pytest

from antiphon.engines.cascade.tts.voices import VOICES, WPM_MIN, espeak_names, rate, voice_for


def test_an_unknown_name_always_gets_the_same_voice() -> None:
    assert voice_for("my-own-voice") is voice_for("my-own-voice")
    assert voice_for("my-own-voice") in VOICES.values()
    assert len({voice_for(f"voice {n}") for n in range(100)}) == len(VOICES)


@pytest.mark.parametrize(
    ("language", "names"),
    [
        (None, ("en-us+m5",)),
        ("en", ("en-us+m5",)),
        ("en-GB", ("en-gb+m5", "en-us+m5")),
        ("fr", ("fr+m5", "en-us+m5")),
        ("pt_BR", ("pt-br+m5", "pt+m5", "en-us+m5")),
        ("zh", ("cmn+m5", "en-us+m5")),
        ("zh-HK", ("yue+m5", "cmn+m5", "en-us+m5")),
        ("no", ("nb+m5", "en-us+m5")),
    ],
)
def test_languages_have_espeak_names(language: str | None, names: tuple[str, ...]) -> None:
    assert espeak_names(VOICES["alloy"], language) == names


def test_below_the_slowest_rate_the_gaps_grow() -> None:
    alloy = VOICES["alloy"]
    assert rate(alloy, 1.5) == (240, 0)
    assert rate(alloy, 0.5) == (WPM_MIN, 0)
    slow, slower = rate(alloy, 0.4), rate(alloy, 0.25)
    assert slow[0] == slower[0] == WPM_MIN
    assert 0 < slow[1] < slower[1]
