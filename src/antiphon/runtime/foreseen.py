"""What the next answer of a session may cost, at the most."""

from __future__ import annotations

import msgspec

from antiphon.core.effects import Generate
from antiphon.core.usage import CHARACTERS_PER_TOKEN, IMAGE_TOKENS
from antiphon.metering.budgets import worst_of
from antiphon.metering.lines import MILLION, MINUTE_MS, Line, day_of
from antiphon.metering.meter import Meter
from antiphon.metering.money import Nano, proportion
from antiphon.metering.prices import TOKEN_KINDS, Price, PriceTable
from antiphon.protocol.items import InputAudio, InputImage, Message, OutputAudio

MOST_OUTPUT_TOKENS = 4_096
"""Of an answer without a limit of its own; the API's greatest limit."""
LONGEST_ANSWER_MS = 4 * MINUTE_MS
"""What an engine that is paid by the minute is reserved for."""


class Foreseen:
    """One session's."""

    def __init__(self, meter: Meter, prices: PriceTable) -> None:
        self._meter = meter
        self._prices = prices
        self._seen: dict[str, int] = {}
        """What the last answer saw and said, which the next one sees."""

    def note(self, line: Line) -> None:
        """An answer is over."""
        out = line.quantity("audio_out")
        self._seen = {
            "text": line.quantity("text_in", "text_cached", "text_out"),
            "audio": line.quantity("audio_in", "audio_cached") + out,
            "image": line.quantity("image_in", "image_cached"),
        }

    def worst(self, command: Generate | None, *, speaks: bool = True) -> Nano:
        """Args:
        command: What is asked for; None: whoever answers does so of itself.
        speaks: Whether it does then.
        """
        seen, most = dict(self._seen), MOST_OUTPUT_TOKENS
        if command is not None:
            for kind, count in tokens_seen(command).items():
                seen[kind] = max(count, seen.get(kind, 0))
            speaks = command.modality == "audio"
            if command.max_output_tokens != "inf":
                most = command.max_output_tokens
        sound = self._sound(most) if speaks else 0
        price = self._price(self._meter.billed_as)
        if price is None:
            return sound  # Unpriced: alarmed by the meter, and no budget can hold it.
        if price.is_by_the_minute:
            return sound + proportion(LONGEST_ANSWER_MS, price.minute or 0, MINUTE_MS)
        rates = {kind: price.for_tokens(kind) for kind in TOKEN_KINDS}
        return sound + worst_of(rates, context=seen, most_out=most, speaks=speaks)

    def _sound(self, most_out: int) -> Nano:
        """Of another server's voice."""
        name = self._meter.voice_billed_as
        price = self._price(name) if name else None
        if price is None:
            return 0
        if price.characters is not None:
            return proportion(most_out * CHARACTERS_PER_TOKEN, price.characters, MILLION)
        return proportion(LONGEST_ANSWER_MS, price.minute or 0, MINUTE_MS)

    def _price(self, name: str) -> Price | None:
        return self._prices.find(name, day_of(self._meter.at_ms))


def tokens_seen(command: Generate) -> dict[str, int]:
    """What an answer sees, at most, as nobody has counted it: speech whose length is not known is
    taken for slow.
    """
    characters = len(command.instructions) + len(command.memory)
    characters += len(msgspec.json.encode((command.tools, command.server_tools)))
    audio = images = 0
    for item in command.items:
        if not isinstance(item, Message):
            characters += len(msgspec.json.encode(item))
            continue
        for part in item.content:
            if isinstance(part, InputImage):
                images += IMAGE_TOKENS
            elif isinstance(part, InputAudio | OutputAudio):
                # Ten tokens a second of a user, twenty of an assistant; slow speech has six
                # characters a second.
                slow = 2 if isinstance(part, InputAudio) else 4
                audio += 100 + slow * len(part.transcript or "")
                characters += len(part.transcript or "")
            else:
                characters += len(getattr(part, "text", ""))
    return {"text": -(-characters // CHARACTERS_PER_TOKEN), "audio": audio, "image": images}
