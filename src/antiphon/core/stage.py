"""What the nouns of one conversation share."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.core.history import History
from antiphon.core.ids import Ids
from antiphon.core.playout import Playout
from antiphon.core.terms import Terms
from antiphon.core.transcripts import Transcripts
from antiphon.protocol.session import AnySession


@dataclass(slots=True, eq=False)
class Stage:
    terms: Terms
    ids: Ids
    session: AnySession
    history: History
    transcripts: Transcripts
    playout: Playout | None
    """None where the client owns playout."""
    conversation_id: str
    voice_heard: bool = False
    """The assistant has spoken: its voice can no longer change."""

    def new_item_id(self) -> str:
        """One that no item has: a client may have guessed the next."""
        item_id = self.ids.new("item")
        while self.history.get(item_id) is not None:
            item_id = self.ids.new("item")
        return item_id
