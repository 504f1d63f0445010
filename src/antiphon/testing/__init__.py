"""What tests of Antiphon, and of what is built on it, are made with."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from antiphon.journal.memory import MemoryJournal
from antiphon.testing.check_brain import check_brain
from antiphon.testing.check_engine import CHECKS, PromiseBroken, check_engine, check_promise
from antiphon.testing.check_recognizer import check_recognizer
from antiphon.testing.check_synthesizer import check_synthesizer
from antiphon.testing.memory_connection import MemoryConnection
from antiphon.testing.virtual_call import VirtualCall
from antiphon.testing.virtual_loop import VirtualTimeLoop, in_virtual_time, run_in_virtual_time

if TYPE_CHECKING:
    from antiphon.testing.caller import Caller, calling
    from antiphon.testing.conformance.sound import square_wave
    from antiphon.testing.served import serving

__all__ = [
    "CHECKS",
    "Caller",
    "MemoryConnection",
    "MemoryJournal",
    "PromiseBroken",
    "VirtualCall",
    "VirtualTimeLoop",
    "calling",
    "check_brain",
    "check_engine",
    "check_promise",
    "check_recognizer",
    "check_synthesizer",
    "in_virtual_time",
    "run_in_virtual_time",
    "serving",
    "square_wave",
]


# With them comes the whole server; most who test an engine need none.
_LATE = {
    "Caller": "antiphon.testing.caller",
    "calling": "antiphon.testing.caller",
    "serving": "antiphon.testing.served",
    "square_wave": "antiphon.testing.conformance.sound",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
