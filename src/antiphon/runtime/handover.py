"""Another engine for a live session: by the operator's wish, a client's, or a budget's."""

from __future__ import annotations

from collections.abc import Callable

from antiphon.core.causes import EngineMoved, MessageRefused
from antiphon.core.effects import Move
from antiphon.core.faults import Fault
from antiphon.engines.engine import Engine
from antiphon.errors import EngineUnavailable
from antiphon.protocol.server import ErrorDetail
from antiphon.protocol.session import AnySession, Session
from antiphon.runtime.engine_line import EngineLine
from antiphon.runtime.route import Route

MOVED = "The session was moved to another engine, which begins this answer anew."


class Handover:
    """Each of its methods leaves another engine on the line, and says what the conversation is to
    be told of that.

    Args:
        route_for: A model and a voice to those who can serve them.
    """

    def __init__(self, line: EngineLine, route_for: Callable[[str, str | None], Route]) -> None:
        self._line = line
        self._route_for = route_for

    def wished(
        self, settings: AnySession, *, model: str | None = None, voice: str | None = None
    ) -> EngineMoved:
        """To the engine of another model, or one for another voice.

        Raises:
            EngineUnavailable, Fault: it cannot be; nothing has changed.
        """
        if not isinstance(settings, Session):
            raise Fault("invalid_event", "A transcription session cannot be moved.")
        route = self._route_for(model or settings.model, voice)
        engine = route.first()
        self._line.move(engine, route)
        return moved_to(engine, MOVED, "engine_moved", model=model, voice=voice)

    def asked(self, wish: Move, settings: AnySession) -> EngineMoved | MessageRefused:
        """The same, of a client."""
        try:
            return self.wished(settings, model=wish.model, voice=wish.voice)
        except Fault as fault:
            code, message, param = fault.code, fault.message, fault.param
        except EngineUnavailable as error:
            code, message, param = "engine_unavailable", str(error), "model"
        detail = ErrorDetail(code=code, message=message, param=param, event_id=wish.event_id)
        return MessageRefused(wish.connection, detail)

    def to(self, engine: Engine, message: str, code: str) -> EngineMoved:
        """To that engine, and none beside it."""
        self._line.move(engine, Route.to(engine))
        return moved_to(engine, message, code)


def moved_to(
    engine: Engine,
    message: str,
    code: str,
    *,
    model: str | None = None,
    voice: str | None = None,
) -> EngineMoved:
    """That engine serves now.  ``model`` and ``voice``: what the settings say from now on."""
    abilities = engine.abilities
    return EngineMoved(
        name=engine.name,
        voices=abilities.voices,
        speaks=abilities.speaks,
        finds_turns=abilities.finds_turns,
        begins=abilities.full_duplex,
        takes_images=abilities.takes_images,
        follows_items=abilities.follows_items,
        speculates=abilities.speculates,
        message=message,
        code=code,
        model=model,
        voice=voice,
    )
