"""What tests of Antiphon, and of what is built on it, are made with."""

from antiphon.testing.memory_connection import MemoryConnection
from antiphon.testing.virtual_call import VirtualCall
from antiphon.testing.virtual_loop import VirtualTimeLoop, run_in_virtual_time

__all__ = ["MemoryConnection", "VirtualCall", "VirtualTimeLoop", "run_in_virtual_time"]
