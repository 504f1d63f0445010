"""An upstream to test against: the Realtime API by script, and everything that can go wrong."""

from antiphon.mock.desk import FaultDesk, Struck
from antiphon.mock.fault import Fault
from antiphon.mock.faults import FAULTS, FaultKind, UnknownFault
from antiphon.mock.mocking import Mock, mocking
from antiphon.mock.recorder import recording
from antiphon.mock.recordings import Recording, read_recording
from antiphon.mock.script import (
    PROFILES,
    Latency,
    MockCall,
    MockReply,
    MockScript,
    read_script,
    written,
)

__all__ = [
    "FAULTS",
    "PROFILES",
    "Fault",
    "FaultDesk",
    "FaultKind",
    "Latency",
    "Mock",
    "MockCall",
    "MockReply",
    "MockScript",
    "Recording",
    "Struck",
    "UnknownFault",
    "mocking",
    "read_recording",
    "read_script",
    "recording",
    "written",
]
