from __future__ import annotations

import pytest

from antiphon.engines.cascade.tts.arpabet import arpabet


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [
        ("mɑːɹsˈiːloʊ", "M AA R S IY L OW"),
        ("dʒˈʌdʒ", "JH AH JH"),
        ("tʃˈɛɹ", "CH EH R"),
        ("bˈʌɾɚ", "B AH T ER"),
        ("pˌiːˈɛm", "P IY EH M"),
        ("θɹˈiː dˈiː", "TH R IY D IY"),
    ],
)
def test_sounds_have_their_phones(ipa: str, phones: str) -> None:
    assert arpabet(ipa) == phones


@pytest.mark.parametrize("ipa", ["", "ˈ", "kʘa", "χ"])
def test_what_has_no_phones_is_none(ipa: str) -> None:
    assert arpabet(ipa) is None
