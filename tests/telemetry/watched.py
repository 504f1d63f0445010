"""A call in virtual time that is watched."""

from __future__ import annotations

from msgspec.structs import replace

from antiphon.core.causes import Cause, EngineSpoke
from antiphon.core.effects import Effect
from antiphon.protocol.client import ConversationItemCreate
from antiphon.protocol.items import InputText, Message
from antiphon.protocol.session import AnySession
from antiphon.protocol.timeline import Timeline
from antiphon.telemetry.facts import Answered, Fact
from antiphon.telemetry.watch import Watch
from antiphon.testing.virtual_call import VirtualCall


def user_text(text: str) -> ConversationItemCreate:
    return ConversationItemCreate(item=Message(role="user", content=(InputText(text=text),)))


class WatchedCall(VirtualCall):
    def __init__(self, settings: AnySession | None = None, **terms: object) -> None:
        self.facts: list[Fact] = []
        self._watch: Watch | None = None
        super().__init__(settings, **terms)

    silent_ms = 0
    """So long an answer's sound is silent before it is heard."""

    def give(self, cause: Cause) -> list[Effect]:
        if isinstance(cause, EngineSpoke):
            silent = bytes(self.silent_ms * 48)
            cause = replace(cause, pcm=silent + b"\x00\x10" * (len(cause.pcm) // 2))
        if self._watch is None:
            self._watch = Watch(self.terms)
        effects = super().give(cause)
        self.facts += self._watch.saw(self.now_ms, cause, effects)
        return effects

    @property
    def timelines(self) -> list[Timeline]:
        return [fact.timeline for fact in self.facts if isinstance(fact, Answered)]

    def count(self, kind: type[Fact]) -> int:
        return sum(isinstance(fact, kind) for fact in self.facts)
