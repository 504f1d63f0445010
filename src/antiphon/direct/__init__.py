"""Calls whose media go straight to another server, and which are followed from here."""
