"""A turn of the user while it is being spoken."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.core.overlap import OverlapWatch
from antiphon.core.turns import ONSET_WINDOWS


@dataclass(slots=True, eq=False)
class OpenTurn:
    """A turn that has begun and is not committed."""

    item_id: str
    from_sample: int
    told_to: int | None = None
    """How far the engine has heard it; None: it was not told of it yet."""
    is_announced: bool = False
    """Clients know that somebody speaks."""
    watch: OverlapWatch | None = None
    """While it may prove to be no interruption."""
    understood: str = ""
    """What was understood of it in the pause that it makes."""
    goes_on: bool = False
    """With the turn before, of whose answer hardly anything was heard."""
    earlier: bytes = b""
    """The sound of that one, where both are one utterance..."""
    replaces: tuple[str, ...] = ()
    """... and the items of which its item takes the place."""
    voice_windows: int = 0
    """In a row, of what was scored last."""

    @property
    def is_settled(self) -> bool:
        """It is a turn, and one voice window more changes nothing of that."""
        return self.watch is None and self.voice_windows >= ONSET_WINDOWS

    def note_voice(self, is_voice: bool) -> None:
        """One window alone is a click; then somebody goes on, and more words will come."""
        self.voice_windows = self.voice_windows + 1 if is_voice else 0
        if self.voice_windows >= ONSET_WINDOWS:
            self.understood = ""
