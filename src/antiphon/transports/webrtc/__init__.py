"""Calls over WebRTC: control by aiortc, media by ourselves.

`Calls` answers offers; `Call` is one call.  Only `peer` knows aiortc, which comes with the
optional extra ``webrtc``: import `antiphon.transports.webrtc.calls` where it is wanted.
"""
