from __future__ import annotations

from antiphon.engines.cascade.parts import Speech
from antiphon.engines.cascade.tts.kept_speech import KeptSpeech, Spoken


def test_what_was_not_asked_for_the_longest_is_forgotten() -> None:
    kept = KeptSpeech(max_bytes=10)
    a, b, c = (Spoken(text, "v", 1) for text in "abc")
    kept.keep(a, Speech(bytes(4)))
    kept.keep(b, Speech(bytes(4)))
    assert kept.find(a)
    kept.keep(c, Speech(bytes(4)))
    assert kept.find(b) is None
    assert kept.find(a)
    assert kept.find(c)
    kept.keep(b, Speech(bytes(12)))
    assert kept.find(b) is None, "larger than all that is kept"
    assert kept.find(Spoken("a", "v", 1.5)) is None
