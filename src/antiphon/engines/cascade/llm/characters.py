"""Characters whose halves come in two pieces.  No I/O.

A model's token may be half an emoji.  Servers then send the two halves as JSON escapes of
UTF-16 surrogates in two events; text that holds one alone can be neither stored nor sent.
"""

from __future__ import annotations

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Characters:
    """One text that comes in pieces."""

    def __init__(self) -> None:
        self._half = ""

    def whole(self, piece: str) -> str:
        """What is whole with ``piece``; half a character at its end waits for the other half."""
        text = self._half + piece
        self._half = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        return mended(text.removesuffix(self._half))


def mended(text: str) -> str:
    """Joins halves that belong together, and replaces those that are alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
