"""What tests of Antiphon, and of what is built on it, are made with."""

from antiphon.testing.virtual_call import VirtualCall

__all__ = ["VirtualCall"]
