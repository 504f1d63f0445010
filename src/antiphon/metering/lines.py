"""The lines of a bill: what was used, at which price, and what it costs.

A line names no word of what was said.  Their sum is the bill; nothing else is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from antiphon.metering.money import Nano, proportion
from antiphon.metering.prices import TOKEN_KINDS, Price, PriceTable
from antiphon.protocol.server import TranscriptionTokens, TranscriptionUsage, Usage

MILLION = 1_000_000
MINUTE_MS = 60_000

LineKind = Literal["response", "speech", "speculation", "transcription", "time"]
"""What was paid for: an answer, its sound where another server makes that, one that was begun early
and thrown away, the words of a turn, or a while of the session.
"""


class Account(Struct, frozen=True):
    """Who pays."""

    tenant: str = "default"
    user: str | None = None
    """What the application calls its end user."""
    key: str | None = None
    """Name of the API key.  Keys of one name in a tenant share a budget: one takes over from the
    other.
    """
    budget: str | None = None
    """Name of the plan of its budget."""


class Charge(Struct, frozen=True):
    """One kind of what was used."""

    kind: str
    """One of `TOKEN_KINDS`, "characters" or "ms"."""
    quantity: int
    rate: Nano | None
    """For a million tokens or characters, or for a minute; None: nobody knows the price."""
    nano: Nano | None


class Line(Struct, frozen=True, kw_only=True):
    id: str
    """The same for the same use, however often it is told."""
    at_ms: int
    """Unix time."""
    kind: LineKind
    account: Account
    session_id: str
    conversation_id: str
    source_id: str
    """Of the response, or the item; "": of none."""
    engine: str
    model: str | None
    """As the client asked for it; None: a transcription session has none."""
    billed_as: str
    """By the name in the table of prices."""
    price_since: str | None
    """Which row of that name it was; None: there was none."""
    status: str = "completed"
    in_conversation: bool = True
    is_estimated: bool = False
    """We counted the tokens; whoever answered did not say."""
    is_correction: bool = False
    """It makes an earlier line, an estimate, what was billed: quantities may be negative."""
    charges: tuple[Charge, ...]
    nano: Nano
    """The sum of the charges whose price is known."""
    is_unpriced: bool
    """Some charge has no price: that costs what nobody knows, not nothing."""

    @property
    def day(self) -> str:
        """In UTC."""
        return day_of(self.at_ms)

    def quantity(self, *kinds: str) -> int:
        return sum(charge.quantity for charge in self.charges if charge.kind in kinds)


def day_of(at_ms: int) -> str:
    """The day (UTC) of a moment of Unix time, as `2026-11-29`."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).date().isoformat()


class Used(Struct, frozen=True, kw_only=True):
    """Everything of a line but its money."""

    id: str
    at_ms: int
    kind: LineKind
    account: Account
    session_id: str
    conversation_id: str
    source_id: str = ""
    engine: str
    model: str | None
    billed_as: str
    status: str = "completed"
    in_conversation: bool = True
    is_estimated: bool = False
    is_correction: bool = False
    quantities: tuple[tuple[str, int], ...]
    """By kind, without those of which nothing was used."""


def line_of(used: Used, prices: PriceTable) -> Line:
    """What it costs on its day."""
    price = prices.find(used.billed_as, day_of(used.at_ms))
    charges = tuple(_charge(kind, quantity, price) for kind, quantity in used.quantities)
    fields = {name: getattr(used, name) for name in used.__struct_fields__ if name != "quantities"}
    return Line(
        **fields,
        price_since=None if price is None else price.since,
        charges=charges,
        nano=sum(charge.nano or 0 for charge in charges),
        is_unpriced=any(charge.nano is None for charge in charges),
    )


def _charge(kind: str, quantity: int, price: Price | None) -> Charge:
    if kind == "ms":
        rate, per = (None if price is None else price.minute), MINUTE_MS
    elif kind == "characters":
        rate, per = (None if price is None else price.characters), MILLION
    else:
        rate, per = (None if price is None else price.for_tokens(kind)), MILLION
    return Charge(kind, quantity, rate, None if rate is None else proportion(quantity, rate, per))


# --- Usage → quantities ------------------------------------------------------


def quantities_of(usage: Usage) -> tuple[tuple[str, int], ...]:
    """Cached tokens are a part of the input; here they are apart from it.

    Where the parts of a count do not make up the whole of it, what is left is text.
    """
    given, cached = usage.input_token_details, usage.input_token_details.cached_tokens_details
    made = usage.output_token_details
    known_cached = cached.text_tokens + cached.audio_tokens + cached.image_tokens
    cached_text = cached.text_tokens + max(0, given.cached_tokens - known_cached)
    known_in = given.text_tokens + given.audio_tokens + given.image_tokens
    text_in = given.text_tokens + max(0, usage.input_tokens - known_in)
    known_out = made.text_tokens + made.audio_tokens
    found = {
        "text_in": text_in - cached_text,
        "text_cached": cached_text,
        "text_out": made.text_tokens + max(0, usage.output_tokens - known_out),
        "audio_in": given.audio_tokens - cached.audio_tokens,
        "audio_cached": cached.audio_tokens,
        "audio_out": made.audio_tokens,
        "image_in": given.image_tokens - cached.image_tokens,
        "image_cached": cached.image_tokens,
    }
    return tuple((kind, found[kind]) for kind in TOKEN_KINDS if found[kind] > 0)


def quantities_of_transcription(
    usage: TranscriptionUsage | TranscriptionTokens,
) -> tuple[tuple[str, int], ...]:
    if isinstance(usage, TranscriptionUsage):
        found = {"ms": round(usage.seconds * 1000)}
    else:
        found = {"audio_in": usage.input_tokens, "text_out": usage.output_tokens}
    return tuple((kind, quantity) for kind, quantity in found.items() if quantity > 0)
