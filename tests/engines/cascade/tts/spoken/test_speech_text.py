from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from antiphon.engines.cascade.tts.spoken.languages import LANGUAGES
from antiphon.engines.cascade.tts.spoken.speech_text import SpeechText


def said(written: str, language: str | None = "en") -> str:
    """Without doubled spaces, which nobody hears."""
    return " ".join(SpeechText().say(written, language).text.split())


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Bold**, *it*, __u__, ~~no~~ and `code`.", "Bold, it, u, no and code."),
        ("un**believ**able snake_case", "unbelievable snake case"),
        ("**A sentence that", "A sentence that"),
        ("goes on** here", "goes on here"),
        ("See [the docs](https://example.com/x?y=1 \"t\").", "See the docs."),
        ("![A cat](cat.png) and [a][1]", "A cat and a"),
        ("[see the docs, ", "see the docs,"),
        ("please](https://example.com) now", "please now"),
        ("It rains[1]【4†source】 often[^2].", "It rains often."),
        ("## A title\n\nText", "A title. Text"),
        ("- one\n* two\n- [x] done", "one. two. done"),
        ("1. First\n2) Second", "one, First. two, Second"),
        ("> quoted\n---\nText", "quoted. Text"),
        ("| Name | Age |\n|------|:---:|\n| Bob | 5 |", "Name , Age . Bob , five"),
        ("Look:\n```python\nprint('*')\n```\nDone.", "Look: some code. Done."),
        ("a<br>b <b>bold</b>, the <b> tag &amp; more", "ab bold, the b tag and more"),
        (r"\*not bold\* 5 \$", "not bold five $"),
        ("Great! 😀👍🏽 ❤️ 🇩🇪 👨‍👩‍👧 :) Yes", "Great! Yes"),
        ("co\u00adop\u200berate", "cooperate"),
    ],
)  # fmt: skip
def test_marks_of_layout_are_not_spoken(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("https://www.example.com/docs?x=1#y.", "example dot com slash docs."),
        ("example.co.uk/" + "x" * 50, "example dot co dot uk"),
        ("Mail jo.doe-x@example.org!", "Mail jo dot doe dash x at example dot org!"),
        ("config.toml, Node.js", "config dot toml, Node dot js"),
        ("The API of the FBI, NASA, GPUs", "The A.P.I. of the F.B.I., NASA, G.P.U.'s"),
        ("TELL US THE WHOLE IDEA", "TELL US THE WHOLE IDEA"),
        ("R&D, he/she, and/or, e.g. this", "R and D, he she, and or, for example this"),
        ("World War II, Chapter IV, Henry VIII, I",
         "World War two, Chapter four, Henry the eighth, I"),
        ("MIX, DIM, I am, X rays", "MIX, DIM, I am, X rays"),
    ],
)  # fmt: skip
def test_names_are_said_as_people_say_them(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("1,234,567 3.05 -2", "one million two hundred and thirty-four thousand five hundred"
         " and sixty-seven three point zero five minus two"),
        ("007 and 12345678901234567", "zero zero seven and one two three four five six seven eight"
         " nine zero one two three four five six seven"),
        ("1st, 22nd", "first, twenty-second"),
        ("5-10 or 5–10", "five to ten or five to ten"),
        ("$3.50, $1, $0.99, £1.01", "three dollars and fifty cents, one dollar, ninety-nine cents,"
         " one pound and one penny"),
        ("$1.5 million, $20k, 5 EUR, USD 7", "one point five million dollars,"
         " twenty thousand dollars, five euros, seven US dollars"),
        ("$5-10", "five to ten dollars"),
        ("50% 3 %", "fifty percent three percent"),
        ("10km, 1 kg, -5°C, 5m², 90°", "ten kilometers, one kilogram, minus five degrees Celsius,"
         " five square meters, ninety degrees"),
        ("May 5, 2024; 5 May; the 5 May", "May fifth, twenty twenty-four; the fifth of May;"
         " the fifth of May"),
        ("2024-05-01 5/4/2024", "May first, twenty twenty-four May fourth, twenty twenty-four"),
        ("3:00 pm, 3:05, 15:30, 3pm, 9:00-17:00", "three P.M., three oh five, fifteen thirty,"
         " three P.M., nine o'clock to seventeen o'clock"),
        ("in 1800, 1800 people, the 1990s", "in eighteen hundred, one thousand eight hundred"
         " people, the nineteen nineties"),
        ("+1 (555) 123-4567, 555-1234", "plus one, five five five, one two three, four five six"
         " seven, five five five, one two three four"),
        ("1.2.3, v2.1, 10.0.0.1", "one point two point three, version two dot one,"
         " ten dot zero dot zero dot one"),
        ("1/2, 24/7, 16:9, #5", "one half, twenty-four seven, sixteen to nine, number five"),
        ("2 + 2 = 4, 5 - 3 = 2, 2*3, a < b, x -> y, ~5", "two plus two equals four, five minus"
         " three equals two, two times three, a less than b, x to y, about five"),
        ("B2B, 4K, MP3, 1080p", "B2B, 4K, MP3, 1080p"),
    ],
)  # fmt: skip
def test_numbers_are_said_with_what_belongs_to_them(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("de", "Am 5. Mai um 15:30 Uhr, z. B. 1.234,56 €", "Am fünften Mai um fünfzehn Uhr dreißig,"
         " zum Beispiel eintausendzweihundertvierunddreißig Euro sechsundfünfzig Cent"),
        ("de", "der 1. Mai, 1 m, 1 h, 3,5 %", "der erste Mai, ein Meter, eine Stunde,"
         " drei Komma fünf Prozent"),
        ("de", "1.234.567, Version 1.2.3", "eine Million zweihundertvierunddreißigtausend"
         "fünfhundertsiebenundsechzig, Version eins Punkt zwei Punkt drei"),
        ("en-GB", "5/4/2024", "the fifth of April twenty twenty-four"),
        ("fr-CA", "1 234,56 € le 1er mai, 2 millions €", "mille deux cent trente-quatre euros et"
         " cinquante-six centimes le premier mai, deux millions d'euros"),
        ("es", "1.234 €, 21 km, 1 h, 50 %", "mil doscientos treinta y cuatro euros,"
         " veintiún kilómetros, una hora, cincuenta por ciento"),
        ("it", "1.234,5 il 1 maggio", "milleduecentotrentaquattro virgola cinque il primo maggio"),
        ("pt", "16", "dezasseis"),
        ("pt-BR", "16", "dezesseis"),
        ("pt-BR", "R$ 2,50, 15:00, 1 h", "dois reais e cinquenta centavos, quinze horas, uma hora"),
        ("zh", "**今天** 25° https://example.com/a 😀", "今天 25° example.com"),
        ("hi", "[नमस्ते](http://x.com) 25%", "नमस्ते 25%"),
        (None, "5 km", "five kilometers"),
    ],
)  # fmt: skip
def test_other_languages(language: str | None, written: str, spoken: str) -> None:
    assert said(written, language) == spoken


def test_a_block_of_code_is_silent_however_its_lines_come() -> None:
    speech = SpeechText()
    pieces = ["Look.\n", "```py\n", "x = 1. ", "y = 2\n", "# ```not the end\n", "```\n", "Done."]
    assert [speech.say(piece, "en").text.strip() for piece in pieces] == [
        "Look.", "some code.", "", "", "", "", "Done."
    ]  # fmt: skip


def marks(written: str, language: str | None = "en") -> list[str]:
    """The written text up to the end of each spoken word."""
    spoken = SpeechText().say(written, language)
    ends = [spoken.written_end(word.end()) for word in re.finditer(r"\S+", spoken.text)]
    return [written[:end] for end, _ in itertools.groupby(ends)]


def test_words_end_where_they_are_written() -> None:
    assert marks("It **costs** $3.50 now.") == [
        "It", "It **costs**", "It **costs** $3.50", "It **costs** $3.50 now."
    ]  # fmt: skip
    assert marks("See [the docs](https://example.com) 😀.") == [
        "See", "See [the", "See [the docs](https://example.com)",
        "See [the docs](https://example.com) 😀."
    ]  # fmt: skip
    assert marks("Hello there, friend.") == ["Hello", "Hello there,", "Hello there, friend."]


_LANGUAGES = st.sampled_from([*LANGUAGES, "zh", "hi", "pt-BR", None, "xx"])
_PIECES = st.sampled_from(
    ["word", "**", "*", "_", "`", "```", "\n", " ", "$", "5", "12", ".", ",", "-", "/", ":", "%",
     "km", "°C", "API", "IV", "Chapter", "http://", "a.com", "@", "|", "---", "#", "1.", "[", "](",
     ")", "<b>", "&amp;", "\\", "😀", "\u200d", "é", "e\u0301", "नमस्ते", "今天", "سلام", "\u200f",
     "\ud800", "\0", "May", "2024", "00", "€", "R$", "½", "²", "١٢", "𝟓", "pm", "z. B.", "Nr."]
)  # fmt: skip
_TEXTS = st.text(max_size=60) | st.lists(_PIECES, max_size=20).map("".join)


@given(_TEXTS, _LANGUAGES)
@example("1" * 400 + "," + "1" * 400, "en")
@example("9999-99-99 99/99/9999 29:99 0/0 0:0 v0.0 £0.00 #0", "en")
def test_positions_survive(written: str, language: str | None) -> None:
    spoken = SpeechText().say(written, language)
    ends = [spoken.written_end(at) for at in range(len(spoken.text) + 1)]
    assert all(a <= b for a, b in itertools.pairwise(ends)), "monotonic"
    assert all(0 <= end <= len(written) for end in ends), "within bounds"
    assert ends[-1] == len(written.rstrip()), "all that is written is covered"
    assert "".join(written[r.written_begin : r.written_end] for r in spoken.runs) == written
    for run in spoken.runs:
        if run.as_written:
            kept = spoken.text[run.spoken_begin : run.spoken_end]
            assert kept == written[run.written_begin : run.written_end]


@given(st.lists(st.from_regex(r"[a-zäéßłक-हա-ֆ]{1,8}", fullmatch=True), max_size=12), _LANGUAGES)
def test_plain_words_stay_as_they_are(words: list[str], language: str | None) -> None:
    text = " ".join(words)
    if not set(words) & {"vs", "v"}:
        assert SpeechText().say(text, language).text == text


@given(st.integers(0, 10**16), st.sampled_from([*LANGUAGES]))
def test_no_digit_of_a_number_is_left(number: int, language: str) -> None:
    assert not re.search("[0-9]", said(f"{number} {number}% {number}.5", language))


@given(st.lists(st.text(max_size=20), max_size=6), _LANGUAGES)
def test_any_clauses_after_one_another_can_be_read(texts: list[str], language: str | None) -> None:
    speech = SpeechText()
    for text in texts:
        assert speech.say(text, language).written == text
