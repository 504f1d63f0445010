from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.plan import MAX_CHARS, SentencePlan
from antiphon.engines.cascade.punctuation import ASCII_SENTENCE_END, SENTENCE_END


def pieces(*texts: str) -> list[str]:
    plan = SentencePlan()
    return [piece for text in texts for piece in plan.add(text)] + plan.flush()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there. How are you?", ["Hello there. ", "How are you?"]),
        ("It is 3.5 metres. Fine.", ["It is 3.5 metres. ", "Fine."]),
        ("Ask Dr. Smith about it. Then go.", ["Ask Dr. Smith about it. ", "Then go."]),
        ("Yes. No. Maybe so, they said.", ["Yes. ", "No. Maybe so, they said."]),
        ("One\nTwo", ["One\n", "Two"]),
    ],
)
def test_text_is_cut_where_a_speaker_would_breathe(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_a_sentence_is_given_as_soon_as_the_next_one_begins() -> None:
    plan = SentencePlan()
    assert plan.add("It is half past t") == []
    assert plan.add("wo. ") == ["It is half past two. "]


def test_speech_begins_with_the_first_clause_of_a_long_sentence() -> None:
    plan = SentencePlan()
    assert plan.add("When the moon is full, the ti") == []
    assert plan.add("de is high, and ") == ["When the moon is full, the tide is high, "]
    assert plan.add("low, and so on, and on, and on") == []


def test_text_without_any_end_is_cut_all_the_same() -> None:
    found = pieces("word " * 200)
    assert max(map(len, found)) <= MAX_CHARS


@given(st.lists(st.text("ab .,!?\n…", max_size=60), max_size=12))
def test_nothing_is_lost_or_added(texts: list[str]) -> None:
    assert "".join(pieces(*texts)) == "".join(texts)


@given(st.text("ab .,!?\n", max_size=200), st.integers(1, 7))
def test_no_piece_is_empty(text: str, step: int) -> None:
    assert all(pieces(*(text[i : i + step] for i in range(0, len(text), step))))


@pytest.mark.parametrize(
    "sentences",
    [
        ["नमस्ते, मैं ठीक हूँ। ", "आज मौसम अच्छा है। ", "क्या आप बाहर जाएँगे?"],
        ["كيف حالك اليوم؟ ", "الطقس جميل. ", "هل تخرج؟"],
        ["آپ کیسے ہیں۔ ", "موسم اچھا ہے۔"],
        ["你好，我很好。", "他说：“今天天气很好。”", "你出去吗？！"],
        ["こんにちは。", "「今日は天気がいい。」", "行きますか？"],
        ["สวัสดีครับวันนี้อากาศดีมาก ", "เราไปเดินเล่นในสวนกันเถอะ ", "แล้วกลับบ้าน"],
        ["እንዴት ነህ ዛሬ ጥሩ ነው። ", "ደህና ነኝ።"],
    ],
)
def test_sentences_end_in_every_script_as_its_readers_end_them(sentences: list[str]) -> None:
    assert pieces("".join(sentences)) == sentences
    plan = SentencePlan()
    if not sentences[0].endswith(" "):
        assert plan.add(sentences[0]) == [sentences[0]], "at once, without a word of the next"


def test_a_chinese_clause_is_as_long_as_it_takes_to_say() -> None:
    clause = "你好，今天的天气非常好，"
    assert SentencePlan().add(clause) == [clause]
    assert all(len(piece) <= MAX_CHARS / 4 for piece in pieces("天" * 200))


@pytest.mark.parametrize(
    "text",
    ["1. Preheat the oven", "Wir treffen uns am 5. Mai", "am 3. und am vierten", "at 5 p.m. sharp"],
)
def test_not_every_full_stop_is_an_end(text: str) -> None:
    assert pieces(*text) == [text]


def test_a_number_may_end_a_sentence() -> None:
    assert pieces("It was 42. Then it was not.") == ["It was 42. ", "Then it was not."]


@given(st.text(st.characters(codec="ascii"), max_size=80))
def test_ascii_has_the_same_ends_by_itself(text: str) -> None:
    def ends(pattern: str) -> list[int]:
        return [end.end() for end in re.finditer(pattern, text)]

    assert ends(ASCII_SENTENCE_END) == ends(SENTENCE_END)
