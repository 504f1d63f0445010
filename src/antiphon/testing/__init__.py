"""What tests of Antiphon, and of what is built on it, are made with."""

from typing import TYPE_CHECKING, Any

from antiphon.journal.memory import MemoryJournal
from antiphon.testing.check_brain import check_brain
from antiphon.testing.check_engine import CHECKS, PromiseBroken, check_engine, check_promise
from antiphon.testing.check_recognizer import check_recognizer
from antiphon.testing.check_synthesizer import check_synthesizer
from antiphon.testing.memory_connection import MemoryConnection
from antiphon.testing.virtual_call import VirtualCall
from antiphon.testing.virtual_loop import VirtualTimeLoop, run_in_virtual_time

if TYPE_CHECKING:
    from antiphon.testing.served import serving

__all__ = [
    "CHECKS",
    "MemoryConnection",
    "MemoryJournal",
    "PromiseBroken",
    "VirtualCall",
    "VirtualTimeLoop",
    "check_brain",
    "check_engine",
    "check_promise",
    "check_recognizer",
    "check_synthesizer",
    "run_in_virtual_time",
    "serving",
]


def __getattr__(name: str) -> Any:
    # With it comes the whole server; most who test an engine need none.
    if name == "serving":
        from antiphon.testing.served import serving

        return serving
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
