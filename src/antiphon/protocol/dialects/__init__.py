"""The ways in which the Realtime API is spoken, each with its events and its settings.

A dialect is a module or a folder here, with a `NamedDialect` that says how to ask for it and
how it is translated, and a line in `registry`.  Nothing else knows of any but GA.
"""
