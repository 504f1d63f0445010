from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.llm.characters import Characters, mended

HALVES = ("\ud83d", "\ude00")


def test_halves_that_come_apart_are_joined() -> None:
    characters = Characters()
    assert [characters.whole(piece) for piece in ("Hi " + HALVES[0], HALVES[1] + "!")] == [
        "Hi ",
        "\N{GRINNING FACE}!",
    ]


def test_a_half_that_stays_alone_is_replaced() -> None:
    characters = Characters()
    assert characters.whole(HALVES[0]) == ""
    assert characters.whole("x") == "\N{REPLACEMENT CHARACTER}x"
    assert mended("a" + HALVES[1]) == "a\N{REPLACEMENT CHARACTER}"


@given(st.lists(st.text(max_size=4).flatmap(lambda t: st.sampled_from([t, t + HALVES[0]]))))
def test_all_text_can_be_stored(pieces: list[str]) -> None:
    characters = Characters()
    "".join(characters.whole(piece) for piece in pieces).encode()


@given(st.text())
def test_whole_text_is_not_changed_wherever_it_is_cut(text: str) -> None:
    units = text.encode("utf-16-le")
    pieces = [
        units[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2)
    ]
    characters = Characters()
    assert "".join(characters.whole(piece) for piece in pieces) == text
