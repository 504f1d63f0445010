"""Recordings of people as the turns that a recogniser gets, and grammars for them.

A turn begins 300 ms before the speech and ends 500 ms after it.  Where a recording has
less around its speech, the noise of a real room is put there, at the recording's own
noise level.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from antiphon.audio.resample import Resampler
from antiphon.engines.cascade.parts import Grammar

Samples = NDArray[np.int16]

_HEAD = "#JSGF V1.0;\ngrammar state;\n"
_GRAMMARS = {
    "booking": """
        public <cmd> = book a room | [in] <place> | [for] <day> | [for] <n> people
          | [for] <length> | [at] <time> | help | cancel | yes | no;
        <place> = mountain view | san francisco | new york | london | paris;
        <day> = today | tomorrow | monday | tuesday | wednesday | thursday | friday;
        <n> = one | two | three | four | five | six | seven | eight | nine | ten;
        <length> = half an hour | an hour | <n> hours;
        <time> = <n> [thirty | fifteen | forty five] (am | pm);""",
    "support": """
        public <cmd> = yes | yeah | yep | no | nope | help | repeat that | goodbye
          | i don't know | [i don't know] i'm not so sure
          | [i'd like to speak to | i want to talk to] <department>;
        <department> = [the] billing [department] | [the] sales [department]
          | customer support | an agent | technical support;""",
    "digits": """
        public <cmd> = [the code is] <digit>+ | yes | no | help;
        <digit> = zero | oh | one | two | three | four | five | six | seven | eight | nine;""",
    "coffee": """
        public <cmd> = [can i have | i'd like | please make] (a | an) [<size>] [<shots> shot]
          [<roast>] <drink> [with <extra>] [please] | yes | no;
        <size> = small | medium | large;
        <shots> = single | double | triple;
        <roast> = light roast | dark roast;
        <drink> = americano | cappuccino | espresso | latte | mocha | coffee;
        <extra> = milk | cream | sugar;""",
    "questions": """
        public <cmd> = [computer] what's the weather [like] [<day>] | help
          | [computer] will it rain [<day>] | how old is the <sight>
          | hello my name is <name>;
        <day> = today | tomorrow;
        <sight> = brooklyn bridge | eiffel tower | golden gate bridge | white house;
        <name> = marcelo | anna | peter | maria | john;""",
    "cards": """
        public <cmd> = [take] [the] <color> (one | card) [<where>] | yes | no | undo | hint;
        <color> = green | red | blue | yellow | black | white;
        <where> = [right] in the middle | on the left | on the right | at the top
          | at the bottom;""",
}
GRAMMARS = {name: Grammar(name, _HEAD + rules) for name, rules in _GRAMMARS.items()}


class Command(Struct, frozen=True):
    clip: str
    grammar: str
    text: str
    seconds: tuple[float, float] | None = None
    """The part of the recording."""

    @property
    def name(self) -> str:
        return f"{self.clip}@{self.seconds[0]}" if self.seconds else self.clip


COMMANDS = [
    Command("cmd_book_a_room", "booking", "book a room"),
    Command("cmd_mountain_view", "booking", "mountain view"),
    Command("cmd_today", "booking", "today"),
    Command("cmd_two_people", "booking", "two people"),
    Command("cmd_half_an_hour", "booking", "half an hour"),
    Command("cmd_two_thirty_pm", "booking", "two thirty pm"),
    Command("laptop_yes", "support", "yes"),
    Command("laptop_nope", "support", "nope"),
    Command("laptop_not_so_sure", "support", "i don't know i'm not so sure"),
    Command("laptop_billing_department", "support", "billing department"),
    Command("support_8k", "support", "i'd like to speak to customer support"),
    Command("count_123_en", "digits", "one two three"),
    Command("digits_10001", "digits", "one zero zero zero one", (0.35, 3.45)),
    Command("digits_10001", "digits", "nine oh two one oh", (3.45, 5.35)),
    Command("digits_10001", "digits", "zero one eight zero three", (5.75, 8.3)),
    Command("coffee_order", "coffee", "can i have a medium double shot americano"),
    Command("weather_like", "questions", "what's the weather like"),
    Command("computer_weather_like", "questions", "computer what's the weather like"),
    Command("brooklyn", "questions", "how old is the brooklyn bridge"),
    Command("brooklyn_padded", "questions", "how old is the brooklyn bridge"),
    Command("marcelo", "questions", "hello my name is marcelo"),
    Command("green_one", "cards", "the green one right in the middle"),
]


def load(folder: Path, clip: str) -> Samples:
    """At 16 kHz."""
    with wave.open(str(folder / f"{clip}.wav")) as file:
        pcm, rate_hz = file.readframes(file.getnframes()), file.getframerate()
    if rate_hz != 16_000:
        resampler = Resampler(rate_hz, 16_000)
        pcm = resampler.process(pcm) + resampler.flush()
    return np.frombuffer(pcm, "<i2")


def as_turn(samples: Samples, room: Samples, speech_max_s: float | None = None) -> bytes:
    """What a recogniser is fed: 24 kHz."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320).astype(float)
    level_db = 10 * np.log10((frames**2).mean(axis=1) + 1)
    loud_db = np.percentile(level_db, 98)
    loud = np.flatnonzero(level_db > loud_db - 28)
    first, last = int(loud[0]) * 320, (int(loud[-1]) + 1) * 320
    if speech_max_s is not None:
        last = min(last, first + round(speech_max_s * 16_000))
    begin, end = first - 4_800, last + 8_000
    floor_db = min(float(np.percentile(level_db, 5)), loud_db - 45)
    room_db = 10 * np.log10((room.astype(float) ** 2).mean())
    quiet_room = room * 10 ** ((floor_db - room_db) / 20)
    before = quiet_room[: max(0, -begin)]
    after = quiet_room[8_000 : 8_000 + max(0, end - len(samples))]
    whole = np.concatenate((before, samples[max(0, begin) : end], after))
    resampler = Resampler(16_000, 24_000)
    return resampler.process(whole.astype("<i2").tobytes()) + resampler.flush()


def command_turn(folder: Path, command: Command) -> bytes:
    samples = load(folder, command.clip)
    if command.seconds:
        samples = samples[slice(*(round(s * 16_000) for s in command.seconds))]
    return as_turn(samples, load(folder, "noise_room"))
