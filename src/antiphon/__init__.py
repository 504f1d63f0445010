"""Antiphon: a self-hosted realtime voice server that owns the conversation.

The names here are its public surface, told one by one in docs/reference/python.md; everything
else may change.  Each is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from antiphon.core.causes import EngineBegan as EngineBegan
    from antiphon.core.causes import EngineCalled as EngineCalled
    from antiphon.core.causes import EngineErred as EngineErred
    from antiphon.core.causes import EngineFailed as EngineFailed
    from antiphon.core.causes import EngineFinished as EngineFinished
    from antiphon.core.causes import EngineNews as EngineNews
    from antiphon.core.causes import EngineSaid as EngineSaid
    from antiphon.core.causes import EngineSpoke as EngineSpoke
    from antiphon.core.causes import EngineThought as EngineThought
    from antiphon.core.causes import EngineWrote as EngineWrote
    from antiphon.core.causes import PartFailed as PartFailed
    from antiphon.core.causes import RateLimitsChanged as RateLimitsChanged
    from antiphon.core.causes import Speculated as Speculated
    from antiphon.core.causes import TranscriptEnded as TranscriptEnded
    from antiphon.core.causes import TranscriptFailed as TranscriptFailed
    from antiphon.core.causes import TranscriptGrew as TranscriptGrew
    from antiphon.core.causes import TurnEnded as TurnEnded
    from antiphon.core.causes import TurnFound as TurnFound
    from antiphon.core.causes import TurnJudged as TurnJudged
    from antiphon.core.causes import Word as Word
    from antiphon.core.conversation import Conversation as Conversation
    from antiphon.core.effects import Configure as Configure
    from antiphon.core.effects import EngineCommand as EngineCommand
    from antiphon.core.effects import Generate as Generate
    from antiphon.core.effects import Hear as Hear
    from antiphon.core.effects import InputDropped as InputDropped
    from antiphon.core.effects import ItemAdded as ItemAdded
    from antiphon.core.effects import ItemCut as ItemCut
    from antiphon.core.effects import ItemRemoved as ItemRemoved
    from antiphon.core.effects import Speculate as Speculate
    from antiphon.core.effects import StopGenerating as StopGenerating
    from antiphon.core.effects import StopSpeculating as StopSpeculating
    from antiphon.core.effects import TurnBegan as TurnBegan
    from antiphon.core.effects import TurnCommitted as TurnCommitted
    from antiphon.core.terms import Terms as Terms
    from antiphon.engines.engine import Abilities as Abilities
    from antiphon.engines.engine import Engine as Engine
    from antiphon.engines.engine import EngineSession as EngineSession
    from antiphon.engines.engine import VoiceDetector as VoiceDetector
    from antiphon.errors import AntiphonError as AntiphonError
    from antiphon.errors import EngineUnavailable as EngineUnavailable
    from antiphon.runtime.observer import Observer as Observer
    from antiphon.testing.served import serving as serving

_HOMES = {
    "errors": ("AntiphonError", "EngineUnavailable"),
    "engines.engine": ("Abilities", "Engine", "EngineSession", "VoiceDetector"),
    "core.effects": (
        "Configure",
        "EngineCommand",
        "Generate",
        "Hear",
        "InputDropped",
        "ItemAdded",
        "ItemCut",
        "ItemRemoved",
        "Speculate",
        "StopGenerating",
        "StopSpeculating",
        "TurnBegan",
        "TurnCommitted",
    ),
    "core.causes": (
        "EngineBegan",
        "EngineCalled",
        "EngineCounted",
        "EngineErred",
        "EngineFailed",
        "EngineFinished",
        "EngineNews",
        "EngineSaid",
        "EngineSpoke",
        "EngineThought",
        "EngineWrote",
        "PartFailed",
        "RateLimitsChanged",
        "Speculated",
        "TranscriptEnded",
        "TranscriptFailed",
        "TranscriptGrew",
        "TurnEnded",
        "TurnFound",
        "TurnJudged",
        "Word",
    ),
    "core.conversation": ("Conversation",),
    "core.terms": ("Terms",),
    "runtime.observer": ("Observer",),
    "testing.served": ("serving",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'antiphon' has no attribute {name!r}")
    return getattr(import_module(f"antiphon.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
