"""What tests of Antiphon, and of what is built on it, are made with."""

from antiphon.testing.check_engine import CHECKS, PromiseBroken, check_engine, check_promise
from antiphon.testing.memory_connection import MemoryConnection
from antiphon.testing.virtual_call import VirtualCall
from antiphon.testing.virtual_loop import VirtualTimeLoop, run_in_virtual_time

__all__ = [
    "CHECKS",
    "MemoryConnection",
    "PromiseBroken",
    "VirtualCall",
    "VirtualTimeLoop",
    "check_engine",
    "check_promise",
    "run_in_virtual_time",
]
