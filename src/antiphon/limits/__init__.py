"""How much and how often: rates as arithmetic; no I/O, no clock."""
