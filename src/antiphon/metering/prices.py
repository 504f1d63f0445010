"""What models cost, since when, and who says so: a table of dated rows.

Rows are data (`prices.toml`), in dollars as the vendors write them; here they are whole
nano-dollars.  An operator's rows (`[[metering.prices]]`) go before those.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any

from msgspec import Struct

from antiphon.metering.money import Nano, nano_of

TOKEN_KINDS = (
    "text_in",
    "text_cached",
    "text_out",
    "audio_in",
    "audio_cached",
    "audio_out",
    "image_in",
    "image_cached",
)
"""Of what is counted in tokens; ``cached`` is input that the model had seen before."""
AMOUNTS = (*TOKEN_KINDS, "characters", "minute")
"""All that a row may name a price for."""
SINCE_EVER = "0001-01-01"


class Price(Struct, frozen=True, kw_only=True):
    """A row.  None: not priced that way."""

    model: str
    """A name, or a pattern (`gpt-realtime*`)."""
    since: str = SINCE_EVER
    """The first day (UTC) on which it holds, as `2026-11-29`."""
    text_in: Nano | None = None
    text_cached: Nano | None = None
    text_out: Nano | None = None
    audio_in: Nano | None = None
    audio_cached: Nano | None = None
    audio_out: Nano | None = None
    image_in: Nano | None = None
    image_cached: Nano | None = None
    """The eight for a million tokens."""
    characters: Nano | None = None
    """For a million of those that it speaks."""
    minute: Nano | None = None
    """For a minute: of sound, where the model transcribes or speaks; else of the session that it
    serves."""
    source: str = ""
    """Who says so."""
    noted: str = ""
    """When it was read there."""

    def for_tokens(self, kind: str) -> Nano | None:
        """For a million of them; None: it is not known.

        Cached tokens are input like any other where nothing else is said of them, and whoever is
        paid by the minute alone takes nothing for tokens.
        """
        rate: Nano | None = getattr(self, kind)
        if rate is None and kind.endswith("_cached"):
            rate = getattr(self, kind.replace("_cached", "_in"))
        if rate is None and self.is_by_the_minute:
            return 0
        return rate

    @property
    def is_by_the_minute(self) -> bool:
        """And by nothing else."""
        others = (*TOKEN_KINDS, "characters")
        return self.minute is not None and all(getattr(self, k) is None for k in others)


def price_of(row: Mapping[str, Any]) -> Price:
    """A row as it is written, in dollars.

    Raises:
        ValueError: which field is wrong, and why.
    """
    fields: dict[str, Any] = {}
    for name, value in row.items():
        try:
            fields[name] = _field(name, value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if not fields.get("model"):
        raise ValueError("model: a row names the model, or a pattern of names, that it is for")
    if all(fields.get(name) is None for name in AMOUNTS):
        raise ValueError(f"a row needs a price: one of {', '.join(AMOUNTS)}")
    return Price(**fields)


def _field(name: str, value: object) -> object:
    if name not in Price.__struct_fields__:
        known = ", ".join(Price.__struct_fields__)
        raise ValueError(f"there is no such field; there are: {known}")
    if name == "model" or name == "source":
        if not isinstance(value, str):
            raise ValueError("a text is expected")
        return value
    if name in ("since", "noted"):
        try:
            return date.fromisoformat(str(value)).isoformat()
        except ValueError:
            raise ValueError(f"'{value}' is no day; write it as 2026-11-29") from None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("an amount in dollars is expected")  # noqa: TRY004  Told as the others.
    return nano_of(value)


class PriceTable:
    """Args:
    rows: Of several for a name on a day the first source that has one counts, a name goes before
        a pattern, a longer pattern before a shorter one, and a later day before an earlier one.
    """

    def __init__(self, *sources: Sequence[Price]) -> None:
        self._sources = [sorted(source, key=_rank, reverse=True) for source in sources]

    def find(self, model: str, day: str) -> Price | None:
        """The row that holds on a day (UTC); None: the model is unpriced then."""
        for source in self._sources:
            for row in source:
                if row.since <= day and _fits(row.model, model):
                    return row
        return None

    @property
    def rows(self) -> tuple[Price, ...]:
        """All, in the order in which they are asked."""
        return tuple(row for source in self._sources for row in source)


def _rank(row: Price) -> tuple[bool, int, str, str]:
    return "*" not in row.model, len(row.model), row.model, row.since


def _fits(pattern: str, model: str) -> bool:
    return fnmatchcase(model, pattern) if "*" in pattern else pattern == model


def known_prices() -> tuple[Price, ...]:
    """Those that come with this package."""
    text = resources.files("antiphon.metering").joinpath("prices.toml").read_text("utf-8")
    return prices_in(tomllib.loads(text)["prices"])


def prices_in(rows: Iterable[Mapping[str, Any]]) -> tuple[Price, ...]:
    """Raises:
    ValueError: which row is wrong, and why.
    """
    found = []
    for at, row in enumerate(rows, 1):
        try:
            found.append(price_of(row))
        except ValueError as error:
            raise ValueError(f"row {at} ({row.get('model', 'without a model')}): {error}") from None
    return tuple(found)
