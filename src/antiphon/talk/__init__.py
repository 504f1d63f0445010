"""A client for the terminal: speak, or play files, and hear the replies.

The conversation as the client sees it (`conversation`), what was heard
(`playback`), the script of a run without a microphone (`script`) and what the
screen shows (`screen`) are pure and are given the time.  Around them stand thin
shells: `websocket`, `device`, `wav`, `terminal`; `app` joins them.

Any server of the Realtime API (GA dialect) will do.
"""
