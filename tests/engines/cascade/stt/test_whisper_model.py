from __future__ import annotations

import pytest

from antiphon.engines.cascade.stt.whisper_model import text_of, tokens_of, window_frames


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("<|0.00|> ĠHow Ġold Ġis Ġit ? <|2.00|>", "How old is it?"),
        # What comes after the end of the audio is invented.
        ("<|0.00|> ĠToday . <|1.50|> <|1.50|> ĠThank Ġyou .", "Today."),
        # A timestamp in the middle, and one before any word, are no end.
        ("<|0.00|> ĠOne . <|0.50|> <|0.50|> ĠTwo . <|1.90|>", "One. Two."),
        ("<|2.00|> ĠYes . <|2.00|>", "Yes."),
        ("<|notimestamps|> ĠOne ĠCaf Ã©", "One Café"),
        ("<|0.00|> Ġå¤ ©", "天"),
        ("", ""),
    ],
)
def test_what_tokens_say(tokens: str, text: str) -> None:
    assert text_of(tokens.split(), heard_s=2.0) == text


@pytest.mark.parametrize(
    ("frames", "window"), [(0, 800), (600, 800), (601, 802), (1_600, 1_800), (2_900, 3_000)]
)
def test_the_window_has_silence_after_the_speech(frames: int, window: int) -> None:
    assert window_frames(frames) == window


def test_a_phrase_is_written_in_the_longest_tokens_that_there_are() -> None:
    numbers = {"\u0120M": 3, "m": 4, "mm": 5, "-": 6, "h": 7, "\u0120see": 8, ".": 9}
    assert tokens_of("Mm-hmm.", numbers) == [3, 4, 6, 7, 5, 9]
    assert tokens_of("Mm see.", numbers) == [3, 4, 8, 9]
    assert tokens_of("Oh.", numbers) == [], "there is no O"
