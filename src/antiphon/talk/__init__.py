"""A client for the terminal: speak, or play files, and hear the replies.

The conversation as the client sees it (`conversation`), what was heard
(`playback`), the script of a run without a microphone (`script`) and what the
screen shows (`screen`) are pure and are given the time.  Around them stand thin
shells: `device`, `wav`, `terminal`, `webrtc`; `app` joins them.  The connection to
the server is `antiphon.upstream`'s.

Any server of the Realtime API (GA dialect) will do.
"""
