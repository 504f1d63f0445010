"""The dialect of 2024-10 (`OpenAI-Beta: realtime=v1`), translated at the edge.

Nothing inside knows of it: a connection's `BetaCodec` reads beta messages as GA events
and writes GA events as beta messages.
"""
