"""Conformance scripts: what a client sends, and what it must be answered, as text.

A script can be read beside the API's reference, and is played over any `Line`:

    script = read_script(path)
    async with VirtualLine(script) as line:
        await play(script, line)

`VirtualLine` is the core alone, `LiveLine` a whole session in this process, both in virtual
time; over a network comes `PatientLine`, with a socket of your own.
"""

from antiphon.testing.conformance.lines import LIVE, VIRTUAL, WEBRTC, LiveLine, VirtualLine
from antiphon.testing.conformance.patient_line import PatientLine
from antiphon.testing.conformance.playout import for_server_playout
from antiphon.testing.conformance.runner import ConformanceFailure, Line, Played, play
from antiphon.testing.conformance.script import Script, ScriptError, parse_script, read_script

__all__ = [
    "LIVE",
    "VIRTUAL",
    "WEBRTC",
    "ConformanceFailure",
    "Line",
    "LiveLine",
    "PatientLine",
    "Played",
    "Script",
    "ScriptError",
    "VirtualLine",
    "for_server_playout",
    "parse_script",
    "play",
    "read_script",
]
