"""A client of Realtime servers: how to reach one, and how to come back to it.

A `Connection` is a stream of messages each way, whatever carries them.  What a person, or an
engine, does with it is built on top.
"""
